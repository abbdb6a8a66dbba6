//! `bindery build`: one image, here and now, without a service.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use bindery_builder::{Finished, Order, Pipeline, Report, Source, Wishes};
use bindery_core::seams::{Lease, Leases, StoreError};
use bindery_core::{EventBody, Fault, Fence, ImageKey, ImageName, Tree, WorkerId};

use super::Output;
use super::target::{self, Subject};
use crate::cli::Target;
use crate::config::Config;
use crate::wire;

/// Prints the image's name on standard output; exit code 1 when the build fails.
pub(crate) async fn build(
    config: &Config,
    target: &Target,
    push: bool,
    image: Option<ImageName>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let registry = if push { wire::registry(config) } else { None };
    if push && registry.is_none() {
        bail!("--push needs a registry: set registry.url");
    }
    let pipeline = Pipeline::new(wire::images(config), registry, wire::naming(config), wire::site(config)?)
        .with_probe(wire::probe(config)?);
    let Subject { tree, source, wishes, identity } = target::open(config, target).await?;
    let image = match image {
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
