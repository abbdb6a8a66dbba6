//! The session image: the environment image, one layer with the repository's content, and the steps that need it.

use super::Rendered;
use super::{environment, script};
use crate::CONTENT_PREFIX;
use crate::base::is_image_name;
use crate::plan::{Action, BuildPlan, Step};

/// The Dockerfile of the session image on `environment_image`, a name or id the engine knows.
///
/// A name no engine takes gives a Dockerfile no engine builds; it cannot add an instruction.
#[must_use]
pub fn render_session(plan: &BuildPlan, environment_image: &str) -> Rendered {
    let contract = &plan.contract;
    let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.needs_content).collect();
    let base = if is_image_name(environment_image) { environment_image } else { "invalid" };
    let mut dockerfile = format!("FROM {base}\n");
    if !contract.has_repo_dir {
        dockerfile.push_str(&format!("ENV REPO_DIR={}\n", contract.home));
    }
    for step in &steps {
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
    Rendered {
        dockerfile,
        files: environment::files(steps.into_iter()),
        tree_prefix: CONTENT_PREFIX.to_owned(),
        needs_tree: true,
        build_args: Vec::new(),
    }
}

/// The exec form of these words.
fn json(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|text| serde_json::Value::from(text.as_str()).to_string()).collect();
    format!("[{}]", words.join(", "))
}
