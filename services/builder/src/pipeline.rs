//! The steps of one build, in order: fetch, plan, environment image, session image, trial, push.

use std::sync::Arc;

use bindery_buildpacks::{
    BuildPlan, CondaOptions, DockerfileRules, Lock, PlanError, PlanOptions, PythonFallback, Rendered, SessionOptions,
    Sources, asks_for_r, bringing_r, plan,
};
use bindery_core::seams::{BuildJob, ContentProvider, ContextFile, ImageBuilder, ImageProbe, Leases, Registry};
use bindery_core::{
    AsOf, BaseImage, BuildRequest, Date, EnvironmentKey, EventBody, Fault, ImageKey, ImageName, ImageRef, Phase,
    Provenance, Provider, Secret, Timestamp, Tree, WorkerId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::notebooks::previews;
use crate::progress::StepReporter;
use crate::record::{Bills, provenance};
use crate::session_image::SessionOrder;
use crate::{Naming, Report};

/// Where the certificate bundle lies in every build context; buildpacks mount it from there.
const CA_BUNDLE: &str = ".bindery/ca-bundle.pem";
/// The most bytes of a plan that is told whole.
const PLAN_BYTES: usize = 256 * 1024;

/// What this site adds to every build.
#[derive(Debug, Clone)]
pub struct Site {
    /// The base image's name.
    pub base_image: String,
    /// Certificates that builds must trust, in PEM. Mounted, never baked in.
    pub ca_bundle: Option<Vec<u8>>,
    /// `linux/amd64` or the like.
    pub platform: String,
    /// Who shares download caches.
    pub cache_sharing: CacheSharing,
    /// Pythons that can be fetched here beside the base's own.
    pub pythons: Vec<String>,
    /// Where they are fetched from, when not from where uv does by itself.
    pub python_mirror: Option<Secret>,
    /// What becomes of a wish for another.
    pub python_fallback: PythonFallback,
    /// Where what is not Python comes from.
    pub sources: Sources,
    /// The base of repositories that ask for R, which brings it; otherwise the distribution's is installed.
    pub r_base_image: Option<String>,
    /// Where conda packages come from.
    pub conda: CondaOptions,
    /// Which of repositories' own Dockerfiles are built.
    pub dockerfiles: DockerfileRules,
}

/// Who shares the download caches that build steps write. What one repository's steps put there, another's would use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheSharing {
    /// The commits of one repository. For sites that build what strangers name.
    #[default]
    Repository,
    /// Everybody. Faster where everyone who can start a build is trusted.
    Site,
}

impl Site {
    /// What of this site changes a plan; the cache's scope is left to the repository.
    #[must_use]
    pub fn plan_options(&self) -> PlanOptions {
        PlanOptions {
            platform: self.platform.clone(),
            ca_bundle: self.ca_bundle.is_some(),
            cache_scope: String::new(),
            pythons: self.pythons.clone(),
            python_mirror: self.python_mirror.as_ref().map(|address| address.expose().to_owned()),
            python_fallback: self.python_fallback,
            conda: self.conda.clone(),
            as_of: None,
            sources: self.sources.clone(),
            session: SessionOptions::default(),
            dockerfiles: self.dockerfiles.clone(),
            lock: None,
        }
    }

    /// What, beside repository and commit, decides what is built. Equal in every process of a site.
    #[must_use]
    pub fn recipe(&self) -> String {
        let Sources { cran, julia, rstudio, shiny } = &self.sources;
        let fallback = match self.python_fallback {
            PythonFallback::Refuse => "",
            PythonFallback::Nearest => " or the nearest",
        };
        let mut recipe = format!(
            "{}; base {}{}; {}; pythons {}{fallback}; conda {} for defaults; {cran}; {julia}",
            bindery_buildpacks::VERSION,
            self.base_image,
            self.r_base_image.as_ref().map(|name| format!(", for R {name}")).unwrap_or_default(),
            self.platform,
            self.pythons.join(" "),
            self.conda.defaults,
        );
        for (server, package) in [("rstudio", rstudio), ("shiny", shiny)] {
            recipe.extend(package.iter().map(|package| format!("; {server} {package}")));
        }
        if self.dockerfiles != DockerfileRules::default() {
            recipe.push_str(&format!("; {:?}", self.dockerfiles));
        }
        recipe
    }
}

