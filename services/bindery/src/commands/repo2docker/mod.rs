//! `bindery repo2docker`: what `jupyter-repo2docker` does, with its flags, so that BinderHub's builds and scripts can call it instead.
//!
//! | file | what it does |
//! |---|---|
//! | `flags.rs` | the flags, and where they begin |
//! | `asked.rs` | what they ask for; what is refused or warned about, by name |
//! | `account.rs` | the registry an image is pushed to, and the account for it |
//! | `ports.rs`, `container.rs` | `--publish` and `--run` |
//! | `lines.rs` | progress as text or JSON |

mod account;
mod asked;
mod container;
mod flags;
mod lines;
mod ports;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use bindery_builder::{Pipeline, Report};
use bindery_core::{EventBody, Fault, ImageKey, Phase};
use bindery_images::{Engine, EngineRegistry};

pub(crate) use flags::{Flags, mark};

use self::asked::{Asked, Refusal};
use self::container::Built;
use self::lines::Lines;
use super::target::{self, Subject};
use super::{Output, build, plan};
use crate::cli::Target;
use crate::config::Config;
use crate::wire;

/// Builds, pushes and runs as the flags say. Exit code 1 for whatever fails, the container's own when it is run.
pub(crate) async fn repo2docker(
    mut flags: Flags,
    mut config: Config,
    environment: &[(String, String)],
) -> anyhow::Result<ExitCode> {
    let lines = Lines(Output::choose(flags.json_logs));
    let asked = match Asked::of(&mut flags, &mut config) {
        Ok(asked) => asked,
        Err(Refusal { message, code }) => {
            lines.failed(Fault::user("bad-argument", message));
            return Ok(ExitCode::from(code));
        }
    };
    asked.warnings.iter().for_each(|warning| lines.warn(warning));
    match carry_out(&flags, &config, &asked, environment, lines).await {
        Ok(code) => Ok(code),
        Err(error) => {
            let fault = error.downcast::<Fault>().unwrap_or_else(|error| Fault::us("failed", format!("{error:#}")));
            lines.failed(fault);
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn carry_out(
    flags: &Flags,
    config: &Config,
    asked: &Asked,
    environment: &[(String, String)],
    lines: Lines,
) -> anyhow::Result<ExitCode> {
    let target = Target {
        what: flags.repo.clone().unwrap_or_default(),
        reference: flags.reference.clone().unwrap_or_else(|| "HEAD".to_owned()),
        as_of: flags.as_of,
        subdir: flags.subdir.clone(),
    };
    let fetching = format!("Fetching {} at {}", target.what, target.reference);
    lines.event(EventBody::message(Phase::Fetching, fetching));
    let mut subject = target::open(config, &target).await?;
    subject.wishes.session = asked.session.clone();
    subject.wishes.labels.clone_from(&asked.labels);
    subject.wishes.build_args.clone_from(&asked.build_args);
    subject.wishes.needs_environment = asked.needs_environment;
    if flags.no_build {
        let text = plan::single_dockerfile(config, &subject).await?;
        std::io::stdout().write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let image = match &flags.image_name {
        Some(image) => image.clone(),
        None => wire::naming(config).session(&ImageKey::of_parts([subject.identity.as_bytes()]))?,
    };
    if flags.pushes() && flags.image_name.is_none() && config.registry.url.is_none() {
        return Err(
            Fault::user("bad-argument", "--push needs --image-name with a registry in it, or registry.url.").into()
        );
    }
    let account = environment.iter().find(|(name, _)| name == account::VARIABLE).map(|(_, value)| value.as_str());
    let registry = account::registry_of(&image, &config.registry, account)
        .map_err(|message| Fault::user("bad-credentials", message))?;
    let engine = Arc::new(Engine::new(config.images.docker_host.as_deref()));
    let registry = Arc::new(EngineRegistry::new(engine, registry));
    let report: Arc<dyn Report> = Arc::new(lines);
    // The environment's image stays in the engine: the account may be good for one name only.
    // An environment is found again by the service, so it is tried as there; the image itself is the caller's own affair.
    let pipeline = Pipeline::new(wire::images(config), None, wire::naming(config), wire::site(config)?)
        .with_probe(wire::probe(config)?)
        .trying_environments_only();
    let Subject { tree, source, wishes, .. } = subject;
    let finished = build::make(&pipeline, tree, source, wishes, image, &report).await?;
    if flags.pushes() {
        let pipeline = Pipeline::new(wire::images(config), Some(registry), wire::naming(config), wire::site(config)?);
        pipeline.push(&finished.image.name, &report).await?;
    }
    if !flags.runs() {
        return Ok(ExitCode::SUCCESS);
    }
    let built = Built {
        image: &finished.image.id,
        directory: &finished.directory,
        own_dockerfile: finished.environment.is_none(),
    };
    container::run(config, flags, asked, &built, environment, lines).await
}
