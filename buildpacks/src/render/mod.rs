//! A plan becomes Dockerfiles.
//!
//! No value of a repository stands in the text. Lists travel as context files; names of files come from the fixed list of
//! environment file names; numbers were parsed. The tests read every Dockerfile back and compare it with its plan.

mod context;
mod dockerfile;
mod environment;
mod languages;
mod record;
mod script;
mod session;

use bindery_core::seams::ContextFile;

pub use dockerfile::render_dockerfile_repo;
pub use environment::render_environment;
pub use record::{BILL_OF_MATERIALS, PROVENANCE, record_step_name, render_record, with_provenance};
pub use session::render_session;

/// A Dockerfile and what its build context must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its text.
    pub dockerfile: String,
    /// Files it copies or mounts beside the repository's content. The CA bundle is not among them: see
    /// [`crate::PlanOptions::ca_bundle`].
    pub files: Vec<ContextFile>,
    /// The directory of the context the repository's content goes to; empty for the top.
    pub tree_prefix: String,
    /// The file of the repository, written like a `.dockerignore`, that says what of its content stays out.
    pub ignore_file: Option<String>,
    /// Files of the repository that stay in all the same: those the plan uses.
    pub keep: Vec<String>,
    /// Whether it needs the repository's content at all.
    pub needs_tree: bool,
    /// Build arguments.
    pub build_args: Vec<(String, String)>,
}

#[cfg(test)]
mod tests;
