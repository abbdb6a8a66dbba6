//! Every line of shell that is ever run by a rendered Dockerfile; `script/` holds the longer ones by language.

mod conda;
mod julia;
mod python;
pub(super) mod r;

use super::context::{CA_TARGET, CA_VARIABLES, LENT, ca_mount, file_mount, root_cache, user_cache};
use crate::NotebookUser;
use crate::plan::{Action, BuildPlan, PythonInstall, Step};
use crate::shell::word;

/// The `RUN` of a step and the environment it leaves, or nothing for a step that is another instruction.
pub(super) fn run(plan: &BuildPlan, step: &Step) -> Option<String> {
    let (mut mounts, body) = match &step.action {
        Action::CheckPython { allowed, asked_by } => (vec![], python::check(plan, allowed, asked_by)),
        Action::CreateKernelEnvironment { version, own, mirror, .. } => {
            let mut mounts = vec![file_mount("bytecode.py"), user_cache(plan, "python")];
            if mirror.is_some() {
                mounts.insert(0, file_mount("python-mirror"));
            }
            (mounts, python::kernel(plan, version, *own, mirror.is_some()))
        }
        Action::InstallApt { .. } => (
            vec![
                file_mount("apt.txt"),
                root_cache(plan, "apt", "/var/cache/apt"),
                root_cache(plan, "apt-lists", "/var/lib/apt/lists"),
            ],
            apt(plan),
        ),
        Action::InstallConda(_) => (
            vec![
                file_mount("conda.json"),
                file_mount("conda.py"),
                file_mount("bytecode.py"),
                user_cache(plan, "python"),
                user_cache(plan, "conda"),
            ],
            conda::install(plan),
        ),
        Action::InstallPython { root, prerelease, require_hashes, how, target, directory, .. } => {
            let install = python::Install {
                root,
                prerelease: *prerelease,
                require_hashes: *require_hashes,
                how: *how,
                target: *target,
                lent: &step.id,
                in_content: step.needs_content,
                directory,
            };
            (
                vec![python::source(&install), file_mount("bytecode.py"), user_cache(plan, "python")],
                python::install(plan, &install),
            )
        }
        Action::CopyContent { make_way } if make_way.is_empty() => return None,
        Action::CopyContent { make_way } => (vec![], self::make_way(plan, make_way)),
        Action::SetVariables { .. } => (
            vec![file_mount("variables.sh")],
            // Sourced by the entry point in front of whatever is run.
            vec![format!("install -m 644 {LENT}/variables.sh {VARIABLES}")],
        ),
        Action::RunCommands { scripts } => (vec![file_mount("commands")], commands(plan, scripts.len())),
        Action::RunPostBuild { path, make_executable } => (vec![], post_build(plan, path, *make_executable)),
        Action::PrepareStart { path } => {
            (vec![], vec![format!("chmod +x {}", word(&format!("{}/{path}", plan.contract.home)))])
        }
        Action::InstallR { in_base, .. } => {
            let mut mounts = vec![file_mount("r-system")];
            if !in_base {
                mounts.extend([
                    root_cache(plan, "apt", "/var/cache/apt"),
                    root_cache(plan, "apt-lists", "/var/lib/apt/lists"),
                ]);
            }
            (mounts, r::install(plan, &step.action, apt_update(plan)))
        }
        Action::InstallRServer { server, package } => (
            vec![
                file_mount(&r::server_files(*server)),
                root_cache(plan, "apt", "/var/cache/apt"),
                root_cache(plan, "apt-lists", "/var/lib/apt/lists"),
            ],
            r::server(plan, *server, package, apt_update(plan)),
        ),
        Action::InstallRServerProxy { server } => {
            (vec![file_mount("bytecode.py"), user_cache(plan, "python")], python::add_to_base(plan, server.proxy()))
        }
        Action::InstallRPackages { .. } => (vec![file_mount("r-packages")], r::packages()),
        Action::InstallRProject { directory } => (vec![], r::project(plan, directory)),
        Action::RunInstallR { path } => (vec![file_mount("r-script")], r::script(plan, path)),
        Action::InstallJulia { version, mirror } => {
            (vec![file_mount("julia-system")], julia::install(plan, version, mirror))
        }
        Action::AddJuliaKernel { files, .. } => {
            let mounts = if files.is_empty() { vec![] } else { vec![file_mount("julia-project")] };
            (mounts, julia::kernel(plan, &step.action))
        }
        Action::PrepareJuliaProject { directory, manifest, resolved } => {
            (vec![], julia::project(plan, directory, manifest, *resolved))
        }
        Action::PrepareSession { user, directory } => (vec![], session(plan, user.as_ref(), directory.as_deref())),
        Action::Dockerfile(_) => return None,
    };
    // The assignment names the step to people and to `step_of_vertex`, and to nothing else.
    let mut lines = vec![format!("step={}", step.id), "set -eu".to_owned()];
    if plan.ca_bundle {
        mounts.insert(0, ca_mount());
        let variables: Vec<String> = CA_VARIABLES.iter().map(|name| format!("{name}={CA_TARGET}")).collect();
        lines.push(format!("export {}", variables.join(" ")));
    }
    if let Some(chosen) = plan.as_of.as_ref().filter(|_| is_dated(&step.action)) {
        lines.push(format!("export UV_EXCLUDE_NEWER={}", chosen.date.end()));
    }
    if plan.lock.is_some() && uses_index(&step.action) {
        mounts.push(file_mount("lock"));
        lines.push(format!(
            "export UV_CONSTRAINT={LENT}/lock/constraints.txt PIP_CONSTRAINT={LENT}/lock/constraints.txt"
        ));
    }
    lines.extend(body);
    let mounts: String = mounts.iter().map(|mount| format!("{mount} \\\n    ")).collect();
    let mut text = format!("RUN {mounts}{}\n", lines.join("; \\\n    "));
    if matches!(step.action, Action::CreateKernelEnvironment { .. } | Action::InstallConda(_)) {
        text.push_str(&python::kernel_environment(plan));
    }
    Some(text)
}

