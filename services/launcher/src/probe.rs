//! An image tried before it is called built: started once as a session is, asked as a session is asked, and removed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{BuildProgress, ImageProbe, Observed, Progress, SessionBackend, SessionSpec};
use bindery_core::{Fault, ImageRef, LogStream, Secret, SessionId, StepMark, StepStatus};
use tokio::time::{Instant, timeout};

use crate::kernel::{self, Computed};
use crate::launch::{LAST_LINES, LINE_CHARS, WAIT, ended_fault, never_answered};
use crate::{Config, DockerBackend, Error, ready};

/// The step a visitor sees.
const STEP: &str = "probe";

/// Tries images in the engine that builds them.
pub struct Probe {
    config: Config,
    backend: Arc<dyn SessionBackend>,
    client: reqwest::Client,
}

impl Probe {
    /// A probe on the engine and with the confinement that `config` names. Its containers belong to an instance of their own, so
    /// that no launcher takes one for a session.
    ///
    /// # Errors
    /// A file named in the settings cannot be read.
    pub fn new(mut config: Config) -> Result<Self, Error> {
        config.instance.push_str(".probe");
        let backend = Arc::new(DockerBackend::new(config.clone())?);
        Self::on(config, backend)
    }

    pub(crate) fn on(config: Config, backend: Arc<dyn SessionBackend>) -> Result<Self, Error> {
        let client = ready::client().map_err(|error| Error::Setting { setting: "probe", reason: error.to_string() })?;
        Ok(Self { config, backend, client })
    }

    async fn try_out(&self, spec: &SessionSpec) -> Result<Option<String>, Fault> {
        let limit = self.config.ready();
        let handle = self.backend.start(spec).await?;
        let asking = async {
            let answering = ready::until_answering(&self.client, handle.upstream, &spec.base_path);
            timeout(limit, answering).await.map_err(|_| never_answered(limit))?;
            // A server may take its time once, and its kernel once more.
            let computing = kernel::compute(&self.client, handle.upstream, &spec.base_path, &spec.token);
            let computed = timeout(limit, computing).await.unwrap_or_else(|_| {
                let reason = format!("it did not answer within {} seconds", limit.as_secs());
                Computed::Failed { kernel: None, reason }
            });
            match computed {
                Computed::By(kernel) => Ok(Some(kernel)),
                Computed::NotAsked => Ok(None),
                Computed::Failed { kernel, reason } => Err(kernel_fault(kernel.as_deref(), &reason)),
            }
        };
        tokio::select! {
            asked = asking => asked,
            observed = self.until_ended(spec.id) => Err(ended_fault(&self.config, &observed)),
        }
    }

    async fn until_ended(&self, id: SessionId) -> Observed {
        loop {
            let asked = Instant::now();
            if let Ok(Some(observed)) = self.backend.wait(id, WAIT).await {
                return observed;
            }
            tokio::time::sleep_until(asked + Duration::from_secs(1)).await;
        }
    }

    /// Tells the container's last lines, without its token.
    async fn last_words(&self, spec: &SessionSpec, progress: &dyn Progress) {
        let lines = self.backend.last_lines(spec.id, LAST_LINES).await.unwrap_or_default();
        for line in lines {
            let text = line.replace(spec.token.expose(), "***").chars().take(LINE_CHARS).collect();
            progress.report(BuildProgress::Line { step: STEP.to_owned(), stream: LogStream::Stderr, text });
        }
    }

    /// Removes what probes of processes that died have left. No living probe is that old.
    async fn sweep(&self) {
        let age = self.config.ready() * 2 + Duration::from_secs(120);
        match self.backend.older_than(age).await {
            Ok(left) => {
                for id in left {
                    tracing::info!(probe = %id, "removing a container that an earlier probe left");
                    let _ = self.backend.stop(id, Duration::ZERO).await;
                }
            }
            Err(error) => tracing::debug!(%error, "what earlier probes left cannot be seen"),
        }
    }
}

/// Removes the container when the probe is given up.
struct Guard {
    backend: Arc<dyn SessionBackend>,
    id: Option<SessionId>,
}

impl Guard {
    async fn end(mut self) {
        if let Some(id) = self.id.take()
            && let Err(error) = self.backend.stop(id, Duration::ZERO).await
        {
            tracing::warn!(probe = %id, %error, "a probe's container could not be removed; a later probe will");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let backend = Arc::clone(&self.backend);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = backend.stop(id, Duration::ZERO).await;
            });
        }
    }
}

