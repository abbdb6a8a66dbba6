//! The session image: the environment image, one layer with the repository's content, and the steps that need it.

use super::Rendered;
use super::{environment, script};
use crate::base::{Contract, is_image_name};
use crate::plan::{Action, BuildPlan, Step};
use crate::{CONTENT_PREFIX, NotebookUser};

/// The Dockerfile of the session image on `environment_image`, a name or id the engine knows.
///
/// A name no engine takes gives a Dockerfile no engine builds; it cannot add an instruction.
#[must_use]
pub fn render_session(plan: &BuildPlan, environment_image: &str) -> Rendered {
    let base = plan;
    let seen = BuildPlan { contract: plan.session.seen(&plan.contract), ..plan.clone() };
    let (plan, contract) = (&seen, &seen.contract);
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.needs_content).collect();
    let image = if is_image_name(environment_image) { environment_image } else { "invalid" };
    let mut dockerfile = format!("FROM {image}\n");
    if !contract.has_repo_dir || contract.home != base.contract.home {
        dockerfile.push_str(&format!("ENV REPO_DIR={}\n", contract.home));
    }
    for step in &steps {
        if let Action::PrepareSession { user, .. } = &step.action {
            dockerfile.push_str(&prepare(base, step, user.as_ref(), contract));
            continue;
        }
        dockerfile.push_str(&script::run(plan, step).unwrap_or_default());
        if matches!(step.action, Action::CopyContent { .. }) {
            let (uid, gid, home) = (contract.uid, contract.gid, &contract.home);
            dockerfile.push_str(&format!("COPY --chown={uid}:{gid} {CONTENT_PREFIX}/ {home}/\n"));
        }
    }
    if let Some(start) = &plan.start {
        // In front of the command, behind the base's own entry point: what it exports reaches whatever is run.
        let mut words = contract.entrypoint.clone();
        words.push(format!("{}/{start}", contract.home));
        dockerfile.push_str(&format!("ENTRYPOINT {}\n", json(&words)));
        // A new entry point takes away the command of the base.
        dockerfile.push_str("CMD [\"start-notebook.py\"]\n");
    }
    dockerfile.push_str(&plan.session.appended());
    Rendered {
        dockerfile,
        files: environment::files(base, steps.into_iter()),
        tree_prefix: CONTENT_PREFIX.to_owned(),
        ignore_file: plan.ignore_file.clone(),
        keep: kept(plan),
        needs_tree: true,
        build_args: Vec::new(),
    }
}

/// The step that makes user and directory, and the settings that follow from them.
fn prepare(base: &BuildPlan, step: &Step, user: Option<&NotebookUser>, contract: &Contract) -> String {
    let run = script::run(base, step).unwrap_or_default();
    let mut text = format!("USER root\n{run}");
    if let Some(user) = user {
        let (name, home) = (&user.name, user.home());
        text.push_str(&format!("ENV NB_USER={name} NB_UID={} USER={name} HOME={home}\n", user.id));
    }
    text.push_str(&format!("WORKDIR {}\nUSER {}\n", contract.home, contract.user));
    text
}

/// Files the plan uses stay in the image whatever the ignore file says; that file itself is nobody's need.
fn kept(plan: &BuildPlan) -> Vec<String> {
    let Some(ignore_file) = &plan.ignore_file else { return Vec::new() };
    plan.used.iter().map(|used| &used.file).filter(|file| *file != ignore_file).cloned().collect()
}

/// The exec form of these words.
fn json(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|text| serde_json::Value::from(text.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}
