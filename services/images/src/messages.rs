//! The engine's messages about one build, and the connections they come by.
//!
//! A BuildKit build has two connections: the request, and a session by which the engine can ask for credentials. The client
//! library serves the session in a task that nobody ends, so that each build would leave a connection and a task behind in
//! this process and in the engine. So a build gets a thread with a runtime of its own, whose end closes all of it.

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptions;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Messages that may wait for their reader; the engine is made to wait beyond that.
const WAITING: usize = 64;

/// Starts a build. Its messages end with it; dropping the receiver ends the build.
pub(crate) fn start(
    docker: Docker,
    options: BuildImageOptions,
    context: ReceiverStream<std::io::Result<Bytes>>,
) -> std::io::Result<mpsc::Receiver<Result<BuildInfo, EngineError>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("build".to_owned()).spawn(move || {
        runtime.block_on(forward(docker, options, context, sender));
        // Not waiting for anything: what is left is the session, and it would never end.
        runtime.shutdown_background();
    })?;
    Ok(receiver)
}

async fn forward(
    docker: Docker,
    options: BuildImageOptions,
    context: ReceiverStream<std::io::Result<Bytes>>,
    sender: mpsc::Sender<Result<BuildInfo, EngineError>>,
) {
    let mut messages = Box::pin(docker.build_image(options, None, Some(bollard::body_try_stream(context))));
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => if sender.send(message).await.is_err() { return },
                None => return,
            },
            () = sender.closed() => return,
        }
    }
}
