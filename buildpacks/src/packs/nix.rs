//! Nix: not built here. Never a base image in its place without a word.

use super::{Draft, Pack};
use crate::error::{PlanError, UNSUPPORTED};
use crate::repo::Repo;

pub(crate) struct Nix;

/// Files that describe an environment of Nix.
const FILES: [&str; 3] = ["default.nix", "shell.nix", "flake.nix"];

impl Pack for Nix {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn files(&self) -> &'static [&'static str] {
        &["default.nix", "shell.nix", "flake.nix", "flake.lock"]
    }

    /// Asked when every pack that gives packages has been: without any of their files this is the environment that was meant.
    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let found: Vec<String> =
            FILES.iter().map(|name| repo.path(name)).filter(|path| repo.tree.entry(path).is_some()).collect();
        let Some(first) = found.first() else { return Ok(()) };
        let Some(other) = draft.used.first().map(|used| used.file.clone()) else {
            let message = "The repository describes its environment only for Nix, which is not built here.";
            let hint = "Name Python packages in requirements.txt, R packages in install.R, Julia's in Project.toml and Debian's in \
                        apt.txt; or install Nix in a Dockerfile.";
            return Err(PlanError::file(first, message, hint).coded(UNSUPPORTED));
        };
        for path in found.into_iter().chain(Some(repo.path("flake.lock")).filter(|path| repo.exists(path))) {
            draft.ignores(path, format!("Nix is not built here; {other} and the other files that are used decide"));
        }
        Ok(())
    }
}
