//! Where repositories come from: providers, resolve, fetch.
//!
//! This is the only crate that contacts addresses a visitor named, and the only one that uses libgit2. Every connection
//! passes [`egress::Gate`]: the host is looked up once, every address it has is checked, and the connection goes to one of
//! those addresses. Nothing is ever checked out: a fetch ends in a bare object store under the data directory, and what
//! leaves this crate is a [`bindery_core::Tree`] whose every entry was checked while walking.
//!
//! It must not: run `git` or any other program, read the environment, follow a redirect it has not checked, write a path
//! a repository chose, or speak to a browser, an engine or a store.
//!
//! libgit2 does one thing here: it indexes packs and reads objects from them. The git protocol (advertisement, request,
//! side band) is spoken by this crate, so that each byte is counted and each pack is measured before libgit2 sees it, and
//! so that no unsafe code is needed to plug a transport into libgit2.
//!
//! | file | concern |
//! |---|---|
//! | `config.rs`, `error.rs` | settings and limits; what can go wrong and whose fault it is |
//! | `credentials.rs` | what is shown to hosts that do not give their repositories to everybody |
//! | `provider.rs` | git providers: from a spec to an address, an identity, a page |
//! | `archive/` | archives: from a record to a version and its files |
//! | `content.rs` | [`HostedContent`]: the seam, put together |
//! | `resolve.rs`, `ref_choice.rs` | asking a host for its refs or a record; which ref a visitor meant |
//! | `ref_cache.rs`, `throttle.rs` | one question per repository or record per half minute; not too many per host |
//! | `task.rs` | blocking work with a bound of time, stopped when nobody waits for it |
//! | `egress/` | which hosts and addresses may be contacted, over which scheme |
//! | `remote/` | a git server over HTTP or the git protocol, an archive over HTTP; behind the gate, metered |
//! | `wire/` | pkt-lines, ref advertisement, upload-pack request and response, pack scanner |
//! | `fetch.rs` | one commit into an object store, with fallbacks for strict servers |
//! | `store.rs`, `scratch.rs` | the object store and the directory it lives in |
//! | `walk.rs`, `git_tree.rs` | from a commit to checked entries; reading them |
//! | `spool.rs`, `unpack/` | files of a record, and of zip and tar files, as a tree |
//! | `lfs.rs` | large files that a repository keeps beside git |
//! | `submodules.rs` | repositories inside repositories, when the site wants them |
//! | `local.rs` | a directory on disk as the same kind of tree, for the command line |

mod archive;
mod config;
mod content;
mod credentials;
pub mod egress;
mod error;
mod fetch;
mod git_tree;
mod lfs;
mod local;
mod provider;
mod ref_cache;
mod ref_choice;
mod remote;
mod resolve;
mod scratch;
mod spool;
mod store;
mod submodules;
mod task;
mod throttle;
mod unpack;
mod walk;
mod wire;

pub use config::{Config, Limits};
pub use content::HostedContent;
pub use credentials::Credential;
pub use error::Error;
pub use local::local_tree;
