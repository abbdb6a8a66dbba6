//! What can go wrong between a link and a tree, and whose fault it is.

use bindery_core::{Fault, TreePathError};

/// Why a repository could not be resolved or fetched. Converts to a [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Settings that cannot work.
    #[error("content.{setting}: {reason}")]
    Config {
        /// The setting, without its section.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The address, put together from a link, is not one.
    #[error("not a repository address: {0}")]
    Address(String),
    /// The site does not allow fetching from that host. The address it resolved to is never named.
    #[error("fetching from {0} is not allowed here")]
    HostNotAllowed(String),
    /// The site does not allow that scheme for that host.
    #[error("fetching from {host} by {scheme} is not allowed here")]
    SchemeNotAllowed {
        /// The host.
        host: String,
        /// The scheme.
        scheme: String,
    },
    /// The site does not launch images of that name.
    #[error("{0} is none of the images that are launched here")]
    ImageNotAllowed(String),
    /// No such name.
    #[error("the host {0} does not exist")]
    HostUnknown(String),
    /// It refused or broke the connection.
    #[error("{host} cannot be reached: {reason}")]
    HostDown {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Its certificate is not trusted, or TLS failed otherwise.
    #[error("no secure connection to {host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What TLS said.
        reason: String,
    },
    /// It answered with a failure of its own.
    #[error("{host} answered with status {status}")]
    HostFailed {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// It redirects too often, or to somewhere that cannot be followed.
    #[error("{host} redirects {reason}")]
    Redirect {
        /// The host.
        host: String,
        /// In what way.
        reason: &'static str,
    },
    /// It does not speak the smart git protocol.
    #[error("{host} does not answer as a git server: {reason}")]
    NotGit {
        /// The host.
        host: String,
        /// In what way.
        reason: String,
    },
    /// A wait or a whole operation took too long.
    #[error("{host} took longer than {seconds} seconds")]
    Timeout {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// The transfer crawled.
    #[error("{host} sent less than {bytes} bytes per second for {seconds} seconds")]
    TooSlow {
        /// The host.
        host: String,
        /// The limit.
        bytes: u64,
        /// Over how long.
        seconds: u64,
    },
    /// Too many questions for one host at once.
    #[error("too many requests for {0} are waiting already")]
    HostBusy(String),
    /// Nobody waits for the result any more.
    #[error("the operation was cancelled")]
    Cancelled,
    /// Not there, or not public.
    #[error("there is no public repository at {0}")]
    RepositoryNotFound(String),
    /// There, and shown to those only whom its host knows.
    #[error("the repository is not public, and only public repositories are served here")]
    RepositoryPrivate,
    /// There, but without a commit.
    #[error("the repository has no commits")]
    RepositoryEmpty,
    /// No such branch, tag or commit.
    #[error("no branch, tag or commit named {reference}")]
    RefNotFound {
        /// What was asked for.
        reference: String,
        /// Some refs that are alike.
        near: Vec<String>,
    },
    /// A short commit id.
    #[error("{0} is not a full commit id")]
    ShortCommit(String),
    /// The host does not hand out that commit.
    #[error("the repository has no commit {0}, or its host does not hand it out")]
    CommitNotFound(String),
    /// The ref names a file or directory object.
    #[error("{0} is not a commit")]
    NotACommit(String),
    /// Uses something this service cannot read.
    #[error("the repository uses {0}, which is not supported")]
    Unsupported(&'static str),
    /// Over a limit of the site.
    #[error("the repository is too large: {what} is over {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
        /// The setting that raises the limit, without its section; empty where none does.
        setting: &'static str,
    },
    /// A name in the repository that could be taken for something else.
    #[error("the repository has a path that cannot be used: {0}")]
    Path(String),
    /// The repository's objects contradict themselves.
    #[error("the repository is damaged: {0}")]
    Damaged(String),
    /// A submodule could not be had.
    #[error("submodule {path}: {reason}")]
    Submodule {
        /// Where it would be.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A large file that the repository keeps beside git could not be had.
    #[error("large file {path}: {reason}")]
    LargeFile {
        /// Where it would be.
        path: String,
        /// Why not.
        reason: String,
    },
    /// An archive's answer about a record makes no sense to us.
    #[error("{host} cannot be understood: {reason}")]
    BadAnswer {
        /// The host.
        host: String,
        /// In what way.
        reason: &'static str,
    },
    /// A record names a file that its host does not hand out.
    #[error("{host} does not hand out the file {path} of the record")]
    FileNotFound {
        /// The host.
        host: String,
        /// The file.
        path: String,
    },
    /// A record of an archive that keeps one version is no longer the version that was resolved.
    #[error("the record has changed since it was looked up")]
    RecordChanged,
    /// A directory given on the command line cannot be read.
    #[error("{path} cannot be read: {reason}")]
    Directory {
        /// The directory or file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The machine failed us: disk, memory, threads.
    #[error("{0}")]
    Machine(String),
}

impl Error {
    /// What a failed read of a metered stream means.
    pub(crate) fn from_stream(error: std::io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) => Self::Machine(error.to_string()),
        }
    }

    /// A limit given in bytes.
    pub(crate) fn over_bytes(what: &'static str, limit: u64, setting: &'static str) -> Self {
        Self::TooLarge { what, limit: human_bytes(limit), setting }
    }

    /// Whether the host, asked for one particular commit, said no.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::CommitNotFound(_))
    }

    /// Whether the same question may be answered at another spelling of the address.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(self, Self::RepositoryNotFound(_))
    }
}

