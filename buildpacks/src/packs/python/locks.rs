//! Lock files that are read here: `poetry.lock`, `pdm.lock`, `Pipfile.lock`; and `Pipfile` without one.

use super::super::Draft;
use super::project::{PACKAGES, PROJECT, Project, install_action};
use crate::error::PlanError;
use crate::parse::locked::{Origin, Package};
use crate::parse::poetry_lock::{self, Locked};
use crate::parse::{pipfile, pyproject, python_version};
use crate::path;
use crate::plan::{PythonInstall, RequirementsFile};
use crate::python_version::PythonWant;
use crate::repo::{EnvFile, Repo};

/// Plans `poetry.lock`.
pub(super) fn poetry(repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let Some(file) = repo.file("poetry.lock")? else { return Ok(()) };
    let main = match repo.file("pyproject.toml")? {
        Some(project) => pyproject::main_dependencies(&project.path, &project.bytes)?,
        None => Vec::new(),
    };
    let locked = poetry_lock::poetry(&file.path, &file.bytes, &main)?;
    project_lock(repo, &file, locked, draft)
}

/// Plans `pdm.lock`.
pub(super) fn pdm(repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let Some(file) = repo.file("pdm.lock")? else { return Ok(()) };
    let locked = poetry_lock::pdm(&file.path, &file.bytes)?;
    project_lock(repo, &file, locked, draft)
}

/// The lock file of a project: its packages, and then the project itself where there is one.
fn project_lock(repo: &Repo<'_>, file: &EnvFile, locked: Locked, draft: &mut Draft) -> Result<(), PlanError> {
    let project = Project::read(repo, draft)?;
    if locked.left_out > 0 {
        draft.notes.push(format!(
            "{} has {} packages of other groups than the main one, or optional ones; they are not installed.",
            file.path, locked.left_out
        ));
    }
    draft.uses(&file.path, "the exact versions of Python packages");
    packages(repo, file, locked.packages, &locked.indexes, PythonInstall::Locked, draft)?;
    match project.installable().map(str::to_owned) {
        Some(own) if project.has_modules(repo) => project.install(&own, false, draft),
        Some(own) => {
            draft.uses_also(&own, "the project the lock file is of");
            draft
                .notes
                .push(format!("{own} names a package that the repository has no modules of, so it is not installed."));
        }
        None => {
            if let Some((_, path)) = &project.pyproject {
                draft.uses_also(path, "the project the lock file is of");
            }
        }
    }
    project.ignore(&|_| format!("{}, a lock file, decides the Python packages", file.path), draft);
    Ok(())
}

/// Plans `Pipfile.lock`, or a `Pipfile` without one.
pub(super) fn pipenv(repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let (file, read, how) = match (repo.file("Pipfile.lock")?, repo.file("Pipfile")?) {
        (Some(file), beside) => {
            let read = pipfile::lock(&file.path, &file.bytes)?;
            draft.uses(&file.path, "the exact versions of Python packages");
            if let Some(beside) = beside {
                draft.uses(&beside.path, format!("what {} was made from", file.path));
            }
            (file, read, PythonInstall::Locked)
        }
        (None, Some(file)) => {
            let read = pipfile::pipfile(&file.path, &file.bytes)?;
            draft.uses(&file.path, "Python packages");
            (file, read, PythonInstall::Requirements)
        }
        (None, None) => return Ok(()),
    };
    if let Some((version, line)) = read.python
        && let Some(specifiers) = python_version::series(version)
    {
        draft.want_python(PythonWant { specifiers, file: file.path.clone(), line, text: version.series() });
    }
    packages(repo, &file, read.packages, &read.indexes, how, draft)
}

/// Adds the steps for packages: what comes from elsewhere before the content, what lies in the repository on top of it. Where versions
/// are still to be chosen, that is one choice, so one path keeps all of them waiting.
fn packages(
    repo: &Repo<'_>,
    file: &EnvFile,
    packages: Vec<Package>,
    indexes: &[String],
    how: PythonInstall,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    let (mut before, mut after): (Vec<Package>, Vec<Package>) = packages.into_iter().partition(|one| !one.is_local());
    if how == PythonInstall::Requirements && !after.is_empty() {
        after.append(&mut before);
    }
    for package in &mut after {
        if let Origin::Path { path, .. } = &mut package.origin {
            let place = path::join(repo.config_dir.unwrap_or_default(), path).filter(|place| repo.exists(place));
            let Some(place) = place else {
                let message = format!("{} is installed from a path that is not in the repository.", package.name);
                let hint = "Paths are taken from where the file lies; check the name, or add the files.";
                return Err(PlanError::file(&file.path, message, hint));
            };
            *path = place;
        }
    }
    if before.is_empty() && after.is_empty() {
        draft.notes.push(format!("{} lists no packages.", file.path));
    }
    for (id, name, packages, needs_content) in
        [(PACKAGES, "packages.txt", before, false), (PROJECT, "local.txt", after, true)]
    {
        if packages.is_empty() {
            continue;
        }
        let mut content: String = indexes.iter().map(|url| format!("--extra-index-url {url}\n")).collect();
        for package in &packages {
            let line = package.line().map_err(|wrong| {
                let message = format!("{} {wrong}.", crate::error::shown(&package.name));
                PlanError::file(&file.path, message, "Make the lock file anew with the tool that wrote it.")
            })?;
            content.push_str(&line);
            content.push('\n');
        }
        let files = vec![RequirementsFile { path: name.to_owned(), content }];
        let action = install_action(name.to_owned(), files, how);
        let what = if needs_content { "install what lies in the repository" } else { "install Python packages" };
        let run = format!("uv pip install the packages of {}", file.path);
        draft.step(id, &file.path, format!("{what} ({})", file.path), run, needs_content, action);
    }
    Ok(())
}
