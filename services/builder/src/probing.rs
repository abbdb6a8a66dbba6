//! Images are tried before they have the name under which they are found again: whatever has such a name has worked once.

use std::sync::Arc;

use bindery_buildpacks::{Action, BuildPlan};
use bindery_core::{EventBody, Fault, FaultBy, ImageName, ImageRef, Phase};

use crate::Report;
use crate::pipeline::Pipeline;
use crate::progress::StepReporter;

/// Whether a session image does more than add files to an environment that was tried: runs steps on them, puts a program in front of
/// the server, or is the repository's own from the first line.
fn is_worth_a_trial(plan: &BuildPlan) -> bool {
    let only_files = |action: &Action| matches!(action, Action::CopyContent { .. });
    plan.is_dockerfile()
        || plan.start.is_some()
        || plan.steps.iter().any(|step| step.needs_content && !only_files(&step.action))
}

impl Pipeline {
    /// The name an environment image is built under: its own, or, when it is to be tried first, another.
    pub(crate) fn name_to_build(&self, name: &ImageName) -> Result<ImageName, Fault> {
        if self.probe.is_none() {
            return Ok(name.clone());
        }
        let untried = format!("{name}-untried").parse();
        untried.map_err(|error| Fault::us("bad-image-prefix", format!("{error}")).retry(false))
    }

    /// Tries an environment image that was built under `built_as`, and gives it its name.
    pub(crate) async fn prove_environment(
        &self,
        plan: &BuildPlan,
        id: &str,
        built_as: &ImageName,
        name: &ImageName,
        report: &Arc<dyn Report>,
    ) -> Result<(), Fault> {
        let Some(probe) = &self.probe else { return Ok(()) };
        let image = ImageRef { name: built_as.clone(), id: id.to_owned(), registry_digest: None };
        let progress = StepReporter::new(Arc::clone(report), None, Phase::Building, "env");
        let tried = probe.probe(&image, Arc::clone(&progress) as _).await.map_err(|fault| {
            let fault = fault.output(progress.failed().and_then(|failed| failed.output()));
            // Nothing of the repository's is in an environment without steps: it is this site's base.
            if plan.has_environment_steps() || fault.by != FaultBy::User { fault } else { base_is_broken(plan, fault) }
        });
        let named = match tried {
            Ok(()) => self.images.tag(id, name).await,
            Err(fault) => Err(fault),
        };
        // The image itself goes with this name unless it has the other by now.
        self.images.remove(built_as).await?;
        named
    }

    /// Tries a session image where that can tell more than the trial of its environment did. Takes the name of one that fails.
    pub(crate) async fn prove_session(
        &self,
        plan: &BuildPlan,
        image: &ImageRef,
        report: &Arc<dyn Report>,
    ) -> Result<(), Fault> {
        let worth_it = self.tries_sessions && is_worth_a_trial(plan);
        let Some(probe) = self.probe.as_ref().filter(|_| worth_it) else { return Ok(()) };
        let progress = StepReporter::new(Arc::clone(report), None, Phase::Building, "repo");
        let Err(fault) = probe.probe(image, Arc::clone(&progress) as _).await else { return Ok(()) };
        let fault = fault.output(progress.failed().and_then(|failed| failed.output()));
        if let Err(error) = self.images.remove(&image.name).await {
            report.event(EventBody::message(Phase::Building, format!("The image could not be removed: {error}")));
        }
        let file = plan.dockerfile.as_ref().or(plan.start.as_ref());
        Err(match file {
            Some(file) if fault.by == FaultBy::User => fault.at(file.clone(), None),
            _ => fault,
        })
    }
}

