//! The plan: what will be done and why, as typed data. Text is made of it only in `render/`.

use std::sync::Arc;

use bindery_core::{Date, EnvironmentKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::conda::{CondaInstall, CondaOptions, address};
use crate::r_server::{DebianPackage, RServer};
use crate::sources::Sources;
use crate::{Contract, DockerfileStep, Lock, NotebookUser, PythonFallback, SessionOptions};

/// What of this site changes a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// The platform built for, e.g. `linux/amd64`.
    pub platform: String,
    /// Whether the build context will hold a CA bundle at [`crate::CA_BUNDLE_PATH`].
    pub ca_bundle: bool,
    /// Whose download caches the steps use: builds of the same scope share them. Empty: one scope for the whole site. Lower-case
    /// letters, digits and `-`; anything else is left out.
    pub cache_scope: String,
    /// The day whose packages are asked for. Wins over a day that a file names.
    pub as_of: Option<Date>,
    /// Pythons this site can fetch beside the base's own, e.g. `3.12` or `3.12.4`. Naming one here promises it: when it cannot be had,
    /// that is the site's fault. Empty: only the base's.
    pub pythons: Vec<String>,
    /// Where they are fetched from, when not from where uv does by itself: an address for its
    /// `UV_PYTHON_INSTALL_MIRROR`, or one that ends in `.json` for its `UV_PYTHON_DOWNLOADS_JSON_URL`.
    pub python_mirror: Option<String>,
    /// What becomes of a wish for a Python that is none of these.
    pub python_fallback: PythonFallback,
    /// Where what is not Python comes from.
    pub sources: Sources,
    /// What is asked of the session image beside what the repository's files ask.
    pub session: SessionOptions,
    /// Where conda packages come from.
    pub conda: CondaOptions,
    /// Which of repositories' own Dockerfiles are built.
    pub dockerfiles: DockerfileRules,
    /// The versions to install, where they are to be those of an image that was built before.
    pub lock: Option<Arc<Lock>>,
}

/// Which of repositories' own Dockerfiles a site builds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerfileRules {
    /// How much of one is allowed.
    pub policy: DockerfilePolicy,
    /// The images a safe one may start from or copy from: `name` with any tag or digest, or `beginning*`. Empty: any.
    pub bases: Vec<String>,
}

/// How much of a repository's own Dockerfile is allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DockerfilePolicy {
    /// Nothing: such a repository is refused.
    None,
    /// What cannot reach beyond the build: no other front end, no file of another image or of the host, no network of the host, no
    /// fetch by the engine itself. What two engines could read differently is refused.
    #[default]
    Safe,
    /// Everything. What is not safe is built as it stands. Only for a site whose builder can harm nobody else.
    Full,
}

/// A plan. Serialises as what `bindery plan --json` and the pages show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildPlan {
    /// The packs that take part, in catalogue order; `["default"]` when none does.
    pub buildpacks: Vec<String>,
    /// The base image's name. For a repository with its own Dockerfile, the site's, which is then not used.
    pub base: String,
    /// The platform built for.
    pub platform: String,
    /// The configuration directory: `binder`, `.binder`, or none for the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_dir: Option<String>,
    /// The Python the notebook gets, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<PythonChoice>,
    /// The day whose packages are installed, where one is asked for; otherwise today's are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<DateChoice>,
    /// The R the notebook gets beside it, where one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<LanguageChoice>,
    /// The Julia the notebook gets beside it, where one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub julia: Option<LanguageChoice>,
    /// Every environment file that is used.
    pub used: Vec<UsedFile>,
    /// Every file that looks like an environment and is not used.
    pub ignored: Vec<IgnoredFile>,
    /// Warnings for the log.
    pub notes: Vec<String>,
    /// What is done, in order: first the steps of the environment image, then those that need the repository's content.
    pub steps: Vec<Step>,
    /// The identity of the environment image; `None` for a repository with its own Dockerfile.
    pub environment_key: Option<EnvironmentKey>,
    /// The repository's `start` file, run in front of the notebook server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The repository's own Dockerfile, which then decides everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Whether that Dockerfile is built as it stands, because it is not one that is known to be safe.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub as_it_stands: bool,
    /// The file that says what of the repository stays out of the image, or of the Dockerfile's context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_file: Option<String>,
    /// What the base image offers.
    pub contract: Contract,
    /// Whether each step is given the site's CA bundle.
    pub ca_bundle: bool,
    /// See [`PlanOptions::session`]; without what the base does anyway.
    #[serde(skip_serializing_if = "SessionOptions::is_default")]
    pub session: SessionOptions,
    /// See [`PlanOptions::lock`]; shown as its digest.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lock_digest")]
    pub lock: Option<Arc<Lock>>,
    /// See [`PlanOptions::cache_scope`].
    #[serde(skip)]
    pub(crate) cache_scope: String,
}

