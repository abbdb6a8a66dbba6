//! BuildKit's status messages become steps and lines.
//!
//! A message holds vertices (the build's steps, repeated whenever something about them changes) and pieces of output. Folded
//! here into what a visitor follows: each step begins once and ends once, and every line belongs to a step that began.

use std::collections::{HashMap, VecDeque};

use bindery_core::seams::{BuildProgress, Progress};
use bindery_core::{LogStream, StepMark, StepStatus};
use bollard::moby::buildkit::v1::{StatusResponse, Vertex};

use crate::error::LAST_LINES;
use crate::lines::Lines;
use crate::vertex;

/// What a build has done so far.
pub(crate) struct Fold {
    steps: HashMap<String, Step>,
    /// Digests in the order in which BuildKit first named them.
    order: Vec<String>,
    max_line: usize,
}

struct Step {
    id: String,
    vertex: String,
    /// `None` for BuildKit's own.
    name: Option<String>,
    state: State,
    stdout: Lines,
    stderr: Lines,
    last_lines: VecDeque<String>,
    error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended,
}

/// The step that made a build fail.
pub(crate) struct Failed {
    /// BuildKit's name of it.
    pub(crate) vertex: String,
    /// Whether it is one that somebody wrote.
    pub(crate) shown: bool,
    /// What BuildKit said.
    pub(crate) error: String,
    /// What it wrote last.
    pub(crate) lines: Vec<String>,
}

impl Fold {
    pub(crate) fn new(max_line: usize) -> Self {
        Self { steps: HashMap::new(), order: Vec::new(), max_line }
    }

    /// Takes in one message and reports what is new in it.
    pub(crate) fn apply(&mut self, message: StatusResponse, progress: &dyn Progress) {
        for vertex in &message.vertexes {
            self.begin(vertex, progress);
        }
        // Output before ends: a message may hold a step's last words together with its end.
        for log in message.logs {
            let stream = if log.stream == 2 { LogStream::Stderr } else { LogStream::Stdout };
            if let Some(step) = self.steps.get_mut(&log.vertex) {
                step.output(stream, &log.msg, progress);
            }
        }
        for vertex in message.vertexes {
            self.end(vertex, progress);
        }
    }

    /// Ends what is still open: with `status`, because the build as a whole ended so.
    pub(crate) fn finish(&mut self, status: StepStatus, progress: &dyn Progress) {
        for digest in &self.order {
            if let Some(step) = self.steps.get_mut(digest)
                && step.state == State::Running
            {
                step.close(status, None, progress);
            }
        }
    }

    /// The step that is running now, for saying where a build was; the one that began last when several are.
    pub(crate) fn current(&self) -> Option<String> {
        self.order
            .iter()
            .rev()
            .filter_map(|digest| self.steps.get(digest))
            .find(|step| step.state == State::Running && step.name.is_some())
            .map(|step| vertex::command(&step.vertex))
    }

    /// The step that made the build fail: the first with an error that is not only the echo of another's.
    pub(crate) fn failed(&self) -> Option<Failed> {
        let with_error = |step: &&Step| step.error.is_some();
        let steps = || self.order.iter().filter_map(|digest| self.steps.get(digest)).filter(with_error);
        let is_echo = |step: &Step| step.error.as_deref().is_some_and(|error| error.contains("context canceled"));
        let step = steps().find(|step| !is_echo(step)).or_else(|| steps().next())?;
        Some(Failed {
            vertex: step.vertex.clone(),
            shown: step.name.is_some(),
            error: step.error.clone().unwrap_or_default(),
            lines: step.last_lines.iter().cloned().collect(),
        })
    }

    fn begin(&mut self, vertex: &Vertex, progress: &dyn Progress) {
        let max_line = self.max_line;
        let step = self.steps.entry(vertex.digest.clone()).or_insert_with(|| {
            self.order.push(vertex.digest.clone());
            Step::new(vertex, max_line)
        });
        if step.state == State::Waiting && vertex.started.is_some() {
            step.state = State::Running;
            // A cached step is told in one message, at its end.
            if !(vertex.cached && vertex.completed.is_some()) {
                step.report(StepStatus::Running, None, progress);
            }
        }
    }