/// Plans on a thread where reading the tree may wait.
async fn plan_on(
    tree: &Arc<dyn Tree>,
    base: BaseImage,
    options: PlanOptions,
) -> Result<Result<BuildPlan, PlanError>, Fault> {
    let tree = Arc::clone(tree);
    let planned = tokio::task::spawn_blocking(move || plan(tree.as_ref(), &base, &options)).await;
    planned.map_err(|error| Fault::us("plan-crashed", format!("planning ended abnormally: {error}")))
}

/// What can be shown of the tree's notebooks, on a thread where reading may wait. A build does without.
async fn notebooks_of(tree: &Arc<dyn Tree>) -> Option<Value> {
    let tree = Arc::clone(tree);
    let kept = tokio::task::spawn_blocking(move || previews(tree.as_ref())).await;
    kept.unwrap_or_else(|error| {
        tracing::error!("the notebooks of a repository cannot be shown: {error}");
        None
    })
}

/// Where a tree came from, for labels.
#[derive(Debug, Clone)]
pub struct Source {
    /// The repository's address, or a path.
    pub repository: String,
    /// The ref asked for.
    pub reference: String,
    /// The commit, if there is one.
    pub commit: Option<String>,
    /// When that was made, if it is known.
    pub committed: Option<Timestamp>,
}

/// What is asked for besides the content.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The day whose packages are installed; today's when none is named.
    pub as_of: Option<Date>,
    /// User, directory and appendix of the session image.
    pub session: SessionOptions,
    /// Labels of the session image, over our own.
    pub labels: Vec<(String, String)>,
    /// Arguments for the repository's own Dockerfile.
    pub build_args: Vec<(String, String)>,
    /// The versions to install: those of an image that was built before.
    pub lock: Option<Arc<Lock>>,
    /// Which of repositories' own Dockerfiles are built, where that is not for the site to say.
    pub dockerfiles: Option<DockerfileRules>,
    /// A repository without environment files is a fault.
    pub needs_environment: bool,
}

/// One session image to build.
pub struct Order {
    /// The repository's content.
    pub tree: Arc<dyn Tree>,
    /// Where that came from.
    pub source: Source,
    /// What is asked for besides.
    pub wishes: Wishes,
    /// What the image is called.
    pub image: ImageName,
}

/// A build that gave an image.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The session image.
    pub image: ImageRef,
    /// The environment image's key; `None` for a repository with its own Dockerfile.
    pub environment: Option<EnvironmentKey>,
    /// What it was made of.
    pub provenance: Provenance,
    /// Where the repository's content lies in it; for a repository with its own Dockerfile, where it is asked to be.
    pub directory: String,
}

/// The outside worlds a build uses, and what the site adds.
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) images: Arc<dyn ImageBuilder>,
    pub(crate) registry: Option<Arc<dyn Registry>>,
    pub(crate) naming: Naming,
    pub(crate) site: Site,
    pub(crate) probe: Option<Arc<dyn ImageProbe>>,
    pub(crate) tries_sessions: bool,
    pub(crate) bills: Arc<Bills>,
    pub(crate) binderhub_prefix: Option<String>,
}

impl Pipeline {
    /// A pipeline over these worlds, which tries no image. With a registry, every image is pushed.
    #[must_use]
    pub fn new(images: Arc<dyn ImageBuilder>, registry: Option<Arc<dyn Registry>>, naming: Naming, site: Site) -> Self {
        let (probe, bills, binderhub_prefix) = (None, Arc::default(), None);
        Self { images, registry, naming, site, probe, tries_sessions: true, bills, binderhub_prefix }
    }

    /// The same with this probe: an image is called built once it has been tried.
    #[must_use]
    pub fn with_probe(mut self, probe: Option<Arc<dyn ImageProbe>>) -> Self {
        self.probe = probe;
        self
    }

    /// The same, which looks in the registry first for what a BinderHub has built whose `image_prefix` this is.
    #[must_use]
    pub fn with_binderhub_prefix(mut self, prefix: Option<String>) -> Self {
        self.binderhub_prefix = prefix;
        self
    }

    /// The same, trying environments only: what is put on them need not be a notebook.
    #[must_use]
    pub fn trying_environments_only(mut self) -> Self {
        self.tries_sessions = false;
        self
    }

    /// What images are called here.
    #[must_use]
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// The plan for a tree on this site's base.
    ///
    /// # Errors
    /// A user fault naming file and line, or ours when the base image is missing or breaks its contract.
    pub async fn plan(&self, tree: &Arc<dyn Tree>, source: &Source, wishes: &Wishes) -> Result<BuildPlan, Fault> {
        Ok(self.plan_and_base(tree, source, wishes).await?.0)
    }

