//! Shell for Python: installing packages, and an environment of the kernel's own.

use super::super::context::{LENT, file_mount};
use crate::CONTENT_PREFIX;
use crate::parse::runtime::PythonVersion;
use crate::plan::{Action, BuildPlan, PythonInstall, PythonTarget};
use crate::python_release::tools_day;
use crate::shell::word;

/// Options of an installation.
pub(super) struct Install<'a> {
    /// The directory its files are lent in.
    pub(super) lent: &'a str,
    pub(super) root: &'a str,
    pub(super) prerelease: bool,
    pub(super) require_hashes: bool,
    pub(super) how: PythonInstall,
    pub(super) target: PythonTarget,
    pub(super) in_content: bool,
    /// The directory of the content that paths start from.
    pub(super) directory: &'a str,
}

/// The prefix packages go to.
fn prefix(plan: &BuildPlan, target: PythonTarget) -> String {
    match target {
        PythonTarget::Base => plan.contract.prefix.clone(),
        PythonTarget::Kernel => plan.contract.kernel_prefix(),
        // Set by `install`, because only the solver knows whether there is a Python.
        PythonTarget::Conda => "$prefix".to_owned(),
    }
}

/// Finds uv, or fetches it for this step: `$uv`.
pub(super) fn uv(plan: &BuildPlan, downloads: &str) -> Vec<String> {
    let python = format!("{}/bin/python", plan.contract.prefix);
    vec![
        // The Python prefix is writable by its group; what is added to it stays so.
        "umask 0002".to_owned(),
        format!("export UV_CACHE_DIR={LENT}/python/uv PIP_CACHE_DIR={LENT}/python/pip UV_LINK_MODE=copy"),
        // A busy network is given time; an index that is down fails within two minutes.
        format!("export UV_PYTHON_DOWNLOADS={downloads} UV_HTTP_CONNECT_TIMEOUT=20 UV_HTTP_RETRIES=4"),
        "uv=$(command -v uv || true)".to_owned(),
        format!(
            "if [ -z \"$uv\" ]; then {python} -m pip --disable-pip-version-check --no-input -q install \
             --target /tmp/bindery-uv uv; uv=/tmp/bindery-uv/bin/uv; fi"
        ),
    ]
}

/// A session that cannot write beside the sources would otherwise compile them at each start. No reason to fail a build.
pub(super) fn bytecode(prefix: &str) -> String {
    format!(
        "{prefix}/bin/python -I -W ignore {LENT}/bytecode.py {LENT}/python/bytecode \\\n        \
         || echo 'The bytecode is not complete; the first start will be slower.'"
    )
}

/// Fails unless the base's Python is of one of these series.
pub(super) fn check(plan: &BuildPlan, allowed: &[String], asked_by: &str) -> Vec<String> {
    let pairs: Vec<String> = allowed.iter().map(|series| format!("({})", series.replace('.', ", "))).collect();
    let program = format!(
        "import sys; v = sys.version_info; sys.exit(0 if v[:2] in [{}] else \"{} asks for Python {}; \
         this site has Python %d.%d\" % v[:2])",
        pairs.join(", "),
        asked_by.replace(['"', '\\', '%'], "_"),
        allowed.join(" or "),
    );
    vec![format!("{}/bin/python -c {}", plan.contract.prefix, word(&program))]
}

/// The mount an installation reads from.
pub(super) fn source(install: &Install<'_>) -> String {
    match install.how {
        PythonInstall::Requirements | PythonInstall::Locked | PythonInstall::UvLock | PythonInstall::PyLock => {
            file_mount(install.lent)
        }
        PythonInstall::Project | PythonInstall::ProjectAlone => {
            format!("--mount=type=bind,source={CONTENT_PREFIX},target={LENT}/{}", install.lent)
        }
    }
}

/// Adds pinned packages to the environment of the server itself.
pub(super) fn add_to_base(plan: &BuildPlan, packages: &'static str) -> Vec<String> {
    let prefix = &plan.contract.prefix;
    let mut lines = uv(plan, "never");
    lines.push(format!("\"$uv\" pip install --python {prefix}/bin/python {packages}"));
    lines.push(bytecode(prefix));
    lines
}

