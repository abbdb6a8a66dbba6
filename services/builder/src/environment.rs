//! The environment image: found in the engine, pulled from the registry, or built by one worker at a time.

use std::sync::Arc;
use std::time::Duration;

use bindery_buildpacks::{BuildPlan, render_environment};
use bindery_core::seams::Leases;
use bindery_core::{EnvironmentKey, EventBody, Fault, ImageName, Phase, Tree, WorkerId};

use crate::Report;
use crate::blame;
use crate::pipeline::{Pipeline, job};
use crate::progress::StepReporter;

/// How long the right to build one environment lasts without renewal.
const LEASE: Duration = Duration::from_secs(20);
/// How often a worker that waits for another's build looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a worker waits for another's build of the same environment.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Pipeline {
    /// Makes sure the environment image of `plan` is in the engine; its name.
    pub(crate) async fn environment(
        &self,
        plan: &Arc<BuildPlan>,
        key: &EnvironmentKey,
        tree: &Arc<dyn Tree>,
        leases: &dyn Leases,
        holder: &WorkerId,
        report: &Arc<dyn Report>,
    ) -> Result<ImageName, Fault> {
        let name = self.naming.environment(key)?;
        let lease_name = format!("environment:{key}");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut told = false;
        loop {
            if self.environment_exists(&name, report).await? {
                return Ok(name);
            }
            if let Some(lease) = leases.try_acquire(&lease_name, holder, LEASE).await? {
                // Another worker may have finished it between the look and the lease.
                let result = if self.images.find(&name).await?.is_some() {
                    Ok(())
                } else {
                    tokio::select! {
                        result = self.build_environment(plan, &name, key, tree, report) => result,
                        lost = keep(leases, &lease) => Err(lost),
                    }
                };
                leases.release(&lease).await?;
                return result.map(|()| name);
            }
            if !told {
                told = true;
                report.event(EventBody::message(
                    Phase::Building,
                    "Another build is making the same environment; waiting for it",
                ));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Fault::us(
                    "environment-busy",
                    "another build has been making the same environment for an hour.",
                ));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn environment_exists(&self, name: &ImageName, report: &Arc<dyn Report>) -> Result<bool, Fault> {
        if self.images.find(name).await?.is_some() {
            report.event(EventBody::message(Phase::Building, "Environment unchanged: using the image that is there"));
            return Ok(true);
        }
        let Some(registry) = &self.registry else { return Ok(false) };
        if registry.find(name).await?.is_none() {
            return Ok(false);
        }
        report.event(EventBody::message(Phase::Building, "Environment unchanged: pulling its image from the registry"));
        registry.pull(name).await?;
        Ok(true)
    }

    async fn build_environment(
        &self,
        plan: &Arc<BuildPlan>,
        name: &ImageName,
        key: &EnvironmentKey,
        tree: &Arc<dyn Tree>,
        report: &Arc<dyn Report>,
    ) -> Result<(), Fault> {
        report.event(EventBody::message(Phase::Building, "Building the environment"));
        let labels = vec![
            ("io.bindery.environment".to_owned(), key.to_string()),
            ("io.bindery.recipe".to_owned(), bindery_buildpacks::VERSION.to_owned()),
        ];
        let built_as = self.name_to_build(name)?;
        let job =
            job(built_as.clone(), render_environment(plan), Arc::clone(tree), labels, self.site.ca_bundle.as_deref());
        let progress = StepReporter::new(Arc::clone(report), Some(Arc::clone(plan)), Phase::Building, "env");
        let built = self.build_recorded(job, plan, None, progress.clone()).await;
        let built = built.map_err(|fault| blame::place(fault, progress.failed(), plan, tree.as_ref()))?;
        self.prove_environment(plan, &built.id, &built_as, name, report).await?;
        if let Some(registry) = &self.registry {
            let progress = StepReporter::new(Arc::clone(report), None, Phase::Pushing, "push-env");
            registry.push(name, progress).await?;
        }
        Ok(())
    }
}

/// Renews the lease until it is lost; never returns otherwise.
async fn keep(leases: &dyn Leases, lease: &bindery_core::seams::Lease) -> Fault {
    loop {
        tokio::time::sleep(LEASE / 4).await;
        if let Err(error) = leases.renew(lease, LEASE).await {
            return Fault::us(
                "environment-lease-lost",
                format!("the right to build this environment was lost: {error}"),
            );
        }
    }
}
