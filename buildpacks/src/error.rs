//! What can be wrong with a repository or a base image.

use bindery_core::Fault;

/// Why there is no plan, or no Dockerfile from one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A file of the repository cannot be used as it is.
    #[error("{file}: {message}")]
    File {
        /// A stable kebab-case name.
        code: &'static str,
        /// The file, as the repository names it.
        file: String,
        /// The line, from 1.
        line: Option<u32>,
        /// What is wrong, one sentence.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// A file asks for something that this site could have and does not. Not the fault of the file.
    #[error("{file}: {message}")]
    Site {
        /// A stable kebab-case name.
        code: &'static str,
        /// The file, as the repository names it.
        file: String,
        /// The line, from 1.
        line: Option<u32>,
        /// What is missing, one sentence.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// `binder/` and `.binder/` both exist.
    #[error("both binder/ and .binder/ exist")]
    BothConfigDirs,
    /// The base image does not keep the contract.
    #[error("base image {name} does not keep the docker-stacks contract: {missing}")]
    Base {
        /// The base's name.
        name: String,
        /// What is missing.
        missing: String,
    },
    /// The store of git objects failed.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the store said.
        reason: String,
    },
    /// What was rendered does not read back as what was meant. A defect of this crate, never of a repository.
    #[error("the rendered Dockerfile does not say what the plan says: {0}")]
    Render(String),
}

/// The code of a file whose content does not follow its grammar.
pub(crate) const BAD_FILE: &str = "bad-environment-file";
/// The code of something that is understood and not offered.
pub(crate) const UNSUPPORTED: &str = "unsupported-environment";
/// The code of a Dockerfile this site does not build.
pub(crate) const DOCKERFILE: &str = "dockerfile-refused";

impl PlanError {
    /// A line that does not follow its file's grammar.
    pub(crate) fn line(file: &str, line: u32, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::File {
            code: BAD_FILE,
            file: file.to_owned(),
            line: Some(line),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A file that is wrong as a whole.
    pub(crate) fn file(file: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::File { code: BAD_FILE, file: file.to_owned(), line: None, message: message.into(), hint: hint.into() }
    }

    /// The same error under another code.
    pub(crate) fn coded(mut self, new: &'static str) -> Self {
        if let Self::File { code, .. } = &mut self {
            *code = new;
        }
        self
    }
}

impl From<PlanError> for Fault {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::File { code, file, line, message, hint } => Fault::user(code, message).at(file, line).hint(hint),
            PlanError::Site { code, file, line, message, hint } => {
                Fault::us(code, message).at(file, line).hint(hint).retry(false)
            }
            PlanError::BothConfigDirs => {
                Fault::user("both-config-dirs", "The repository has both binder/ and .binder/; only one may exist.")
                    .at("binder", None)
                    .hint("Keep one of binder/ and .binder/ and remove the other.")
            }
            PlanError::Base { .. } => Fault::us("base-contract", format!("The {error}."))
                .hint("Configure a docker-stacks image or the one deploy/stack builds.")
                .retry(false),
            PlanError::Unreadable { file, .. } => {
                Fault::us("tree-unreadable", format!("{file} could not be read from the fetched repository."))
            }
            PlanError::Render(_) => Fault::us("render-mismatch", error.to_string()).retry(false),
        }
    }
}

/// A value from a repository as it may be shown in a message: printable, and short.
pub(crate) fn shown(value: &str) -> String {
    let mut text: String = value.chars().filter(|c| !c.is_control()).take(60).collect();
    if value.chars().count() > 60 {
        text.push('…');
    }
    text
}
