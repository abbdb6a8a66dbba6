//! What can stop the web role itself. Visitors' errors are [`bindery_core::Fault`]s.

use bindery_core::Fault;

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

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::us("web", error.to_string())
    }
}
