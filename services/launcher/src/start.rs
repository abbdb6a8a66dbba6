//! A session's container: the one an earlier process made, or a new one, its image pulled first where another engine built it.

use bindery_core::seams::{ContainerHandle, Observed, Registry, SessionSpec};
use bindery_core::{EventBody, Fault, ImageRef, Phase, Session};
use tokio::time::Instant;

use crate::Config;
use crate::launch::{Failure, keep_saying};
use crate::run::Context;
use crate::tell::Teller;

/// The container, running. `fresh` says that no earlier process can have made one.
pub(crate) async fn container(
    context: &Context,
    session: &Session,
    teller: &Teller,
    fresh: bool,
) -> Result<ContainerHandle, Failure> {
    if !fresh {
        match context.backend.inspect(session.id).await.map_err(Failure::Fault)? {
            Some(Observed { upstream: Some(upstream), container, .. }) => {
                return Ok(ContainerHandle { container, upstream });
            }
            Some(ended @ Observed { exited: Some(_), .. }) => return Err(Failure::Ended(ended)),
            // None, or one that was made and never started: starting clears that away.
            _ => {}
        }
    }
    teller.say(EventBody::message(Phase::Launching, "Starting a container for this session."));
    let spec = SessionSpec {
        id: session.id,
        image: session.request.image.clone(),
        base_path: session.base_path(),
        token: session.token.clone(),
        env: environment(&context.config, session),
    };
    let began = Instant::now();
    let handle = match context.backend.start(&spec).await {
        Err(fault) if fault.code == "image-missing" => {
            let Some(registry) = registry_of(context, &spec.image) else { return Err(Failure::Fault(fault)) };
            match pull(registry, &spec.image, teller).await {
                Ok(()) => context.backend.start(&spec).await,
                // Nobody has it any more: the same as without a registry, and it is built again.
                Err(gone) if gone.code == "registry-image-missing" => Err(fault),
                Err(fault) => Err(fault),
            }
        }
        started => started,
    };
    let handle = handle.map_err(Failure::Fault)?;
    tracing::debug!(session = %session.id, start_ms = began.elapsed().as_millis(), "container started");
    Ok(handle)
}

/// The registry that has the image, if it was ever pushed.
fn registry_of<'a>(context: &'a Context, image: &ImageRef) -> Option<&'a dyn Registry> {
    image.registry_digest.as_ref().and(context.registry.as_deref())
}

/// Brings the image into this engine. The registry bounds how long that takes.
async fn pull(registry: &dyn Registry, image: &ImageRef, teller: &Teller) -> Result<(), Fault> {
    teller.say(EventBody::message(Phase::Launching, "Pulling the image, which was built on another machine."));
    tracing::info!(image = %image.name, "pulling an image this engine does not have");
    tokio::select! {
        pulled = registry.pull(&image.name) => pulled.map(|_| ()),
        () = keep_saying(teller, "Still pulling the image") => Ok(()),
    }
}

/// What BinderHub and JupyterHub tell their servers and recipes in the wild read, as far as it is true here.
fn environment(config: &Config, session: &Session) -> Vec<(String, String)> {
    let source = &session.request.source;
    let mut environment = vec![
        ("BINDER_REPO_URL", source.repo_url.clone()),
        ("BINDER_REF_URL", source.ref_url.clone()),
        ("BINDER_LAUNCH_HOST", source.launch_host.clone()),
        ("BINDER_REQUEST", source.request.clone()),
        ("BINDER_PERSISTENT_REQUEST", source.persistent_request.clone()),
        ("BINDER_CLIENT_IP", source.client_ip.clone()),
        ("JUPYTERHUB_SERVICE_PREFIX", session.base_path()),
        ("JUPYTERHUB_USER", session.id.to_string()),
    ];
    if config.memory_bytes > 0 {
        environment.push(("MEM_LIMIT", config.memory_bytes.to_string()));
    }
    if config.cpus > 0.0 {
        environment.push(("CPU_LIMIT", config.cpus.to_string()));
    }
    environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
