//! What can stop the web role itself. Visitors' errors are [`bindery_core::Fault`]s.

use bindery_core::Fault;
use serde::Serialize;
use utoipa::ToSchema;

/// Why the web role cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A page template is broken.
    #[error("page template: {0}")]
    Pages(String),
    /// A regular expression of the settings is none.
    #[error("{setting}: {message}")]
    Pattern {
        /// Where it stands.
        setting: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The server stopped.
    #[error("the web server stopped: {0}")]
    Server(#[source] std::io::Error),
}

/// A word to a program on why it does not get what it asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct Said {
    message: String,
}

impl Said {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// An answer that this service could not give.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Unavailable {
    pub(crate) fault: Fault,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::us("web", error.to_string())
    }
}
