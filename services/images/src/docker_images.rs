//! The [`ImageBuilder`] seam on an engine with BuildKit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bindery_core::seams::{BuildJob, BuildProgress, ImageBuilder, Progress};
use bindery_core::{BaseImage, BuiltImage, Fault, ImageName, StepMark, StepStatus};
use bollard::models::ImageInspect;
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions, TagImageOptions};
use futures::StreamExt as _;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::build::{self, Activity};
use crate::engine::is_end;
use crate::file_of::file_of;
use crate::{Config, Engine, ImagesError, classify, disk};

/// Builds and keeps images in one engine.
pub struct DockerImages {
    config: Config,
    engine: Arc<Engine>,
    turns: Semaphore,
    activity: Activity,
    /// Where free space is measured; the engine is asked once.
    disk: OnceCell<Option<PathBuf>>,
}

impl DockerImages {
    /// A builder on the engine that `config` names. Connects when first used.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let engine = Arc::new(Engine::new(config.docker_host.as_deref()));
        Self::on(engine, config)
    }

    /// A builder on this engine, shared with others.
    #[must_use]
    pub fn on(engine: Arc<Engine>, config: Config) -> Self {
        let turns = Semaphore::new(config.concurrent_builds.max(1));
        Self { config, engine, turns, activity: Activity::new(), disk: OnceCell::new() }
    }

    /// The engine it builds in, for a registry beside it.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine)
    }

    /// Refuses when another build might fill the disk.
    ///
    /// # Errors
    /// The engine cannot be asked, or its disk is nearly full.
    pub async fn check_room(&self) -> Result<(), ImagesError> {
        let disk = self
            .disk
            .get_or_try_init(|| async {
                let root = self.engine.data_root().await?.map(PathBuf::from);
                Ok::<_, ImagesError>(root.or_else(|| self.config.data_dir.clone()))
            })
            .await?;
        match disk {
            Some(path) => disk::check(path, &self.config),
            None => Ok(()),
        }
    }

    /// Waits until fewer builds run than may, and says so if it must. `None` cannot happen: nobody closes the semaphore.
    async fn turn(&self, progress: &dyn Progress) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let mark = |status| {
            let name = "wait for other builds".to_owned();
            progress.report(BuildProgress::Step(StepMark { id: "turn".to_owned(), name, status, duration_ms: None }));
        };
        mark(StepStatus::Running);
        let turn = self.turns.acquire().await.ok();
        mark(StepStatus::Done);
        turn
    }

    /// A step that met a full disk failed by our fault. Anyone can print the words, so the disk itself is asked as well.
    async fn blame_disk(&self, error: ImagesError) -> ImagesError {
        let says_so = |lines: &[String]| lines.iter().any(|line| classify::is_disk_full(line));
        match error {
            ImagesError::StepFailed { ref lines, .. } if says_so(lines) => match self.check_room().await {
                Err(full @ ImagesError::DiskFull(_)) => full,
                _ => error,
            },
            error => error,
        }
    }

    async fn pull_base(&self, name: &str) -> Result<(), ImagesError> {
        let missing = |reason: String| ImagesError::BaseMissing { name: name.to_owned(), reason };
        let limit = Duration::from_secs(self.config.pull_seconds);
        let docker = self.engine.docker().await?.clone().with_timeout(limit);
        let options = CreateImageOptions { from_image: Some(with_tag(name)), ..CreateImageOptions::default() };
        let mut stream = Box::pin(docker.create_image(Some(options), None, None));
        let pull = async {
            while let Some(message) = stream.next().await {
                if message.as_ref().is_err_and(is_end) {
                    break;
                }
                message.map_err(|error| match self.engine.error("pull", &error) {
                    ImagesError::EngineRefused { reason, .. } => missing(reason),
                    other => other,
                })?;
            }
            Ok(())
        };
        match timeout(limit, pull).await {
            Ok(result) => result,
            Err(_) => Err(missing(format!("pulling it took longer than {} s", self.config.pull_seconds))),
        }
    }
}

