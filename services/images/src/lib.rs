//! A build context becomes an image; an image reaches a registry.
//!
//! This crate is the only one that speaks to an engine about images. It takes a Dockerfile and a repository's tree, streams
//! them to BuildKit, tells a visitor what happens as it happens, and says whose fault it is when it does not work. It must
//! not know what a session, a queue or a page is; it never writes a repository's content to this machine's disk; it never
//! stores a credential; and it never gives a build the registry's credentials.
//!
//! | file | what it does |
//! |---|---|
//! | `config.rs` | what an operator can set |
//! | `engine.rs` | reaching the engine, bounded |
//! | `docker_images.rs` | the `ImageBuilder` seam on an engine |
//! | `build.rs` | one build from request to image, with its deadlines |
//! | `messages.rs` | the engine's messages about a build, and its connections |
//! | `context.rs`, `tarball.rs`, `dockerignore.rs` | the context: what is in it, how it is written, what is left out |
//! | `progress.rs`, `lines.rs`, `vertex.rs` | BuildKit's status messages become steps and lines |
//! | `classify.rs` | what a failed build's messages mean |
//! | `disk.rs` | whether there is room for another build |
//! | `registry.rs`, `push.rs` | the `Registry` seam, by way of the engine |
//! | `foreground.rs` | one container of an image, for the command line |
//! | `file_of.rs` | one file of an image, without running it |
//! | `error.rs` | everything that can go wrong, as a fault |

mod build;
mod classify;
mod config;
mod context;
mod disk;
mod docker_images;
mod dockerignore;
mod engine;
mod error;
mod file_of;
mod foreground;
mod lines;
mod messages;
mod progress;
mod push;
mod registry;
mod tarball;
mod vertex;

pub use config::{Config, RegistryConfig};
pub use docker_images::DockerImages;
pub use engine::Engine;
pub use error::ImagesError;
pub use foreground::{Foreground, PublishedPort, RunRequest};
pub use registry::EngineRegistry;
