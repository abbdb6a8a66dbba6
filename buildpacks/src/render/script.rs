//! Every line of shell that is ever run by a rendered Dockerfile.

use super::context::{CA_TARGET, CA_VARIABLES, LENT, ca_mount, file_mount, root_cache, user_cache};
use crate::plan::{Action, BuildPlan, Step};
use crate::shell::word;

/// The `RUN` of a step, or nothing for a step that is another instruction.
pub(super) fn run(plan: &BuildPlan, step: &Step) -> Option<String> {
    let (mut mounts, body) = match &step.action {
        Action::CheckPython { major, minor, asked_by } => (vec![], check_python(plan, *major, *minor, asked_by)),
        Action::InstallApt { .. } => (
            vec![
                file_mount("apt.txt"),
                root_cache(plan, "apt", "/var/cache/apt"),
                root_cache(plan, "apt-lists", "/var/lib/apt/lists"),
            ],
            apt(plan),
        ),
        Action::InstallPython { root, prerelease, require_hashes, .. } => (
            vec![file_mount("requirements"), file_mount("bytecode.py"), user_cache(plan, "python")],
            python(plan, root, *prerelease, *require_hashes, step.needs_content),
        ),
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
    Some(format!("RUN {mounts}{}\n", lines.join("; \\\n    ")))
}

/// Whether a step takes from an index what could be had on the plan's day. Not one that installs what a lock file names: there the
/// lock decides.
const fn is_dated(action: &Action) -> bool {
    matches!(action, Action::InstallPython { .. } | Action::RunPostBuild { .. })
}

fn check_python(plan: &BuildPlan, major: u32, minor: Option<u32>, asked_by: &str) -> Vec<String> {
    let (wanted, condition) = match minor {
        Some(minor) => (format!("{major}.{minor}"), format!("v[:2] == ({major}, {minor})")),
        None => (major.to_string(), format!("v[0] == {major}")),
    };
    let program = format!(
        "import sys; v = sys.version_info; sys.exit(0 if {condition} else \"{asked_by} asks for Python {wanted}; \
         this site has Python %d.%d\" % v[:2])"
    );
    vec![format!("{}/bin/python -c {}", plan.contract.prefix, word(&program))]
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

fn python(plan: &BuildPlan, root: &str, prerelease: bool, require_hashes: bool, in_content: bool) -> Vec<String> {
    let python = format!("{}/bin/python", plan.contract.prefix);
    // A newer index that has a package at all would otherwise hide every other: pip looks at all of them, so this does.
    let mut options = "--index-strategy unsafe-best-match".to_owned();
    if prerelease {
        options.push_str(" --prerelease allow");
    }
    if require_hashes {
        options.push_str(" --require-hashes");
    }
    // Paths in requirements are relative to where the installer runs.
    let directory = if in_content { plan.contract.home.as_str() } else { "/" };
    vec![
        // The Python prefix is writable by its group; what is added to it stays so.
        "umask 0002".to_owned(),
        format!("export UV_CACHE_DIR={LENT}/python/uv PIP_CACHE_DIR={LENT}/python/pip UV_LINK_MODE=copy"),
        "export UV_PYTHON_DOWNLOADS=never".to_owned(),
        "uv=$(command -v uv || true)".to_owned(),
        format!(
            "if [ -z \"$uv\" ]; then {python} -m pip --disable-pip-version-check --no-input -q install \
             --target /tmp/bindery-uv uv; uv=/tmp/bindery-uv/bin/uv; fi"
        ),
        format!("cd {directory}"),
        format!("\"$uv\" pip install --python {python} {options} -r {}", word(&format!("{LENT}/requirements/{root}"))),
        "rm -rf /tmp/bindery-uv".to_owned(),
        // A session that cannot write beside the sources would otherwise compile them at each start. No reason to fail a build.
        format!(
            "{python} -I -W ignore {LENT}/bytecode.py {LENT}/python/bytecode \\\n        \
             || echo 'The bytecode is not complete; the first start will be slower.'"
        ),
    ]
}

fn make_way(plan: &BuildPlan, names: &[String]) -> Vec<String> {
    let paths: Vec<String> = names.iter().map(|name| word(&format!("{}/{name}", plan.contract.home))).collect();
    vec![format!("rm -rf -- {}", paths.join(" "))]
}

fn post_build(plan: &BuildPlan, path: &str, make_executable: bool) -> Vec<String> {
    let mut lines = vec![format!("cd {}", plan.contract.home)];
    if make_executable {
        lines.push(format!("chmod +x {}", word(path)));
    }
    lines.push(format!("exec ./{}", word(path)));
    lines
}
