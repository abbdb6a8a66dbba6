//! `bindery plan` and `bindery dockerfile`: what would be built, without building it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use bindery_buildpacks::{
    BuildPlan, PlanOptions, asks_for_r, assumed_base, bringing_r, render_dockerfile_repo, render_environment,
    render_session,
};
use bindery_core::{BaseImage, Fault};
use serde_json::json;

use super::target::{self, Subject};
use crate::cli::Target;
use crate::config::Config;
use crate::wire;

/// How long to ask an engine for the base image before a plan is made without it.
const ENGINE_WAIT: Duration = Duration::from_secs(5);

/// `bindery plan`: exit code 1 and the fault when the repository is at fault.
pub(crate) async fn plan(config: &Config, target: &Target, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let planned = match target::open(config, target).await {
        Ok(subject) => plan_of(config, &subject).await,
        Err(error) => Err(error.downcast::<Fault>()?),
    };
    match planned {
        Ok(plan) if as_json => writeln!(out, "{}", serde_json::to_string_pretty(&plan.shown()?)?)?,
        Ok(plan) => out.write_all(describe(&plan).as_bytes())?,
        Err(fault) if as_json => {
            writeln!(out, "{}", serde_json::to_string_pretty(&json!({"fault": fault}))?)?;
            return Ok(ExitCode::FAILURE);
        }
        Err(fault) => return Err(fault.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// `bindery dockerfile`.
pub(crate) async fn dockerfile(config: &Config, target: &Target) -> anyhow::Result<ExitCode> {
    let subject = target::open(config, target).await?;
    let plan = plan_of(config, &subject).await?;
    let mut out = std::io::stdout();
    match &plan.environment_key {
        Some(key) => {
            let name = wire::naming(config).environment(key)?;
            writeln!(out, "# Environment image: {name}\n{}", render_environment(&plan).dockerfile)?;
            writeln!(out, "# Session image\n{}", render_session(&plan, name.as_str()).dockerfile)?;
        }
        None => writeln!(out, "{}", render_dockerfile_repo(&plan, subject.tree.as_ref())?.dockerfile)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One Dockerfile that gives what the two images of a repository give together.
pub(super) async fn single_dockerfile(config: &Config, subject: &Subject) -> Result<String, Fault> {
    let plan = plan_of(config, subject).await?;
    if plan.is_dockerfile() {
        return Ok(render_dockerfile_repo(&plan, subject.tree.as_ref())?.dockerfile);
    }
    let environment = render_environment(&plan).dockerfile;
    let (first, rest) = environment.split_once('\n').unwrap_or((&environment, ""));
    Ok(format!("{first} AS environment\n{rest}\n{}", render_session(&plan, "environment").dockerfile))
}

async fn plan_of(config: &Config, subject: &Subject) -> Result<BuildPlan, Fault> {
    let site = wire::site(config).map_err(|error| Fault::us("bad-configuration", format!("{error:#}")))?;
    let (mut base, mut assumed) = inspect(config, &site.base_image).await;
    let options =
        PlanOptions { as_of: subject.wishes.as_of, session: subject.wishes.session.clone(), ..site.plan_options() };
    let mut planned = bindery_buildpacks::plan(subject.tree.as_ref(), &base, &options);
    if let Some(name) = site.r_base_image.as_ref().filter(|_| asks_for_r(&planned)) {
        (base, assumed) = inspect(config, name).await;
        base = bringing_r(base);
        planned = bindery_buildpacks::plan(subject.tree.as_ref(), &base, &options);
    }
    let mut plan = planned?;
    if assumed {
        plan.notes.push(format!(
            "The base image {} could not be inspected; this plan assumes that it keeps the docker-stacks contract.",
            base.name
        ));
    }
    Ok(plan)
}

/// A base image, and whether it had to be assumed.
async fn inspect(config: &Config, name: &str) -> (BaseImage, bool) {
    match tokio::time::timeout(ENGINE_WAIT, wire::images(config).base(name)).await {
        Ok(Ok(base)) => (base, false),
        // A plan needs no engine; only the version of the base's Python and the exact key do.
        Ok(Err(_)) | Err(_) => (assumed_base(name), true),
    }
}

fn describe(plan: &BuildPlan) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Buildpacks: {}", plan.buildpacks.join(", "));
    let _ = writeln!(text, "Base image: {}", plan.base);
    if let Some(python) = &plan.python {
        let _ = writeln!(text, "Python: {} ({})", python.version, python.source);
    }
    if let Some(day) = &plan.as_of {
        let _ = writeln!(text, "Packages of: {} ({})", day.date, day.source);
    }
    for used in &plan.used {
        let _ = writeln!(text, "Uses {}: {}", used.file, used.r#for);
    }
    for ignored in &plan.ignored {
        let _ = writeln!(text, "Does not use {}: {}", ignored.file, ignored.reason);
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let when = if step.needs_content { "for every commit" } else { "once per environment" };
        let _ = writeln!(text, "Step {}: {} ({when})", number + 1, step.name);
    }
    for note in &plan.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    if let Some(key) = &plan.environment_key {
        let _ = writeln!(text, "Environment: {key}");
    }
    text
}
