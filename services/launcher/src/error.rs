//! What can go wrong between this crate and an engine.

use std::time::Duration;

use bindery_core::Fault;

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers at the engine's address.
    #[error("the container engine at {host} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        host: String,
        /// Why.
        reason: String,
    },
    /// The engine did not answer in time.
    #[error("the container engine did not {what} within {} s", .limit.as_secs())]
    TimedOut {
        /// What it was asked.
        what: &'static str,
        /// How long it was given.
        limit: Duration,
    },
    /// The engine does not have the image.
    #[error("the image {0} is not in the engine")]
    ImageMissing(String),
    /// The engine refused.
    #[error("the container engine could not {what}: {reason}")]
    Refused {
        /// What it was asked.
        what: &'static str,
        /// The engine's words.
        reason: String,
    },
    /// The image asks for something its container cannot have, such as a user it does not contain.
    #[error("the image cannot be run: {0}")]
    Unrunnable(String),
    /// The session network would let sessions reach each other.
    #[error("the network {0} exists but does not keep its containers apart (com.docker.network.bridge.enable_icc)")]
    UnsafeNetwork(String),
    /// A setting cannot be used.
    #[error("{setting}: {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why.
        reason: String,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Unreachable { .. } => {
                Self::us("engine-unreachable", text).hint("Is it running? The service tries again by itself.")
            }
            Error::TimedOut { .. } => Self::us("engine-slow", text).hint("Try again in a moment."),
            Error::ImageMissing(_) => Self::us("image-missing", text).hint("It is built again on the next request."),
            Error::Refused { .. } => Self::us("engine-refused", text),
            Error::Unrunnable(_) => {
                Self::user("image-unrunnable", text).hint("Look at USER, WORKDIR and ENTRYPOINT of the Dockerfile.")
            }
            Error::UnsafeNetwork(_) => Self::us("network-unsafe", text)
                .hint("Remove that network, or name another one in the settings.")
                .retry(false),
            Error::Setting { .. } => Self::us("bad-setting", text).retry(false),
        }
    }
}
