//! What an image was made of: written into it while it is built, and read back from it.

use std::collections::VecDeque;
use std::sync::Arc;

use bindery_buildpacks::{BILL_OF_MATERIALS, BuildPlan, Lock, render_record, with_provenance};
use bindery_core::seams::BuildJob;
use bindery_core::{BaseImage, BaseRecord, BuiltImage, EventBody, Fault, ImageName, ImageRef, Phase, Provenance};
use parking_lot::Mutex;
use serde_json::Value;

use crate::Report;
use crate::pipeline::{Pipeline, Source};
use crate::progress::StepReporter;

/// The largest bill that is read.
const BILL_LIMIT: usize = 16 * 1024 * 1024;
/// How many environments' bills are kept at hand, so that a commit that changes none need not ask the engine for its.
const BILLS: usize = 16;

/// Bills that were read, by the ids of their images; the latest last.
pub(crate) type Bills = Mutex<VecDeque<(String, Arc<Value>)>>;

impl Pipeline {
    /// Builds an image that has a bill of what is installed in it. `job` builds what is in it; the bill goes on top.
    ///
    /// An image that does not allow for one, as a repository's own Dockerfile may give, is built without.
    pub(crate) async fn build_recorded(
        &self,
        mut job: BuildJob,
        plan: &BuildPlan,
        provenance: Option<&[u8]>,
        progress: Arc<StepReporter>,
    ) -> Result<BuiltImage, Fault> {
        let name = job.name.clone();
        let bare: ImageName = format!("{name}-bare")
            .parse()
            .map_err(|error| Fault::us("bad-image-prefix", format!("{error}")).retry(false))?;
        job.name = bare.clone();
        let built = self.images.build(job, Arc::clone(&progress) as _).await?;
        let recorded = self.record(&built, &bare, &name, plan, provenance, progress).await;
        self.images.remove(&bare).await?;
        recorded
    }

    async fn record(
        &self,
        built: &BuiltImage,
        bare: &ImageName,
        name: &ImageName,
        plan: &BuildPlan,
        provenance: Option<&[u8]>,
        progress: Arc<StepReporter>,
    ) -> Result<BuiltImage, Fault> {
        // A Dockerfile of the repository's, a user that was asked for, an appendix: each may have set another than the base's.
        let user = self.images.base(bare.as_str()).await?.user;
        let Some(rendered) = render_record(plan, bare.as_str(), &user).filter(|_| !plan.as_it_stands) else {
            self.images.tag(&built.id, name).await?;
            return Ok(built.clone());
        };
        let rendered = match provenance {
            Some(provenance) => with_provenance(rendered, provenance),
            None => rendered,
        };
        let job = BuildJob {
            name: name.clone(),
            dockerfile: rendered.dockerfile,
            tree: None,
            content_time: None,
            tree_prefix: rendered.tree_prefix,
            ignore_file: None,
            keep: Vec::new(),
            files: rendered.files,
            build_args: Vec::new(),
            labels: Vec::new(),
        };
        match self.images.build(job, progress).await {
            Ok(recorded) => Ok(recorded),
            // What an image of strangers cannot do is no reason to refuse it.
            Err(_) if plan.is_dockerfile() => {
                self.images.tag(&built.id, name).await?;
                Ok(built.clone())
            }
            Err(fault) => Err(Fault::us("record-failed", format!("What is installed could not be listed: {fault}"))),
        }
    }

    /// The bill in the image with this id. One that cannot be read is not worth a build: the image still has it.
    pub(crate) async fn bill_of_materials(&self, id: &str, report: &Arc<dyn Report>) -> Option<Arc<Value>> {
        if let Some((_, bill)) = self.bills.lock().iter().find(|(known, _)| known == id) {
            return Some(Arc::clone(bill));
        }
        let read = self.images.read_file(id, BILL_OF_MATERIALS, BILL_LIMIT).await;
        let parsed = read.and_then(|content| match content {
            None => Ok(None),
            Some(content) => serde_json::from_slice(&content).map(Some).map_err(|error| {
                Fault::us("bill-unreadable", format!("the list of what is installed cannot be understood: {error}"))
            }),
        });
        match parsed {
            Ok(bill) => {
                let bill = Arc::new(bill?);
                let mut bills = self.bills.lock();
                bills.truncate(BILLS - 1);
                bills.push_front((id.to_owned(), Arc::clone(&bill)));
                Some(bill)
            }
            Err(fault) => {
                report.event(EventBody::message(Phase::Building, format!("No list of what is installed: {fault}")));
                None
            }
        }
    }
}

/// How many differences a fault names.
const NAMED: usize = 12;

impl Pipeline {
    /// Whether what was built is what was to be built again. An image that is not loses its name.
    pub(crate) async fn compare(&self, lock: &Lock, image: &ImageRef, provenance: &Provenance) -> Result<(), Fault> {
        let differences = lock.differences(provenance.bill_of_materials.as_ref().unwrap_or(&Value::Null));
        if differences.is_empty() {
            return Ok(());
        }
        self.images.remove(&image.name).await?;
        let (named, rest) = differences.split_at(differences.len().min(NAMED));
        let rest = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        let text = format!("What is installed is not what was to be installed again: {}{rest}.", named.join(", "));
        let hint = "With - what is missing, with + what came in its place: an index no longer has it, or a step fetches what it \
                    pleases.";
        Err(Fault::upstream("not-the-locked-versions", text).hint(hint).retry(false))
    }
}

/// The provenance of a session image, but for its bill of materials.
pub(crate) fn provenance(plan: &BuildPlan, base: &BaseImage, source: &Source) -> Result<Provenance, Fault> {
    let shown =
        plan.shown().map_err(|error| Fault::us("plan-unshown", format!("the plan cannot be written: {error}")))?;
    Ok(Provenance {
        bindery: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: bindery_buildpacks::VERSION.to_owned(),
        repository: source.repository.clone(),
        reference: source.reference.clone(),
        commit: source.commit.clone(),
        base: BaseRecord { name: base.name.clone(), digest: base.id.clone() },
        environment: plan.environment_key.clone(),
        plan: shown,
        bill_of_materials: None,
    })
}
