//! What an engine does, told as named steps of the plan.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bindery_buildpacks::{BuildPlan, Step, record_step_name, step_of_vertex};
use bindery_core::seams::{BuildProgress, Progress};
use bindery_core::{EventBody, Phase, StepMark, StepStatus};
use parking_lot::Mutex;

use crate::Report;

/// Lines kept of each step for a diagnosis: its first, where an installer says what it is about, and its last.
const KEPT_FIRST: usize = 20;
const KEPT_LAST: usize = 400;
/// The most characters of one such line.
const KEPT_CHARS: usize = 2000;

/// Tells one image's build to a [`Report`], with the plan's step names instead of the engine's.
pub(crate) struct StepReporter {
    report: Arc<dyn Report>,
    plan: Option<Arc<BuildPlan>>,
    phase: Phase,
    /// Makes step ids unique within a build that builds several images.
    image: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    marks: HashMap<String, StepMark>,
    lines: HashMap<String, VecDeque<String>>,
    failed: Option<String>,
}

/// The step a build failed at.
pub(crate) struct FailedStep {
    pub(crate) step: Option<Step>,
    pub(crate) lines: Vec<String>,
}

impl StepReporter {
    pub(crate) fn new(
        report: Arc<dyn Report>,
        plan: Option<Arc<BuildPlan>>,
        phase: Phase,
        image: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self { report, plan, phase, image, state: Mutex::default() })
    }

    /// The step that failed, with its last lines.
    pub(crate) fn failed(&self) -> Option<FailedStep> {
        let state = self.state.lock();
        let id = state.failed.as_ref()?;
        let lines = state.lines.get(id).map(|lines| lines.iter().cloned().collect()).unwrap_or_default();
        let vertex = state.marks.get(id).map(|mark| mark.name.clone()).unwrap_or_default();
        Some(FailedStep { step: self.step_of(&vertex), lines })
    }

    fn step_of(&self, vertex: &str) -> Option<Step> {
        self.plan.as_deref().and_then(|plan| step_of_vertex(plan, vertex)).cloned()
    }

    fn named(&self, mark: &StepMark) -> StepMark {
        let of_record = || record_step_name(&mark.name).map(str::to_owned);
        let name = self.step_of(&mark.name).map(|step| step.name).or_else(of_record);
        let name = name.unwrap_or_else(|| without_place(&mark.name).to_owned());
        StepMark { id: format!("{}-{}", self.image, mark.id), name, ..mark.clone() }
    }
}

/// A vertex name without its place in the Dockerfile, `[stage-0 1/2] `, which counts the engine's instructions and not steps.
fn without_place(vertex: &str) -> &str {
    vertex.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(vertex, |(_, command)| command)
}

impl Progress for StepReporter {
    fn report(&self, progress: BuildProgress) {
        match progress {
            BuildProgress::Step(mark) => {
                {
                    let mut state = self.state.lock();
                    if mark.status == StepStatus::Failed {
                        state.failed = Some(mark.id.clone());
                    }
                    state.marks.insert(mark.id.clone(), mark.clone());
                }
                self.report.event(EventBody::step(self.phase, self.named(&mark)));
            }
            BuildProgress::Line { step, stream, text } => {
                let mark = {
                    let mut state = self.state.lock();
                    let lines = state.lines.entry(step.clone()).or_default();
                    if lines.len() == KEPT_FIRST + KEPT_LAST {
                        lines.remove(KEPT_FIRST);
                    }
                    lines.push_back(text.chars().take(KEPT_CHARS).collect());
                    state.marks.get(&step).cloned()
                };
                let mark = mark.unwrap_or(StepMark {
                    id: step,
                    name: String::new(),
                    status: StepStatus::Running,
                    duration_ms: None,
                });
                let mark = StepMark { status: StepStatus::Running, ..self.named(&mark) };
                self.report.event(EventBody::output(self.phase, mark, stream, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_place;

    #[test]
    fn steps_that_are_not_the_plan_s_are_told_without_their_place() {
        assert_eq!(without_place("[stage-0 1/2] FROM base"), "FROM base");
        assert_eq!(without_place("save image"), "save image");
        assert_eq!(without_place("RUN [a] b"), "RUN [a] b");
    }
}
