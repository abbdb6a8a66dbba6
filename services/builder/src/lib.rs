//! The build worker: takes builds from the queue, orders their steps, and reports them.
//!
//! It names seams, never an adapter, and never talks to a browser: what a visitor sees of a build went through the event log.
//!
//! | file | what it does |
//! |---|---|
//! | `run.rs` | claims builds, a few at a time; heartbeats; hands them back at shutdown |
//! | `pipeline.rs` | the steps of one build, in order |
//! | `environment.rs` | the environment image: found, pulled, or built by one worker at a time |
//! | `probing.rs` | images are tried before they have the name they are found by |
//! | `session_image.rs` | the session image: the environment with the repository in it |
//! | `binderhub.rs` | images that a BinderHub has built, found by their names |
//! | `record.rs` | what an image was made of, in the image and out of it |
//! | `naming.rs` | what images are called |
//! | `notebooks.rs` | what can be shown of notebooks while they are built |
//! | `progress.rs` | what an engine does, told as named steps of the plan |
//! | `blame.rs` | a failing step, traced to a line of an environment file |
//! | `diagnosis/` | the cause of a failure, from the step's own output |
//! | `journal.rs` | events on their way to the log, in batches |

mod binderhub;
mod blame;
mod config;
mod diagnosis;
mod environment;
mod journal;
mod naming;
mod notebooks;
mod pipeline;
mod probing;
mod progress;
mod record;
mod run;
mod session_image;

use bindery_core::EventBody;

pub use bindery_buildpacks::Sources;
pub use config::Config;
pub use naming::Naming;
pub use pipeline::{CacheSharing, Finished, Order, Pipeline, Site, Source, Wishes, day};
pub use run::{Builder, Seams};

/// Told what a build does, in order. Must not block.
pub trait Report: Send + Sync {
    /// Something happened.
    fn event(&self, event: EventBody);
}
