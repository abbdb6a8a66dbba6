//! Julia: `Project.toml` with its manifest, and a Julia in `runtime.txt`.

use super::{Draft, Pack};
use crate::error::{PlanError, UNSUPPORTED, shown};
use crate::parse::julia_compat::{Compat, JuliaVersion};
use crate::parse::julia_project;
use crate::parse::runtime::{self, Other};
use crate::plan::{Action, LanguageChoice, RequirementsFile};
use crate::repo::Repo;

/// The releases there are, oldest first.
const RELEASES: &str = include_str!("../../data/julia.toml");

/// Names of manifests, the preferred one first.
const MANIFESTS: [&str; 2] = ["JuliaManifest.toml", "Manifest.toml"];

pub(crate) struct Julia;

/// A requirement on Julia, and where it stands.
struct Wish {
    compat: Compat,
    written: String,
    file: String,
    line: u32,
}

impl Pack for Julia {
    fn name(&self) -> &'static str {
        "julia"
    }

    fn files(&self) -> &'static [&'static str] {
        &["JuliaProject.toml", "Project.toml", "JuliaManifest.toml", "Manifest.toml", "REQUIRE", "runtime.txt"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let mut wishes: Vec<Wish> = Vec::new();
        let mut first = None;
        if let Some(file) = repo.file("runtime.txt")? {
            let runtime = runtime::parse(&file.path, &file.bytes)?;
            if let Some(Other::Julia(version)) = runtime.other {
                draft.uses(&file.path, "the Julia version");
                first = Some(file.path.clone());
                if let Some((compat, written)) = version {
                    wishes.push(Wish { compat, written, file: file.path, line: runtime.line });
                }
            }
        }
        // Julia itself prefers the longer names.
        let named = |names: [&'static str; 2]| names.into_iter().find(|name| repo.exists(&repo.path(name)));
        let Some(project_name) = named(["JuliaProject.toml", "Project.toml"]) else {
            if let Some(file) = repo.file("REQUIRE")? {
                return Err(PlanError::file(
                    &file.path,
                    "REQUIRE files are of Julia 0.6 and before; no Julia since reads them.",
                    "Describe the packages in a Project.toml: in Julia, `] activate .` and `] add` each of them.",
                )
                .coded(UNSUPPORTED));
            }
            if let Some(file) = first {
                let (version, source) = choose(&wishes, None)?;
                provide(
                    draft,
                    &file,
                    version,
                    source,
                    Action::AddJuliaKernel {
                        directory: repo.config_dir.unwrap_or_default().to_owned(),
                        files: vec![],
                        is_package: false,
                    },
                );
            }
            for name in MANIFESTS.into_iter().filter(|name| repo.exists(&repo.path(name))) {
                draft.ignores(repo.path(name), "a manifest says nothing without the Project.toml it belongs to");
            }
            return Ok(());
        };
        let Some(file) = repo.file(project_name)? else { return Ok(()) };
        let project = julia_project::project(&file.path, &file.bytes)?;
        draft.uses(&file.path, "a Julia project");
        if let Some((written, compat, line)) = project.julia {
            wishes.push(Wish { compat, written, file: file.path.clone(), line });
        }
        let mut files = vec![RequirementsFile { path: project_name.to_owned(), content: project.text }];
        let mut locked = None;
        let mut path_line = project.path_line.map(|line| (file.path.clone(), line));
        let manifest_name = named(MANIFESTS);
        if let Some(manifest) = manifest_name.map(|name| repo.file(name)).transpose()?.flatten() {
            let read = julia_project::manifest(&manifest.path, &manifest.bytes)?;
            draft.uses(&manifest.path, "the exact Julia packages");
            locked = read.julia.map(|(version, line)| (version, format!("{}:{line}", manifest.path)));
            path_line = path_line.or(read.path_line.map(|line| (manifest.path.clone(), line)));
            let name = manifest_name.unwrap_or_default().to_owned();
            files.push(RequirementsFile { path: name, content: read.text });
        }
        for name in ["Project.toml", "Manifest.toml", "REQUIRE"] {
            let path = repo.path(name);
            let used = Some(name) == manifest_name || path == file.path;
            if !used && repo.exists(&path) {
                draft.ignores(path, format!("{} is used, which Julia prefers", file.path));
            }
        }
        check_locked(&wishes, locked.as_ref(), draft)?;
        let (version, source) = choose(&wishes, locked)?;
        let directory = repo.config_dir.unwrap_or_default().to_owned();
        let resolved = path_line.is_none();
        if let Some((file, line)) = path_line {
            draft.notes.push(format!(
                "{file}:{line} names a package by its path, so Julia's packages are installed on top of the content, for every commit."
            ));
            files.clear();
        }
        let kernel = Action::AddJuliaKernel { directory: directory.clone(), files, is_package: project.is_package };
        provide(draft, &file.path, version, source, kernel);
        let manifest = manifest_name
            .unwrap_or(if project_name.starts_with("Julia") { "JuliaManifest.toml" } else { "Manifest.toml" })
            .to_owned();
        let action = Action::PrepareJuliaProject { directory, manifest, resolved };
        let name = format!("prepare the Julia project ({})", file.path);
        draft.step("julia-project", &file.path, name, "Pkg.instantiate()".to_owned(), true, action);
        Ok(())
    }
}

/// Adds Julia itself with its kernel to a plan, for what asks for Julia without naming packages.
pub(crate) fn kernel(repo: &Repo<'_>, file: &str, draft: &mut Draft) -> Result<(), PlanError> {
    let (version, source) = choose(&[], None)?;
    let directory = repo.config_dir.unwrap_or_default().to_owned();
    provide(draft, file, version, source, Action::AddJuliaKernel { directory, files: vec![], is_package: false });
    Ok(())
}

fn provide(draft: &mut Draft, file: &str, version: JuliaVersion, source: String, kernel: Action) {
    let version = version.to_string();
    let mirror = draft.sources.julia.clone();
    let run = format!("fetch Julia {version} from {mirror}");
    let action = Action::InstallJulia { version: version.clone(), mirror };
    draft.step("julia", file, format!("install Julia {version} ({file})"), run, false, action);
    let name = format!("install Julia packages ({file})");
    draft.step("julia-packages", file, name, "Pkg.add(\"IJulia\"); Pkg.instantiate()".to_owned(), false, kernel);
    draft.julia = Some(LanguageChoice { version, source });
}

/// The manifest decides; what contradicts it is named, and what says so in so many words is refused.
fn check_locked(wishes: &[Wish], locked: Option<&(JuliaVersion, String)>, draft: &mut Draft) -> Result<(), PlanError> {
    let Some((version, place)) = locked else { return Ok(()) };
    for wish in wishes.iter().filter(|wish| !wish.compat.allows(*version)) {
        if wish.file.ends_with("runtime.txt") {
            let message = format!("The file asks for Julia {}, and {place} for {version}.", wish.written);
            let hint = format!("Write julia-{}.{} or remove the file.", version.0, version.1);
            return Err(PlanError::line(&wish.file, wish.line, message, hint).coded("conflicting-versions"));
        }
        draft.notes.push(format!(
            "{}:{} asks for Julia {}; {place} was written with {version}, which is used.",
            wish.file, wish.line, wish.written
        ));
    }
    Ok(())
}

/// The Julia there will be, and what chose it: the manifest's, else the newest release that every wish allows.
fn choose(wishes: &[Wish], locked: Option<(JuliaVersion, String)>) -> Result<(JuliaVersion, String), PlanError> {
    if let Some(locked) = locked {
        return Ok(locked);
    }
    let releases = releases();
    let newest = |wishes: &[Wish]| {
        releases.iter().rev().copied().find(|version| wishes.iter().all(|wish| wish.compat.allows(*version)))
    };
    let source = wishes.first().map_or("the newest release".to_owned(), |wish| format!("{}:{}", wish.file, wish.line));
    if let Some(version) = newest(wishes) {
        return Ok((version, source));
    }
    let (from, to) = (releases.first(), releases.last());
    let available = from.zip(to).map(|(from, to)| format!("{from} to {to}")).unwrap_or_default();
    let impossible = wishes.iter().find(|wish| newest(std::slice::from_ref(*wish)).is_none());
    match (impossible, wishes) {
        (Some(wish), _) => {
            let message = format!("No release of Julia is {}.", shown(&wish.written));
            let hint = format!("The releases that can be had here are {available}.");
            Err(PlanError::line(&wish.file, wish.line, message, hint).coded("julia-not-available"))
        }
        (None, [one, .., other]) => {
            let message = format!(
                "The file asks for Julia {}, and {}:{} for {}; no release is both.",
                shown(&one.written),
                other.file,
                other.line,
                shown(&other.written)
            );
            let hint = format!("Change one of the two; the releases that can be had here are {available}.");
            Err(PlanError::line(&one.file, one.line, message, hint).coded("conflicting-versions"))
        }
        (None, _) => Err(PlanError::Render("the list of Julia's releases is empty".to_owned())),
    }
}

fn releases() -> Vec<JuliaVersion> {
    let table: toml::Table = RELEASES.parse().unwrap_or_default();
    let list = table.get("releases").and_then(toml::Value::as_array).into_iter().flatten();
    list.filter_map(|release| JuliaVersion::parse(release.as_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::releases;

    #[test]
    fn the_list_of_releases_is_sorted_and_each_entry_is_a_release() {
        let releases = releases();
        assert!(releases.len() > 50, "{}", releases.len());
        assert!(releases.is_sorted());
        assert_eq!(super::RELEASES.matches('"').count(), releases.len() * 2);
    }
}