/// `2 GiB`, `500 MiB`, `17 bytes`.
fn human_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    UNITS
        .into_iter()
        .find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size))
        .map_or_else(|| format!("{bytes} bytes"), |(unit, size)| format!("{} {unit}", bytes / size))
}

impl From<TreePathError> for Error {
    fn from(error: TreePathError) -> Self {
        Self::Path(error.to_string())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = sentence(&error);
        match error {
            Error::Config { setting, .. } => {
                Self::us("content-settings", text).retry(false).hint(format!("The operator can correct content.{setting}."))
            }
            Error::Address(_) => Self::user("bad-address", text).hint("Check the link."),
            Error::HostNotAllowed(host) => Self::user("host-not-allowed", text).hint(format!(
                "Only public hosts can be fetched. The operator of this service can add {host} to content.allow_hosts."
            )),
            Error::SchemeNotAllowed { host, .. } => Self::user("scheme-not-allowed", text).hint(format!(
                "Use an https address. The operator of this service can change content.allow_schemes, or add {host} to \
                 content.allow_hosts."
            )),
            Error::ImageNotAllowed(_) => {
                Self::user("not-allowed", text).hint("The operator of this service can name it in content.images.")
            }
            Error::HostUnknown(_) => Self::user("host-unknown", text).hint("Check the spelling of the address.").retry(true),
            Error::HostDown { .. } => Self::upstream("host-unreachable", text).hint("Try again in a few minutes."),
            Error::Tls { .. } => Self::upstream("host-not-trusted", text)
                .hint("If the host uses a certificate of its own authority, the operator can name it in content.ca_bundle.")
                .retry(false),
            Error::HostFailed { .. } => Self::upstream("host-failed", text).hint("Try again in a few minutes."),
            Error::Redirect { .. } => Self::upstream("bad-redirect", text)
                .hint("Use the address the repository has now.")
                .retry(false),
            Error::NotGit { .. } => Self::user("not-a-git-server", text)
                .hint("Give the address that `git clone` takes; only the smart HTTP protocol is supported."),
            Error::Timeout { .. } | Error::TooSlow { .. } => {
                Self::upstream("host-too-slow", text).hint("Try again in a few minutes.")
            }
            Error::HostBusy(_) => Self::us("host-busy", text).hint("Try again in a minute."),
            Error::Cancelled => Self::us("cancelled", text),
            Error::RepositoryNotFound(_) => Self::user("repository-not-found", text)
                .hint("Double check your URL and that your repo is public."),
            Error::RepositoryPrivate => Self::user("repository-private", text).hint(
                "Make it public, or use a service that is for those who may see it. Its operator can set web.private_ok.",
            ),
            Error::RepositoryEmpty => Self::user("repository-empty", text).hint("Push a commit to it first."),
            Error::RefNotFound { near, .. } => {
                let hint = if near.is_empty() {
                    "Check the spelling, or use HEAD for the default branch.".to_owned()
                } else {
                    format!("Did you mean {}?", near.join(", "))
                };
                Self::user("ref-not-found", text).hint(hint)
            }
            Error::ShortCommit(_) => Self::user("ref-not-found", text)
                .hint("Give all 40 digits of the commit id, or a branch or tag."),
            Error::CommitNotFound(_) => {
                Self::user("commit-not-found", text).hint("Check the commit id, or use a branch or tag that contains it.")
            }
            Error::NotACommit(_) => Self::user("not-a-commit", text).hint("Use a branch, or a tag of a commit."),
            Error::Unsupported(_) => Self::user("repository-unsupported", text),
            Error::TooLarge { setting: "", .. } => {
                Self::user("repository-too-large", text).hint("Make the repository smaller.")
            }
            Error::TooLarge { setting, .. } => Self::user("repository-too-large", text).hint(format!(
                "Make the repository smaller, or ask the operator of this service to raise content.{setting}."
            )),
            Error::Path(_) => Self::user("unusable-path", text).hint("Rename or remove it."),
            Error::Damaged(_) => Self::user("repository-damaged", text).hint("Run `git fsck` on it."),
            Error::Submodule { .. } => Self::user("submodule-unavailable", text).at(".gitmodules", None),
            Error::LargeFile { path, .. } => Self::user("large-file-unavailable", text)
                .at(path, None)
                .hint("Push it with `git lfs push --all`, or commit the file itself."),
            Error::BadAnswer { .. } => Self::upstream("host-answer-unreadable", text)
                .hint("Check that the link names a record that is there; otherwise its host may have changed."),
            Error::FileNotFound { .. } => Self::upstream("record-file-missing", text)
                .hint("It may not be public. Ask whoever published the record.")
                .retry(false),
            Error::RecordChanged => Self::upstream("record-changed", text).hint("Launch again to get its present state."),
            Error::Directory { .. } => Self::user("directory-unreadable", text),
            Error::Machine(_) => Self::us("content-failed", text).hint("Try again in a moment."),
        }
    }
}

