//! What things are: the types that flow through Bindery, their state machines, and the seams behind which the
//! outside world lives.
//!
//! This crate does no I/O, reads no clock or environment of its own accord (except [`Timestamp::now`]), has no
//! runtime, and imports none of the other crates. It can be read in twenty minutes and changes rarely.
//!
//! | file | what it says |
//! |---|---|
//! | `provider.rs`, `spec.rs`, `record.rs` | what a visitor may ask for: the places, the grammar of every link, names in archives |
//! | `git_ref.rs`, `repo_url.rs` | refs and addresses: grammars and canonical forms |
//! | `resolved.rs` | a spec pinned to one commit, or to one version of a record |
//! | `tree.rs` | a repository's content at that commit, read as objects, never checked out |
//! | `image.rs`, `image_reference.rs` | images, their names, digests and keys; images in registries as links name them |
//! | `build.rs` | a build: request, record, lease |
//! | `provenance.rs` | what an image was made of and how |
//! | `session.rs` | a session: request, record; `session_state.rs` its state machine |
//! | `event.rs` | what a visitor sees, step by step |
//! | `fault.rs` | what went wrong, whose fault it is, what to do; `step_output.rs` the end of what the failed step wrote |
//! | `date.rs` | days of the calendar, and the day whose packages are asked for |
//! | `id.rs`, `time.rs`, `secret.rs`, `network.rs` | small vocabulary |
//! | `seams/` | one trait per outside world, its contract written on each method |

mod build;
mod date;
mod event;
mod fault;
mod git_ref;
mod id;
mod image;
mod image_reference;
mod network;
mod provenance;
mod provider;
mod record;
mod repo_url;
mod resolved;
pub mod seams;
mod secret;
mod session;
mod session_state;
mod spec;
mod step_output;
mod time;
mod tree;

pub use build::{BuildLease, BuildOutcome, BuildRecord, BuildRequest, BuildState, Fence, WorkerId};
pub use date::{AsOf, AsOfError, Date, DateError};
pub use event::{Event, EventBody, EventId, LogStream, Phase, Ready, StepMark, StepStatus, Topic};
pub use fault::{Fault, FaultBy};
pub use git_ref::{GitRef, GitRefError};
pub use id::{BuildId, IdError, LaunchId, SessionId};
pub use image::{BaseImage, BuiltImage, EnvironmentKey, ImageKey, ImageName, ImageNameError, ImageRef};
pub use image_reference::{ImageReference, ImageReferenceError, ImageVersion};
pub use network::{Network, NetworkError};
pub use provenance::{BaseRecord, Provenance};
pub use provider::Provider;
pub use repo_url::{RepoUrl, RepoUrlError};
pub use resolved::{CommitId, CommitIdError, ResolvedRef, Revision, Version, VersionError};
pub use secret::Secret;
pub use session::{LaunchRequest, LaunchSource, Session};
pub use session_state::{IllegalTransition, SessionEvent, SessionState, StopReason};
pub use spec::{RepoSpec, SpecError};
pub use step_output::StepOutput;
pub use time::Timestamp;
pub use tree::{EntryKind, MemoryTree, Tree, TreeEntry, TreeError, TreePath, TreePathError};
