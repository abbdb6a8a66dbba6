//! `environment.yml` and the lock files of conda and pixi.
//!
//! One of them is used: the first of [`SOURCES`] that is there. An `environment.yml` that asks for nothing but Python and what pip
//! installs never touches conda.

mod channels;
mod environment;
mod exact;
mod loose;

use self::loose::Wishes;
use super::{Draft, Pack};
use crate::conda::{self, CondaInstall, subdir};
use crate::error::PlanError;
use crate::parse::conda_lock::Locked;
use crate::parse::{conda_explicit, conda_lock, environment_yml, pixi_toml};
use crate::plan::{Action, IgnoredFile};
use crate::repo::{EnvFile, Repo};

/// The files, those that say most exactly first.
const SOURCES: [&str; 9] = [
    "pixi.lock",
    "conda-lock.yml",
    "conda-lock.yaml",
    "conda-linux-64.lock",
    "conda-linux-aarch64.lock",
    "spec-file.txt",
    "pixi.toml",
    "environment.yml",
    "environment.yaml",
];

pub(crate) struct Conda;

impl Pack for Conda {
    fn name(&self) -> &'static str {
        "conda"
    }

    fn files(&self) -> &'static [&'static str] {
        &SOURCES
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let mut found: Vec<(&str, EnvFile)> = Vec::new();
        for name in SOURCES {
            let Some(file) = repo.lock_file(name)? else { continue };
            match why_not(name, &file, draft)? {
                Some(reason) => draft.ignored.push(IgnoredFile { file: file.path, reason }),
                None => found.push((name, file)),
            }
        }
        let mut found = found.into_iter();
        let Some((name, file)) = found.next() else { return Ok(()) };
        let others: Vec<(&str, EnvFile)> = found.collect();
        match name {
            "pixi.lock" => {
                let locked = conda_lock::pixi_lock(&file.path, &file.bytes, subdir(&draft.platform))?;
                exact::plan(repo, &file, locked, None, draft)?;
            }
            "conda-lock.yml" | "conda-lock.yaml" => {
                let locked = conda_lock::conda_lock(&file.path, &file.bytes, subdir(&draft.platform))?;
                exact::plan(repo, &file, locked, None, draft)?;
            }
            "pixi.toml" => {
                let wishes = pixi_toml::parse(&file.path, &file.bytes, subdir(&draft.platform))?;
                draft.notes.extend(wishes.notes);
                let pixi_toml::Project { channels, specs, pip, .. } = wishes;
                loose::plan(repo, &file, Wishes { channels, specs, pip, variables: wishes.variables }, draft)?;
            }
            "environment.yml" | "environment.yaml" => environment::plan(repo, &file, draft)?,
            _ => explicit(repo, &file, &others, draft)?,
        }
        for (_, other) in others {
            if !draft.used.iter().any(|used| used.file == other.path) {
                let reason = format!("{} says what conda installs, and only one file can", file.path);
                draft.ignored.push(IgnoredFile { file: other.path, reason });
            }
        }
        draft.decided_by_conda = Some(file.path);
        Ok(())
    }
}

/// Why a file of these names is none that could be used here.
fn why_not(name: &str, file: &EnvFile, draft: &Draft) -> Result<Option<String>, PlanError> {
    let platform = subdir(&draft.platform);
    if let Some(other) = name.strip_prefix("conda-").and_then(|rest| rest.strip_suffix(".lock")) {
        return Ok((other != platform).then(|| format!("this site builds for {platform}")));
    }
    if name == "spec-file.txt" && !conda_explicit::is_explicit(&file.path, &file.bytes)? {
        return Ok(Some("it has no @EXPLICIT line, as `conda list --explicit` writes it".to_owned()));
    }
    Ok(None)
}

/// Explicit specs know nothing of pip, so the pip list of an `environment.yml` beside them still counts.
fn explicit(repo: &Repo<'_>, file: &EnvFile, others: &[(&str, EnvFile)], draft: &mut Draft) -> Result<(), PlanError> {
    let read = conda_explicit::parse(&file.path, &file.bytes)?;
    if read.packages.is_empty() {
        draft.uses(&file.path, "exactly the conda packages it lists");
        draft.notes.push(format!("{} lists no packages.", file.path));
        return Ok(());
    }
    let locked = Locked { packages: read.packages, pip: read.pip };
    let beside = others.iter().find(|(name, _)| name.starts_with("environment."));
    let pip = match beside {
        Some((_, other)) => environment_yml::parse(&other.path, &other.bytes)?.pip,
        None => Vec::new(),
    };
    let also = beside.filter(|_| !pip.is_empty()).map(|(_, other)| (other, pip.as_slice()));
    exact::plan(repo, file, locked, also, draft)
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Adds the step that makes the environment.
fn install(file: &EnvFile, what: CondaInstall, needs_content: bool, draft: &mut Draft) {
    let name = format!("install conda packages ({})", file.path);
    let run = if what.packages.is_empty() {
        let specs: Vec<String> = what.specs.iter().map(|spec| conda::shown(spec)).collect();
        format!("solve and install {}", specs.join(" "))
    } else {
        format!("install the {} conda packages of {}", what.packages.len(), file.path)
    };
    draft.makes_kernel = Some(file.path.clone());
    draft.step("conda", &file.path, name, run, needs_content, Action::InstallConda(what));
}

#[cfg(test)]
mod tests;
