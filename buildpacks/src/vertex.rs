//! The engine's step names back to steps of the plan.

use crate::plan::{Action, BuildPlan, Step};

/// The step an engine's vertex name belongs to, e.g. `[stage-0 2/3] RUN --mount=… step=apt; …`. `None` for the engine's own
/// work, such as loading the context or exporting the image.
#[must_use]
pub fn step_of_vertex<'a>(plan: &'a BuildPlan, vertex_name: &str) -> Option<&'a Step> {
    let (place, text) = vertex_name.strip_prefix('[')?.split_once(']')?;
    let (position, number) = place.rsplit_once(' ').unwrap_or(("", place));
    let index: u32 = number.split_once('/')?.0.parse().ok()?;
    let text = text.trim_start();
    if plan.is_dockerfile() {
        // The engine leaves the stage out where there is only one, and may name a platform before it.
        let stage = position.rsplit(' ').next().unwrap_or_default();
        return plan.steps.iter().find(|step| match &step.action {
            Action::Dockerfile(known) => {
                known.index == index
                    && (known.stage == stage || (known.stages == 1 && stage.is_empty()))
                    && text.starts_with(&known.keyword)
            }
            _ => false,
        });
    }
    if text.starts_with("COPY ") {
        return plan.steps.iter().find(|step| matches!(step.action, Action::CopyContent { .. }));
    }
    let id = text.split_once(" step=").or_else(|| text.split_once("step="))?.1.split(';').next()?;
    plan.steps.iter().find(|step| step.id == id)
}

#[cfg(test)]
mod tests {
    use bindery_core::MemoryTree;

    use super::step_of_vertex;
    use crate::base::tests::stack;
    use crate::{BuildPlan, PlanOptions, plan};

    fn planned(files: &[(&str, &str)]) -> BuildPlan {
        plan(&MemoryTree::new(files.iter().copied()).unwrap(), &stack(), &PlanOptions::default()).unwrap()
    }

    #[test]
    fn names_the_engine_gives_lead_back_to_steps() {
        let plan = planned(&[("apt.txt", "curl"), ("requirements.txt", "numpy"), ("postBuild", "#!/bin/sh\n")]);
        let id = |name: &str| step_of_vertex(&plan, name).map(|step| step.id.as_str());
        assert_eq!(id("[stage-0 2/3] RUN --mount=type=bind,source=a,target=b     step=apt;     set -eu;"), Some("apt"));
        assert_eq!(id("[2/3] RUN step=post-build;     set -eu;"), Some("post-build"));
        assert_eq!(id("[linux/amd64 2/3] RUN step=requirements;  x step=apt;"), Some("requirements"));
        assert_eq!(id("[stage-0 2/2] COPY --chown=1000:100 content/ /home/jovyan/"), Some("content"));
        for name in [
            "[internal] load build context",
            "exporting to image",
            "[1/3] FROM docker.io/x",
            "",
            "[",
            "[]",
            "[2/3] RUN x",
        ] {
            assert_eq!(id(name), None, "{name}");
        }
    }

    #[test]
    fn steps_of_a_dockerfile_are_known_by_stage_and_number() {
        let plan = planned(&[(
            "Dockerfile",
            "FROM a AS Build\nRUN one\nENV x=y\nWORKDIR /w\nFROM build\nRUN two\nFROM b\nCOPY . /\n",
        )]);
        let line = |name: &str| step_of_vertex(&plan, name).and_then(|step| step.line);
        assert_eq!(line("[build 1/3] FROM docker.io/library/a"), Some(1));
        assert_eq!(line("[build 2/3] RUN one"), Some(2));
        assert_eq!(line("[build 3/3] WORKDIR /w"), Some(4));
        assert_eq!(line("[stage-1 1/1] RUN two"), Some(6));
        assert_eq!(line("[linux/amd64 stage-2 2/2] COPY content/. /"), Some(8));
        assert_eq!(line("[stage-2 3/2] COPY content/. /"), None);
        let single = planned(&[("Dockerfile", "FROM a\nRUN one\n")]);
        assert_eq!(step_of_vertex(&single, "[2/2] RUN one").and_then(|step| step.line), Some(2));
        assert_eq!(step_of_vertex(&single, "[stage-0 2/2] RUN one").and_then(|step| step.line), Some(2));
    }
}