    fn end(&mut self, vertex: Vertex, progress: &dyn Progress) {
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        if !vertex.error.is_empty() && step.error.is_none() {
            step.error = Some(vertex.error.clone());
        }
        let ended = vertex.completed.is_some() || !vertex.error.is_empty();
        if step.state == State::Ended || !ended {
            return;
        }
        let status = match (vertex.error.is_empty(), vertex.cached) {
            (false, _) => StepStatus::Failed,
            (true, true) => StepStatus::Cached,
            (true, false) => StepStatus::Done,
        };
        let duration = milliseconds(&vertex).filter(|_| status != StepStatus::Cached);
        step.close(status, duration, progress);
    }
}

impl Step {
    fn new(vertex: &Vertex, max_line: usize) -> Self {
        let digits = vertex.digest.strip_prefix("sha256:").unwrap_or(&vertex.digest);
        Self {
            id: digits.chars().take(12).collect(),
            vertex: vertex.name.clone(),
            name: vertex::step_name(&vertex.name),
            state: State::Waiting,
            stdout: Lines::new(max_line),
            stderr: Lines::new(max_line),
            last_lines: VecDeque::new(),
            error: None,
        }
    }

    fn report(&self, status: StepStatus, duration_ms: Option<u64>, progress: &dyn Progress) {
        if let Some(name) = &self.name {
            let mark = StepMark { id: self.id.clone(), name: name.clone(), status, duration_ms };
            progress.report(BuildProgress::Step(mark));
        }
    }

    fn output(&mut self, stream: LogStream, bytes: &[u8], progress: &dyn Progress) {
        let mut lines = Vec::new();
        match stream {
            LogStream::Stdout => self.stdout.push(bytes, |line| lines.push(line)),
            LogStream::Stderr => self.stderr.push(bytes, |line| lines.push(line)),
        }
        for line in lines {
            self.line(stream, line, progress);
        }
    }

    fn line(&mut self, stream: LogStream, text: String, progress: &dyn Progress) {
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(text.clone());
        if self.name.is_some() {
            progress.report(BuildProgress::Line { step: self.id.clone(), stream, text });
        }
    }

    fn close(&mut self, status: StepStatus, duration_ms: Option<u64>, progress: &dyn Progress) {
        if let Some(line) = self.stdout.finish() {
            self.line(LogStream::Stdout, line, progress);
        }
        if let Some(line) = self.stderr.finish() {
            self.line(LogStream::Stderr, line, progress);
        }
        self.state = State::Ended;
        self.report(status, duration_ms, progress);
    }
}

