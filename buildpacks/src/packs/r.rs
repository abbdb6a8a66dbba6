//! R: `install.R`, `DESCRIPTION`, `renv.lock` and an R in `runtime.txt`.
//!
//! Packages come from the base's distribution where it has them, built and tested together, and from CRAN otherwise.

use super::{Draft, Pack};
use crate::error::PlanError;
use crate::parse::runtime::{self, Other, PythonVersion};
use crate::parse::{r_package, r_script, renv_lock};
use crate::plan::{Action, LanguageChoice, RPackage};
use crate::repo::{EnvFile, Repo};

pub(crate) struct R;

/// The code of an R that the base does not have.
pub(crate) const NO_R: &str = "r-not-available";

/// What the files ask for together.
#[derive(Default)]
struct Asked {
    /// The file that asks for R first.
    file: Option<String>,
    /// The file that names packages first.
    packages_file: Option<String>,
    /// A version and where it is asked for.
    version: Option<(PythonVersion, String)>,
    packages: Vec<RPackage>,
    /// Whether something will or may have to be compiled.
    compiles: bool,
}

impl Asked {
    fn by(&mut self, file: &str) {
        self.file.get_or_insert_with(|| file.to_owned());
    }

    fn package(&mut self, file: &str, new: RPackage) {
        self.packages_file.get_or_insert_with(|| file.to_owned());
        match self.packages.iter_mut().find(|known| known.name == new.name) {
            Some(known) => {
                known.required |= new.required;
                known.at_least = known.at_least.take().or(new.at_least);
                known.locked = known.locked.take().or(new.locked);
            }
            None => self.packages.push(new),
        }
    }
}

impl Pack for R {
    fn name(&self) -> &'static str {
        "r"
    }

    fn files(&self) -> &'static [&'static str] {
        &["install.R", "DESCRIPTION", "renv.lock", "runtime.txt"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let mut asked = Asked::default();
        if let Some(file) = repo.file("runtime.txt")? {
            version(repo, &file, draft, &mut asked)?;
        }
        if let Some(file) = repo.file("renv.lock")? {
            lock(&file, draft, &mut asked)?;
        }
        let project = match repo.file("DESCRIPTION")? {
            Some(file) => describe(repo, file, draft, &mut asked)?,
            None => None,
        };
        let script = repo.file("install.R")?;
        if let Some(file) = &script {
            let read = r_script::parse(&file.path, &file.bytes)?;
            draft.uses(&file.path, "a program that installs R packages");
            asked.by(&file.path);
            asked.compiles |= read.opaque;
            for name in read.packages.into_iter().filter(|name| !r_package::is_of_r(name)) {
                asked.package(&file.path, RPackage { name, at_least: None, locked: None, required: false });
            }
        }
        let Some(file) = asked.file.clone() else { return Ok(()) };
        provide(repo, &file, asked, draft);
        if let Some((file, directory)) = project {
            let name = format!("install the R package of {file}");
            let action = Action::InstallRProject { directory };
            draft.step("r-project", &file, name, "R CMD INSTALL".to_owned(), true, action);
        }
        if let Some(file) = script {
            let (name, run) = (format!("run {}", file.path), format!("Rscript {}", file.path));
            draft.step("install-r", &file.path, name, run, true, Action::RunInstallR { path: file.path.clone() });
        }
        Ok(())
    }
}

/// Adds R itself with its kernel to a plan, for what asks for R without naming packages.
pub(crate) fn kernel(repo: &Repo<'_>, file: &str, draft: &mut Draft) {
    provide(repo, file, Asked::default(), draft);
}

/// The steps that need nothing of the repository's content.
fn provide(repo: &Repo<'_>, file: &str, mut asked: Asked, draft: &mut Draft) {
    let contract = repo.contract;
    let servers = draft.sources.r_servers();
    for name in servers.iter().filter_map(|(server, _)| server.r_package()) {
        asked.package(file, RPackage { name: name.to_owned(), at_least: None, locked: None, required: true });
    }
    let have = contract.r.clone().or_else(|| contract.apt_r.clone());
    let source = asked.version.as_ref().map(|(_, place)| place.clone()).unwrap_or_else(|| {
        if contract.r.is_some() { "base image".to_owned() } else { "the base's distribution".to_owned() }
    });
    let series = asked.version.as_ref().map(|(version, _)| version.series());
    let known = have.clone().filter(|version| PythonVersion::parse(version).is_some());
    let version = known.clone().or_else(|| series.clone()).unwrap_or_else(|| "the base's".to_owned());
    draft.r = Some(LanguageChoice { version, source });

    let asked_by = if known.is_some() { None } else { asked.version.map(|(_, place)| place) };
    let names: Vec<String> = asked.packages.iter().map(|package| package.name.clone()).collect();
    let in_base = contract.r.is_some();
    let action = Action::InstallR {
        in_base,
        // Where the base does not say which R there will be, the build asks.
        version: asked_by.as_ref().and(series),
        repository: repository(draft),
        asked_by: asked_by.unwrap_or_default(),
        packages: names.clone(),
        compilers: asked.compiles,
    };
    let (name, run) = if in_base {
        (format!("set up R ({file})"), "write Rprofile.site".to_owned())
    } else {
        (format!("install R ({file})"), "apt-get install r-base-core r-cran-irkernel".to_owned())
    };
    draft.step("r", file, name, run, false, action);
    for (server, package) in servers {
        let (id, title) = (server.id(), server.title());
        let run = format!("apt-get install {id}-server");
        draft.step(id, file, format!("install {title}"), run, false, Action::InstallRServer { server, package });
        let (id, run) = (format!("{id}-proxy"), format!("uv pip install {}", server.proxy()));
        let action = Action::InstallRServerProxy { server };
        draft.step(&id, file, format!("let Jupyter show {title}"), run, false, action);
    }
    if let Some(file) = asked.packages_file {
        let run = format!("install.packages: {}", names.join(" "));
        let action = Action::InstallRPackages { packages: asked.packages };
        draft.step("r-packages", &file, format!("install R packages ({file})"), run, false, action);
    }
}