impl BuildPlan {
    /// Whether the environment image differs from the base at all. When not, a session image can be made on the base directly.
    #[must_use]
    pub fn has_environment_steps(&self) -> bool {
        self.steps.iter().any(|step| !step.needs_content)
    }

    /// The prefix of the environment notebooks run in, when it is not the base's own.
    #[must_use]
    pub fn kernel_prefix(&self) -> Option<String> {
        let made =
            |step: &Step| matches!(step.action, Action::CreateKernelEnvironment { .. } | Action::InstallConda(_));
        self.steps.iter().any(made).then(|| self.contract.kernel_prefix())
    }

    /// Where the repository's content lies in the session image.
    #[must_use]
    pub fn content_directory(&self) -> String {
        self.session.seen(&self.contract).home
    }

    /// The plan as `plan.schema.json` describes it and everybody is shown it: what is asked of every plan is there, if only as null.
    ///
    /// # Errors
    /// None that a plan can cause.
    pub fn shown(&self) -> serde_json::Result<Value> {
        let mut value = serde_json::to_value(self)?;
        if let Some(keys) = value.as_object_mut() {
            for language in ["python", "r", "julia"] {
                keys.entry(language).or_insert(Value::Null);
            }
        }
        Ok(value)
    }

    /// What the addresses in it are logged in to with: programs that name an address must not have it shown. Longest first.
    #[must_use]
    pub fn credentials(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .steps
            .iter()
            .flat_map(|step| match &step.action {
                Action::CreateKernelEnvironment { mirror: Some(address), .. }
                | Action::InstallR { repository: address, .. }
                | Action::InstallJulia { mirror: address, .. } => vec![address.as_str()],
                Action::InstallRServer { package, .. } => vec![package.address()],
                Action::InstallConda(what) => what.channels.iter().map(String::as_str).collect(),
                _ => Vec::new(),
            })
            .flat_map(credentials_of)
            .collect();
        found.sort_by_key(|credential| std::cmp::Reverse(credential.len()));
        found.dedup();
        found
    }

    /// Whether the repository brings its own Dockerfile, for [`crate::render_dockerfile_repo`].
    #[must_use]
    pub fn is_dockerfile(&self) -> bool {
        self.dockerfile.is_some()
    }
}

/// `user:password` and `password`, or `token`, of an address.
fn credentials_of(address: &str) -> Vec<String> {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((login, _)) = authority.rsplit_once('@') else { return Vec::new() };
    let password = login.split_once(':').map(|(_, password)| password);
    // A short one is no secret, and taking it out of every line would spoil the log.
    let whole = std::iter::once(login).chain(password).filter(|text| text.len() >= 6);
    whole.map(str::to_owned).collect()
}

/// A chosen Python and what chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PythonChoice {
    /// As precisely as known, e.g. `3.11` or `3.11.2`.
    pub version: String,
    /// `base image`, or the file and line, e.g. `runtime.txt:1`.
    pub source: String,
}

/// A day, and what chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DateChoice {
    /// The day.
    pub date: Date,
    /// `asked for`, or the file and line, e.g. `runtime.txt:1`.
    pub source: String,
}

/// A chosen R or Julia and what chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LanguageChoice {
    /// As precisely as known, e.g. `4.2` or `1.9.4`.
    pub version: String,
    /// What chose it: the base, its distribution, or a file and line, e.g. `runtime.txt:1`.
    pub source: String,
}

/// A file that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedFile {
    /// The file.
    pub file: String,
    /// What for, in plain words.
    pub r#for: String,
}

