//! The engine's step names back to steps of the plan.

use crate::CONTENT_PREFIX;
use crate::plan::{Action, BuildPlan, Step, step_file};

/// The step an engine's vertex name belongs to, e.g. `[stage-0 2/3] RUN --mount=… step=apt; …`; the text of its error about a
/// step does as well. `None` for the engine's own work, such as loading the context or exporting the image.
#[must_use]
pub fn step_of_vertex<'a>(plan: &'a BuildPlan, vertex_name: &str) -> Option<&'a Step> {
    if plan.is_dockerfile() {
        return of_dockerfile(plan, vertex_name);
    }
    // The first mark: whatever follows it is the step's own script.
    let before = |at: usize| vertex_name.get(..at).and_then(|text| text.chars().next_back());
    let marked = vertex_name.match_indices("step=").find(|(at, _)| before(*at).is_none_or(char::is_whitespace));
    if let Some((at, mark)) = marked {
        let id = vertex_name.get(at + mark.len()..)?.split(';').next()?;
        return step_file(plan, id);
    }
    let (_, text) = instruction(vertex_name)?;
    let content = |step: &&Step| matches!(step.action, Action::CopyContent { .. });
    let is_content = text.starts_with("COPY ") && text.contains(&format!(" {CONTENT_PREFIX}/ "));
    is_content.then(|| plan.steps.iter().find(content)).flatten()
}

/// `[linux/amd64 build 2/3] RUN x` as `linux/amd64 build 2/3` and `RUN x`.
fn instruction(vertex_name: &str) -> Option<(&str, &str)> {
    let (place, text) = vertex_name.strip_prefix('[')?.split_once(']')?;
    Some((place, text.trim_start()))
}

/// Steps of a repository's Dockerfile are known by stage and number. The engine leaves the stage out where there is only one, and
/// may name a platform before it.
fn of_dockerfile<'a>(plan: &'a BuildPlan, vertex_name: &str) -> Option<&'a Step> {
    let (place, text) = instruction(vertex_name)?;
    // Numbers are padded: `[build  2/11]`.
    let mut words = place.split_whitespace().rev();
    let index: u32 = words.next()?.split_once('/')?.0.parse().ok()?;
    let stage = words.next().unwrap_or_default();
    plan.steps.iter().find(|step| match &step.action {
        Action::Dockerfile(known) => {
            let same_stage = known.stage == stage || (known.stages == 1 && (stage.is_empty() || stage.contains('/')));
            same_stage && known.index == index && text.starts_with(&known.keyword)
        }
        _ => false,
    })
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
        assert_eq!(line("[build  3/11] WORKDIR /w"), Some(4));
        assert_eq!(line("[stage-1 1/1] RUN two"), Some(6));
        assert_eq!(line("[linux/amd64 stage-2 2/2] COPY repository/. /"), Some(8));
        assert_eq!(line("[stage-2 3/2] COPY repository/. /"), None);
        let single = planned(&[("Dockerfile", "FROM a\nRUN one\n")]);
        assert_eq!(step_of_vertex(&single, "[2/2] RUN one").and_then(|step| step.line), Some(2));
        assert_eq!(step_of_vertex(&single, "[ 2/11] RUN one").and_then(|step| step.line), Some(2));
        assert_eq!(step_of_vertex(&single, "[stage-0 2/2] RUN one").and_then(|step| step.line), Some(2));
    }
}