/// Without a tag or digest the engine would pull every tag there is.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

#[async_trait]
impl ImageBuilder for DockerImages {
    async fn build(&self, job: BuildJob, progress: Arc<dyn Progress>) -> Result<BuiltImage, Fault> {
        let _turn = self.turn(progress.as_ref()).await;
        self.check_room().await?;
        let name = job.name.clone();
        let run = build::run(&self.engine, &self.config, &self.activity, job, progress.as_ref());
        let id = match Box::pin(run).await {
            Ok(id) => id,
            Err(error) => return Err(self.blame_disk(error).await.into()),
        };
        // By id: another worker may have given the name to its own build of the same content by now.
        match self.engine.inspect(&id).await? {
            Some(image) => Ok(built(image)),
            None => Err(Fault::us("image-vanished", format!("The image {name} was removed right after it was built."))),
        }
    }

    async fn find(&self, name: &ImageName) -> Result<Option<BuiltImage>, Fault> {
        Ok(self.engine.inspect(name.as_str()).await?.map(built))
    }

    async fn base(&self, name: &str) -> Result<BaseImage, Fault> {
        if let Some(image) = self.engine.inspect(name).await? {
            return Ok(base(name, image));
        }
        tracing::info!(image = name, "pulling the base image");
        self.pull_base(name).await?;
        match self.engine.inspect(name).await? {
            Some(image) => Ok(base(name, image)),
            None => Err(ImagesError::BaseMissing { name: name.to_owned(), reason: "it vanished".to_owned() }.into()),
        }
    }

    async fn read_file(&self, id: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Fault> {
        Ok(file_of(&self.engine, id, path, limit).await?)
    }

    async fn tag(&self, id: &str, name: &ImageName) -> Result<(), Fault> {
        let docker = self.engine.docker().await?;
        let options = TagImageOptions { repo: Some(name.repository().into()), tag: Some(name.tag().into()) };
        match self.engine.ask("name an image", docker.tag_image(id, Some(options))).await? {
            Some(()) => Ok(()),
            None => Err(Fault::us("image-vanished", format!("The image {name} was removed before it had its name."))),
        }
    }

    async fn remove(&self, name: &ImageName) -> Result<(), Fault> {
        let docker = self.engine.docker().await?;
        let remove = || async {
            let question = docker.remove_image(name.as_str(), None::<RemoveImageOptions>, None);
            self.engine.ask("remove an image", question).await
        };
        if let Err(error) = remove().await {
            // An image that loses two names at once makes the engine fail with one of them, which may still be there.
            if self.engine.inspect(name.as_str()).await?.is_none() {
                return Ok(());
            }
            tracing::debug!(image = %name, %error, "an image was not removed, trying once more");
            remove().await?;
        }
        Ok(())
    }
}

impl Engine {
    /// The image of that name or id, if there is one.
    pub(crate) async fn inspect(&self, name: &str) -> Result<Option<ImageInspect>, ImagesError> {
        let docker = self.docker().await?;
        self.ask("describe an image", docker.inspect_image(name)).await
    }
}

pub(crate) fn built(image: ImageInspect) -> BuiltImage {
    let size = image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    BuiltImage { id: image.id.unwrap_or_default(), size }
}

fn base(name: &str, image: ImageInspect) -> BaseImage {
    let config = image.config.unwrap_or_default();
    let pair = |entry: String| match entry.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (entry, String::new()),
    };
    let mut labels: Vec<_> = config.labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    BaseImage {
        name: name.to_owned(),
        id: image.id.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        env: config.env.unwrap_or_default().into_iter().map(pair).collect(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        workdir: config.working_dir.unwrap_or_default(),
        labels,
    }
}

#[cfg(test)]
mod tests {
    use super::with_tag;

    #[test]
    fn a_name_without_tag_means_latest() {
        assert_eq!(with_tag("127.0.0.1:5000/a"), "127.0.0.1:5000/a:latest");
        assert_eq!(with_tag("a:b"), "a:b");
        assert_eq!(with_tag("a@sha256:0"), "a@sha256:0");
    }
}
