//! The [`Registry`] seam, by way of the engine: it speaks TLS, tokens and layers already, and trusts what its operator made it
//! trust. This process only hands it an account with each request.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bindery_core::seams::{Progress, Registry};
use bindery_core::{BuiltImage, Fault, ImageName, Secret, StepStatus};
use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{CreateImageOptions, PushImageOptions};
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use crate::docker_images::built;
use crate::engine::is_end;
use crate::error::shorten;
use crate::push::Push;
use crate::{Engine, ImagesError, RegistryConfig, classify};

/// How long the registry may take to say whether it has an image; less when it may stall for less.
const ANSWER: u64 = 30;
const REASON: usize = 400;

/// A registry that an engine pushes to and pulls from.
pub struct EngineRegistry {
    config: RegistryConfig,
    engine: Arc<Engine>,
}

impl EngineRegistry {
    /// The registry of `config`, reached by `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, config: RegistryConfig) -> Self {
        Self { config, engine }
    }

    /// What the names of images kept there begin with; see [`RegistryConfig::name_prefix`].
    #[must_use]
    pub fn name_prefix(&self) -> String {
        self.config.name_prefix()
    }

    fn host(&self) -> String {
        self.config.host().unwrap_or("(registry.url is not set)").to_owned()
    }

    /// A client whose every request carries the account. The client library would encode it in an alphabet that the engine
    /// does not read, so that some passwords would be lost on the way.
    async fn docker(&self, limit: Duration) -> Result<Docker, ImagesError> {
        let docker = self.engine.docker().await?.clone().with_timeout(limit);
        let Some(account) = self.account().await? else { return Ok(docker) };
        Ok(docker.with_request_modifier(move |mut request| {
            if let Ok(value) = account.expose().parse() {
                request.headers_mut().insert("x-registry-auth", value);
            }
            request
        }))
    }

    async fn account(&self) -> Result<Option<Secret>, ImagesError> {
        let Some(username) = &self.config.username else { return Ok(None) };
        let password = match &self.config.password_file {
            Some(file) => {
                let reason = |error: std::io::Error| ImagesError::PasswordFile(format!("{}: {error}", file.display()));
                let text = tokio::fs::read_to_string(file).await.map_err(reason)?;
                Secret::new(text.lines().next().unwrap_or_default())
            }
            None => self.config.password.clone().unwrap_or_else(|| Secret::new("")),
        };
        let account = serde_json::json!({
            "username": username,
            "password": password.expose(),
            "serveraddress": self.host(),
        });
        Ok(Some(Secret::new(URL_SAFE.encode(account.to_string()))))
    }

    fn error(&self, what: &'static str, name: &ImageName, error: &EngineError) -> ImagesError {
        match error {
            EngineError::DockerResponseServerError { message, .. } => self.said(what, name, message),
            EngineError::DockerStreamError { error } => self.said(what, name, error),
            EngineError::RequestTimeoutError => self.slow(what, "no answer"),
            other => self.engine.error(what, other),
        }
    }

    /// What the engine's words about a registry mean.
    fn said(&self, what: &'static str, name: &ImageName, text: &str) -> ImagesError {
        let (host, reason) = (self.host(), shorten(text, REASON));
        let lower = text.to_ascii_lowercase();
        let has = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
        if has(&[
            "no such host",
            "connection refused",
            "dial tcp",
            "no route to host",
            "i/o timeout",
            "tls handshake timeout",
        ]) || has(&["connection reset", "server gave http response to https client", "unexpected eof", ": eof"])
        {
            ImagesError::RegistryUnreachable { host, reason }
        } else if has(&["unauthorized", "no basic auth credentials", "authentication required", "denied", "forbidden"])
        {
            ImagesError::RegistryDenied { host, reason }
        } else if has(&["manifest unknown", "not found", "name unknown", "no such image", "does not exist"]) {
            ImagesError::RegistryMissing { host, name: name.to_string() }
        } else if classify::is_disk_full(text) {
            ImagesError::DiskFull(reason)
        } else {
            ImagesError::RegistryFailed { host, what, reason }
        }
    }

    fn slow(&self, what: &'static str, reason: &str) -> ImagesError {
        ImagesError::RegistrySlow { host: self.host(), what, reason: reason.to_owned() }
    }

    /// Follows a push or pull to its end: every message within the stall limit, all within the whole limit.
    async fn follow<T>(
        &self,
        what: &'static str,
        name: &ImageName,
        stream: impl Stream<Item = Result<T, EngineError>>,
        mut message: impl FnMut(T),
    ) -> Result<(), ImagesError> {
        let mut stream = Box::pin(stream);
        let deadline = Instant::now() + Duration::from_secs(self.config.push_seconds);
        let stall = Duration::from_secs(self.config.push_stall_seconds);
        loop {
            match timeout_at(deadline.min(Instant::now() + stall), stream.next()).await {
                Ok(Some(Ok(item))) => message(item),
                Ok(Some(Err(error))) if is_end(&error) => return Ok(()),
                Ok(Some(Err(error))) => return Err(self.error(what, name, &error)),
                Ok(None) => return Ok(()),
                Err(_) if Instant::now() >= deadline => {
                    return Err(self.slow(what, &format!("it took longer than {} s", self.config.push_seconds)));
                }
                Err(_) => {
                    let reason = format!("nothing moved for {} s", self.config.push_stall_seconds);
                    return Err(self.slow(what, &reason));
                }
            }
        }
    }

    async fn digest(&self, name: &ImageName) -> Result<Option<String>, ImagesError> {
        let limit = Duration::from_secs(self.config.push_stall_seconds.min(ANSWER));
        let docker = self.docker(limit).await?;
        match timeout(limit, docker.inspect_registry_image(name.as_str(), None)).await {
            Ok(Ok(found)) => Ok(found.descriptor.digest),
            Ok(Err(error)) => match self.error("answer", name, &error) {
                ImagesError::RegistryMissing { .. } => Ok(None),
                other => Err(other),
            },
            Err(_) => Err(self.slow("answer", "no answer")),
        }
    }

    async fn push_now(&self, name: &ImageName, push: &mut Push<'_>) -> Result<String, ImagesError> {
        let docker = self.docker(Duration::from_secs(self.config.push_seconds)).await?;
        let options = PushImageOptions { tag: Some(name.tag().to_owned()), ..PushImageOptions::default() };
        let stream = docker.push_image(name.repository(), Some(options), None);
        self.follow("take the image", name, stream, |info| push.apply(&info)).await?;
        // The engine's word is checked against the registry's.
        let recorded = self.digest(name).await?;
        let failed = |reason: String| ImagesError::RegistryFailed { host: self.host(), what: "keep the image", reason };
        match (recorded, push.digest()) {
            (Some(recorded), Some(pushed)) if recorded != pushed => {
                Err(failed(format!("it was sent as {pushed} and recorded as {recorded}")))
            }
            (Some(recorded), _) => Ok(recorded),
            (None, _) => Err(failed("it does not have the image after a push that seemed to succeed".to_owned())),
        }
    }
}