#[async_trait]
impl ImageProbe for Probe {
    async fn probe(&self, image: &ImageRef, progress: Arc<dyn Progress>) -> Result<(), Fault> {
        self.sweep().await;
        let id = SessionId::new();
        let spec = SessionSpec {
            id,
            image: image.clone(),
            base_path: format!("/user/{id}/"),
            token: Secret::new(SessionId::new().to_string()),
            env: Vec::new(),
        };
        let began = Instant::now();
        let mark = |status| {
            let duration_ms = (status != StepStatus::Running).then(|| began.elapsed().as_millis()).map(to_u64);
            let name = "try the image: start it and compute 1+1".to_owned();
            progress.report(BuildProgress::Step(StepMark { id: STEP.to_owned(), name, status, duration_ms }));
        };
        mark(StepStatus::Running);
        let guard = Guard { backend: Arc::clone(&self.backend), id: Some(id) };
        let tried = self.try_out(&spec).await;
        match &tried {
            Ok(kernel) => {
                let said = kernel.as_ref().map_or_else(
                    || "The server answers; it has no kernels to ask.".to_owned(),
                    |kernel| format!("The server answers, and the kernel {kernel} computes."),
                );
                progress.report(BuildProgress::Line { step: STEP.to_owned(), stream: LogStream::Stdout, text: said });
            }
            Err(_) => self.last_words(&spec, progress.as_ref()).await,
        }
        guard.end().await;
        mark(if tried.is_ok() { StepStatus::Done } else { StepStatus::Failed });
        tried.map(|_| ())
    }
}

fn to_u64(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn kernel_fault(kernel: Option<&str>, reason: &str) -> Fault {
    let what = kernel.map_or_else(|| "The default kernel".to_owned(), |kernel| format!("The kernel `{kernel}`"));
    Fault::user("kernel-failed", format!("{what} of the image does not compute: {reason}.")).hint(
        "A package that replaces ipykernel, or one it needs, is the usual reason; the server's last lines say more.",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bindery_core::seams::{BuildProgress, ImageProbe as _, Progress};
    use bindery_core::{FaultBy, StepStatus};
    use parking_lot::Mutex;

    use super::Probe;
    use crate::Config;
    use crate::fake::{Behaviour, FakeBackend};

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Progress for Told {
        fn report(&self, progress: BuildProgress) {
            self.0.lock().push(match progress {
                BuildProgress::Step(mark) => format!("{:?}", mark.status),
                BuildProgress::Line { text, .. } => text,
            });
        }
    }

    async fn probe(behaviour: Behaviour) -> (Result<(), bindery_core::Fault>, Vec<String>, usize) {
        let backend = Arc::new(FakeBackend::new());
        let image = backend.image("bindery-test/x:1", behaviour);
        let config = Config { ready_seconds: 1, ..Config::default() };
        let told = Arc::new(Told::default());
        let result = Probe::on(config, backend.clone()).unwrap().probe(&image, told.clone()).await;
        let told = told.0.lock().clone();
        (result, told, backend.count())
    }

    #[tokio::test]
    async fn an_image_whose_server_answers_passes_and_leaves_nothing() {
        let (result, told, left) = probe(Behaviour::default()).await;
        assert_eq!((result, left), (Ok(()), 0));
        assert_eq!(told.first(), Some(&format!("{:?}", StepStatus::Running)));
        assert_eq!(told.last(), Some(&format!("{:?}", StepStatus::Done)));
    }

    #[tokio::test]
    async fn each_way_to_fail_is_the_authors_with_the_last_lines_and_leaves_nothing() {
        let lines = vec!["the database is missing".to_owned()];
        let cases = [
            (Behaviour { exits: Some((127, false)), lines: lines.clone(), ..Behaviour::default() }, "server-missing"),
            (Behaviour { exits: Some((1, false)), lines: lines.clone(), ..Behaviour::default() }, "server-exited"),
            (
                Behaviour { exits: Some((137, true)), lines: lines.clone(), ..Behaviour::default() },
                "session-out-of-memory",
            ),
            (Behaviour { silent: true, lines: lines.clone(), ..Behaviour::default() }, "server-silent"),
        ];
        for (behaviour, code) in cases {
            let (result, told, left) = probe(behaviour).await;
            let fault = result.unwrap_err();
            assert_eq!((fault.by, fault.code.as_str(), left), (FaultBy::User, code, 0));
            assert!(told.contains(&lines[0]), "{code}: {told:?}");
            assert_eq!(told.last(), Some(&format!("{:?}", StepStatus::Failed)));
        }
    }

    #[tokio::test]
    async fn a_probe_that_is_given_up_leaves_nothing() {
        let backend = Arc::new(FakeBackend::new());
        let image = backend.image("bindery-test/x:1", Behaviour { silent: true, ..Behaviour::default() });
        let probe = Probe::on(Config::default(), backend.clone()).unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(200), probe.probe(&image, Arc::new(Told::default())));
        assert!(given_up.await.is_err());
        let gone = async {
            while backend.count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    }
}
