//! `--run`: the built image as a container, until it ends or someone ends it.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bindery_core::Fault;
use bindery_images::{Engine, Foreground, RunRequest};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::asked::Asked;
use super::flags::Flags;
use super::lines::Lines;
use super::ports::Port;
use crate::config::Config;
use crate::shutdown;

/// The port of a notebook server whose flags name none.
const NOTEBOOK_PORT: u16 = 8888;
/// How often a starting server is asked whether it answers.
const ASK: Duration = Duration::from_millis(200);
/// How long it may take before nobody asks any more. It may still come up.
const PATIENCE: Duration = Duration::from_secs(300);
/// The exit code of a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What was built, as far as running it depends on it.
pub(super) struct Built<'a> {
    /// The image's id.
    pub(super) image: &'a str,
    /// Where the content lies in it.
    pub(super) directory: &'a str,
    /// Whether the repository's own Dockerfile decided what its command does.
    pub(super) own_dockerfile: bool,
}

/// Runs until the process ends, with its exit code, or until a signal, after which the container is gone.
pub(super) async fn run(
    config: &Config,
    flags: &Flags,
    asked: &Asked,
    built: &Built<'_>,
    host_environment: &[(String, String)],
    lines: Lines,
) -> anyhow::Result<ExitCode> {
    let token = Uuid::new_v4().simple().to_string();
    let notebook = flags.command.is_empty();
    let port = asked.ports.first().cloned().unwrap_or_else(|| Port::any(NOTEBOOK_PORT));
    let mut environment: Vec<String> =
        flags.environment.iter().filter_map(|given| variable(given, host_environment)).collect();
    let (mut command, mut ports) = (flags.command.clone(), asked.ports.clone());
    if notebook {
        environment.extend([format!("JUPYTER_TOKEN={token}"), format!("JUPYTER_PORT={}", port.container)]);
        ports = vec![port.clone()];
        if built.own_dockerfile {
            let listen = format!("--port={}", port.container);
            command = ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", &listen].map(str::to_owned).to_vec();
        }
    }
    let request = RunRequest {
        image: built.image.to_owned(),
        command,
        environment,
        binds: binds(flags, built.directory)?,
        ports: ports.iter().map(Port::published).collect(),
        publish_all: flags.publish_all,
    };
    let stop = CancellationToken::new();
    shutdown::listen(stop.clone())?;
    let engine = Arc::new(Engine::new(config.images.docker_host.as_deref()));
    let container = Foreground::start(engine, request).await?;
    let ended = tokio::select! {
        ended = container.follow(|bytes| lines.running(&String::from_utf8_lossy(bytes))) => Some(ended),
        never = announce(&container, &port, &token, lines), if notebook => match never {},
        () = stop.cancelled() => None,
    };
    let removed = container.remove().await;
    let code = match ended {
        Some(code) => u8::try_from(code?).unwrap_or(1),
        None => INTERRUPTED,
    };
    removed?;
    Ok(ExitCode::from(code))
}

/// `NAME=value` as it is; `NAME` with its value here, or not at all.
fn variable(given: &str, host: &[(String, String)]) -> Option<String> {
    if given.contains('=') {
        return Some(given.to_owned());
    }
    host.iter().find(|(name, _)| name == given).map(|(name, value)| format!("{name}={value}"))
}

/// Mounts, each with absolute ends: the source is taken from here, the target from the repository's directory.
fn binds(flags: &Flags, directory: &str) -> Result<Vec<String>, Fault> {
    let wrong = |text: &str, what: &str| Fault::user("bad-volume", format!("--volume {text:?}: {what}."));
    let absolute = |text: &str, source: &str| match std::path::absolute(source) {
        Ok(path) => Ok(path.display().to_string()),
        Err(error) => Err(wrong(text, &error.to_string())),
    };
    let mut binds = Vec::new();
    for text in &flags.volumes {
        let (source, target) = text.split_once(':').ok_or_else(|| wrong(text, "it is not SOURCE:TARGET"))?;
        // A name is a volume of the engine's, a path a directory of this machine.
        let source = if source.contains('/') || source == "." { absolute(text, source)? } else { source.to_owned() };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("{directory}/{target}") };
        binds.push(format!("{source}:{target}"));
    }
    if let (true, Some(repo)) = (flags.editable, &flags.repo) {
        binds.push(format!("{}:{directory}", absolute(repo, repo)?));
    }
    Ok(binds)
}

/// Prints the server's address on standard output once it answers; then, or if it never does, waits for ever.
async fn announce(container: &Foreground, port: &Port, token: &str, lines: Lines) -> std::convert::Infallible {
    if let Ok(Some(here)) = container.port(&port.in_container()).await {
        let address = port.reached_at(here);
        let answers = tokio::time::timeout(PATIENCE, async {
            while !answers(&format!("{address}api")).await {
                tokio::time::sleep(ASK).await;
            }
        });
        if answers.await.is_ok() {
            let address = format!("{address}?token={token}");
            lines.running(&format!("The notebook is ready: {address}\n"));
            // Nobody may be listening; the log has it too.
            let _ = writeln!(std::io::stdout(), "{address}");
        }
    }
    std::future::pending().await
}

async fn answers(address: &str) -> bool {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
    match client {
        Ok(client) => client.get(address).send().await.is_ok_and(|answer| answer.status().is_success()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{binds, variable};
    use crate::commands::repo2docker::flags::Flags;

    #[test]
    fn a_variable_is_given_or_copied_or_left_out() {
        let host = [("A".to_owned(), "1".to_owned())];
        assert_eq!(variable("A", &host).as_deref(), Some("A=1"));
        assert_eq!(variable("A=2=3", &host).as_deref(), Some("A=2=3"));
        assert_eq!(variable("B", &host), None);
    }

    #[test]
    fn mounts_have_absolute_ends() {
        let words = ["-v", "named:data", "-v", "/a:/b:ro", "-v", "./x:y", "."].map(str::to_owned);
        let binds = binds(&Flags::read(&words).unwrap(), "/home/jovyan").unwrap();
        assert_eq!(binds[..2], ["named:/home/jovyan/data", "/a:/b:ro"]);
        assert!(binds[2].starts_with('/') && binds[2].ends_with("/x:/home/jovyan/y"), "{binds:?}");
    }
}
