//! One file of an image, read without running anything: from a container that is made and never started.

use std::io::Read as _;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures::StreamExt as _;

use crate::{Engine, ImagesError};

/// What an archive of one file has beside the file: its header and the end, and what an engine puts before it.
const ARCHIVE: usize = 16 * 1024;

/// The regular file at `path` in the image with this id, if there is one of at most `limit` bytes.
pub(crate) async fn file_of(
    engine: &Engine,
    id: &str,
    path: &str,
    limit: usize,
) -> Result<Option<Vec<u8>>, ImagesError> {
    let docker = engine.docker().await?;
    let name = format!("bindery-read-{}", uuid::Uuid::new_v4().simple());
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    // The engine wants a command, though it is never run.
    let command = Some(vec!["true".to_owned()]);
    let body = ContainerCreateBody { image: Some(id.to_owned()), cmd: command, ..ContainerCreateBody::default() };
    if engine.ask("make a container", docker.create_container(Some(options), body)).await?.is_none() {
        return Err(ImagesError::EngineRefused { what: "read an image", reason: "it does not have it".to_owned() });
    }
    let archive = archive(engine, &name, path, limit).await;
    let removal = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    engine.ask("remove a container", docker.remove_container(&name, Some(removal))).await?;
    archive?.map_or(Ok(None), |archive| regular_file(&archive))
}

async fn archive(engine: &Engine, name: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, ImagesError> {
    let docker = engine.docker().await?;
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let mut stream = Box::pin(docker.download_from_container(name, Some(options)));
    let read = async {
        let mut archive = Vec::new();
        while let Some(chunk) = stream.next().await {
            archive.extend_from_slice(&chunk?);
            if archive.len() > limit + ARCHIVE {
                return Ok(None);
            }
        }
        Ok(Some(archive))
    };
    match engine.ask("read an image", read).await? {
        Some(Some(archive)) => Ok(Some(archive)),
        Some(None) => Err(ImagesError::EngineRefused {
            what: "read an image",
            reason: format!("its file {path} is larger than {limit} bytes"),
        }),
        None => Ok(None),
    }
}

fn regular_file(archive: &[u8]) -> Result<Option<Vec<u8>>, ImagesError> {
    let broken =
        |error: std::io::Error| ImagesError::EngineRefused { what: "read an image", reason: error.to_string() };
    let mut archive = tar::Archive::new(archive);
    let Some(entry) = archive.entries().map_err(broken)?.next() else { return Ok(None) };
    let mut entry = entry.map_err(broken)?;
    if !entry.header().entry_type().is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(broken)?;
    Ok(Some(content))
}
