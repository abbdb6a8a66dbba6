//! `bindery build`: one image, here and now, without a service.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use bindery_builder::{Finished, Order, Pipeline, Report, Source, Wishes};
use bindery_core::seams::{Lease, Leases, StoreError};
use bindery_core::{EventBody, Fault, Fence, ImageKey, ImageName, Tree, WorkerId};

use super::target::{self, Subject};
use super::{Output, locked};
use crate::cli::Target;
use crate::config::Config;
use crate::wire;

/// What is to be built.
pub(crate) struct BuildOrder {
    /// What from; without it, what `locked` names.
    pub(crate) target: Option<Target>,
    /// The provenance of an image that is to be built once more.
    pub(crate) locked: Option<PathBuf>,
    pub(crate) push: bool,
    pub(crate) image: Option<ImageName>,
}

/// Prints the image's name on standard output; exit code 1 when the build fails.
pub(crate) async fn build(config: &Config, order: BuildOrder, output: Output) -> anyhow::Result<ExitCode> {
    let registry = if order.push { wire::registry(config) } else { None };
    if order.push && registry.is_none() {
        bail!("--push needs a registry: set registry.url");
    }
    let pipeline = Pipeline::new(wire::images(config), registry, wire::naming(config), wire::site(config)?)
        .with_probe(wire::probe(config)?);
    let earlier = order.locked.as_deref().map(locked::read).transpose()?;
    let target = match (order.target, &earlier) {
        (Some(target), _) => target,
        (None, Some(provenance)) => locked::target(provenance)?,
        (None, None) => bail!("there is nothing to build"),
    };
    let Subject { tree, source, mut wishes, mut identity } = target::open(config, &target).await?;
    if let (Some(path), Some(provenance)) = (&order.locked, &earlier) {
        locked::hold(&pipeline, &tree, &source, &mut wishes, path, provenance).await?;
        identity.push_str("#locked");
    }
    let image = match order.image {
        Some(image) => image,
        None => pipeline.naming().session(&ImageKey::of_parts([identity.as_bytes()]))?,
    };
    let report: Arc<dyn Report> = Arc::new(output);
    match make(&pipeline, tree, source, wishes, image, &report).await {
        Ok(finished) => {
            report.event(EventBody::built(finished.image.name.clone()));
            writeln!(std::io::stdout(), "{}", finished.image.name)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => {
            report.event(EventBody::failed(fault));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Builds one image, alone.
pub(super) async fn make(
    pipeline: &Pipeline,
    tree: Arc<dyn Tree>,
    source: Source,
    wishes: Wishes,
    image: ImageName,
    report: &Arc<dyn Report>,
) -> Result<Finished, Fault> {
    let holder = WorkerId("command-line".to_owned());
    let order = Order { tree, source, wishes, image };
    pipeline.build_tree(order, &Uncontended, &holder, Arc::clone(report)).await
}

/// Leases where nobody else could want them: a command is alone. Two commands that build the same environment at once both build
/// it, and the engine's cache gives both the same image.
struct Uncontended;

#[async_trait]
impl Leases for Uncontended {
    async fn try_acquire(&self, name: &str, holder: &WorkerId, _ttl: Duration) -> Result<Option<Lease>, StoreError> {
        Ok(Some(Lease { name: name.to_owned(), holder: holder.clone(), fence: Fence(1) }))
    }

    async fn renew(&self, _lease: &Lease, _ttl: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    async fn release(&self, _lease: &Lease) -> Result<(), StoreError> {
        Ok(())
    }
}
