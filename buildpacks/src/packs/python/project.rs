//! A project of its own: `pyproject.toml`, `setup.py`, `setup.cfg`.
//!
//! Its dependencies, where they stand in the file, go into the environment image; the project itself is built on top of the content.

use super::super::Draft;
use crate::error::PlanError;
use crate::parse::pyproject::{self, PyProject};
use crate::parse::text;
use crate::plan::{Action, IgnoredFile, PythonInstall, PythonTarget, RequirementsFile};
use crate::python_version::PythonWant;
use crate::repo::Repo;

/// The id of the step that installs packages from any file but `requirements.txt`.
pub(super) const PACKAGES: &str = "python-packages";
/// The id of the step that installs the repository itself.
pub(super) const PROJECT: &str = "project";

/// The project files of a repository, read.
pub(super) struct Project {
    /// `pyproject.toml`, and its path.
    pub(super) pyproject: Option<(PyProject, String)>,
    /// The path of `setup.py`.
    setup_py: Option<String>,
    /// The path of `setup.cfg`, and whether it describes a package.
    setup_cfg: Option<(String, bool)>,
    /// The directory they lie in; empty for the top.
    directory: String,
}

impl Project {
    /// Reads what there is, and takes up what it asks of Python.
    pub(super) fn read(repo: &Repo<'_>, draft: &mut Draft) -> Result<Self, PlanError> {
        let pyproject = match repo.file("pyproject.toml")? {
            Some(file) => Some((pyproject::parse(&file.path, &file.bytes)?, file.path)),
            None => None,
        };
        let setup_cfg = match repo.file("setup.cfg")? {
            Some(file) => {
                let describes = text::decode(&file.path, &file.bytes)?
                    .lines()
                    .any(|line| ["[metadata]", "[options]"].contains(&line.trim_end()));
                Some((file.path, describes))
            }
            None => None,
        };
        let setup_py = repo.file("setup.py")?.map(|file| file.path);
        if let Some((PyProject { python: Some((specifiers, text, line)), .. }, path)) = &pyproject {
            draft.uses(path, "the Python version");
            let (specifiers, text) = (specifiers.clone(), text.clone());
            draft.want_python(PythonWant { specifiers, file: path.clone(), line: *line, text });
        }
        Ok(Self { pyproject, setup_py, setup_cfg, directory: repo.config_dir.unwrap_or_default().to_owned() })
    }

    /// The file that makes the repository a package that can be built, if one does.
    pub(super) fn installable(&self) -> Option<&str> {
        if let Some((parsed, path)) = &self.pyproject {
            if parsed.is_installable() {
                return Some(path);
            }
            if parsed.package == Some(false) {
                return None;
            }
        }
        let setup_cfg = self.setup_cfg.as_ref().filter(|(_, describes)| *describes).map(|(path, _)| path);
        self.setup_py.as_ref().or(setup_cfg).map(String::as_str)
    }

    /// Whether the modules that Poetry would look for are there. Many a project of Poetry's is a list of packages and nothing more.
    pub(super) fn has_modules(&self, repo: &Repo<'_>) -> bool {
        let Some((parsed, _)) = &self.pyproject else { return true };
        if !parsed.poetry || parsed.names_packages {
            return true;
        }
        let name = parsed.name.as_deref().unwrap_or_default().to_ascii_lowercase().replace(['-', '.'], "_");
        let at = |place: String| if self.directory.is_empty() { place } else { format!("{}/{place}", self.directory) };
        [name.clone(), format!("src/{name}"), format!("{name}.py"), format!("src/{name}.py")]
            .into_iter()
            .any(|place| repo.exists(&at(place)))
    }

    /// Adds the step that builds and installs the repository, on top of its content.
    pub(super) fn install(&self, file: &str, dependencies: bool, draft: &mut Draft) {
        for path in self.paths() {
            draft.uses_also(path, "the repository's own package");
        }
        let (name, place) = (
            format!("install the repository's own package ({file})"),
            if self.directory.is_empty() { ".".to_owned() } else { format!("./{}", self.directory) },
        );
        let how = if dependencies { PythonInstall::Project } else { PythonInstall::ProjectAlone };
        let run = format!("uv pip install {place}");
        draft.step(PROJECT, file, name, run, true, install_action(self.directory.clone(), Vec::new(), how));
    }

