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
