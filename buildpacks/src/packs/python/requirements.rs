//! `requirements.txt` and everything it includes.

use std::collections::BTreeSet;

use super::super::Draft;
use crate::error::PlanError;
use crate::parse::requirements::{self, Parsed};
use crate::path;
use crate::plan::{Action, PythonInstall, PythonTarget, RequirementsFile};
use crate::repo::{EnvFile, Repo};

/// The most files one requirements file may draw in.
const INCLUDE_LIMIT: usize = 100;

/// The id of the step that installs what another file lists for pip.
pub(crate) const PIP_STEP: &str = "pip-list";

/// Requirements that stand in a file of another kind.
pub(crate) struct PipList<'a> {
    /// The file.
    pub(crate) file: &'a EnvFile,
    /// The requirements, and the line of each.
    pub(crate) lines: &'a [(String, u32)],
    /// Where they go.
    pub(crate) target: PythonTarget,
}

/// Plans the installation of requirements that stand in a file of another kind. Paths in them are relative to that file.
pub(crate) fn install_list(repo: &Repo<'_>, list: PipList<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    // Each on the line it has in its file, so that a message about it names the place.
    let mut lines: Vec<&str> = Vec::new();
    let mut free = 0;
    for (text, line) in list.lines {
        let at = usize::try_from(line.saturating_sub(1)).unwrap_or(free).max(free).min(1 << 20);
        lines.resize(at, "");
        lines.push(text);
        free = at + 1;
    }
    let text = lines.join("\n") + "\n";
    let root = EnvFile { path: list.file.path.clone(), bytes: text.into_bytes(), executable: false };
    let directory = path::directory(&list.file.path).to_owned();
    install_from(repo, root, From { id: PIP_STEP, directory, suffix: ".txt", target: list.target }, draft).map(|_| ())
}

/// Plans the installation of a requirements file and everything it includes. Whether it installs the directory it lies in, or the
/// whole repository, by itself.
pub(super) fn install(repo: &Repo<'_>, root: EnvFile, draft: &mut Draft) -> Result<bool, PlanError> {
    let from = From { id: "requirements", directory: String::new(), suffix: "", target: PythonTarget::Base };
    install_from(repo, root, from, draft)
}

/// Where requirements stand and go.
struct From {
    id: &'static str,
    /// The directory of the repository that paths in them start from.
    directory: String,
    /// What the file's name gets, so that the installer takes it for what it is.
    suffix: &'static str,
    target: PythonTarget,
}