/// A file that looks like an environment and is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IgnoredFile {
    /// The file.
    pub file: String,
    /// Why not.
    pub reason: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name for programs, unique in the plan: lower-case letters, digits and `-`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it runs, in short.
    pub run: String,
    /// What it does.
    pub action: Action,
    /// Whether it needs the repository's content, and so is repeated for every new commit.
    pub needs_content: bool,
    /// The environment file it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line of that file, from 1, where the step comes from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Action {
    /// Fails with a clear message unless the base's Python is this one. For bases that do not say which Python they have.
    CheckPython {
        /// The series that will do, e.g. `3.11`.
        allowed: Vec<String>,
        /// Where it is asked for, as file and line.
        asked_by: String,
    },
    /// Fetches a Python and makes an environment with it for the notebooks, and a kernel that is the default one. The server and its
    /// Python stay as they are.
    CreateKernelEnvironment {
        /// The Python, one of [`PlanOptions::pythons`] or the base's own.
        version: String,
        /// Whether it is the base's own, so that nothing need be fetched.
        #[serde(skip_serializing_if = "is_false")]
        own: bool,
        /// Whether it came out after the plan's day. Then the kernel is today's, and so are the tools that build packages.
        #[serde(skip_serializing_if = "is_false")]
        newer_than_day: bool,
        /// See [`PlanOptions::python_mirror`]. Not shown: it may hold a credential.
        #[serde(skip)]
        mirror: Option<String>,
    },
    /// Installs Debian packages, as root.
    InstallApt {
        /// `name` or `name=version`, each checked against the full grammar.
        packages: Vec<String>,
    },
    /// Installs Python packages with uv, as the notebook user.
    InstallPython {
        /// The file to install from, one of `files`.
        root: String,
        /// That file and every file it includes, as UTF-8 with Unix line ends.
        files: Vec<RequirementsFile>,
        /// `--pre` was given.
        prerelease: bool,
        /// `--require-hashes` was given.
        require_hashes: bool,
        /// What is made of `root`.
        how: PythonInstall,
        /// Where to.
        target: PythonTarget,
        /// The directory of the repository that paths in the files start from; empty for the top.
        #[serde(skip_serializing_if = "String::is_empty")]
        directory: String,
    },
    /// Installs R, its kernel and the packages that the base's distribution has, as root.
    InstallR {
        /// Whether the base brings R and its kernel, so that only its repository of packages is set.
        in_base: bool,
        /// The release asked for, where a distribution has another: then the build fails and says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Where it is asked for, as file and line.
        asked_by: String,
        /// The repository that `install.packages` takes packages from, as [`crate::Sources::cran`] with its date. Credentials are not shown.
        #[serde(serialize_with = "address")]
        repository: String,
        /// Packages the distribution is asked for, each a name of an R package.
        packages: Vec<String>,
        /// Whether a compiler is needed in any case. It comes too where the distribution lacks a package.
        compilers: bool,
    },
    /// Installs R packages that are not there yet, as the notebook user.
    InstallRPackages {
        /// The packages.
        packages: Vec<RPackage>,
    },
    /// Installs a server for R, as root.
    InstallRServer {
        /// Which.
        server: RServer,
        /// What is installed, after R.
        package: DebianPackage,
    },
    /// Installs what Jupyter shows a server for R through, as the notebook user.
    InstallRServerProxy {
        /// Which.
        server: RServer,
    },
    /// Installs the R package that the repository is, as the notebook user.
    InstallRProject {
        /// Its directory; empty for the top.
        directory: String,
    },
    /// Runs the repository's `install.R`, as the notebook user, in the home directory.
    RunInstallR {
        /// The file.
        path: String,
    },
    /// Fetches Julia, as root.
    InstallJulia {
        /// The release.
        version: String,
        /// The mirror it is fetched from. Credentials are not shown.
        #[serde(serialize_with = "address")]
        mirror: String,
    },
    /// Adds Julia's kernel and, where files are given, the packages they name; as the notebook user.
    AddJuliaKernel {
        /// The project's directory in the repository; empty for the top.
        directory: String,
        /// The project and its manifest; none where they need the repository's content.
        files: Vec<RequirementsFile>,
        /// Whether the project is a package of its own.
        is_package: bool,
    },
    /// Makes a Julia project ready on top of the content, as the notebook user.
    PrepareJuliaProject {
        /// Its directory; empty for the top.
        directory: String,
        /// The name of its manifest.
        manifest: String,
        /// Whether the environment image has resolved it.
        resolved: bool,
    },
    /// Gives the notebook's user another name, number and home, and makes the directory for the content; as root.
    PrepareSession {
        /// The user, where another than the base's is asked for.
        user: Option<NotebookUser>,
        /// The directory, where another than the home directory is asked for.
        directory: Option<String>,
    },
    /// Installs conda packages, in an environment of the kernel's own, as the notebook user.
    InstallConda(CondaInstall),
    /// Puts the repository's content into the home directory, as one layer.
    CopyContent {
        /// Directories of the base that make way first, because the repository has a file or link of that name.
        make_way: Vec<String>,
    },
    /// Sets variables for everything that the entry point starts, as root.
    SetVariables {
        /// Names, each checked, and values.
        variables: Vec<(String, String)>,
    },
    /// Runs commands of a development container, as the notebook user, in the home directory.
    RunCommands {
        /// Each as the text of a shell script.
        scripts: Vec<String>,
    },
    /// Runs the repository's `postBuild`, as the notebook user, in the home directory.
    RunPostBuild {
        /// The file.
        path: String,
        /// Whether it lacks the executable bit.
        make_executable: bool,
    },
    /// Makes the repository's `start` file executable.
    PrepareStart {
        /// The file.
        path: String,
    },
    /// One instruction of the repository's own Dockerfile.
    Dockerfile(DockerfileStep),
}