    /// The same with the base it is planned on.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub async fn plan_and_base(
        &self,
        tree: &Arc<dyn Tree>,
        source: &Source,
        wishes: &Wishes,
    ) -> Result<(BuildPlan, BaseImage), Fault> {
        let mut base = self.images.base(&self.site.base_image).await?;
        let cache_scope = match self.site.cache_sharing {
            CacheSharing::Repository => ImageKey::of_parts([source.repository.as_bytes()]).to_string(),
            CacheSharing::Site => String::new(),
        };
        let session = wishes.session.clone();
        let lock = wishes.lock.clone();
        let site = self.site.plan_options();
        let dockerfiles = wishes.dockerfiles.clone().unwrap_or_else(|| site.dockerfiles.clone());
        let options = PlanOptions { cache_scope, as_of: wishes.as_of, session, lock, dockerfiles, ..site };
        let mut planned = plan_on(tree, base.clone(), options.clone()).await?;
        if let Some(name) = self.site.r_base_image.as_ref().filter(|_| asks_for_r(&planned)) {
            base = bringing_r(self.images.base(name).await?);
            planned = plan_on(tree, base.clone(), options).await?;
        }
        Ok((planned?, base))
    }

    /// Fetches one commit, or one version of a record, and builds its session image.
    ///
    /// # Errors
    /// The first step's fault. No image of that name is left behind.
    pub async fn build_commit(
        &self,
        content: &dyn ContentProvider,
        request: &BuildRequest,
        image: ImageName,
        leases: &dyn Leases,
        holder: &WorkerId,
        report: Arc<dyn Report>,
    ) -> Result<Finished, Fault> {
        if let Some(found) = self.built_by_binderhub(request, &image, &report).await? {
            return Ok(found);
        }
        let resolved = &request.resolved;
        let revision = resolved.revision.short();
        report.event(EventBody::message(Phase::Fetching, format!("Fetching {} at {revision}", resolved.repo_url)));
        let (tree, fetched) = content.fetch(resolved).await?;
        let summary = format!("Fetched {} files, {}", fetched.entries, human_bytes(fetched.bytes));
        let notebooks = notebooks_of(&tree).await;
        report.event(EventBody { notebooks, ..EventBody::message(Phase::Fetching, summary) });
        fetched.notes.into_iter().for_each(|note| report.event(EventBody::message(Phase::Fetching, note)));
        let source = Source {
            repository: resolved.repo_url.to_string(),
            reference: resolved.spec.reference.to_string(),
            commit: Some(resolved.revision.to_string()),
            committed: fetched.committed,
        };
        // The Dockerfile that is built of an image is ours, and which images there may be is said elsewhere.
        let is_image = resolved.spec.provider == Provider::Image;
        let dockerfiles = is_image.then(DockerfileRules::default);
        let wishes = Wishes { as_of: day(request.as_of, fetched.committed)?, dockerfiles, ..Wishes::default() };
        let built = self.build_tree(Order { tree, source, wishes, image }, leases, holder, report).await;
        built.map_err(|fault| if is_image { of_image(fault) } else { fault })
    }

    /// Builds the session image of a tree.
    ///
    /// # Errors
    /// The first step's fault. No image of that name is left behind.
    pub async fn build_tree(
        &self,
        order: Order,
        leases: &dyn Leases,
        holder: &WorkerId,
        report: Arc<dyn Report>,
    ) -> Result<Finished, Fault> {
        let Order { tree, source, wishes, image } = order;
        let (plan, base) = self.plan_and_base(&tree, &source, &wishes).await?;
        let plan = Arc::new(plan);
        tell_plan(&plan, report.as_ref());
        check_environment(&plan, &wishes, report.as_ref())?;
        let environment = match &plan.environment_key {
            Some(key) => Some(self.environment(&plan, key, &tree, leases, holder, &report).await?),
            None => None,
        };
        let mut provenance = provenance(&plan, &base, &source)?;
        let order = SessionOrder {
            plan: &plan,
            environment,
            tree,
            source: &source,
            wishes,
            image,
            provenance: &mut provenance,
        };
        let mut image = self.session_image(order, &report).await?;
        if let Some(lock) = &plan.lock {
            self.compare(lock, &image, &provenance).await?;
        }
        self.prove_session(&plan, &image, &report).await?;
        image.registry_digest = self.push(&image.name, &report).await?;
        Ok(Finished {
            image,
            environment: plan.environment_key.clone(),
            provenance,
            directory: plan.content_directory(),
        })
    }

    /// Pushes the engine's image of that name, if there is a registry; the digest recorded there.
    ///
    /// # Errors
    /// The registry refuses or cannot be reached.
    pub async fn push(&self, image: &ImageName, report: &Arc<dyn Report>) -> Result<Option<String>, Fault> {
        let Some(registry) = &self.registry else { return Ok(None) };
        report.event(EventBody::message(Phase::Pushing, "Pushing the image to the registry"));
        let progress = StepReporter::new(Arc::clone(report), None, Phase::Pushing, "push");
        Ok(Some(registry.push(image, progress).await?))
    }
}

