//! What is said, as text or as repo2docker's lines of JSON: one object with `phase` and `message` per line, on standard error.

use std::io::Write as _;

use bindery_builder::Report;
use bindery_core::{EventBody, Fault, Phase};
use serde_json::json;

use crate::commands::Output;

/// Where what is said goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines(pub(super) Output);

impl Lines {
    /// Something worth knowing that ends nothing.
    pub(super) fn warn(self, text: &str) {
        self.event(EventBody::message(Phase::Building, format!("Warning: {text}")));
    }

    /// The end.
    pub(super) fn failed(self, fault: Fault) {
        self.event(EventBody::failed(fault));
    }

    /// Output of the container that runs.
    pub(super) fn running(self, text: &str) {
        let text = match self.0 {
            Output::Json => format!("{}\n", json!({"phase": "running", "message": text})),
            Output::Terminal | Output::Plain => text.to_owned(),
        };
        // A closed pipe must not end the container.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Report for Lines {
    fn event(&self, event: EventBody) {
        // The phase of BinderHub's own that follows this command's end; said here, clients would take the image to be there too early.
        if event.phase != Phase::Built {
            self.0.event(event);
        }
    }
}
