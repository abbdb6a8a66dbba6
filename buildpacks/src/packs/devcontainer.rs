//! `devcontainer.json`: read where nothing else describes the environment. It describes a place to edit code in, so what makes no
//! sense in a notebook is left out, each with a word in the log.

use serde_json::{Map, Value};

use super::{Draft, Pack, dockerfile, julia, r};
use crate::error::{PlanError, shown};
use crate::parse;
use crate::parse::devcontainer::{Command, line_of, parse};
use crate::parse::runtime::PythonVersion;
use crate::path;
use crate::plan::Action;
use crate::python_version::PythonWant;
use crate::repo::{EnvFile, Repo};
use crate::shell::word;

pub(crate) struct DevContainer;

/// What the image's own programs need as it is.
const RESERVED: [&str; 9] =
    ["PATH", "HOME", "USER", "SHELL", "CONDA_DIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV"];
/// Prefixes of the same.
const RESERVED_PREFIXES: [&str; 3] = ["NB_", "JUPYTER", "BINDERY"];

impl Pack for DevContainer {
    fn name(&self) -> &'static str {
        "devcontainer"
    }

    fn files(&self) -> &'static [&'static str] {
        &["devcontainer.json", ".devcontainer.json"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let found = find(repo);
        let Some(first) = found.first() else { return Ok(()) };
        if repo.config_dir.is_some() {
            // The catalogue names them, as it does whatever lies outside.
            return Ok(());
        }
        if let Some(other) = draft.used.first().map(|used| used.file.clone()) {
            for path in found {
                draft
                    .ignores(path, format!("used only where no other file describes the environment, as {other} does"));
            }
            return Ok(());
        }
        for other in found.iter().skip(1) {
            draft.ignores(other, format!("{first} is used"));
        }
        let file = repo.read(first)?;
        let read = parse(&file.path, &file.bytes)?;
        if read.compose {
            draft.ignores(&file.path, "it describes several containers, and a session is one");
            return Ok(());
        }
        if let Some((path, context)) = &read.dockerfile {
            return build(repo, &file, path, context, draft);
        }
        draft.uses(&file.path, "a development container");
        let path = &file.path;
        if let Some(image) = &read.image {
            // mcr.microsoft.com/devcontainers/python:1-3.12-bookworm says which Python, and nothing else that counts here.
            let (name, tag) = image.rsplit_once(':').unwrap_or((image, ""));
            if name.rsplit('/').next() == Some("python") {
                tag.split('-').for_each(|part| want_python(&file, image, part, draft));
            }
            draft.notes.push(format!("{path}: its image {} is not used; the base is this site's.", shown(image)));
        }
        for (name, options) in &read.features {
            feature(repo, &file, name, options, draft)?;
        }
        for name in &read.substituted {
            draft.notes.push(format!("{path}: {name} in containerEnv is made of other variables and is left out."));
        }
        let reserved =
            |name: &str| RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let (left_out, variables): (Vec<_>, Vec<_>) =
            read.environment.into_iter().partition(|(name, _)| reserved(name));
        for (name, _) in left_out {
            draft.notes.push(format!("{path}: {name} in containerEnv is the image's own and is left out."));
        }
        if !variables.is_empty() {
            let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
            let run = format!("export {}", names.join(" "));
            let action = Action::SetVariables { variables };
            draft.step("variables", &file.path, format!("set variables ({path})"), run, false, action);
        }
        if !read.commands.is_empty() {
            let scripts = read.commands.iter().map(script).collect();
            let action = Action::RunCommands { scripts };
            draft.step("commands", path, format!("run postCreateCommand ({path})"), "sh".to_owned(), true, action);
        }
        Ok(())
    }
}

/// The files, the one that counts first.
fn find(repo: &Repo<'_>) -> Vec<String> {
    let places = [".devcontainer/devcontainer.json", ".devcontainer.json", "devcontainer.json"];
    let mut found: Vec<String> =
        places.iter().filter(|path| repo.tree.entry(path).is_some()).map(|path| (*path).to_owned()).collect();
    let mut more: Vec<String> = Vec::new();
    for entry in repo.tree.entries() {
        let inner =
            entry.path.as_str().strip_prefix(".devcontainer/").and_then(|rest| rest.strip_suffix("/devcontainer.json"));
        if inner.is_some_and(|name| !name.contains('/')) && entry.kind.is_file() {
            more.push(entry.path.as_str().to_owned());
        }
    }
    more.sort();
    found.extend(more);
    found
}

