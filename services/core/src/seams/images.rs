//! A build context becomes an image; an image reaches a registry.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{BaseImage, BuiltImage, Fault, ImageName, ImageRef, LogStream, StepMark, Timestamp, Tree};

/// A file added to a build context beside the repository's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFile {
    /// Its path in the context, as a tar name.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Whether it is executable.
    pub executable: bool,
}

/// The directory of the context for the content of a repository that brings its own Dockerfile: apart from what lies beside it,
/// such as a CA bundle, so that `COPY .` takes the repository and nothing else.
pub const OWN_DOCKERFILE_PREFIX: &str = "repository";

/// One image to build.
#[derive(Clone)]
pub struct BuildJob {
    /// The name the image gets. Nothing is tagged when the build fails.
    pub name: ImageName,
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// The repository's content, if the build needs it.
    pub tree: Option<Arc<dyn Tree>>,
    /// When the content is from, which its files show as the time of their last change. Without one, or with one that not every
    /// archive format can hold, it is a fixed day: everything else of a context has that always, so that what is made of equal files
    /// is equal.
    pub content_time: Option<Timestamp>,
    /// The directory of the context the content is put in; empty for the top.
    pub tree_prefix: String,
    /// The file of the repository, written like a `.dockerignore`, that says what of it stays out of the context.
    pub ignore_file: Option<String>,
    /// Files that stay in whatever it says.
    pub keep: Vec<String>,
    /// Further files.
    pub files: Vec<ContextFile>,
    /// Build arguments.
    pub build_args: Vec<(String, String)>,
    /// Labels, set by the API and never as text.
    pub labels: Vec<(String, String)>,
}

/// Something a build did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildProgress {
    /// A step began or ended.
    Step(StepMark),
    /// A step wrote a line. Without its newline; carriage returns and colours kept.
    Line {
        /// The step's id.
        step: String,
        /// Which stream.
        stream: LogStream,
        /// The line.
        text: String,
    },
}

/// Told what a build does, as it does it. Must not block.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn report(&self, progress: BuildProgress);
}

/// Builds images in an engine.
#[async_trait]
pub trait ImageBuilder: Send + Sync {
    /// Builds one image. Dropping the future ends the build and leaves no image of that name.
    ///
    /// # Errors
    /// A failing step is a user's fault named `build-step-failed` that carries the step's command and exit code; its lines have been
    /// reported. An unreachable engine or a full disk is ours.
    async fn build(&self, job: BuildJob, progress: Arc<dyn Progress>) -> Result<BuiltImage, Fault>;

    /// The image of that name in the engine, if there is one.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn find(&self, name: &ImageName) -> Result<Option<BuiltImage>, Fault>;

    /// A base image's configuration, pulling the image first if the engine does not have it.
    ///
    /// # Errors
    /// The image is neither present nor to be pulled.
    async fn base(&self, name: &str) -> Result<BaseImage, Fault>;

    /// The content of a file of the image with this id; `None` where it has no such file, or what is there is no regular file. Nothing of
    /// the image runs.
    ///
    /// # Errors
    /// The file is larger than `limit` bytes, or the engine cannot be asked.
    async fn read_file(&self, id: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Fault>;

    /// Gives the image with this id a further name; one that another image had is taken from it.
    ///
    /// # Errors
    /// There is no such image, or the engine cannot be asked.
    async fn tag(&self, id: &str, name: &ImageName) -> Result<(), Fault>;

    /// Removes a name from an image, and the image with its last name. One that does not exist is fine.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn remove(&self, name: &ImageName) -> Result<(), Fault>;
}

/// Tries an image before it is called built.
#[async_trait]
pub trait ImageProbe: Send + Sync {
    /// Starts the image once, as a session would be started, until its server answers and its default kernel computes; a server
    /// that has no kernels need only answer. Bounded in time. Leaves no container behind, also when the future is dropped; what a
    /// process that died has left is removed by a later probe. Tells as it goes, on a failure with the container's last lines.
    ///
    /// # Errors
    /// The image's own fault is the user's; an engine that cannot be asked is ours.
    async fn probe(&self, image: &ImageRef, progress: Arc<dyn Progress>) -> Result<(), Fault>;
}

/// Keeps images where other engines can pull them.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The digest of the manifest under that name, if there is one. A registry that cannot be asked is an error, not an absence.
    ///
    /// # Errors
    /// The registry cannot be asked.
    async fn find(&self, name: &ImageName) -> Result<Option<String>, Fault>;

    /// Pushes the engine's image of that name; the digest the registry recorded.
    ///
    /// # Errors
    /// The registry refused or cannot be reached.
    async fn push(&self, name: &ImageName, progress: Arc<dyn Progress>) -> Result<String, Fault>;

    /// Pulls the image of that name into the engine.
    ///
    /// # Errors
    /// The registry does not have it or cannot be reached.
    async fn pull(&self, name: &ImageName) -> Result<BuiltImage, Fault>;
}
