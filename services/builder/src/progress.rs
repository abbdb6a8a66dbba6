//! What an engine does, told as named steps of the plan.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bindery_buildpacks::{BuildPlan, Step, record_step_name, step_of_vertex};
use bindery_core::seams::{BuildProgress, Progress};
use bindery_core::{EventBody, Phase, StepMark, StepOutput, StepStatus};
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
    /// What this site knows its mirrors by. A program that names a mirror in its output must not give it away.
    credentials: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    marks: HashMap<String, StepMark>,
    lines: HashMap<String, VecDeque<String>>,
    /// The first step that failed; those that failed after it were told to end.
    failed: Option<String>,
}

/// The step that a build failed at.
pub(crate) struct FailedStep {
    pub(crate) step: Option<Step>,
    pub(crate) lines: Vec<String>,
    /// As the log tells it.
    pub(crate) id: String,
    pub(crate) name: String,
}

impl StepReporter {
    pub(crate) fn new(
        report: Arc<dyn Report>,
        plan: Option<Arc<BuildPlan>>,
        phase: Phase,
        image: &'static str,
    ) -> Arc<Self> {
        let credentials = plan.as_deref().map(BuildPlan::credentials).unwrap_or_default();
        Arc::new(Self { report, plan, phase, image, credentials, state: Mutex::default() })
    }

    /// The step that failed, with its last lines.
    pub(crate) fn failed(&self) -> Option<FailedStep> {
        let state = self.state.lock();
        let id = state.failed.as_ref()?;
        let lines = state.lines.get(id).map(|lines| lines.iter().cloned().collect()).unwrap_or_default();
        let mark = state.marks.get(id)?;
        let StepMark { id, name, .. } = self.named(mark);
        Some(FailedStep { step: self.step_of(&mark.name), lines, id, name })
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
                        state.failed.get_or_insert_with(|| mark.id.clone());
                    }
                    state.marks.insert(mark.id.clone(), mark.clone());
                }
                self.report.event(EventBody::step(self.phase, self.named(&mark)));
            }
            BuildProgress::Line { step, stream, text } => {
                let text = self.credentials.iter().fold(text, |text, credential| text.replace(credential, "***"));
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

impl FailedStep {
    /// The end of what it wrote, if it wrote anything.
    pub(crate) fn output(&self) -> Option<StepOutput> {
        StepOutput::last(&self.id, &self.name, &self.lines)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bindery_buildpacks::{PlanOptions, plan};
    use bindery_core::seams::{BuildProgress, Progress as _};
    use bindery_core::{EventBody, LogStream, MemoryTree, Phase, StepMark, StepStatus};
    use parking_lot::Mutex;

    use super::{StepReporter, without_place};
    use crate::Report;
    use crate::diagnosis::tests::base;

    #[derive(Default)]
    struct Told(Mutex<Vec<EventBody>>);

    impl Report for Told {
        fn event(&self, event: EventBody) {
            self.0.lock().push(event);
        }
    }

    fn mark(id: &str, name: &str, status: StepStatus) -> BuildProgress {
        BuildProgress::Step(StepMark { id: id.to_owned(), name: name.to_owned(), status, duration_ms: None })
    }

    fn line(step: &str, text: &str) -> BuildProgress {
        BuildProgress::Line { step: step.to_owned(), stream: LogStream::Stderr, text: text.to_owned() }
    }

    fn reporter(options: &PlanOptions) -> (Arc<Told>, Arc<StepReporter>) {
        let tree = MemoryTree::new([("runtime.txt", "python-3.10"), ("requirements.txt", "six\n")]).unwrap();
        let plan = Arc::new(plan(&tree, &base(), options).unwrap());
        let told = Arc::new(Told::default());
        (Arc::clone(&told), StepReporter::new(told, Some(plan), Phase::Building, "env"))
    }

    fn options() -> PlanOptions {
        let mirror = "https://bindery:canary@mirror.example/python".to_owned();
        PlanOptions { pythons: vec!["3.10".to_owned()], python_mirror: Some(mirror), ..PlanOptions::default() }
    }

    #[test]
    fn the_first_step_that_failed_is_the_one_and_has_the_id_and_name_of_the_log() {
        let (told, reporter) = reporter(&options());
        reporter.report(mark("a", "[stage-0 2/3] RUN step=kernel-python; x", StepStatus::Running));
        reporter.report(mark("b", "[other 2/3] RUN sleep", StepStatus::Running));
        reporter.report(line("a", "it went wrong"));
        reporter.report(mark("a", "[stage-0 2/3] RUN step=kernel-python; x", StepStatus::Failed));
        reporter.report(mark("b", "[other 2/3] RUN sleep", StepStatus::Failed));
        let output = reporter.failed().unwrap().output().unwrap();
        assert_eq!((output.step.as_str(), output.lines.as_slice()), ("env-a", &["it went wrong".to_owned()][..]));
        let told = told.0.lock();
        let failed = told.iter().filter_map(|event| event.step.as_ref()).find(|step| step.status == StepStatus::Failed);
        assert_eq!(failed.map(|step| (&step.id, &step.name)), Some((&output.step, &output.name)));
    }

    #[test]
    fn what_the_site_logs_in_to_its_mirror_with_is_never_told() {
        let (told, reporter) = reporter(&options());
        reporter.report(mark("a", "[stage-0 2/3] RUN step=kernel-python; x", StepStatus::Running));
        reporter.report(line("a", "error: Failed to download https://bindery:canary@mirror.example/python/3.10"));
        reporter.report(line("a", "401 for canary"));
        reporter.report(mark("a", "[stage-0 2/3] RUN step=kernel-python; x", StepStatus::Failed));
        let kept = format!("{:?} {:?}", told.0.lock(), reporter.failed().unwrap().output());
        assert!(!kept.contains("canary") && kept.contains("https://***@mirror.example/python/3.10"), "{kept}");
    }

    #[test]
    fn steps_that_are_not_the_plan_s_are_told_without_their_place() {
        assert_eq!(without_place("[stage-0 1/2] FROM base"), "FROM base");
        assert_eq!(without_place("save image"), "save image");
        assert_eq!(without_place("RUN [a] b"), "RUN [a] b");
    }
}