fn base_is_broken(plan: &BuildPlan, fault: Fault) -> Fault {
    let text = format!("This site's base image {} does not work as it is: {}", plan.base, fault.message);
    let broken = Fault::us("base-image-broken", text).hint("An operator must mend it or set build.base_image.");
    Fault { output: fault.output, ..broken.retry(false) }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use bindery_buildpacks::PythonFallback;
    use bindery_core::seams::{BuildJob, ImageBuilder, ImageProbe, Lease, Leases, Progress, StoreError};
    use bindery_core::{
        BaseImage, BuiltImage, EventBody, Fault, FaultBy, Fence, ImageName, ImageRef, MemoryTree, Timestamp, WorkerId,
    };
    use parking_lot::Mutex;

    use crate::diagnosis::tests::base;
    use crate::{CacheSharing, Naming, Order, Pipeline, Report, Site, Source, Wishes};

    /// When everything that is built here was committed.
    const COMMITTED: Timestamp = Timestamp::from_seconds(1_700_000_000);

    /// An engine that builds anything: the names it knows, each with the id of its image.
    #[derive(Default)]
    struct Engine {
        names: Mutex<BTreeMap<String, String>>,
        /// Whether each build had content, and what it was told of its time.
        times: Mutex<BTreeSet<(bool, Option<Timestamp>)>>,
    }

    impl Engine {
        fn kinds(&self) -> Vec<String> {
            let kind = |name: &String| name.split(':').next().unwrap_or_default().to_owned();
            self.names.lock().keys().map(kind).collect()
        }
    }

    #[async_trait]
    impl ImageBuilder for Engine {
        async fn build(&self, job: BuildJob, _progress: Arc<dyn Progress>) -> Result<BuiltImage, Fault> {
            let id = format!("id of {}", job.name);
            self.times.lock().insert((job.tree.is_some(), job.content_time));
            self.names.lock().insert(job.name.to_string(), id.clone());
            Ok(BuiltImage { id, size: 1 })
        }

        async fn find(&self, name: &ImageName) -> Result<Option<BuiltImage>, Fault> {
            Ok(self.names.lock().get(name.as_str()).map(|id| BuiltImage { id: id.clone(), size: 1 }))
        }

        async fn base(&self, _name: &str) -> Result<BaseImage, Fault> {
            Ok(base())
        }

        async fn read_file(&self, _id: &str, _path: &str, _limit: usize) -> Result<Option<Vec<u8>>, Fault> {
            Ok(None)
        }

        async fn tag(&self, id: &str, name: &ImageName) -> Result<(), Fault> {
            self.names.lock().insert(name.to_string(), id.to_owned());
            Ok(())
        }

        async fn remove(&self, name: &ImageName) -> Result<(), Fault> {
            self.names.lock().remove(name.as_str());
            Ok(())
        }
    }

    /// Counts what it tried, and refuses images of one kind.
    #[derive(Default)]
    struct Probe {
        tried: Mutex<Vec<String>>,
        refuses: &'static str,
    }

    #[async_trait]
    impl ImageProbe for Probe {
        async fn probe(&self, image: &ImageRef, _progress: Arc<dyn Progress>) -> Result<(), Fault> {
            self.tried.lock().push(image.name.repository().to_owned());
            if image.name.repository() == self.refuses {
                return Err(Fault::user("server-exited", "The notebook server ended with exit code 1."));
            }
            Ok(())
        }
    }

    struct Alone;

    #[async_trait]
    impl Leases for Alone {
        async fn try_acquire(&self, name: &str, holder: &WorkerId, _: Duration) -> Result<Option<Lease>, StoreError> {
            Ok(Some(Lease { name: name.to_owned(), holder: holder.clone(), fence: Fence(1) }))
        }
        async fn renew(&self, _: &Lease, _: Duration) -> Result<(), StoreError> {
            Ok(())
        }
        async fn release(&self, _: &Lease) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[derive(Default)]
    struct Told(Mutex<Vec<EventBody>>);

    impl Report for Told {
        fn event(&self, event: EventBody) {
            self.0.lock().push(event);
        }
    }

    struct House {
        engine: Arc<Engine>,
        probe: Arc<Probe>,
        pipeline: Pipeline,
    }

    impl House {
        fn new(refuses: &'static str) -> Self {
            let engine = Arc::new(Engine::default());
            let probe = Arc::new(Probe { refuses, ..Probe::default() });
            let site = Site {
                base_image: "bindery/stack:test".to_owned(),
                ca_bundle: None,
                platform: "linux/amd64".to_owned(),
                cache_sharing: CacheSharing::Repository,
                pythons: Vec::new(),
                python_mirror: None,
                python_fallback: PythonFallback::default(),
                sources: crate::Sources::default(),
                r_base_image: None,
                conda: bindery_buildpacks::CondaOptions::default(),
                dockerfiles: bindery_buildpacks::DockerfileRules::default(),
            };
            let pipeline = Pipeline::new(engine.clone(), None, Naming::new(""), site).with_probe(Some(probe.clone()));
            Self { engine, probe, pipeline }
        }

        async fn build(&self, tag: &str, files: &[(&str, &str)]) -> Result<(), Fault> {
            self.build_told(tag, files, Arc::new(Told::default())).await
        }

        async fn build_told(&self, tag: &str, files: &[(&str, &str)], told: Arc<Told>) -> Result<(), Fault> {
            let tree = Arc::new(MemoryTree::new(files.iter().copied()).unwrap());
            let committed = Some(COMMITTED);
            let source = Source { repository: "r".to_owned(), reference: "HEAD".to_owned(), commit: None, committed };
            let image = format!("repo:{tag}").parse().unwrap();
            let holder = WorkerId("test".to_owned());
            let order = Order { tree, source, wishes: Wishes::default(), image };
            self.pipeline.build_tree(order, &Alone, &holder, told).await.map(|_| ())
        }

        fn tried(&self) -> Vec<String> {
            std::mem::take(&mut *self.probe.tried.lock())
        }
    }

    #[tokio::test]
    async fn a_new_environment_is_tried_once_and_a_commit_that_adds_only_files_not_at_all() {
        let house = House::new("");
        house.build("one", &[("requirements.txt", "six\n"), ("README.md", "one")]).await.unwrap();
        assert_eq!(house.tried(), ["env"]);
        house.build("two", &[("requirements.txt", "six\n"), ("README.md", "two")]).await.unwrap();
        assert_eq!(house.tried(), Vec::<String>::new());
        assert_eq!(house.engine.kinds(), ["env", "repo", "repo"], "the name it was tried under is gone");
    }

    #[tokio::test]
    async fn content_is_as_old_as_its_commit_and_an_environment_has_no_age() {
        for file in [("requirements.txt", "six\n"), ("Dockerfile", "FROM x:1\n")] {
            let house = House::new("");
            house.build("one", &[file]).await.unwrap();
            let times = [(false, None), (true, Some(COMMITTED))];
            assert_eq!(*house.engine.times.lock(), BTreeSet::from(times), "{file:?}");
        }
    }

    #[tokio::test]
    async fn the_plan_is_told_once_also_where_the_environment_is_there_already() {
        let house = House::new("");
        for tag in ["one", "two"] {
            let told = Arc::new(Told::default());
            let files = [("requirements.txt", "six\n"), ("Pipfile", "[packages]\n"), ("README.md", tag)];
            house.build_told(tag, &files, told.clone()).await.unwrap();
            let events = told.0.lock();
            let plans: Vec<_> = events.iter().filter_map(|event| event.plan.as_ref()).collect();
            assert_eq!(plans.len(), 1, "{tag}");
            assert_eq!(plans[0]["used"][0]["file"], "Pipfile", "{tag}: {}", plans[0]);
            assert_eq!(plans[0]["ignored"][0]["file"], "requirements.txt");
            assert_eq!((plans[0]["python"]["version"].as_str(), plans[0]["r"].is_null()), (Some("3.11.2"), true));
        }
    }

    #[tokio::test]
    async fn a_python_that_takes_the_place_of_another_is_told_in_the_plan() {
        let mut house = House::new("");
        house.pipeline.site.python_fallback = PythonFallback::Nearest;
        let told = Arc::new(Told::default());
        house.build_told("one", &[("runtime.txt", "python-3.9\n")], told.clone()).await.unwrap();
        let events = told.0.lock();
        let note = "runtime.txt:1 asks for Python 3.9, which this site does not have. Python 3.11.2, the nearest there is, takes its \
                    place.";
        let plan = events.iter().find_map(|event| event.plan.as_ref()).unwrap();
        assert_eq!(plan["notes"][0], note);
        assert!(events.iter().any(|event| event.message.trim_end() == note), "in the log too");
    }

    #[tokio::test]
    async fn steps_on_the_content_a_start_and_a_dockerfile_are_tried_with_each_commit() {
        for file in [("postBuild", "#!/bin/sh\n"), ("start", "#!/bin/sh\nexec \"$@\"\n")] {
            let house = House::new("");
            house.build("one", &[file]).await.unwrap();
            assert_eq!(house.tried(), ["env", "repo"], "{file:?}");
            house.build("two", &[file, ("README.md", "two")]).await.unwrap();
            assert_eq!(house.tried(), ["repo"], "{file:?}");
        }
        let house = House::new("");
        house.build("one", &[("Dockerfile", "FROM x:1\nRUN true\n")]).await.unwrap();
        assert_eq!(house.tried(), ["repo"]);
    }

    #[tokio::test]
    async fn an_image_that_fails_its_trial_keeps_no_name_and_names_the_file() {
        let house = House::new("repo");
        let fault = house.build("one", &[("start", "#!/bin/sh\nexit 1\n")]).await.unwrap_err();
        assert_eq!((fault.by, fault.place().as_deref()), (FaultBy::User, Some("start")));
        assert_eq!(house.engine.kinds(), ["env"]);
        let fault = house.build("two", &[("Dockerfile", "FROM x:1\n")]).await.unwrap_err();
        assert_eq!((fault.by, fault.place().as_deref()), (FaultBy::User, Some("Dockerfile")));
        assert_eq!(house.engine.kinds(), ["env"]);
    }

    #[tokio::test]
    async fn an_environment_that_fails_its_trial_is_the_authors_where_they_added_to_it_and_ours_where_not() {
        let house = House::new("env");
        let fault = house.build("one", &[("requirements.txt", "tornado==1\n")]).await.unwrap_err();
        assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "server-exited"));
        let fault = house.build("two", &[("README.md", "x")]).await.unwrap_err();
        assert_eq!((fault.by, fault.code.as_str(), fault.retry), (FaultBy::Us, "base-image-broken", false));
        assert_eq!(house.engine.kinds(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn where_only_environments_are_tried_a_session_image_is_taken_as_it_is() {
        let mut house = House::new("repo");
        house.pipeline = house.pipeline.trying_environments_only();
        house.build("one", &[("start", "#!/bin/sh\nexit 1\n")]).await.unwrap();
        assert_eq!(house.tried().len(), 1, "{:?}", house.tried());
    }

    #[tokio::test]
    async fn without_a_probe_images_have_their_names_at_once() {
        let mut house = House::new("env");
        house.pipeline = house.pipeline.with_probe(None);
        house.build("one", &[("start", "#!/bin/sh\nexec \"$@\"\n")]).await.unwrap();
        assert_eq!((house.tried(), house.engine.kinds()), (Vec::new(), vec!["env".to_owned(), "repo".to_owned()]));
    }
}
