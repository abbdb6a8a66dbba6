//! The session image: the environment with the repository in it, or what the repository's own Dockerfile gives.

use std::sync::Arc;

use bindery_buildpacks::{Action, BuildPlan, render_dockerfile_repo, render_session, with_provenance};
use bindery_core::{EventBody, Fault, ImageName, ImageRef, Phase, Provenance, Tree};

use crate::pipeline::{Pipeline, Source, Wishes, job};
use crate::progress::StepReporter;
use crate::{Report, blame};

/// One session image to build.
pub(crate) struct SessionOrder<'a> {
    pub(crate) plan: &'a Arc<BuildPlan>,
    /// The environment it is put on; none for a repository with its own Dockerfile.
    pub(crate) environment: Option<ImageName>,
    pub(crate) tree: Arc<dyn Tree>,
    pub(crate) source: &'a Source,
    pub(crate) wishes: Wishes,
    /// What it is called.
    pub(crate) image: ImageName,
    /// What it is made of; the bill of materials is added.
    pub(crate) provenance: &'a mut Provenance,
}

impl Pipeline {
    /// Builds the session image.
    ///
    /// # Errors
    /// The failing step's fault, traced to a line of an environment file where it comes from one.
    pub(crate) async fn session_image(
        &self,
        order: SessionOrder<'_>,
        report: &Arc<dyn Report>,
    ) -> Result<ImageRef, Fault> {
        let SessionOrder { plan, environment, tree, source, wishes, image, provenance } = order;
        let record = serde_json::to_vec(provenance)
            .map_err(|error| Fault::us("provenance-unwritten", format!("its provenance cannot be written: {error}")))?;
        // Files alone change nothing of what is installed: the environment's bill holds.
        let environment_holds = environment.as_ref().filter(|_| !may_install(plan, &wishes)).cloned();
        let mut rendered = match &environment {
            Some(name) => render_session(plan, name.as_str()),
            None => render_dockerfile_repo(plan, tree.as_ref())?,
        };
        if environment_holds.is_some() {
            rendered = with_provenance(rendered, &record);
        }
        rendered.build_args.extend(wishes.build_args);
        report.event(EventBody::message(Phase::Building, "Adding the repository"));
        let ca_bundle = self.site.ca_bundle.as_deref().filter(|_| plan.ca_bundle);
        let mut job = job(image.clone(), rendered, Arc::clone(&tree), labels(source, plan, wishes.labels), ca_bundle);
        job.content_time = source.committed;
        let progress = StepReporter::new(Arc::clone(report), Some(Arc::clone(plan)), Phase::Building, "repo");
        let built = match environment_holds {
            Some(_) => self.images.build(job, Arc::clone(&progress) as _).await,
            None => self.build_recorded(job, plan, Some(&record), Arc::clone(&progress)).await,
        };
        let built = built.map_err(|fault| match progress.failed() {
            // Every other step is one of the plan's.
            Some(failed) if failed.step.is_none() && wishes.session.has_appendix() => {
                of_appendix(&fault).output(failed.output())
            }
            failed => blame::place(fault, failed, plan, tree.as_ref()),
        })?;
        let listed = match environment_holds {
            Some(environment) => self.images.find(&environment).await?.map(|found| found.id),
            None => Some(built.id.clone()),
        };
        if let Some(id) = listed {
            provenance.bill_of_materials = self.bill_of_materials(&id, report).await.map(|bill| bill.as_ref().clone());
        }
        Ok(ImageRef { name: image, id: built.id, registry_digest: None })
    }
}

/// Whether anything may be installed on top of the content.
fn may_install(plan: &BuildPlan, wishes: &Wishes) -> bool {
    let only_files = |action: &Action| {
        matches!(action, Action::CopyContent { .. } | Action::PrepareSession { .. } | Action::PrepareStart { .. })
    };
    wishes.session.has_appendix() || plan.steps.iter().any(|step| step.needs_content && !only_files(&step.action))
}

fn labels(source: &Source, plan: &BuildPlan, own: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut labels = vec![
        ("io.bindery.repository".to_owned(), source.repository.clone()),
        ("io.bindery.ref".to_owned(), source.reference.clone()),
        ("repo2docker.repo".to_owned(), source.repository.clone()),
        ("repo2docker.ref".to_owned(), source.commit.clone().unwrap_or_else(|| "None".to_owned())),
        ("repo2docker.version".to_owned(), concat!("bindery-", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    if let Some(commit) = &source.commit {
        labels.push(("io.bindery.commit".to_owned(), commit.clone()));
    }
    if let Some(key) = &plan.environment_key {
        labels.push(("io.bindery.environment".to_owned(), key.to_string()));
    }
    labels.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
    labels.extend(own);
    labels
}

/// A step of the site's own instructions failed.
fn of_appendix(fault: &Fault) -> Fault {
    Fault::us("appendix-failed", format!("The appendix, which is added to every image, failed: {}", fault.message))
        .hint("Its instructions are not the repository's; whoever runs the build must mend them.")
        .retry(false)
}
