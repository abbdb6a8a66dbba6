//! One build, from request to image, within its deadlines.

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{BuildJob, BuildProgress, Progress};
use bindery_core::{LogStream, StepMark, StepStatus};
use bollard::models::{BuildInfo, BuildInfoAux};
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::context::{self, LeftOut};
use crate::engine::is_end;
use crate::progress::Fold;
use crate::{Config, Engine, ImagesError, classify, messages};

/// How long the context's writer may take to say why it stopped, once the engine has ended the build.
const WRITER_ENDS: Duration = Duration::from_secs(5);

/// When any build of this process last said something. A step may wait for another build that holds the same cache mount, so
/// silence is a fault only when all are silent.
pub(crate) struct Activity(Mutex<Instant>);

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn touch(&self) {
        *self.0.lock() = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock()
    }
}

/// Builds and names the image; its id. Dropping the future closes the connections, which makes the engine end the build.
pub(crate) async fn run(
    engine: &Engine,
    config: &Config,
    activity: &Activity,
    job: BuildJob,
    progress: &dyn Progress,
) -> Result<String, ImagesError> {
    let limit = Duration::from_secs(config.build_seconds);
    // The engine answers a build at once and then streams; the client's own bound is only for an engine that hangs.
    let docker = engine.docker().await?.clone().with_timeout(limit);
    let job = Arc::new(job);
    let planned = Arc::clone(&job);
    let context = tokio::task::spawn_blocking(move || context::prepare(&planned))
        .await
        .map_err(|error| ImagesError::Context(error.to_string()))??;
    let options = options(&job, &context.dockerfile);
    let (body, writer) = context.stream();
    let mut messages =
        messages::start(docker, options, body).map_err(|error| ImagesError::Thread(error.to_string()))?;

    activity.touch();
    let deadline = Instant::now() + limit;
    let quiet = Duration::from_secs(config.no_output_seconds);
    let mut fold = Fold::new(config.max_log_line);
    let mut image = None;
    let outcome = loop {
        let until = deadline.min(activity.last() + quiet);
        match timeout_at(until, messages.recv()).await {
            Ok(Some(Ok(info))) => {
                activity.touch();
                take_in(info, &mut fold, &mut image, progress);
            }
            Ok(Some(Err(error))) if is_end(&error) => break Ok(()),
            Ok(Some(Err(error))) => break Err(Some(error)),
            Ok(None) => break Ok(()),
            Err(_) if Instant::now() >= deadline => {
                let step = running(&fold);
                fold.finish(StepStatus::Failed, progress);
                return Err(ImagesError::TooLong { seconds: config.build_seconds, step });
            }
            Err(_) if activity.last() + quiet <= Instant::now() => {
                let step = running(&fold);
                fold.finish(StepStatus::Failed, progress);
                return Err(ImagesError::Silent { seconds: config.no_output_seconds, step });
            }
            Err(_) => {}
        }
    };
    drop(messages);
    fold.finish(if outcome.is_ok() { StepStatus::Done } else { StepStatus::Failed }, progress);
    // A context that could not be read explains whatever the engine says about it.
    let written = timeout(WRITER_ENDS, writer).await;
    match (outcome, image) {
        (Ok(()), Some(image)) => {
            if let Ok(Ok(left_out)) = written {
                tell(&left_out?, progress);
            }
            Ok(image)
        }
        (outcome, _) => {
            if let Ok(Ok(Err(error))) = written
                && !matches!(&error, ImagesError::Context(reason) if reason.contains("the build ended"))
            {
                return Err(error);
            }
            Err(failure(engine, &fold, outcome.err().flatten()))
        }
    }
}

fn options(job: &BuildJob, dockerfile: &str) -> BuildImageOptions {
    BuildImageOptions {
        dockerfile: dockerfile.to_owned(),
        t: Some(job.name.as_str().to_owned()),
        buildargs: Some(job.build_args.iter().cloned().collect()),
        labels: Some(job.labels.iter().cloned().collect()),
        version: BuilderVersion::BuilderBuildKit,
        // BuildKit refuses a build without one, and two builds with the same.
        session: Some(uuid::Uuid::new_v4().simple().to_string()),
        ..BuildImageOptions::default()
    }
}

fn take_in(info: BuildInfo, fold: &mut Fold, image: &mut Option<String>, progress: &dyn Progress) {
    match info.aux {
        Some(BuildInfoAux::BuildKit(message)) => fold.apply(message, progress),
        Some(BuildInfoAux::Default(id)) => *image = id.id.or(image.take()),
        None => {}
    }
}

fn running(fold: &Fold) -> String {
    fold.current().map_or_else(|| "its beginning".to_owned(), |name| format!("`{}`", crate::error::shorten(&name, 120)))
}

fn failure(engine: &Engine, fold: &Fold, error: Option<bollard::errors::Error>) -> ImagesError {
    let failed = fold.failed();
    match error {
        Some(bollard::errors::Error::DockerStreamError { error }) => classify::failure(failed.as_ref(), &error),
        Some(bollard::errors::Error::DockerResponseServerError { message, .. }) => {
            classify::failure(failed.as_ref(), &message)
        }
        Some(error) => engine.error("build", &error),
        None => match failed {
            Some(failed) => classify::failure(Some(&failed), &failed.error),
            None => ImagesError::EngineUnreachable {
                host: engine.host().to_owned(),
                reason: "it ended the build without a result".to_owned(),
            },
        },
    }
}

/// Names what the repository has and the image does not.
fn tell(left_out: &LeftOut, progress: &dyn Progress) {
    if left_out.links.is_empty() {
        return;
    }
    let mark =
        |status| StepMark { id: "context".to_owned(), name: "copy repository".to_owned(), status, duration_ms: None };
    progress.report(BuildProgress::Step(mark(StepStatus::Running)));
    for link in &left_out.links {
        progress.report(BuildProgress::Line {
            step: "context".to_owned(),
            stream: LogStream::Stderr,
            text: format!("{link} is a symbolic link without a usable target and was left out"),
        });
    }
    progress.report(BuildProgress::Step(mark(StepStatus::Done)));
}
