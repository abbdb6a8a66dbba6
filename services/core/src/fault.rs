//! What went wrong, whose fault it is, where, and what to do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::StepOutput;

/// Who can put a fault right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultBy {
    /// The visitor or the repository's author: a wrong link, a bad environment file, a failing step of theirs.
    User,
    /// Something neither they nor this service runs: a git host, a package index.
    Upstream,
    /// This service or the machine it runs on.
    Us,
}

/// A failure as a person sees it. Every error that reaches a visitor, a log or an exit code becomes one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Who can put it right.
    pub by: FaultBy,
    /// A stable kebab-case name for programs, e.g. `ref-not-found`.
    pub code: String,
    /// One sentence for a person. Never quotes file content that may be secret, never carries a credential.
    pub message: String,
    /// The repository file at fault, when one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether trying again unchanged may help.
    #[serde(default)]
    pub retry: bool,
    /// The end of what the failed step wrote, where a step of a build or a session's server failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<StepOutput>>,
}

impl Fault {
    fn new(by: FaultBy, code: &str, message: impl Into<String>, retry: bool) -> Self {
        Self {
            by,
            code: code.to_owned(),
            message: message.into(),
            file: None,
            line: None,
            hint: None,
            retry,
            output: None,
        }
    }

    /// The visitor's or author's to mend; trying again unchanged will not help.
    #[must_use]
    pub fn user(code: &str, message: impl Into<String>) -> Self {
        Self::new(FaultBy::User, code, message, false)
    }

    /// Some other service failed; trying again may help.
    #[must_use]
    pub fn upstream(code: &str, message: impl Into<String>) -> Self {
        Self::new(FaultBy::Upstream, code, message, true)
    }

    /// Ours; trying again may help.
    #[must_use]
    pub fn us(code: &str, message: impl Into<String>) -> Self {
        Self::new(FaultBy::Us, code, message, true)
    }

    /// Names the repository file, and its line from 1 where one is known.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: Option<u32>) -> Self {
        self.file = Some(file.into());
        self.line = line;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says whether trying again unchanged may help.
    #[must_use]
    pub fn retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Adds the end of what the failed step wrote, if it wrote anything.
    #[must_use]
    pub fn output(mut self, output: Option<StepOutput>) -> Self {
        self.output = output.map(Box::new);
        self
    }

    /// `file:line`, `file`, or nothing.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => Some(format!("{file}:{line}")),
            (Some(file), None) => Some(file.clone()),
            (None, _) => None,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn display_names_place_message_and_hint_in_that_order() {
        let fault = Fault::user("bad-line", "not a requirement.").at("requirements.txt", Some(3)).hint("Remove it.");
        assert_eq!(fault.to_string(), "requirements.txt:3: not a requirement. Remove it.");
    }
}
