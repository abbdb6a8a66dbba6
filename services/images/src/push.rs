//! The engine's messages about a push become a few lines and a digest.

use std::collections::BTreeMap;
use std::time::Duration;

use bindery_core::seams::{BuildProgress, Progress};
use bindery_core::{LogStream, StepMark, StepStatus};
use bollard::models::PushImageInfo;
use tokio::time::Instant;

/// A line at most this often.
const PACE: Duration = Duration::from_secs(2);
const STEP: &str = "push";

/// A push as told so far.
pub(crate) struct Push<'a> {
    progress: &'a dyn Progress,
    name: String,
    began: Instant,
    told: Instant,
    /// Bytes sent by layer. The client does not pass on the layer's id, so its size stands for it; two layers of equal size
    /// are told as one, which only a byte count shows.
    sent: BTreeMap<i64, i64>,
    pushed: usize,
    present: usize,
    digest: Option<String>,
}

impl<'a> Push<'a> {
    pub(crate) fn begin(image: &str, progress: &'a dyn Progress) -> Self {
        let now = Instant::now();
        let push = Self {
            progress,
            name: format!("push {image}"),
            began: now,
            told: now,
            sent: BTreeMap::new(),
            pushed: 0,
            present: 0,
            digest: None,
        };
        push.mark(StepStatus::Running, None);
        push
    }

    /// Takes in one message. A line is told for what changes, at most every two seconds.
    pub(crate) fn apply(&mut self, info: &PushImageInfo) {
        let status = info.status.as_deref().unwrap_or_default();
        if let Some(detail) = &info.progress_detail
            && let (Some(current), Some(total)) = (detail.current, detail.total)
            && total > 0
        {
            self.sent.insert(total, current.min(total));
        }
        if let Some((_, rest)) = status.split_once("digest: ") {
            self.digest = rest.split_whitespace().next().map(str::to_owned);
        }
        if status.starts_with("Retrying") {
            self.line(status.to_owned());
        }
        match status {
            "Pushed" => self.pushed += 1,
            "Layer already exists" => self.present += 1,
            status if status.starts_with("Mounted from") => self.present += 1,
            _ => {}
        }
        if self.told.elapsed() >= PACE {
            self.told = Instant::now();
            self.line(self.summary());
        }
    }

    /// The digest the registry recorded, once the engine has named it.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Ends the step.
    pub(crate) fn end(&self, status: StepStatus) {
        if status == StepStatus::Done {
            self.line(self.summary());
        }
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.mark(status, Some(elapsed));
    }

    fn summary(&self) -> String {
        let sent: i64 = self.sent.values().sum();
        let mut text = format!("layers: {} sent, {} already there", self.pushed, self.present);
        if sent > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a rounded number for people")]
            let megabytes = sent as f64 / 1e6;
            text.push_str(&format!("; {megabytes:.1} MB"));
        }
        text
    }

    fn line(&self, text: String) {
        self.progress.report(BuildProgress::Line { step: STEP.to_owned(), stream: LogStream::Stdout, text });
    }

    fn mark(&self, status: StepStatus, duration_ms: Option<u64>) {
        let mark = StepMark { id: STEP.to_owned(), name: self.name.clone(), status, duration_ms };
        self.progress.report(BuildProgress::Step(mark));
    }
}

#[cfg(test)]
mod tests {
    use super::Push;
    use bindery_core::StepStatus;
    use bindery_core::seams::{BuildProgress, Progress};
    use bollard::models::{ProgressDetail, PushImageInfo};
    use parking_lot::Mutex;
    use std::time::Duration;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Progress for Lines {
        fn report(&self, progress: BuildProgress) {
            if let BuildProgress::Line { text, .. } = progress {
                self.0.lock().push(text);
            }
        }
    }

    fn status(text: &str) -> PushImageInfo {
        PushImageInfo { status: Some(text.into()), ..PushImageInfo::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn many_messages_are_few_lines_and_the_last_names_the_digest() {
        let lines = Lines::default();
        let mut push = Push::begin("x", &lines);
        for step in 0..100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            let detail = ProgressDetail { current: Some(step * 10_000), total: Some(1_000_000) };
            push.apply(&PushImageInfo { progress_detail: Some(detail), ..status("Pushing") });
        }
        push.apply(&status("Pushed"));
        push.apply(&status("Layer already exists"));
        push.apply(&status("v1: digest: sha256:abc size: 528"));
        push.end(StepStatus::Done);
        assert_eq!(push.digest(), Some("sha256:abc"));
        let lines = lines.0.into_inner();
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!(lines.last().unwrap(), "layers: 1 sent, 1 already there; 1.0 MB");
    }
}
