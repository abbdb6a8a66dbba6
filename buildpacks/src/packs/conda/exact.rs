//! Lock files: exactly the packages that are listed, from exactly these addresses.

use super::channels::place;
use super::{file_name, install};
use crate::conda::{CondaInstall, in_content as in_content_at, subdir};
use crate::error::{PlanError, shown};
use crate::packs::Draft;
use crate::packs::python::{PIP_STEP, PipList, install_list};
use crate::parse::conda_explicit::platform_of;
use crate::parse::conda_lock::Locked;
use crate::plan::PythonTarget;
use crate::repo::{EnvFile, Repo};

/// Plans what a lock file lists. `also` is a file whose pip list the lock file says nothing of.
pub(super) fn plan(
    repo: &Repo<'_>,
    file: &EnvFile,
    locked: Locked,
    also: Option<(&EnvFile, &[(String, u32)])>,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    draft.uses(&file.path, "exactly the conda packages it lists");
    let platform = subdir(&draft.platform);
    let mut in_content = false;
    let mut packages = locked.packages;
    for package in &mut packages {
        let refuse = |message: String, hint: &str| Err(PlanError::line(&file.path, package.line, message, hint));
        if let Some(other) = platform_of(&package.url).filter(|one| *one != platform && *one != "noarch") {
            let message = format!("The package is for {}; this site builds for {platform}.", shown(other));
            return refuse(message, "Lock the environment for this platform.");
        }
        package.url = match place(repo, &file.path, &package.url) {
            Some(Some(path)) if repo.tree.entry(&path).is_some_and(|entry| entry.kind.is_file()) => {
                in_content = true;
                in_content_at(&path)
            }
            Some(_) => {
                return refuse(
                    "The package is not a file of the repository.".to_owned(),
                    "Name one, or an https address.",
                );
            }
            None if package.url.starts_with("https://") || package.url.starts_with("http://") => {
                draft.conda.mirrored(&package.url)
            }
            None => return refuse("The package's address cannot be read here.".to_owned(), "Name an https address."),
        };
    }
    let unchecked = packages.iter().filter(|package| package.sha256.is_none() && package.md5.is_none()).count();
    if unchecked > 0 {
        draft
            .notes
            .push(format!("{}: {unchecked} packages have no hash, so nothing says they are the same ones.", file.path));
    }
    if !packages.is_empty() {
        let what = CondaInstall {
            file: file_name(&file.path).to_owned(),
            platform: platform.to_owned(),
            channels: Vec::new(),
            specs: Vec::new(),
            packages,
            variables: Vec::new(),
            date: None,
        };
        install(file, what, in_content, draft);
    }
    let (file, pip) = match also {
        Some((file, pip)) if locked.pip.is_empty() => (file, pip),
        _ => (file, locked.pip.as_slice()),
    };
    if pip.is_empty() {
        return Ok(());
    }
    install_list(repo, PipList { file, lines: pip, target: PythonTarget::Conda }, draft)?;
    after(in_content, draft);
    Ok(())
}

/// What conda installs on top of the content, pip follows.
pub(super) fn after(in_content: bool, draft: &mut Draft) {
    for step in draft.steps.iter_mut().filter(|step| step.id == PIP_STEP) {
        step.needs_content |= in_content;
    }
}