/// A Dockerfile whose context is the repository decides the whole image, like one at the top.
fn build(repo: &Repo<'_>, file: &EnvFile, path: &str, context: &str, draft: &mut Draft) -> Result<(), PlanError> {
    let inside = |target: &str| path::join(path::directory(&file.path), target).filter(|_| !target.starts_with('/'));
    let dockerfile = inside(path).filter(|path| repo.tree.entry(path).is_some());
    match (dockerfile, inside(context).as_deref()) {
        (Some(dockerfile), Some("")) => {
            draft.uses(&file.path, "names the Dockerfile of the whole image");
            dockerfile::decide(repo, repo.read(&dockerfile)?, draft)
        }
        (None, _) => {
            draft.ignores(&file.path, "the Dockerfile it names is not in the repository");
            Ok(())
        }
        (Some(_), _) => {
            draft.ignores(
                &file.path,
                "its Dockerfile is built from a directory of the repository; only the whole repository can be its context",
            );
            Ok(())
        }
    }
}

/// A feature that an image can have.
fn feature(
    repo: &Repo<'_>,
    file: &EnvFile,
    name: &str,
    options: &Map<String, Value>,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    let path = &file.path;
    let option = |key: &str| options.get(key).and_then(Value::as_str).unwrap_or_default();
    match name.rsplit('/').next().unwrap_or(name) {
        "apt-packages" | "apt-get-packages" => {
            let words = option("packages").split([',', ' ']).filter(|word| !word.is_empty());
            let packages: Vec<String> = words.map(str::to_owned).collect();
            if let Some(wrong) = packages.iter().find(|word| !parse::apt::is_package(word)) {
                let message = format!("{:?} is not the name of a Debian package.", shown(wrong));
                return Err(PlanError::file(path, message, "Write names of Debian packages with commas between them."));
            }
            if !packages.is_empty() {
                let run = format!("apt-get install {}", packages.join(" "));
                let step = format!("install Debian packages ({path})");
                draft.step("apt", path, step, run, false, Action::InstallApt { packages });
            }
        }
        "r-apt" | "r-rig" => r::kernel(repo, path, draft),
        "julia" => julia::kernel(repo, path, draft)?,
        "python" => match option("version") {
            "" | "latest" | "os-provided" | "none" => {}
            version if is_series(version) => want_python(file, name, version, draft),
            version => draft.notes.push(format!(
                "{path}: its Python {} has no effect; name one in runtime.txt as python-3.12.",
                shown(version)
            )),
        },
        // What every image of this kind has, or what only an editor needs.
        "common-utils" | "git" | "git-lfs" | "github-cli" => {}
        _ => draft.notes.push(format!("{path}: the feature {} is not offered here and is left out.", shown(name))),
    }
    Ok(())
}

fn is_series(text: &str) -> bool {
    PythonVersion::parse(text).is_some_and(|version| version.major == 3 && version.minor.is_some())
}

/// Asks for the Python a word names, if it names one; `said` is what stands in the file.
fn want_python(file: &EnvFile, said: &str, word: &str, draft: &mut Draft) {
    let Some(version) = PythonVersion::parse(word).filter(|_| is_series(word)) else { return };
    let Some(specifiers) = parse::python_version::series(version) else { return };
    let line = line_of(&file.path, &file.bytes, said);
    draft.want_python(PythonWant { specifiers, file: file.path.clone(), line, text: version.series() });
}

/// A command as the text of a shell script.
fn script(command: &Command) -> String {
    match command {
        Command::Shell(line) => line.clone(),
        Command::Words(words) => {
            let words: Vec<String> = words.iter().map(|text| word(text)).collect();
            format!("exec {}", words.join(" "))
        }
    }
}