/// Installs what it is lent.
pub(super) fn install(plan: &BuildPlan, install: &Install<'_>) -> Vec<String> {
    let prefix = prefix(plan, install.target);
    // A newer index that has a package at all would otherwise hide every other: pip looks at all of them, so this does.
    let mut options = "--index-strategy unsafe-best-match".to_owned();
    if install.prerelease {
        options.push_str(" --prerelease allow");
    }
    if install.require_hashes {
        options.push_str(" --require-hashes");
    }
    let dated = matches!(install.how, PythonInstall::Requirements | PythonInstall::Project);
    let newer = newer_than_day(plan).filter(|_| dated && install.target == PythonTarget::Kernel);
    if let Some(version) = newer {
        // What the kernel brought is newer than the day.
        options.push_str(" --reinstall");
        if let Some(day) = tools_day(version) {
            options.push_str(&format!(" --exclude-newer-package setuptools={day} --exclude-newer-package wheel={day}"));
        }
    }
    let mut lines = uv(plan, "never");
    if install.target == PythonTarget::Conda {
        let (own, base) = (plan.contract.kernel_prefix(), &plan.contract.prefix);
        lines.push(format!("if [ -x {own}/bin/python ]; then prefix={own}; else prefix={base}; fi"));
    }
    let command = format!("\"$uv\" pip install --python {prefix}/bin/python {options}");
    let lent = format!("{LENT}/{}", install.lent);
    match install.how {
        PythonInstall::UvLock => {
            // What lies in the repository comes on top of its content.
            lines.push(format!("cd {}", word(&format!("{lent}/{}", install.root))));
            lines.push(format!(
                "\"$uv\" export --python {prefix}/bin/python --locked --no-emit-local --emit-index-url --emit-find-links \
                 --no-header --no-annotate -q -o /tmp/bindery-packages.txt"
            ));
            lines.push("cd /".to_owned());
            lines.push(format!("{command} --no-deps -r /tmp/bindery-packages.txt"));
            lines.push("rm -f /tmp/bindery-packages.txt".to_owned());
        }
        PythonInstall::PyLock => {
            // Its paths are relative to itself, so it is read where it lies.
            let (place, lock) = if install.in_content {
                (plan.contract.home.as_str(), install.root.to_owned())
            } else {
                ("/", format!("{lent}/{}", install.root))
            };
            lines.push(format!("cd {place}"));
            lines.push(format!("{command} --preview-features pylock -r {}", word(&lock)));
        }
        PythonInstall::Requirements | PythonInstall::Locked => {
            // Paths in requirements are relative to where the installer runs.
            let home = &plan.contract.home;
            lines.push(match (install.in_content, install.directory) {
                (false, _) => "cd /".to_owned(),
                (true, "") => format!("cd {home}"),
                (true, directory) => format!("cd {}", word(&format!("{home}/{directory}"))),
            });
            if install.in_content {
                // A build would take the base's empty directory for one of the repository's packages.
                lines.push("work=$(rmdir work 2>/dev/null && echo work || true)".to_owned());
            }
            // Every content has the same times, so a cache would take a path's build of another commit for this one's.
            let refresh = if install.in_content { " --refresh" } else { "" };
            let only = if install.how == PythonInstall::Locked { " --no-deps" } else { "" };
            lines.push(format!("{command}{only}{refresh} -r {}", word(&format!("{lent}/{}", install.root))));
            if install.in_content {
                lines.push("if [ -n \"$work\" ]; then mkdir \"$work\"; fi".to_owned());
            }
        }
        PythonInstall::Project | PythonInstall::ProjectAlone => {
            let only = if install.how == PythonInstall::ProjectAlone { " --no-deps" } else { "" };
            // From a copy, so that building leaves nothing beside the sources and sees nothing but them.
            lines.push(format!("cp -rP {lent} /tmp/bindery-project"));
            lines.push("cd /tmp/bindery-project".to_owned());
            lines.push(format!("{command}{only} {}", word(&format!("./{}", install.root))));
            lines.push("cd /".to_owned());
            lines.push("rm -rf /tmp/bindery-project".to_owned());
        }
    }
    if newer.is_some() {
        // Packages of that day may have taken from the kernel what it needs; it comes first.
        lines.push(format!("env -u UV_EXCLUDE_NEWER \"$uv\" pip install --python {prefix}/bin/python ipykernel"));
    }
    lines.extend(["rm -rf /tmp/bindery-uv".to_owned(), bytecode(&prefix)]);
    lines
}

