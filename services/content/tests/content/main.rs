//! What is asked of hosts of repositories, and what comes back: real git over HTTP, archives and registries of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "helpers of tests may fail by panicking too"
)]

mod archives;
mod egress;
mod fetch;
mod intake;
mod large_files;
mod private;
mod registry;
mod resolve;
mod submodules;
mod support;
mod tls;
mod transfers;
mod tree_walk;
mod unpacking;
