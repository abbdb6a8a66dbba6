//! The environment image: base and environment files, nothing else of the repository.

use bindery_core::seams::ContextFile;

use super::Rendered;
use super::context::FILES;
use super::languages;
use super::script;
use crate::plan::{Action, BuildPlan, Step};

/// The program that compiles what an installation added.
const BYTECODE: &str = include_str!("bytecode.py");
/// The program that solves and installs conda environments.
const CONDA: &str = include_str!("conda.py");

/// The Dockerfile of the environment image. Without environment steps it is the base under another name.
#[must_use]
pub fn render_environment(plan: &BuildPlan) -> Rendered {
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| !step.needs_content).collect();
    let mut dockerfile = format!("FROM {}\n", plan.base);
    let mut root = false;
    for step in &steps {
        let as_root = step.action.as_root();
        if as_root != root {
            dockerfile.push_str(&format!("USER {}\n", if as_root { "root" } else { &plan.contract.user }));
            root = as_root;
        }
        dockerfile.push_str(&script::run(plan, step).unwrap_or_default());
        for (name, value) in script::variables(plan, step) {
            dockerfile.push_str(&format!("ENV {name}={value}\n"));
        }
    }
    if root {
        dockerfile.push_str(&format!("USER {}\n", plan.contract.user));
    }
    Rendered {
        dockerfile,
        files: files(plan, steps.into_iter()),
        tree_prefix: String::new(),
        ignore_file: None,
        keep: Vec::new(),
        needs_tree: false,
        build_args: Vec::new(),
    }
}

/// The context files these steps are lent.
pub(super) fn files<'a>(plan: &BuildPlan, steps: impl Iterator<Item = &'a Step>) -> Vec<ContextFile> {
    let file = |path: String, content: &str| ContextFile { path, content: content.into(), executable: false };
    let mut out: Vec<ContextFile> = Vec::new();
    for step in steps {
        match &step.action {
            Action::InstallApt { packages } => {
                out.push(file(format!("{FILES}/apt.txt"), &(packages.join("\n") + "\n")));
            }
            Action::CreateKernelEnvironment { mirror, .. } => {
                out.push(file(format!("{FILES}/bytecode.py"), BYTECODE));
                out.extend(mirror.iter().map(|mirror| file(format!("{FILES}/python-mirror"), mirror)));
            }
            Action::InstallRServerProxy { .. } => out.push(file(format!("{FILES}/bytecode.py"), BYTECODE)),
            Action::InstallConda(what) => {
                out.push(file(format!("{FILES}/bytecode.py"), BYTECODE));
                out.push(file(format!("{FILES}/conda.py"), CONDA));
                out.push(file(format!("{FILES}/conda.json"), &what.request()));
            }
            Action::InstallPython { files, .. } => {
                out.push(file(format!("{FILES}/bytecode.py"), BYTECODE));
                out.extend(files.iter().map(|lent| file(format!("{FILES}/{}/{}", step.id, lent.path), &lent.content)));
            }
            action => out.extend(languages::files(action).into_iter().map(|(path, content)| file(path, &content))),
        }
    }
    if let Some(lock) = &plan.lock {
        out.push(file(format!("{FILES}/lock/constraints.txt"), &lock.constraints(&plan.contract)));
        out.push(file(format!("{FILES}/lock/apt-preferences"), &lock.preferences()));
    }
    // Several steps may be lent the same.
    let mut seen = std::collections::BTreeSet::new();
    out.retain(|file| seen.insert(file.path.clone()));
    out
}