/// Whether a step takes from an index what could be had on the plan's day. Not one that installs what a lock file names: there the
/// lock decides.
const fn is_dated(action: &Action) -> bool {
    match action {
        Action::InstallPython { how: PythonInstall::Requirements | PythonInstall::Project, .. }
        | Action::RunPostBuild { .. }
        | Action::RunCommands { .. } => true,
        Action::CreateKernelEnvironment { newer_than_day, .. } => !*newer_than_day,
        _ => false,
    }
}

/// Whether a step asks an index which versions there are.
const fn uses_index(action: &Action) -> bool {
    match action {
        // A file with hashes says everything itself, and constraints have none.
        Action::InstallPython { require_hashes: true, .. } => false,
        Action::InstallPython { how: PythonInstall::Requirements | PythonInstall::Project, .. }
        | Action::CreateKernelEnvironment { .. }
        | Action::InstallConda(_)
        | Action::InstallApt { .. }
        | Action::InstallR { in_base: false, .. }
        | Action::InstallRServer { .. }
        | Action::InstallRServerProxy { .. }
        | Action::RunPostBuild { .. }
        | Action::RunCommands { .. } => true,
        _ => false,
    }
}

/// What a step leaves in the environment of everything that runs in the image.
pub(super) fn variables(plan: &BuildPlan, step: &Step) -> Vec<(&'static str, String)> {
    match &step.action {
        Action::InstallR { in_base: false, .. } => vec![("R_LIBS_USER", r::LIBRARY.to_owned())],
        Action::AddJuliaKernel { directory, .. } => {
            let project = julia::project_directory(plan, directory);
            vec![("JULIA_DEPOT_PATH", julia::DEPOT.to_owned()), ("JULIA_PROJECT", project)]
        }
        _ => vec![],
    }
}

/// Times and paths of this build, of no use to anyone.
const REMOVE_LOGS: &str =
    "rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache";

/// One fixed time of change for all that the step has written, so that the same packages give the same layer whenever and wherever
/// it is made. The step's own file system was made just before it began.
const SETTLE: &str = "find / -xdev -newermt \"$(stat -c %z /dev/shm)\" -exec touch -h -d @315532800 {} +";

fn apt(plan: &BuildPlan) -> Vec<String> {
    let mut lines = apt_update(plan);
    lines.push(format!("xargs -d '\\n' -a {LENT}/apt.txt apt-get \"$@\" -qy --no-install-recommends install --"));
    lines.push(REMOVE_LOGS.to_owned());
    lines.push(SETTLE.to_owned());
    lines
}

/// Leaves apt's options in `$@`.
fn apt_update(plan: &BuildPlan) -> Vec<String> {
    let ca = if plan.ca_bundle { format!("-o Acquire::https::CAInfo={CA_TARGET} ") } else { String::new() };
    let pins = if plan.lock.is_some() {
        format!("-o Dir::Etc::Preferences={LENT}/lock/apt-preferences ")
    } else {
        String::new()
    };
    vec![
        "export DEBIAN_FRONTEND=noninteractive".to_owned(),
        // It would empty the download cache after each installation.
        "rm -f /etc/apt/apt.conf.d/docker-clean".to_owned(),
        format!("set -- {ca}{pins}-o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io"),
        "apt-get \"$@\" -q update".to_owned(),
    ]
}

/// Where the entry point finds the variables of a development container.
const VARIABLES: &str = "/usr/local/bin/before-notebook.d/50-devcontainer.sh";

fn commands(plan: &BuildPlan, count: usize) -> Vec<String> {
    let mut lines =
        vec![format!("if [ -e {VARIABLES} ]; then . {VARIABLES}; fi"), format!("cd {}", plan.contract.home)];
    lines.extend((1..=count).map(|number| format!("sh {LENT}/commands/{number}.sh")));
    lines
}

fn make_way(plan: &BuildPlan, names: &[String]) -> Vec<String> {
    let paths: Vec<String> = names.iter().map(|name| word(&format!("{}/{name}", plan.contract.home))).collect();
    vec![format!("rm -rf -- {}", paths.join(" "))]
}

/// `plan` is as the base has it: it names the user whose name and number change.
fn session(plan: &BuildPlan, user: Option<&NotebookUser>, directory: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(user) = user {
        lines.push(format!("old=$(id -un {})", plan.contract.uid));
        // Each only where it changes something: the home directory is moved and its files change hands.
        lines.push(format!("if [ \"$(id -u \"$old\")\" != {0} ]; then usermod --uid {0} \"$old\"; fi", user.id));
        lines.push(format!(
            "if [ \"$old\" != {name} ]; then usermod --login {name} --home {home} --move-home \"$old\"; fi",
            name = word(&user.name),
            home = word(&user.home())
        ));
    }
    if let Some(directory) = directory {
        let owner = user.map_or(plan.contract.uid, |user| user.id);
        lines.push(format!("install -d -o {owner} -g {} {}", plan.contract.gid, word(directory)));
    }
    lines
}

fn post_build(plan: &BuildPlan, path: &str, make_executable: bool) -> Vec<String> {
    let mut lines: Vec<String> = python::prefer_kernel(plan).into_iter().collect();
    lines.push(format!("cd {}", plan.contract.home));
    if make_executable {
        lines.push(format!("chmod +x {}", word(path)));
    }
    lines.push(format!("exec ./{}", word(path)));
    lines
}
