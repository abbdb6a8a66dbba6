//! `environment.yml`: with conda where it asks for a conda package, without where it asks for Python and pip alone.

use pep440_rs::Version;

use super::loose::{self, Wishes};
use crate::error::PlanError;
use crate::packs::Draft;
use crate::packs::python::{PipList, install_list};
use crate::parse::environment_yml::{self, Environment};
use crate::parse::match_spec::PythonSpec;
use crate::plan::PythonTarget;
use crate::python_version::PythonWant;
use crate::repo::{EnvFile, Repo};

/// Names that the server has already, and that no notebook imports: nothing to do unless a version is asked for.
const PROVIDED: [&str; 9] = [
    "pip",
    "ipykernel",
    "jupyterlab",
    "notebook",
    "nbclassic",
    "jupyter_server",
    "jupyterhub",
    "nb_conda_kernels",
    "nb_conda",
];
/// Names that mean the same package to conda and to pip.
const SAME_FOR_PIP: [&str; 11] = [
    "pip",
    "setuptools",
    "wheel",
    "ipykernel",
    "ipython",
    "ipywidgets",
    "jupyter",
    "jupyterlab",
    "notebook",
    "nbclassic",
    "jupyter_server",
];

/// Plans what the file asks for.
pub(super) fn plan(repo: &Repo<'_>, file: &EnvFile, draft: &mut Draft) -> Result<(), PlanError> {
    let environment = environment_yml::parse(&file.path, &file.bytes)?;
    for (key, line) in &environment.unknown {
        draft.notes.push(format!("{}:{line}: {key} has no meaning here.", file.path));
    }
    let pythons = pythons(&file.path, &environment)?;
    let Some(simple) = without_conda(&environment) else {
        let Environment { channels, specs, pip, variables, .. } = environment;
        return loose::plan(repo, file, Wishes { channels, specs, pip, variables }, draft);
    };
    draft.uses(&file.path, "the Python version and Python packages");
    if !environment.variables.is_empty() {
        draft.notes.push(format!("{}: variables are set only where conda makes an environment.", file.path));
    }
    for (spec, line) in pythons {
        let text = spec.text;
        if spec.patch {
            draft.notes.push(format!(
                "{}:{line} names a patch release; Python {text} is used at the patch level this site has.",
                file.path
            ));
        }
        if !spec.specifiers.is_empty() {
            draft.want_python(PythonWant { specifiers: spec.specifiers, file: file.path.clone(), line, text });
        }
    }
    let list: Vec<(String, u32)> = simple.into_iter().chain(environment.pip).collect();
    if list.is_empty() {
        draft.notes.push(format!("{} lists no packages.", file.path));
        return Ok(());
    }
    install_list(repo, PipList { file, lines: &list, target: PythonTarget::Base }, draft)
}

/// What the specs for Python itself ask for, and the line of each; those that only conda can express are left out.
fn pythons(file: &str, environment: &Environment) -> Result<Vec<(PythonSpec, u32)>, PlanError> {
    let mut out = Vec::new();
    for (spec, line) in environment.specs.iter().filter(|(spec, _)| spec.name == "python") {
        let Ok(python) = spec.python() else { continue };
        let exists = |major: u64, minor: u64| {
            (0..40).any(|patch| python.specifiers.contains(&Version::new([major, minor, patch])))
        };
        if !exists(2, 7) && !(0..=40).any(|minor| exists(3, minor)) {
            return Err(PlanError::line(
                file,
                *line,
                format!("There is no Python {}.", python.text),
                "Ask for one there is, e.g. `- python=3.12`.",
            )
            .coded("python-not-available"));
        }
        out.push((python, *line));
    }
    Ok(out)
}

/// The requirements that stand for the file's specs, when none of them needs conda.
fn without_conda(environment: &Environment) -> Option<Vec<(String, u32)>> {
    let mut out = Vec::new();
    for (spec, line) in &environment.specs {
        if spec.name == "python" {
            spec.python().ok()?;
            continue;
        }
        let name = spec.name.replace('-', "_");
        if spec.more || !(PROVIDED.contains(&name.as_str()) || SAME_FOR_PIP.contains(&name.as_str())) {
            return None;
        }
        match &spec.version {
            None if PROVIDED.contains(&name.as_str()) => {}
            version => out.push((format!("{}{}", spec.name, for_pip(version.as_deref())?), *line)),
        }
    }
    Some(out)
}

/// A version as pip writes it; `None` for what only conda can express.
fn for_pip(version: Option<&str>) -> Option<String> {
    let Some(version) = version else { return Some(String::new()) };
    let mut out = Vec::new();
    for clause in version.split(',') {
        let at = clause.find(|c: char| !matches!(c, '<' | '>' | '=' | '!' | '~')).unwrap_or(clause.len());
        let (operator, number) = clause.split_at_checked(at)?;
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') && !text.is_empty();
        let bare = number.trim_end_matches(".*");
        if !plain(bare) {
            return None;
        }
        out.push(match operator {
            "=" => format!("=={bare}.*"),
            "" | "==" if number.ends_with(".*") => format!("=={bare}.*"),
            "" => format!("=={bare}"),
            "!=" => format!("!={number}"),
            "==" | "<" | "<=" | ">" | ">=" | "~=" => format!("{operator}{bare}"),
            _ => return None,
        });
    }
    Some(out.join(","))
}
