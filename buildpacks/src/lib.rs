//! What a repository asks for, and the Dockerfile that gives it: tree -> detection -> plan -> Dockerfile.
//!
//! Pure: no network, no clock, no environment, no randomness, no disk. The same tree, base and options give the same bytes on
//! any host. Nothing here trusts what it reads; no value from a repository ever becomes text of a shell or a Dockerfile.
//!
//! | file | what it holds |
//! |---|---|
//! | `lib.rs` | the door, and the catalogue of packs in detection order |
//! | `plan.rs` | the plan: typed data, what the log, the pages and `bindery plan` show |
//! | `detect.rs` | runs the catalogue over a repository and settles keys, notes and what is ignored |
//! | `repo.rs` | the repository as packs see it: configuration directory, bounded reads of regular files |
//! | `catalogue.rs` | every other file name that looks like an environment, with the reason it is not used |
//! | `conda.rs` | what a conda step is told, and where a site gets conda packages |
//! | `lock.rs` | the versions of an image that was built before, for a plan that is held to them |
//! | `base.rs` | what a base image must offer |
//! | `python_release.rs` | when each Python came out |
//! | `python_source.rs` | which file describes the Python packages, when several do |
//! | `python_version.rs` | which Python: the base's own or one the site can fetch, chosen for all files that name one |
//! | `r_server.rs` | RStudio and Shiny, where a site names them |
//! | `session_options.rs` | what whoever builds asks of the session image: user, directory, appendix |
//! | `sources.rs` | where what is not Python comes from |
//! | `packs/` | one file per buildpack: which files it reads and which steps it adds |
//! | `parse/` | one file per format strangers write |
//! | `path.rs` | paths as files of a repository name each other |
//! | `render/` | a plan becomes Dockerfiles; `render/script.rs` holds every line of shell |
//! | `shell.rs` | quoting, the only way a value reaches a shell line |
//! | `vertex.rs` | the engine's step names back to steps of the plan |
//! | `error.rs` | what can be wrong, and its conversion to a fault |

mod base;
mod catalogue;
mod conda;
mod detect;
mod error;
mod lock;
mod packs;
mod parse;
mod path;
mod plan;
mod python_release;
mod python_source;
mod python_version;
mod r_server;
mod render;
mod repo;
mod session_options;
mod shell;
mod sources;
mod vertex;

pub use base::{Contract, assumed_base, bringing_r, check_base};
pub use conda::{CondaInstall, CondaOptions, CondaPackage};
pub use detect::{asks_for_r, plan};
pub use error::PlanError;
pub use lock::Lock;
pub use parse::dockerfile::DockerfileStep;
pub use parse::package_name::normal_package_name;
pub use plan::{
    Action, BuildPlan, DateChoice, DockerfilePolicy, DockerfileRules, IgnoredFile, LanguageChoice, PlanOptions,
    PythonChoice, PythonInstall, PythonTarget, RPackage, RequirementsFile, Step, UsedFile, step_file,
};
pub use python_version::{PythonFallback, is_python_version};
pub use r_server::{DebianPackage, DebianPackageError, RServer};
pub use render::{
    BILL_OF_MATERIALS, PROVENANCE, Rendered, record_step_name, render_dockerfile_repo, render_environment,
    render_record, render_session, with_provenance,
};
pub use session_options::{NotebookUser, SessionOptionError, SessionOptions};
pub use sources::Sources;
pub use vertex::step_of_vertex;

/// The version of what this crate renders. It goes up whenever the same plan would give a different image, and is part of
/// every key, so that an upgrade never serves an image of the old recipe.
pub const VERSION: &str = "3";

/// Where in a build context this crate expects the repository's content of a session image.
pub const CONTENT_PREFIX: &str = "content";

/// Where in a build context the site's CA bundle must be when [`PlanOptions::ca_bundle`] is set.
pub const CA_BUNDLE_PATH: &str = ".bindery/ca-bundle.pem";

/// The buildpacks in the order they are asked. A repository's own Dockerfile wins over everything; the rest compose.
const CATALOGUE: &[&dyn packs::Pack] = &[
    &packs::dockerfile::Dockerfile,
    &packs::conda::Conda,
    &packs::python::Python,
    &packs::r::R,
    &packs::julia::Julia,
    &packs::apt::Apt,
    &packs::nix::Nix,
    &packs::post_build::PostBuild,
    &packs::start::Start,
    &packs::devcontainer::DevContainer,
    &packs::notebook::Notebook,
];
