//! Python: the packages a repository describes, and the Python they run on.
//!
//! Several files may describe packages; `python_source.rs` says which of them counts.

mod locks;
mod project;
mod requirements;
mod scripts;
mod uv;

pub(crate) use requirements::{PIP_STEP, PipList, install_list};

use pep440_rs::VersionSpecifiers;

use super::{Draft, Pack};
use crate::error::PlanError;
use crate::parse;
use crate::plan::IgnoredFile;
use crate::python_source::{self, Source};
use crate::python_version::PythonWant;
use crate::repo::{EnvFile, Repo};

pub(crate) struct Python;

impl Pack for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn files(&self) -> &'static [&'static str] {
        &[
            "uv.lock",
            "pylock.toml",
            "poetry.lock",
            "pdm.lock",
            "Pipfile.lock",
            "Pipfile",
            "requirements.txt",
            "pyproject.toml",
            "setup.py",
            "setup.cfg",
            "runtime.txt",
            ".python-version",
        ]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        if let Some(by) = draft.makes_kernel.clone() {
            beside_conda(repo, &by, draft)?;
        } else {
            if let Some(file) = repo.file("runtime.txt")? {
                runtime(&file, draft)?;
            }
            if let Some(file) = repo.file(".python-version")? {
                python_version(&file, draft)?;
            }
        }
        let choice = python_source::choose(repo, draft.decided_by_conda.as_deref());
        // A pip list of conda's may draw them in.
        let used = |file: &str| draft.used.iter().any(|used| used.file == file);
        let losers: Vec<IgnoredFile> = choice.losers.into_iter().filter(|loser| !used(&loser.file)).collect();
        draft.ignored.extend(losers);
        scripts::name(repo, draft);
        match choice.winner {
            None | Some(Source::Conda) => Ok(()),
            Some(Source::Requirements) => {
                let Some(file) = repo.file("requirements.txt")? else { return Ok(()) };
                let path = file.path.clone();
                let whole = requirements::install(repo, file, draft)?;
                project::beside_requirements(repo, &path, whole, draft)
            }
            Some(Source::Project) => project::alone(repo, draft),
            Some(Source::UvLock) => uv::uv_lock(repo, draft),
            Some(Source::PyLock) => uv::pylock(repo, draft),
            Some(Source::PoetryLock) => locks::poetry(repo, draft),
            Some(Source::PdmLock) => locks::pdm(repo, draft),
            Some(Source::PipfileLock | Source::Pipfile) => locks::pipenv(repo, draft),
        }
    }
}

/// The files that choose a Python, beside one that already says what the whole environment holds. A date still counts.
fn beside_conda(repo: &Repo<'_>, by: &str, draft: &mut Draft) -> Result<(), PlanError> {
    let reason = format!("{by} says what the environment holds, its Python too");
    if let Some(file) = repo.file("runtime.txt")? {
        let asked = parse::runtime::parse(&file.path, &file.bytes)?;
        if let Some(date) = asked.date {
            draft.dated(date, &format!("{}:{}", file.path, asked.line));
            draft.uses(&file.path, "the day whose packages are installed");
            draft.notes.push(format!("{}: {reason}.", file.path));
        } else {
            draft.ignored.push(IgnoredFile { file: file.path, reason: reason.clone() });
        }
    }
    if let Some(file) = repo.file(".python-version")? {
        draft.ignored.push(IgnoredFile { file: file.path, reason });
    }
    Ok(())
}

/// What `runtime.txt` asks for.
fn runtime(file: &EnvFile, draft: &mut Draft) -> Result<(), PlanError> {
    let asked = parse::runtime::parse(&file.path, &file.bytes)?;
    let place = format!("{}:{}", file.path, asked.line);
    if let Some(date) = asked.date {
        draft.dated(date, &place);
    }
    if asked.other.is_some() {
        // Another language's; its pack reads it.
        return Ok(());
    }
    draft.uses(&file.path, "the Python version");
    let Some(version) = asked.python else { return Ok(()) };
    want(file, asked.line, version.series(), parse::python_version::series(version), version.patch.is_some(), draft);
    Ok(())
}

/// What `.python-version` asks for.
fn python_version(file: &EnvFile, draft: &mut Draft) -> Result<(), PlanError> {
    let asked = parse::python_version::parse(&file.path, &file.bytes)?;
    draft.uses(&file.path, "the Python version");
    if asked.more {
        draft.notes.push(format!("{} names several versions; the first counts.", file.path));
    }
    want(file, asked.line, asked.text, asked.specifiers, asked.patch, draft);
    Ok(())
}

fn want(
    file: &EnvFile,
    line: u32,
    text: String,
    specifiers: Option<VersionSpecifiers>,
    names_patch: bool,
    draft: &mut Draft,
) {
    if names_patch {
        draft.notes.push(format!(
            "{}:{line} names a patch release; Python {text} is used at the patch level this site has.",
            file.path
        ));
    }
    if let Some(specifiers) = specifiers {
        draft.want_python(PythonWant { specifiers, file: file.path.clone(), line, text });
    }
}

#[cfg(test)]
mod tests;