#[async_trait]
impl Registry for EngineRegistry {
    async fn find(&self, name: &ImageName) -> Result<Option<String>, Fault> {
        Ok(self.digest(name).await?)
    }

    async fn push(&self, name: &ImageName, progress: Arc<dyn Progress>) -> Result<String, Fault> {
        let mut push = Push::begin(name.as_str(), progress.as_ref());
        let result = self.push_now(name, &mut push).await;
        push.end(if result.is_ok() { StepStatus::Done } else { StepStatus::Failed });
        Ok(result?)
    }

    async fn pull(&self, name: &ImageName) -> Result<BuiltImage, Fault> {
        let docker = self.docker(Duration::from_secs(self.config.push_seconds)).await?;
        let from = format!("{}:{}", name.repository(), name.tag());
        let options = CreateImageOptions { from_image: Some(from), ..CreateImageOptions::default() };
        self.follow("send the image", name, docker.create_image(Some(options), None, None), |_| {}).await?;
        match self.engine.inspect(name.as_str()).await? {
            Some(image) => Ok(built(image)),
            None => Err(ImagesError::RegistryMissing { host: self.host(), name: name.to_string() }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EngineRegistry;
    use crate::{Engine, ImagesError, RegistryConfig};
    use bindery_core::{FaultBy, ImageName, Secret};
    use std::sync::Arc;

    fn registry() -> EngineRegistry {
        let config = RegistryConfig {
            url: Some("http://127.0.0.1:5000".into()),
            username: Some("me".into()),
            password: Some(Secret::new("p~~?>ü")),
            ..RegistryConfig::default()
        };
        EngineRegistry::new(Arc::new(Engine::new(None)), config)
    }

    fn code(text: &str) -> String {
        let name: ImageName = "127.0.0.1:5000/a:b".parse().unwrap();
        let fault: bindery_core::Fault = registry().said("x", &name, text).into();
        assert_eq!(fault.by, FaultBy::Us);
        fault.code
    }

    #[test]
    fn the_engines_words_about_a_registry_are_understood() {
        for (text, expected) in [
            (
                "Get \"http://127.0.0.1:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
                "registry-unreachable",
            ),
            ("Get \"https://r/v2/\": http: server gave HTTP response to HTTPS client", "registry-unreachable"),
            ("unauthorized: authentication required", "registry-denied"),
            ("no basic auth credentials", "registry-denied"),
            ("denied: requested access to the resource is denied", "registry-denied"),
            ("manifest unknown: manifest unknown", "registry-image-missing"),
            ("received unexpected HTTP status: 500 Internal Server Error", "registry-failed"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn the_account_is_encoded_in_the_alphabet_the_engine_reads_and_not_shown() {
        let account = registry().account().await.unwrap().unwrap();
        assert!(!account.expose().contains(['+', '/']));
        assert!(!format!("{account:?}").contains(account.expose()));
    }

    #[tokio::test]
    async fn a_missing_password_file_is_said_to_be_missing() {
        let mut registry = registry();
        registry.config.password_file = Some("/nonexistent/password".into());
        assert!(matches!(registry.account().await, Err(ImagesError::PasswordFile(_))));
    }
}
