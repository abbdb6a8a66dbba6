//! The `Registry` contract.

use std::sync::Arc;

use crate::support::{BASE, PrivateRegistry, Told, fresh, images, job};
use bindery_core::seams::{ImageBuilder as _, Registry as _};
use bindery_core::{FaultBy, ImageName, Secret};
use bindery_images::{DockerImages, EngineRegistry, RegistryConfig};

fn registry(images: &DockerImages, url: &str) -> EngineRegistry {
    let config = RegistryConfig { url: Some(url.to_owned()), push_stall_seconds: 30, ..RegistryConfig::default() };
    EngineRegistry::new(images.engine(), config)
}

/// Builds an image with a layer of its own, named for the registry.
async fn image(images: &DockerImages, registry: &EngineRegistry) -> ImageName {
    let name = fresh(&registry.name_prefix());
    let dockerfile = format!("FROM {BASE}\nRUN echo {name} > /mark\n");
    images.build(job(&name, &dockerfile, None), Arc::new(Told::default())).await.unwrap();
    name
}

#[tokio::test]
async fn a_pushed_image_is_found_by_its_digest_and_can_be_pulled() {
    let test = "a_pushed_image_is_found";
    let Some(images) = images(test, |_| {}).await else { return };
    let Some(server) = PrivateRegistry::start(test, None).await else { return };
    let registry = registry(&images, &server.url);
    let name = image(&images, &registry).await;
    assert_eq!(registry.find(&name).await.unwrap(), None);
    let told = Arc::new(Told::default());
    let digest = registry.push(&name, told.clone()).await.unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    assert_eq!(registry.find(&name).await.unwrap().as_deref(), Some(digest.as_str()));
    assert!(told.lines().iter().any(|line| line.starts_with("layers: ")), "{:?}", told.lines());
    let again = Arc::new(Told::default());
    assert_eq!(registry.push(&name, again.clone()).await.unwrap(), digest);
    assert!(again.lines().iter().any(|line| line.starts_with("layers: 0 sent")), "{:?}", again.lines());
    let built = images.find(&name).await.unwrap().unwrap();
    images.remove(&name).await.unwrap();
    assert_eq!(registry.pull(&name).await.unwrap(), built);
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn an_image_the_registry_does_not_have_cannot_be_pulled() {
    let test = "an_image_the_registry_does_not_have";
    let Some(images) = images(test, |_| {}).await else { return };
    let Some(server) = PrivateRegistry::start(test, None).await else { return };
    let registry = registry(&images, &server.url);
    let fault = registry.pull(&fresh(&registry.name_prefix())).await.unwrap_err();
    assert_eq!(fault.code, "registry-image-missing", "{fault}");
}

#[tokio::test]
async fn an_absent_registry_is_an_error_and_not_an_absent_image() {
    let test = "an_absent_registry";
    let Some(images) = images(test, |_| {}).await else { return };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let registry = registry(&images, &format!("http://127.0.0.1:{port}"));
    let name = image(&images, &registry).await;
    for fault in [
        registry.find(&name).await.unwrap_err(),
        registry.push(&name, Arc::new(Told::default())).await.unwrap_err(),
        registry.pull(&name).await.unwrap_err(),
    ] {
        assert_eq!(
            (fault.by, fault.code.as_str(), fault.retry),
            (FaultBy::Us, "registry-unreachable", true),
            "{fault}"
        );
    }
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn an_account_is_used_and_a_wrong_one_is_ours_to_mend() {
    let test = "an_account_is_used";
    let Some(images) = images(test, |_| {}).await else { return };
    // Bcrypt of `p~~?>ü`, whose base64 differs between the two alphabets.
    let htpasswd = "me:$2b$05$GusRgaApsl5jDxgeFwMng.sf8j1Tn5Hsvh/PpMx6shCi2P0BrK3dC\n";
    let Some(server) = PrivateRegistry::start(test, Some(htpasswd)).await else { return };
    let account = |password: &str| {
        let config = RegistryConfig {
            url: Some(server.url.clone()),
            username: Some("me".into()),
            password: Some(Secret::new(password)),
            ..RegistryConfig::default()
        };
        EngineRegistry::new(images.engine(), config)
    };
    let right = account("p~~?>ü");
    let name = image(&images, &right).await;
    for wrong in [account("wrong"), registry(&images, &server.url)] {
        for fault in [
            wrong.find(&name).await.unwrap_err(),
            wrong.push(&name, Arc::new(Told::default())).await.unwrap_err(),
            wrong.pull(&name).await.unwrap_err(),
        ] {
            assert_eq!((fault.by, fault.code.as_str()), (FaultBy::Us, "registry-denied"), "{fault}");
            assert!(!fault.to_string().contains("p~~"));
        }
    }
    assert_eq!(right.find(&name).await.unwrap(), None);
    let digest = right.push(&name, Arc::new(Told::default())).await.unwrap();
    assert_eq!(right.find(&name).await.unwrap(), Some(digest));
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_hangs_is_given_up() {
    let Some(images) = images("a_registry_that_hangs", |_| {}).await else { return };
    // Connections wait in its backlog and are never answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let config = RegistryConfig { url: Some(url), push_stall_seconds: 2, ..RegistryConfig::default() };
    let registry = EngineRegistry::new(images.engine(), config);
    let name = image(&images, &registry).await;
    for fault in [
        registry.find(&name).await.unwrap_err(),
        registry.push(&name, Arc::new(Told::default())).await.unwrap_err(),
        registry.pull(&name).await.unwrap_err(),
    ] {
        assert_eq!((fault.by, fault.code.as_str(), fault.retry), (FaultBy::Us, "registry-slow", true), "{fault}");
    }
    images.remove(&name).await.unwrap();
}
