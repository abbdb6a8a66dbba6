//! File names that look like an environment and are not used, with the reason. Silence about one of them is a defect.

use bindery_core::{EntryKind, Tree};

use crate::CATALOGUE;
use crate::plan::IgnoredFile;

/// Names that describe an environment no pack reads, and what kind it is.
const OTHERS: [(&str, &str); 11] = [
    ("anaconda-project.yml", "Anaconda projects"),
    (".tool-versions", ".tool-versions files"),
    ("requirements3.txt", "requirements3.txt files"),
    ("packrat.lock", "R packages"),
    ("package.json", "Node packages"),
    ("package-lock.json", "Node packages"),
    ("Gemfile", "Ruby packages"),
    ("guix.scm", "Guix environments"),
    ("docker-compose.yml", "compose files"),
    ("docker-compose.yaml", "compose files"),
    ("compose.yaml", "compose files"),
];

/// Other tools' names for what a pack reads, and the name it reads.
const MISNAMED: [(&str, &str); 3] =
    [("Containerfile", "Dockerfile"), ("Aptfile", "apt.txt"), ("packages.txt", "apt.txt")];

/// Lists what is not used: in the configuration directory, at the top, and in the places tools have of their own.
pub(crate) fn ignored(
    tree: &dyn Tree,
    config_dir: Option<&str>,
    dockerfile: Option<&str>,
    already: &[IgnoredFile],
    is_used: &dyn Fn(&str) -> bool,
) -> Vec<IgnoredFile> {
    let mut out = Vec::new();
    for entry in tree.entries() {
        let path = entry.path.as_str();
        if entry.kind == EntryKind::Submodule || is_used(path) {
            continue;
        }
        let directory = entry.path.parent();
        let name = entry.path.file_name();
        let at_top = directory.is_empty();
        let in_config = config_dir.is_some_and(|dir| dir == directory);
        let in_tool_dir =
            directory == ".devcontainer" || directory.starts_with(".devcontainer/") || path == "packrat/packrat.lock";
        if !(at_top || in_config || in_tool_dir) {
            continue;
        }
        if already.iter().any(|one| one.file == path) {
            continue;
        }
        let Some(reason) = reason(name, (at_top || in_tool_dir) && config_dir.is_some(), config_dir, dockerfile) else {
            continue;
        };
        out.push(IgnoredFile { file: path.to_owned(), reason });
    }
    out
}

fn reason(name: &str, outside: bool, config_dir: Option<&str>, dockerfile: Option<&str>) -> Option<String> {
    let supported = || CATALOGUE.iter().flat_map(|pack| pack.files().iter().copied());
    let exact = supported().any(|file| file == name);
    let kind = OTHERS.iter().find(|(file, _)| *file == name).map(|(_, kind)| *kind);
    let misnamed = MISNAMED.iter().find(|(file, _)| *file == name).map(|(_, right)| *right);
    let alike = misnamed.or_else(|| supported().find(|file| file.eq_ignore_ascii_case(name)).filter(|_| !exact));
    let requirements = is_requirements_like(name);
    if !(exact || kind.is_some() || alike.is_some() || requirements) {
        return None;
    }
    if let Some(dockerfile) = dockerfile {
        return Some(format!("{dockerfile} decides the whole image"));
    }
    if let Some(dir) = config_dir.filter(|_| outside) {
        return Some(format!("{dir}/ exists, so environment files outside it are not read"));
    }
    if let Some(kind) = kind {
        return Some(format!("{kind} are not supported yet"));
    }
    if let Some(right) = alike {
        return Some(format!("the name must be written exactly {right}"));
    }
    if exact {
        return Some("nothing here has a use for it".to_owned());
    }
    requirements.then(|| "only requirements.txt, and files it includes with -r, are read".to_owned())
}

/// `requirements-dev.txt`, `dev-requirements.txt`, `requirement.txt` and the like.
fn is_requirements_like(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    (name.starts_with("requirement") || name.ends_with("requirements.txt"))
        && (name.ends_with(".txt") || name.ends_with(".in"))
        && name != "requirements.txt"
}
