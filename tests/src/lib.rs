//! The harness: real servers on free loopback ports, each with its own data directory, each stopped when dropped.
//!
//! Nothing ships from here. Tests that need an engine read `BINDERY_TEST_DOCKER_HOST` and `BINDERY_TEST_BASE_IMAGE`, which
//! `tests/run` sets; without them they say that they were skipped, except in CI, where that is a failure.
//!
//! | file | what it starts |
//! |---|---|
//! | `engine.rs` | nothing: says where the test engine is, and removes what a test left in it |
//! | `service.rs` | the `bindery` binary, in one process or in roles |
//! | `redis.rs`, `registry.rs` | a private Redis, a private registry |
//! | `git_server.rs`, `repos.rs` | git over HTTP, and repositories to serve |
//! | `answers.rs`, `packed.rs` | an HTTP server that gives what a test put into it, and zip and tar files to put there |
//! | `events.rs` | a client of the event stream |
//! | `measure.rs`, `bare.rs` | nothing: what benches share |
//! | `listener.rs` | nothing: a loopback server that stops when dropped |
//! | `process.rs` | what they have in common: a child that ends with its owner, a free port, waiting with a bound |

pub mod answers;
pub mod bare;
pub mod engine;
pub mod events;
pub mod git_server;
pub mod listener;
pub mod measure;
pub mod packed;
pub mod process;
pub mod redis;
pub mod registry;
pub mod repos;
pub mod service;
