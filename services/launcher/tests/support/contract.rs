//! What every session backend keeps to, whatever it runs sessions on.

use std::time::Duration;

use bindery_core::seams::{Observed, SessionBackend, SessionSpec};
use bindery_core::{ImageRef, Secret, SessionId};

/// Images with known ways.
pub(crate) struct Images {
    /// Answers `<base path>api`.
    pub(crate) well: ImageRef,
    /// Writes `one`, `two`, `three` to its output and ends with exit code 3.
    pub(crate) exits: ImageRef,
    /// Runs until it is killed; the polite signal does nothing.
    pub(crate) stubborn: ImageRef,
    /// Not in the engine.
    pub(crate) missing: ImageRef,
}

const LONG: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::from_millis(50);

/// A session of that image.
pub(crate) fn spec(image: &ImageRef) -> SessionSpec {
    let id = SessionId::new();
    SessionSpec {
        id,
        image: image.clone(),
        base_path: format!("/user/{id}/"),
        token: Secret::new(format!("token-{id}")),
        env: vec![("BINDER_REQUEST".to_owned(), "v2/git/x".to_owned())],
    }
}

/// Everything.
pub(crate) async fn keeps_the_contract(backend: &dyn SessionBackend, images: &Images) {
    backend.reachable().await.unwrap();
    a_started_session_is_there_until_it_is_stopped(backend, images).await;
    a_missing_image_is_named_and_leaves_nothing(backend, images).await;
    an_ended_container_says_how_it_ended(backend, images).await;
    a_stubborn_container_is_gone_after_the_grace(backend, images).await;
    what_is_not_there_is_no_error(backend).await;
}

async fn has(backend: &dyn SessionBackend, id: SessionId) -> bool {
    backend.list().await.unwrap().iter().any(|observed| observed.id == id)
}

async fn a_started_session_is_there_until_it_is_stopped(backend: &dyn SessionBackend, images: &Images) {
    let spec = spec(&images.well);
    let handle = backend.start(&spec).await.unwrap();
    let observed = backend.inspect(spec.id).await.unwrap().unwrap();
    assert_eq!((observed.id, observed.upstream, observed.exited), (spec.id, Some(handle.upstream), None));
    assert_eq!(observed.container, handle.container);
    let all = backend.list().await.unwrap();
    let listed = all.iter().find(|observed| observed.id == spec.id).unwrap();
    assert_eq!((listed.upstream, listed.exited), (Some(handle.upstream), None));
    assert!(backend.wait(spec.id, NOW).await.unwrap().is_none(), "it still runs");

    let recovered = backend.recover(spec.id).await.unwrap().unwrap();
    assert_eq!((recovered.base_path, recovered.token), (spec.base_path.clone(), spec.token.clone()));
    assert_eq!((&recovered.image.id, &recovered.image.name), (&spec.image.id, &spec.image.name));
    assert!(recovered.env.contains(&("BINDER_REQUEST".to_owned(), "v2/git/x".to_owned())));

    let (one, other) = tokio::join!(backend.stop(spec.id, LONG), backend.stop(spec.id, LONG));
    one.unwrap();
    other.unwrap();
    assert!(backend.inspect(spec.id).await.unwrap().is_none());
    assert!(!has(backend, spec.id).await);
}

async fn a_missing_image_is_named_and_leaves_nothing(backend: &dyn SessionBackend, images: &Images) {
    let spec = spec(&images.missing);
    assert_eq!(backend.start(&spec).await.unwrap_err().code, "image-missing");
    assert!(!has(backend, spec.id).await);
}

async fn an_ended_container_says_how_it_ended(backend: &dyn SessionBackend, images: &Images) {
    let spec = spec(&images.exits);
    backend.start(&spec).await.unwrap();
    let ended = backend.wait(spec.id, LONG).await.unwrap().unwrap();
    assert_eq!((ended.exited, ended.upstream), (Some((3, false)), None));
    assert!(matches!(backend.inspect(spec.id).await.unwrap(), Some(Observed { exited: Some((3, false)), .. })));
    let all = backend.list().await.unwrap();
    assert_eq!(all.iter().find(|observed| observed.id == spec.id).unwrap().exited, Some((3, false)));
    assert_eq!(backend.last_lines(spec.id, 2).await.unwrap(), ["two", "three"]);
    backend.stop(spec.id, LONG).await.unwrap();
    assert!(!has(backend, spec.id).await);
}

async fn a_stubborn_container_is_gone_after_the_grace(backend: &dyn SessionBackend, images: &Images) {
    let spec = spec(&images.stubborn);
    backend.start(&spec).await.unwrap();
    backend.stop(spec.id, Duration::from_secs(1)).await.unwrap();
    assert!(!has(backend, spec.id).await);
}

async fn what_is_not_there_is_no_error(backend: &dyn SessionBackend) {
    let id = SessionId::new();
    assert!(backend.inspect(id).await.unwrap().is_none());
    assert!(backend.recover(id).await.unwrap().is_none());
    assert_eq!(backend.last_lines(id, 5).await.unwrap(), Vec::<String>::new());
    let gone = backend.wait(id, LONG).await.unwrap().unwrap();
    assert_eq!((gone.upstream, gone.exited), (None, None));
    backend.stop(id, LONG).await.unwrap();
}