/// What is said of a Dockerfile, said of an image of which nobody wrote one.
fn of_image(fault: Fault) -> Fault {
    let hint = match fault.code.as_str() {
        "server-missing" => Some("The image must have jupyterlab or notebook on its PATH.".to_owned()),
        _ => fault.hint,
    };
    Fault { file: None, line: None, hint, ..fault }
}

/// The day that is meant, where the commit was made at `committed`.
///
/// # Errors
/// The commit's own day is asked for, and is not known.
pub fn day(as_of: Option<AsOf>, committed: Option<Timestamp>) -> Result<Option<Date>, Fault> {
    match as_of.map(|day| day.date(committed.and_then(Date::of))) {
        None => Ok(None),
        Some(Some(date)) => Ok(Some(date)),
        Some(None) => {
            Err(Fault::user("commit-without-date", "The packages of the commit's day are asked for, and it has none.")
                .hint("Name the day, like 2021-03-01."))
        }
    }
}

/// Says what was found, what is used and what is not. Silence about an environment file would be a bug.
fn tell_plan(plan: &BuildPlan, report: &dyn Report) {
    match plan.shown() {
        Ok(shown) => report.event(EventBody::planned(shortened(shown))),
        Err(error) => tracing::error!("a plan cannot be shown: {error}"),
    }
    let say = |text: String| report.event(EventBody::message(Phase::Building, text));
    for used in &plan.used {
        say(format!("Using {}: {}", used.file, used.r#for));
    }
    for ignored in &plan.ignored {
        say(format!("Not using {}: {}", ignored.file, ignored.reason));
    }
    for note in &plan.notes {
        say(note.clone());
    }
}

/// A plan of a size that an event may have. A lock file's thousands of packages are the first to go: of what a step does, its kind
/// is left, and what it runs.
fn shortened(mut plan: Value) -> Value {
    if plan.to_string().len() > PLAN_BYTES
        && let Some(steps) = plan.get_mut("steps").and_then(Value::as_array_mut)
    {
        for step in steps {
            if let Some(action) = step.get_mut("action").and_then(Value::as_object_mut) {
                action.retain(|key, _| key == "kind");
            }
        }
    }
    plan
}

/// A build job for rendered instructions.
pub(crate) fn job(
    name: ImageName,
    rendered: Rendered,
    tree: Arc<dyn Tree>,
    labels: Vec<(String, String)>,
    ca_bundle: Option<&[u8]>,
) -> BuildJob {
    let mut files = rendered.files;
    if let Some(bundle) = ca_bundle {
        files.push(ContextFile { path: CA_BUNDLE.to_owned(), content: bundle.to_vec(), executable: false });
    }
    BuildJob {
        name,
        dockerfile: rendered.dockerfile,
        tree: rendered.needs_tree.then_some(tree),
        content_time: None,
        tree_prefix: rendered.tree_prefix,
        ignore_file: rendered.ignore_file,
        keep: rendered.keep,
        files,
        build_args: rendered.build_args,
        labels,
    }
}

/// What is asked of the plan as a whole.
fn check_environment(plan: &BuildPlan, wishes: &Wishes, report: &dyn Report) -> Result<(), Fault> {
    if wishes.needs_environment && plan.buildpacks.iter().all(|pack| pack == "default") {
        let fault = Fault::user("no-environment", "No environment specification found.");
        return Err(fault.hint("Add one of the files that say what the repository needs, such as requirements.txt."));
    }
    if !wishes.build_args.is_empty() && !plan.is_dockerfile() {
        let text = "The build arguments have no effect: the repository has no Dockerfile of its own";
        report.event(EventBody::message(Phase::Building, text));
    }
    Ok(())
}

fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