fn milliseconds(vertex: &Vertex) -> Option<u64> {
    let (started, completed) = (vertex.started.as_ref()?, vertex.completed.as_ref()?);
    let nanos = i128::from(completed.seconds - started.seconds) * 1_000_000_000 + i128::from(completed.nanos)
        - i128::from(started.nanos);
    u64::try_from(nanos / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::Fold;
    use bindery_core::StepStatus;
    use bindery_core::seams::{BuildProgress, Progress};
    use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Progress for Seen {
        fn report(&self, progress: BuildProgress) {
            self.0.lock().push(match progress {
                BuildProgress::Step(mark) => {
                    format!("{} {} {:?} {:?}", mark.id, mark.name, mark.status, mark.duration_ms)
                }
                BuildProgress::Line { step, stream, text } => format!("{step} {stream:?} {text}"),
            });
        }
    }

    fn vertex(digest: &str, name: &str, started: Option<i64>, completed: Option<i64>) -> Vertex {
        let mut vertex = Vertex { digest: digest.into(), name: name.into(), ..Vertex::default() };
        if let Some(seconds) = started {
            vertex.started.get_or_insert_default().seconds = seconds;
        }
        if let Some(seconds) = completed {
            vertex.completed.get_or_insert_default().seconds = seconds;
        }
        vertex
    }

    fn log(digest: &str, stream: i64, text: &str) -> VertexLog {
        VertexLog { vertex: digest.into(), stream, msg: text.into(), ..VertexLog::default() }
    }

    fn message(vertexes: Vec<Vertex>, logs: Vec<VertexLog>) -> StatusResponse {
        StatusResponse { vertexes, logs, ..StatusResponse::default() }
    }

    fn told(messages: Vec<StatusResponse>, end: StepStatus) -> (Vec<String>, Fold) {
        let (seen, mut fold) = (Seen::default(), Fold::new(100));
        for message in messages {
            fold.apply(message, &seen);
        }
        fold.finish(end, &seen);
        (seen.0.into_inner(), fold)
    }

    #[test]
    fn a_step_begins_once_and_ends_once_with_its_lines_between() {
        let run = "[2/2] RUN x";
        let (seen, _) = told(
            vec![
                message(vec![vertex("sha256:aaa", run, None, None)], vec![]),
                message(vec![vertex("sha256:aaa", run, Some(10), None)], vec![log("sha256:aaa", 1, "on")]),
                message(vec![vertex("sha256:aaa", run, Some(10), None)], vec![log("sha256:aaa", 1, "e\ntwo")]),
                message(vec![vertex("sha256:aaa", run, Some(10), Some(12))], vec![log("sha256:aaa", 2, "err\n")]),
                message(vec![vertex("sha256:aaa", run, Some(10), Some(12))], vec![]),
            ],
            StepStatus::Done,
        );
        let expected = [
            "aaa [2/2] RUN x Running None",
            "aaa Stdout one",
            "aaa Stderr err",
            "aaa Stdout two",
            "aaa [2/2] RUN x Done Some(2000)",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_cached_step_is_told_once() {
        let mut cached = vertex("sha256:b", "[1/2] COPY a b", Some(1), Some(1));
        cached.cached = true;
        let (seen, _) = told(vec![message(vec![cached], vec![])], StepStatus::Done);
        assert_eq!(seen, ["b [1/2] COPY a b Cached None"]);
    }

    #[test]
    fn internal_steps_are_not_told_but_their_errors_are_known() {
        let mut internal = vertex("sha256:c", "[internal] load metadata for docker.io/library/x:1", Some(1), Some(2));
        internal.error = "not found".into();
        let (seen, fold) = told(vec![message(vec![internal], vec![])], StepStatus::Failed);
        assert!(seen.is_empty());
        assert_eq!(fold.failed().unwrap().error, "not found");
    }

    #[test]
    fn the_step_that_failed_is_not_one_cancelled_because_of_it() {
        let mut echo = vertex("sha256:d", "[a 1/1] RUN sleep", Some(1), Some(2));
        echo.error = "context canceled".into();
        let mut cause = vertex("sha256:e", "[b 1/1] RUN false", Some(1), Some(2));
        cause.error = "executor failed running [/bin/sh -c false]: exit code: 1".into();
        let logs = (0..30).map(|n| log("sha256:e", 2, &format!("line {n}\n"))).collect();
        let (_, fold) = told(vec![message(vec![echo, cause], logs)], StepStatus::Failed);
        let failed = fold.failed().unwrap();
        assert_eq!((failed.vertex.as_str(), failed.shown), ("[b 1/1] RUN false", true));
        assert_eq!((failed.lines.len(), failed.lines[0].as_str()), (20, "line 10"));
    }

    #[test]
    fn steps_open_at_the_end_of_a_build_are_ended_with_it() {
        let (seen, fold) = told(
            vec![message(vec![vertex("sha256:f", "[2/2] RUN x", Some(1), None)], vec![log("sha256:f", 1, "half")])],
            StepStatus::Failed,
        );
        assert_eq!(seen, ["f [2/2] RUN x Running None", "f Stdout half", "f [2/2] RUN x Failed None"]);
        assert_eq!(fold.current(), None);
    }
}
