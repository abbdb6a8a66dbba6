//! What whoever builds asks of the session image, beside what the repository's files ask.

use serde::Serialize;

use crate::base::{Contract, is_path};

/// The longest name of a user.
const MAX_NAME: usize = 32;

/// A user, a directory for the content, and instructions of the site. The default asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SessionOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<NotebookUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    /// Not shown: it may hold what only the site should see.
    #[serde(skip)]
    appendix: String,
}

/// The notebook's user by another name and number than the base's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotebookUser {
    /// Lower-case letters, digits, `_` and `-`; begins with a letter or `_`.
    pub(crate) name: String,
    /// Never 0.
    pub(crate) id: u32,
}

/// Why an option is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionOptionError {
    /// The user would be root.
    #[error("Root as the primary user in the image is not permitted.")]
    Root,
    /// The name is not one of a user.
    #[error(
        "A user's name has lower-case letters, digits, _ and - only, begins with a letter, and has at most {MAX_NAME} characters."
    )]
    Name,
    /// The directory is not one.
    #[error(
        "The repository's directory is an absolute path of letters, digits, points, _ and - below a directory of its own."
    )]
    Directory,
}

impl SessionOptions {
    /// The notebook runs as this user, whose home is `/home/<name>`.
    ///
    /// # Errors
    /// The user would be root, or the name is not one.
    pub fn user(mut self, name: &str, id: u32) -> Result<Self, SessionOptionError> {
        if id == 0 || name == "root" {
            return Err(SessionOptionError::Root);
        }
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
        if !begins || !plain || name.len() > MAX_NAME {
            return Err(SessionOptionError::Name);
        }
        self.user = Some(NotebookUser { name: name.to_owned(), id });
        Ok(self)
    }

    /// The repository's content goes to this directory instead of the home directory.
    ///
    /// # Errors
    /// It is not an absolute path that can be written down plainly.
    pub fn directory(mut self, path: &str) -> Result<Self, SessionOptionError> {
        let path = path.trim_end_matches('/');
        let steps = path.split('/').skip(1);
        if !is_path(path) || steps.clone().any(|step| matches!(step, "" | "." | "..")) {
            return Err(SessionOptionError::Directory);
        }
        self.directory = Some(path.to_owned());
        Ok(self)
    }

    /// Instructions of a Dockerfile that are put behind everything else as they are, and so run as the notebook's user. Only ever the
    /// site's own, never a visitor's or a repository's.
    #[must_use]
    pub fn appendix(mut self, instructions: impl Into<String>) -> Self {
        self.appendix = instructions.into();
        self
    }

    /// Whether there are instructions to append.
    #[must_use]
    pub fn has_appendix(&self) -> bool {
        !self.appendix.trim().is_empty()
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn named_user(&self) -> Option<&NotebookUser> {
        self.user.as_ref()
    }

    pub(crate) fn named_directory(&self) -> Option<&str> {
        self.directory.as_deref()
    }

    /// The instructions to append, with the line ends that keep them apart; empty for none.
    pub(crate) fn appended(&self) -> String {
        if self.has_appendix() { format!("{}\n", self.appendix.trim_end()) } else { String::new() }
    }

    /// Leaves out what the base does anyway.
    pub(crate) fn beyond(&self, base_user: Option<&str>, contract: &Contract) -> Self {
        let same_user = |user: &NotebookUser| base_user == Some(user.name.as_str()) && contract.uid == user.id;
        let mut own = self.clone();
        own.user = own.user.filter(|user| !same_user(user));
        let home = own.user.as_ref().map_or_else(|| contract.home.clone(), NotebookUser::home);
        own.directory = own.directory.filter(|directory| *directory != home);
        own
    }

    /// The contract as steps with the content see it: `home` is where the content lies.
    pub(crate) fn seen(&self, contract: &Contract) -> Contract {
        let mut seen = contract.clone();
        if let Some(user) = &self.user {
            (seen.user, seen.uid, seen.home) = (user.id.to_string(), user.id, user.home());
        }
        if let Some(directory) = &self.directory {
            seen.home.clone_from(directory);
        }
        seen
    }
}

impl NotebookUser {
    pub(crate) fn home(&self) -> String {
        format!("/home/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionOptionError, SessionOptions};

    #[test]
    fn users_that_are_root_or_no_users_are_refused() {
        let user = |name: &str, id| SessionOptions::default().user(name, id).map(|_| ());
        assert_eq!(user("ada", 0), Err(SessionOptionError::Root));
        assert_eq!(user("root", 5), Err(SessionOptionError::Root));
        let long = "a".repeat(33);
        for name in ["", "-x", "1a", "A", "a b", "a:b", "a\nUSER root", "a/../b", "é", &long] {
            assert_eq!(user(name, 1000), Err(SessionOptionError::Name), "{name:?}");
        }
        for name in ["ada", "_x", "a-b_1"] {
            assert_eq!(user(name, 1234), Ok(()));
        }
    }

    #[test]
    fn directories_that_could_say_more_are_refused() {
        let directory = |path: &str| SessionOptions::default().directory(path).map(|_| ());
        for path in ["", "/", "srv/repo", "/srv/../etc", "/srv//x", "/a b", "/a\nRUN id", "/$HOME", "/.", "//", "~/x"] {
            assert_eq!(directory(path), Err(SessionOptionError::Directory), "{path:?}");
        }
        assert_eq!(directory("/srv/repo/"), Ok(()));
    }
}