/// The repository of packages, at the day that is asked for.
fn repository(draft: &mut Draft) -> String {
    let address = draft.sources.cran.clone();
    let date = draft.as_of.as_ref().map(|chosen| chosen.date.to_string());
    if let Some(date) = &date {
        draft.notes.push(if address.contains("{date}") {
            format!("R packages that the base's distribution has are of its release; the others are those of {date}.")
        } else {
            format!("The date {date} has no effect on R packages: this site's repository of them has no dates.")
        });
    }
    address.replace("{date}", date.as_deref().unwrap_or("latest"))
}

/// An R that `runtime.txt` names.
fn version(repo: &Repo<'_>, file: &EnvFile, draft: &mut Draft, asked: &mut Asked) -> Result<(), PlanError> {
    let runtime = runtime::parse(&file.path, &file.bytes)?;
    let Some(Other::R(version)) = runtime.other else { return Ok(()) };
    draft.uses(&file.path, "the R version");
    asked.by(&file.path);
    let Some(version) = version else { return Ok(()) };
    let place = format!("{}:{}", file.path, runtime.line);
    let have = repo.contract.r.as_deref().or(repo.contract.apt_r.as_deref());
    if let Some(known) = have.and_then(PythonVersion::parse).filter(|known| !version.allows(*known)) {
        let message =
            format!("The repository asks for R {}; this site has R {}.", version.series(), have.unwrap_or_default());
        let hint = format!("Write r-{} or remove the file.", known.series());
        return Err(PlanError::line(&file.path, runtime.line, message, hint).coded(NO_R));
    }
    if version.patch.is_some() {
        draft.notes.push(format!(
            "{place} names a patch release; R {} is used at the patch level the base has.",
            version.series()
        ));
    }
    asked.version = Some((version, place));
    Ok(())
}

/// The packages of a lock file.
fn lock(file: &EnvFile, draft: &mut Draft, asked: &mut Asked) -> Result<(), PlanError> {
    let lock = renv_lock::parse(&file.path, &file.bytes)?;
    draft.uses(&file.path, "R packages");
    asked.by(&file.path);
    let path = &file.path;
    if let Some(r) = &lock.r {
        draft.notes.push(format!("{path} was written with R {r}; the image has the R of its base."));
    }
    if !lock.packages.is_empty() {
        draft.notes.push(format!(
            "R packages of {path} that the base's distribution has are taken from there, at its versions, the others from CRAN; \
             the build's log names every version that differs from the lock."
        ));
    }
    if !lock.elsewhere.is_empty() {
        let names = lock.elsewhere.join(", ");
        draft.notes.push(format!("{path}: {names} were not locked from CRAN; the distribution's or CRAN's are used."));
    }
    for (name, version) in lock.packages {
        // The tool that wrote the lock is no part of what it locks.
        let required = name != "renv";
        asked.package(path, RPackage { name, at_least: None, locked: Some(version), required });
    }
    Ok(())
}

/// The dependencies a `DESCRIPTION` names; the file and its directory, where there is a package to install.
fn describe(
    repo: &Repo<'_>,
    file: EnvFile,
    draft: &mut Draft,
    asked: &mut Asked,
) -> Result<Option<(String, String)>, PlanError> {
    let read = r_package::parse(&file.path, &file.bytes)?;
    draft.uses(&file.path, "an R package and what it needs");
    asked.by(&file.path);
    if let Some(line) = read.remotes {
        draft.notes.push(format!(
            "{}:{line}: Remotes has no effect; the distribution's or CRAN's packages of these names are used.",
            file.path
        ));
    }
    for package in read.dependencies {
        let (name, at_least) = (package.name, package.at_least);
        asked.package(&file.path, RPackage { name, at_least, locked: None, required: true });
    }
    let directory = repo.config_dir.unwrap_or_default().to_owned();
    let inside = |name: &str| if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    let installable = read.package.is_some() && read.has_version && repo.tree.entry(&inside("NAMESPACE")).is_some();
    if !installable {
        draft.notes.push(format!(
            "{} describes no package that R installs (Package, Version and a file NAMESPACE); only what it needs is installed.",
            file.path
        ));
        return Ok(None);
    }
    asked.compiles |= read.compiles || repo.tree.has_directory(&inside("src"));
    Ok(Some((file.path, directory)))
}
