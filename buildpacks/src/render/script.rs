//! Every line of shell that is ever run by a rendered Dockerfile; `script/` holds the longer ones by language.

use super::context::{CA_TARGET, CA_VARIABLES, LENT, ca_mount, file_mount, root_cache, user_cache};
use crate::plan::{Action, BuildPlan, Step};
use crate::shell::word;

mod python;

/// The `RUN` of a step and the environment it leaves, or nothing for a step that is another instruction.
pub(super) fn run(plan: &BuildPlan, step: &Step) -> Option<String> {
    let (mut mounts, body) = match &step.action {
        Action::CheckPython { allowed, asked_by } => (vec![], python::check(plan, allowed, asked_by)),
        Action::CreateKernelEnvironment { version, mirror } => {
            let mut mounts = vec![file_mount("bytecode.py"), user_cache(plan, "python")];
            if mirror.is_some() {
                mounts.insert(0, file_mount("python-mirror"));
            }
            (mounts, python::kernel(plan, version, mirror.is_some()))
        }
        Action::InstallApt { .. } => (
            vec![
                file_mount("apt.txt"),
                root_cache(plan, "apt", "/var/cache/apt"),
                root_cache(plan, "apt-lists", "/var/lib/apt/lists"),
            ],
            apt(plan),
        ),
        Action::InstallPython { root, prerelease, require_hashes, how, target, .. } => {
            let install = python::Install {
                root,
                prerelease: *prerelease,
                require_hashes: *require_hashes,
                how: *how,
                target: *target,
                lent: &step.id,
                in_content: step.needs_content,
            };
            (
                vec![python::source(&install), file_mount("bytecode.py"), user_cache(plan, "python")],
                python::install(plan, &install),
            )
        }
        Action::CopyContent { make_way } if make_way.is_empty() => return None,
        Action::CopyContent { make_way } => (vec![], self::make_way(plan, make_way)),
        Action::RunPostBuild { path, make_executable } => (vec![], post_build(plan, path, *make_executable)),
        Action::PrepareStart { path } => {
            (vec![], vec![format!("chmod +x {}", word(&format!("{}/{path}", plan.contract.home)))])
        }
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
    lines.extend(body);
    let mounts: String = mounts.iter().map(|mount| format!("{mount} \\\n    ")).collect();
    let mut text = format!("RUN {mounts}{}\n", lines.join("; \\\n    "));
    if matches!(step.action, Action::CreateKernelEnvironment { .. }) {
        text.push_str(&python::kernel_environment(plan));
    }
    Some(text)
}

/// Whether a step takes from an index what could be had on the plan's day. Not one that installs what a lock file names: there the
/// lock decides.
const fn is_dated(action: &Action) -> bool {
    matches!(action, Action::InstallPython { .. } | Action::RunPostBuild { .. })
}

fn apt(plan: &BuildPlan) -> Vec<String> {
    let ca = if plan.ca_bundle { format!("-o Acquire::https::CAInfo={CA_TARGET} ") } else { String::new() };
    vec![
        "export DEBIAN_FRONTEND=noninteractive".to_owned(),
        // It would empty the download cache after each installation.
        "rm -f /etc/apt/apt.conf.d/docker-clean".to_owned(),
        format!("set -- {ca}-o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io"),
        "apt-get \"$@\" -q update".to_owned(),
        format!("xargs -d '\\n' -a {LENT}/apt.txt apt-get \"$@\" -qy --no-install-recommends install --"),
        // Times and paths of this build, of no use to anyone.
        "rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache".to_owned(),
    ]
}

fn make_way(plan: &BuildPlan, names: &[String]) -> Vec<String> {
    let paths: Vec<String> = names.iter().map(|name| word(&format!("{}/{name}", plan.contract.home))).collect();
    vec![format!("rm -rf -- {}", paths.join(" "))]
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