impl Action {
    /// Whether it is root that does it.
    pub(crate) const fn as_root(&self) -> bool {
        matches!(
            self,
            Self::InstallApt { .. }
                | Self::InstallR { .. }
                | Self::InstallRServer { .. }
                | Self::InstallJulia { .. }
                | Self::SetVariables { .. }
        )
    }

    /// The same action wherever in a repository it is asked for, which does not change what is built.
    pub(crate) fn anywhere(&self) -> Self {
        let mut action = self.clone();
        if let Self::CheckPython { asked_by, .. } | Self::InstallR { asked_by, .. } = &mut action {
            asked_by.clear();
        }
        action
    }

    /// Where in the order of steps an action belongs.
    pub(crate) const fn rank(&self, needs_content: bool) -> u8 {
        match self {
            Self::CheckPython { .. } => 0,
            Self::CreateKernelEnvironment { .. } => 1,
            Self::InstallApt { .. }
            | Self::InstallR { .. }
            | Self::InstallRServer { .. }
            | Self::InstallJulia { .. }
            | Self::SetVariables { .. } => 2,
            Self::InstallConda(_) if !needs_content => 3,
            Self::InstallPython { .. } if !needs_content => 4,
            Self::InstallRPackages { .. } | Self::InstallRServerProxy { .. } | Self::AddJuliaKernel { .. } => 4,
            Self::PrepareSession { .. } | Self::CopyContent { .. } => 5,
            Self::InstallConda(_) => 6,
            Self::InstallPython { .. }
            | Self::InstallRProject { .. }
            | Self::RunInstallR { .. }
            | Self::PrepareJuliaProject { .. } => 7,
            Self::RunPostBuild { .. } | Self::RunCommands { .. } => 8,
            Self::PrepareStart { .. } => 9,
            Self::Dockerfile(_) => 10,
        }
    }
}

/// How a file becomes installed packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PythonInstall {
    /// It lists requirements; what they need comes too.
    #[default]
    Requirements,
    /// It lists everything: nothing else is installed.
    Locked,
    /// It is a directory of the lent files, empty for the top, with a `uv.lock`; what lies in the repository is left out.
    UvLock,
    /// It is a lock file as PEP 751 describes it.
    PyLock,
    /// It is a directory of the repository, empty for the top, that is built and installed from a copy; what it needs comes too.
    Project,
    /// The same without what it needs, which is installed already.
    ProjectAlone,
}

/// The environment Python packages go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PythonTarget {
    /// The base's own, which the server runs in too.
    #[default]
    Base,
    /// The one that [`Action::CreateKernelEnvironment`] makes.
    Kernel,
    /// The one that [`Action::InstallConda`] makes if that holds a Python, which only its solver knows; else the base's.
    Conda,
}

/// An R package that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RPackage {
    /// Its name.
    pub name: String,
    /// The least version that will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// The version of a lock file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
    /// Whether the build fails without it. Otherwise a program of the repository's sees to it.
    pub required: bool,
}

/// A requirements file as it is handed to the installer.
///
/// Its content is left out of the serialised form: index addresses in it may carry credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequirementsFile {
    /// Where it lies relative to the others; the configuration directory is left out when all lie in it.
    pub path: String,
    /// Its content: UTF-8, Unix line ends, the same line numbers as the repository's file.
    #[serde(serialize_with = "digest")]
    pub content: String,
}

/// For what is worth showing only when it is so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn lock_digest<S: serde::Serializer>(lock: &Option<Arc<Lock>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&lock.as_ref().map(|lock| format!("sha256:{}", lock.digest())).unwrap_or_default())
}

fn digest<S: serde::Serializer>(content: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("sha256:{}", hex::encode(Sha256::digest(content.as_bytes()))))
}

/// The step of that id.
#[must_use]
pub fn step_file<'a>(plan: &'a BuildPlan, step_id: &str) -> Option<&'a Step> {
    plan.steps.iter().find(|step| step.id == step_id)
}

#[cfg(test)]
mod tests {
    use super::credentials_of;

    #[test]
    fn what_an_address_is_logged_in_to_with_is_known_whole_and_by_its_password() {
        assert_eq!(credentials_of("https://me:canary@example.org/c"), ["me:canary", "canary"]);
        assert_eq!(credentials_of("https://canary-token@example.org"), ["canary-token"]);
        for harmless in ["https://example.org/@scope/x", "conda-forge", "https://a@example.org", "https://example.org"]
        {
            assert_eq!(credentials_of(harmless), Vec::<String>::new(), "{harmless}");
        }
    }
}
