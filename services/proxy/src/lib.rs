//! Bytes to and from sessions, and nothing else.
//!
//! The proxy turns `/user/<session-id>/...` (and, where a domain is set, `<session-id>.<domain>`) into the address of that
//! session's server and moves bytes both ways. It must not know what a build, an image or a container is, must not ask
//! the store anything per request, must not parse a WebSocket frame beyond opcode and length, and must not re-encode
//! a path, a Host or an Origin: notebook servers derive cookie names and origin checks from them. A page of another origin comes without
//! the visitor's cookies: what it may do, it may do by a token that it knows.
//!
//! | file | its concern |
//! |---|---|
//! | `serve.rs` | the listener, caps, graceful end |
//! | `client_io.rs`, `strict.rs` | a visitor's socket: bounds on reading and writing; ambiguous requests refused before parsing |
//! | `locate.rs` | which session a request is for |
//! | `routes.rs`, `follow.rs` | the table of sessions, and what keeps it true |
//! | `handle.rs` | one request: find, forward, or explain |
//! | `forward.rs`, `upstream.rs`, `body.rs` | plain requests: send, stream, reuse connections |
//! | `upgrade.rs`, `tunnel.rs`, `opcodes.rs` | WebSockets: hand over, splice, notice data frames |
//! | `headers.rs`, `cookies.rs` | what is removed and added on the way |
//! | `activity.rs` | telling the store when a session was last used |
//! | `pages.rs` | what a visitor reads when there is no session to talk to |
//! | `stats.rs` | numbers for `/metrics` |

mod activity;
mod body;
mod client_io;
mod config;
mod cookies;
mod follow;
mod forward;
mod handle;
mod headers;
mod locate;
mod opcodes;
mod pages;
mod routes;
mod serve;
mod stats;
mod strict;
mod tunnel;
mod upgrade;
mod upstream;

pub use config::Config;
pub use serve::{Error, Proxy};
pub use stats::{ProxyStats, Snapshot};