fn install_from(repo: &Repo<'_>, root: EnvFile, from: From, draft: &mut Draft) -> Result<bool, PlanError> {
    let root_path = root.path.clone();
    draft.uses(&root_path, "Python packages");
    let mut files: Vec<RequirementsFile> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::from([root_path.clone()]);
    let mut waiting = vec![root];
    let mut installs_project = false;
    let (mut entries, mut prerelease, mut require_hashes, mut needs_content, mut climbs) =
        (0, false, false, false, false);
    while let Some(file) = waiting.pop() {
        let parsed = requirements::parse(&file.path, &file.bytes)?;
        entries += parsed.entries + parsed.remote_includes.len();
        prerelease |= parsed.prerelease;
        require_hashes |= parsed.require_hashes;
        needs_content |= !parsed.local.is_empty();
        check_local(repo, &file.path, &from.directory, &parsed, draft)?;
        let project = repo.config_dir.unwrap_or_default();
        installs_project |=
            parsed.local.iter().any(|(target, _)| path::join(&from.directory, target).as_deref() == Some(project));
        for (option, line) in &parsed.dropped {
            draft.notes.push(format!("{}:{line}: {option} has no effect here.", file.path));
        }
        for line in &parsed.remote_includes {
            draft
                .notes
                .push(format!("{}:{line} includes a file from the network; a change there is not noticed.", file.path));
        }
        for (target, line) in &parsed.includes {
            let path = included(repo, &file.path, target, *line)?;
            climbs |= target.split('/').any(|part| part == "..");
            if seen.insert(path.clone()) {
                if seen.len() > INCLUDE_LIMIT {
                    let message = format!("More than {INCLUDE_LIMIT} files are included.");
                    return Err(PlanError::line(&file.path, *line, message, "Put the requirements into fewer files."));
                }
                draft.uses(&path, format!("included by {}:{line}", file.path));
                waiting.push(repo.read(&path)?);
            }
        }
        let path = if file.path == root_path { format!("{root_path}{}", from.suffix) } else { file.path };
        files.push(RequirementsFile { path, content: parsed.text });
    }
    if entries == 0 {
        draft.notes.push(format!("{root_path} lists no packages."));
        return Ok(false);
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    // A path that climbs out of the directory and back must find it there.
    let root = format!("{root_path}{}", from.suffix);
    let root = if climbs { root } else { without_config_dir(repo, &root, &mut files) };
    let name = format!("install Python packages ({root_path})");
    let run = format!("uv pip install -r {root_path}");
    let action = Action::InstallPython {
        root,
        files,
        prerelease,
        require_hashes,
        how: PythonInstall::Requirements,
        target: from.target,
        // Without content there is nothing that a path could name.
        directory: if needs_content { from.directory } else { String::new() },
    };
    draft.step(from.id, &root_path, name, run, needs_content, action);
    Ok(installs_project)
}

/// A path an `-r` or `-c` names, relative to the file it stands in, as a path of the repository.
fn included(repo: &Repo<'_>, file: &str, target: &str, line: u32) -> Result<String, PlanError> {
    let refuse = |message: &str| {
        Err(PlanError::line(
            file,
            line,
            message,
            "Name a file of this repository, relative to the file that includes it.",
        ))
    };
    if target.starts_with(['/', '~']) || target.contains('$') {
        return refuse("The included file is not named by a path inside the repository.");
    }
    match path::join(path::directory(file), target) {
        None => refuse("The included file lies outside the repository."),
        Some(path) if !repo.exists(&path) || path.is_empty() => refuse("The included file is not in the repository."),
        Some(path) => Ok(path),
    }
}

/// Checks that local references exist, and records what makes them installable.
fn check_local(
    repo: &Repo<'_>,
    file: &str,
    directory: &str,
    parsed: &Parsed,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    for (target, line) in &parsed.local {
        // Installers take these relative to where they run, and not to the file.
        if target.starts_with(['/', '~']) || target.contains(['$', '%']) {
            continue;
        }
        let Some(path) = path::join(directory, target) else { continue };
        if !repo.exists(&path) {
            return Err(PlanError::line(
                file,
                *line,
                "The line installs from a path that is not in the repository.",
                if directory.is_empty() {
                    "Paths are taken from the top of the repository; check the name, or add the files."
                } else {
                    "Paths are taken from the file's own directory; check the name, or add the files."
                },
            ));
        }
        for name in ["pyproject.toml", "setup.py", "setup.cfg"] {
            let inside = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if repo.tree.entry(&inside).is_some() {
                draft.uses(inside, format!("a package installed by {file}:{line}"));
            }
        }
    }
    Ok(())
}

/// Takes the configuration directory off the paths when all files lie in it, so that the same requirements give the same
/// environment wherever a repository keeps them. The root's new path.
fn without_config_dir(repo: &Repo<'_>, root: &str, files: &mut [RequirementsFile]) -> String {
    let Some(prefix) = repo.config_dir.map(|dir| format!("{dir}/")) else { return root.to_owned() };
    if files.iter().any(|file| !file.path.starts_with(&prefix)) {
        return root.to_owned();
    }
    let strip = |path: &str| path.strip_prefix(&prefix).unwrap_or(path).to_owned();
    for file in files {
        file.path = strip(&file.path);
    }
    strip(root)
}
