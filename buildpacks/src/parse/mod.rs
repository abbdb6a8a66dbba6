//! One file per format strangers write. Each takes bytes or text and a file name for its faults, and never panics.

pub(crate) mod apt;
pub(crate) mod dockerfile;
pub(crate) mod poetry;
pub(crate) mod pyproject;
pub(crate) mod python_version;
pub(crate) mod requirements;
pub(crate) mod runtime;
pub(crate) mod script;
pub(crate) mod text;
pub(crate) mod toml;
