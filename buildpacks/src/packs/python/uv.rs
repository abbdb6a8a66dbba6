//! `uv.lock`, and `pylock.toml`: exact packages that the installer itself reads.

use super::super::Draft;
use super::project::{PACKAGES, PROJECT, Project, install_action};
use crate::error::PlanError;
use crate::parse::locked::Origin;
use crate::parse::pyproject;
use crate::parse::uv_lock;
use crate::parse::{pylock, text};
use crate::path;
use crate::plan::{PythonInstall, RequirementsFile};
use crate::repo::Repo;

/// Plans what `uv sync --locked` would install: everything from elsewhere before the content, what lies in the repository on top of it.
pub(super) fn uv_lock(repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let Some(file) = repo.file("uv.lock")? else { return Ok(()) };
    let lock = uv_lock::parse(&file.path, &file.bytes)?;
    let project = Project::read(repo, draft)?;
    let Some((_, pyproject)) = &project.pyproject else {
        let wanted = repo.path("pyproject.toml");
        let message = format!("The lock file is that of a project, and there is no {wanted}.");
        return Err(PlanError::file(&file.path, message, format!("Commit {wanted}, or remove the lock file.")));
    };
    draft.uses(&file.path, "the exact versions of Python packages");
    draft.uses_also(pyproject, "the project the lock file is of");
    let directory = repo.config_dir.unwrap_or_default();
    let mut files = vec![RequirementsFile { path: file.path.clone(), content: text::decode(&file.path, &file.bytes)? }];
    // Where the description of a part has to be made by running it, all has to wait for the content.
    let mut needs_content = false;
    for member in &lock.members {
        let Some(place) = path::join(directory, member) else {
            let message = format!("A package is locked to {member:?}, which is outside the repository.");
            return Err(PlanError::file(&file.path, message, "Put the package into the repository and lock again."));
        };
        let path = if place.is_empty() { "pyproject.toml".to_owned() } else { format!("{place}/pyproject.toml") };
        if repo.tree.entry(&path).is_none() {
            needs_content = true;
            continue;
        }
        let member = repo.read(&path)?;
        let parsed = pyproject::parse(&path, &member.bytes)?;
        needs_content |= parsed.project && parsed.dependencies.is_none();
        draft.uses(&path, format!("a package of the workspace that {} is of", file.path));
        files.push(RequirementsFile { path, content: text::decode(&member.path, &member.bytes)? });
    }
    if !files.iter().any(|lent| lent.path == *pyproject) {
        let root = repo.read(pyproject)?;
        files.push(RequirementsFile { path: root.path.clone(), content: text::decode(&root.path, &root.bytes)? });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    if lock.others > 0 {
        let name = format!("install the Python packages of {}", file.path);
        let action = install_action(directory.to_owned(), files, PythonInstall::UvLock);
        draft.step(PACKAGES, &file.path, name, "uv sync --locked".to_owned(), needs_content, action);
    }
    let mut lines = String::new();
    for mut package in lock.local {
        if let Origin::Path { path, .. } = &mut package.origin {
            *path = path::join(directory, path).unwrap_or_default();
        }
        let line = package.line().map_err(|wrong| {
            PlanError::file(&file.path, format!("A package {wrong}."), "Rename it, or remove it from the lock file.")
        })?;
        lines.push_str(&line);
        lines.push('\n');
    }
    if !lines.is_empty() {
        let files = vec![RequirementsFile { path: "local.txt".to_owned(), content: lines }];
        let action = install_action("local.txt".to_owned(), files, PythonInstall::Locked);
        let name = format!("install the repository's own packages ({pyproject})");
        draft.step(PROJECT, pyproject, name, "uv sync --locked".to_owned(), true, action);
    }
    project.ignore(&|_| format!("{} decides the Python packages", file.path), draft);
    Ok(())
}

/// Plans a lock file in the format every installer shares.
pub(super) fn pylock(repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let Some(file) = repo.file("pylock.toml")? else { return Ok(()) };
    let lock = pylock::parse(&file.path, &file.bytes)?;
    let project = Project::read(repo, draft)?;
    draft.uses(&file.path, "the exact versions of Python packages");
    if let Some((specifiers, text, line)) = lock.python {
        draft.want_python(crate::python_version::PythonWant { specifiers, file: file.path.clone(), line, text });
    }
    project.ignore(&|_| format!("{}, a lock file, decides the Python packages", file.path), draft);
    if lock.packages == 0 {
        draft.notes.push(format!("{} lists no packages.", file.path));
        return Ok(());
    }
    let files =
        vec![RequirementsFile { path: "pylock.toml".to_owned(), content: text::decode(&file.path, &file.bytes)? }];
    if let Some(line) = lock.local.filter(|_| repo.config_dir.is_some()) {
        return Err(PlanError::line(
            &file.path,
            line,
            "The package is locked to a path, which is taken from where the lock file lies.",
            "Keep pylock.toml at the top of the repository.",
        ));
    }
    let action = install_action("pylock.toml".to_owned(), files, PythonInstall::PyLock);
    let name = format!("install the Python packages of {}", file.path);
    let run = format!("uv pip install -r {}", file.path);
    draft.step(PACKAGES, &file.path, name, run, lock.local.is_some(), action);
    Ok(())
}