    /// Names the files that are neither used nor named yet.
    pub(super) fn ignore(&self, reason: &dyn Fn(&str) -> String, draft: &mut Draft) {
        for path in self.paths() {
            let known =
                draft.used.iter().any(|used| used.file == path) || draft.ignored.iter().any(|one| one.file == path);
            if !known {
                draft.ignored.push(IgnoredFile { file: path.to_owned(), reason: reason(path) });
            }
        }
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let pyproject = self.pyproject.as_ref().map(|(_, path)| path.as_str());
        pyproject
            .into_iter()
            .chain(self.setup_py.as_deref())
            .chain(self.setup_cfg.as_ref().map(|(path, _)| path.as_str()))
    }

    /// Says what of the project is left out.
    pub(super) fn note_optional(&self, draft: &mut Draft) {
        if let Some((parsed, path)) = &self.pyproject
            && !parsed.optional.is_empty()
        {
            draft.notes.push(format!(
                "{path} has packages that are installed only on demand ({}); they are not installed.",
                parsed.optional.join(", ")
            ));
        }
    }
}

/// An installation from lent files.
pub(super) fn install_action(root: String, files: Vec<RequirementsFile>, how: PythonInstall) -> Action {
    let (target, directory) = (PythonTarget::Base, String::new());
    Action::InstallPython { root, files, prerelease: false, require_hashes: false, how, target, directory }
}

/// The project is all there is.
pub(super) fn alone(repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let project = Project::read(repo, draft)?;
    let installable = project.installable().map(str::to_owned);
    if let Some((parsed, path)) = &project.pyproject {
        packages(parsed, path, installable.is_some(), draft);
    }
    match installable {
        Some(file) => project.install(&file, true, draft),
        None => project.ignore(&not_a_package, draft),
    }
    project.note_optional(draft);
    Ok(())
}

/// Plans the dependencies that stand in `pyproject.toml`.
fn packages(parsed: &PyProject, path: &str, installable: bool, draft: &mut Draft) {
    let Some(dependencies) = &parsed.dependencies else { return };
    draft.uses_also(path, "Python packages");
    if dependencies.is_empty() {
        if !installable {
            draft.notes.push(format!("{path} lists no packages."));
        }
        return;
    }
    // What only uv understands, and paths, are found when the project itself is installed.
    if installable && (parsed.local || parsed.uv_sources) {
        return;
    }
    let content: String = dependencies.iter().map(|(text, _)| format!("{text}\n")).collect();
    let files = vec![RequirementsFile { path: "dependencies.txt".to_owned(), content }];
    let action = install_action("dependencies.txt".to_owned(), files, PythonInstall::Requirements);
    let name = format!("install Python packages ({path})");
    draft.step(PACKAGES, path, name, format!("uv pip install the dependencies in {path}"), parsed.local, action);
}

/// `requirements.txt` decides the packages; a project beside it is installed as well, unless it does that itself.
pub(super) fn beside_requirements(
    repo: &Repo<'_>,
    requirements: &str,
    has_project: bool,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    let project = Project::read(repo, draft)?;
    match project.installable().map(str::to_owned) {
        Some(file) if !has_project => project.install(&file, true, draft),
        Some(_) => project.ignore(&|_| format!("{requirements} decides the Python packages"), draft),
        None => {
            let listed = |path: &str| {
                let lists = project.pyproject.as_ref().is_some_and(|(parsed, _)| parsed.project);
                if lists && path.ends_with("pyproject.toml") {
                    format!("{requirements} decides the Python packages")
                } else {
                    not_a_package(path)
                }
            };
            project.ignore(&listed, draft);
        }
    }
    Ok(())
}

fn not_a_package(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "setup.cfg" => "it configures tools and describes no package".to_owned(),
        "setup.py" => "pyproject.toml says that the repository is no package".to_owned(),
        _ => "it describes neither packages nor a project that can be built".to_owned(),
    }
}
