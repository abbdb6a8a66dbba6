//! What must survive a restart: the build queue, the event logs, provenances, leases and session records.
//!
//! The five seams [`Queue`], [`EventLog`], [`Provenances`], [`Leases`] and [`SessionStore`] of `bindery-core`, implemented twice: in one file for
//! one process ([`open_embedded`]), and in Redis for any number of processes ([`open_redis`]). `tests/contract/` runs one suite on
//! both. This crate decides nothing about builds or sessions: it keeps what it is told, in order, once, and tells who holds
//! which lease.
//!
//! | file | what it says |
//! |---|---|
//! | `config.rs` | lease time, limits, retention, with their defaults |
//! | `error.rs` | why a store did not open |
//! | `log.rs` | numbering events, and what is dropped from a log that grew too long |
//! | `packed.rs` | provenances as they are kept |
//! | `tail.rs` | fan-out: one reader per topic, any number of followers |
//! | `embedded/` | one redb file; `writer.rs` is the one thread that writes it |
//! | `redis/` | one Redis server; every change of more than one key is a Lua script in `redis/scripts/` |

mod config;
mod embedded;
mod error;
mod log;
mod packed;
mod redis;
mod stores;
mod tail;

pub use config::Config;
pub use error::Error;
pub use stores::{Stores, open_embedded, open_redis};

#[cfg(doc)]
use bindery_core::seams::{EventLog, Leases, Provenances, Queue, SessionStore};
