//! Sessions: who gets a seat, how a container becomes a notebook that answers, what it is doing, when it ends.
//!
//! Must not: build images (it tries them, behind the [`ImageProbe`](bindery_core::seams::ImageProbe) seam), forward a visitor's bytes, talk to a browser, read configuration or environment of its own accord, remember what
//! the engine's labels and the store do not (a launcher can be killed at any moment and the next one goes on).
//!
//! | file | concern |
//! |---|---|
//! | `config.rs`, `error.rs` | settings; what can go wrong with an engine |
//! | `run.rs` | the role: hears of sessions, hands out seats, keeps one task per session |
//! | `admit.rs` | who may start now and who waits at which place; pure |
//! | `life.rs` | one session's life, state by state |
//! | `launch.rs` | from a seat to `ready`, or to one fault and nothing left behind |
//! | `start.rs` | a session's container, its image pulled first where another engine built it |
//! | `ready.rs` | asking whether a server answers, directly and through the proxy |
//! | `probe.rs`, `kernel.rs` | an image tried before it is called built; whether its default kernel computes |
//! | `tell.rs` | the events a visitor reads |
//! | `activity.rs`, `cull.rs` | what a session does; when it has been idle or old for too long (pure) |
//! | `reconcile.rs` | containers compared with records |
//! | `docker/` | the Docker engine as a [`SessionBackend`](bindery_core::seams::SessionBackend): `container.rs` (what a session's container is; pure), `network.rs`, `observe.rs` |
//! | `fake.rs`, `flow.rs` | a backend in this process, for tests; the whole role tested on it |

mod activity;
mod admit;
mod config;
mod cull;
mod docker;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
#[cfg(test)]
mod flow;
mod kernel;
mod launch;
mod life;
mod probe;
mod ready;
mod reconcile;
mod run;
mod start;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod tell;

pub use config::Config;
pub use docker::DockerBackend;
pub use error::Error;
pub use probe::Probe;
pub use run::{Launcher, ProxyAddresses, request_stop};
