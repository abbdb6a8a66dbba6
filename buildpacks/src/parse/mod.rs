//! One file per format strangers write. Each takes bytes or text and a file name for its faults, and never panics.

pub(crate) mod apt;
pub(crate) mod devcontainer;
pub(crate) mod dockerfile;
pub(crate) mod julia_compat;
pub(crate) mod julia_project;
pub(crate) mod locked;
pub(crate) mod notebook;
pub(crate) mod pipfile;
pub(crate) mod poetry;
pub(crate) mod poetry_lock;
pub(crate) mod pylock;
pub(crate) mod pyproject;
pub(crate) mod python_version;
pub(crate) mod r_package;
pub(crate) mod r_script;
pub(crate) mod renv_lock;
pub(crate) mod requirements;
pub(crate) mod runtime;
pub(crate) mod script;
pub(crate) mod text;
pub(crate) mod toml;
pub(crate) mod uv_lock;