/// The kernel's Python, when it came out after the plan's day.
fn newer_than_day(plan: &BuildPlan) -> Option<PythonVersion> {
    plan.as_of.as_ref()?;
    plan.steps.iter().find_map(|step| match &step.action {
        Action::CreateKernelEnvironment { version, newer_than_day: true, .. } => PythonVersion::parse(version),
        _ => None,
    })
}

/// Fetches a Python, makes an environment with it, and a kernel in that.
pub(super) fn kernel(plan: &BuildPlan, version: &str, own: bool, mirror: bool) -> Vec<String> {
    let (prefix, home) = (plan.contract.kernel_prefix(), &plan.contract.home);
    let version = word(version);
    let mut lines = uv(plan, if own { "never" } else { "manual" });
    if mirror {
        lines.push(format!("mirror=$(cat {LENT}/python-mirror)"));
        // A list of downloads says by itself where each is; uv's own list holds for a mirror.
        lines.push(
            "case $mirror in *.json) export UV_PYTHON_DOWNLOADS_JSON_URL=\"$mirror\" ;; \
             *) export UV_PYTHON_INSTALL_MIRROR=\"$mirror\" ;; esac"
                .to_owned(),
        );
    }
    if own {
        let python = format!("{}/bin/python", plan.contract.prefix);
        lines.push(format!("\"$uv\" venv --allow-existing --python {python} --prompt kernel {prefix}"));
    } else {
        lines.extend([
            format!("export UV_PYTHON_CACHE_DIR={LENT}/python/interpreters UV_PYTHON_INSTALL_BIN=0"),
            format!("export UV_PYTHON_INSTALL_DIR={prefix}/interpreter"),
            format!("\"$uv\" python install {version}"),
            format!("\"$uv\" venv --managed-python --allow-existing --python {version} --prompt kernel {prefix}"),
        ]);
    }
    lines.extend([
        format!("\"$uv\" pip install --python {prefix}/bin/python ipykernel pip"),
        // Apart from what packages bring: a later ipykernel would name the server's Python instead.
        format!(
            "{prefix}/bin/python -m ipykernel install --prefix {prefix}/kernelspec --name python3 \
             --display-name {} --env PATH {} --env VIRTUAL_ENV {prefix}",
            word(&format!("Python {version}")),
            word(&format!("{prefix}/bin:${{PATH}}")),
        ),
        // Terminals are login shells of the notebook user's.
        format!("printf '\\nexport PATH=%s/bin:\"$PATH\" VIRTUAL_ENV=%s\\n' {prefix} {prefix} >> {home}/.bashrc"),
        "rm -rf /tmp/bindery-uv".to_owned(),
        bytecode(&prefix),
    ]);
    lines
}

/// The environment's own prefix and kernel, for everything that runs on the image.
pub(super) fn kernel_environment(plan: &BuildPlan) -> String {
    let prefix = plan.contract.kernel_prefix();
    format!(
        "ENV KERNEL_PYTHON_PREFIX={prefix} \
         JUPYTER_PATH={prefix}/kernelspec/share/jupyter:{prefix}/share/jupyter${{JUPYTER_PATH:+:$JUPYTER_PATH}}\n"
    )
}

/// Puts the environment of the kernel's own in front, for a program of the repository's that installs more.
pub(super) fn prefer_kernel(plan: &BuildPlan) -> Option<String> {
    let prefix = plan.kernel_prefix()?;
    Some(format!("export PATH={prefix}/bin:\"$PATH\" VIRTUAL_ENV={prefix}"))
}