/// The error as a sentence.
fn sentence(error: &Error) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    // A host name keeps its case; everything else starts a sentence.
    let starts_with_host = matches!(
        error,
        Error::HostDown { .. }
            | Error::HostFailed { .. }
            | Error::Redirect { .. }
            | Error::NotGit { .. }
            | Error::Timeout { .. }
            | Error::TooSlow { .. }
            | Error::BadAnswer { .. }
            | Error::FileNotFound { .. }
            | Error::ShortCommit(_)
            | Error::NotACommit(_)
            | Error::Directory { .. }
            | Error::Config { .. }
    );
    match chars.next() {
        Some(first) if !starts_with_host || text.starts_with("reading ") => {
            format!("{}{}.", first.to_uppercase(), chars.as_str())
        }
        _ => format!("{text}."),
    }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use bindery_core::{Fault, FaultBy};

    #[test]
    fn a_refused_host_is_named_with_the_setting_that_admits_it() {
        let fault = Fault::from(Error::HostNotAllowed("intranet.example".to_owned()));
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "host-not-allowed"));
        assert_eq!(fault.message, "Fetching from intranet.example is not allowed here.");
        assert!(fault.hint.unwrap().contains("content.allow_hosts"));
    }

    #[test]
    fn a_limit_is_given_in_the_unit_it_was_set_in() {
        let error = Error::over_bytes("the size of all files", 2 << 30, "max_bytes");
        assert_eq!(error.to_string(), "the repository is too large: the size of all files is over 2 GiB");
    }
}
