//! Which registry an image is pushed to, and with which account. The account comes from the environment of this process and goes to the
//! engine with the request; it is never in a file, an argument or a message.

use bindery_core::{ImageName, Secret};
use bindery_images::RegistryConfig;
use serde::Deserialize;

/// The environment variable that repo2docker reads accounts from.
pub(super) const VARIABLE: &str = "CONTAINER_ENGINE_REGISTRY_CREDENTIALS";
/// The registry of names that begin with none.
const HUB: &str = "docker.io";

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    registry: Option<String>,
    username: String,
    password: Secret,
}

/// The registry that `image` goes to: the configured one where its name begins with that, with the account of the environment over the
/// configured one.
pub(super) fn registry_of(
    image: &ImageName,
    configured: &RegistryConfig,
    account: Option<&str>,
) -> Result<RegistryConfig, String> {
    let host = host_of(image);
    let mut registry = if configured.host() == Some(host) {
        configured.clone()
    } else {
        RegistryConfig {
            url: Some(format!("https://{host}")),
            username: None,
            password: None,
            password_file: None,
            ..configured.clone()
        }
    };
    if let Some(text) = account.filter(|text| !text.trim().is_empty()) {
        // The parser's own words could quote the password.
        let account: Account = serde_json::from_str(text)
            .map_err(|_| format!("{VARIABLE} is not JSON with registry, username and password."))?;
        if account.registry.as_deref().map(bare).is_none_or(|named| named == host) {
            (registry.username, registry.password) = (Some(account.username), Some(account.password));
            registry.password_file = None;
        }
    }
    Ok(registry)
}

/// The registry a name begins with.
fn host_of(image: &ImageName) -> &str {
    match image.as_str().split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

/// `https://index.docker.io/v1/` and `docker.io` are one registry.
fn bare(registry: &str) -> &str {
    let host = registry.split_once("://").map_or(registry, |(_, rest)| rest).split('/').next().unwrap_or_default();
    if matches!(host, "index.docker.io" | "registry-1.docker.io" | "") { HUB } else { host }
}

#[cfg(test)]
mod tests {
    use bindery_images::RegistryConfig;

    use super::registry_of;

    fn chosen(image: &str, account: &str) -> RegistryConfig {
        let configured = RegistryConfig {
            url: Some("http://own.example:5000".to_owned()),
            username: Some("site".to_owned()),
            ..RegistryConfig::default()
        };
        registry_of(&image.parse().unwrap(), &configured, Some(account)).unwrap()
    }

    #[test]
    fn an_account_goes_to_its_own_registry_and_to_no_other() {
        let account = r#"{"registry": "https://r.example/v2/", "username": "u", "password": "hunter2"}"#;
        let registry = chosen("r.example/a/b:c", account);
        assert_eq!((registry.host(), registry.username.as_deref()), (Some("r.example"), Some("u")));
        assert_eq!(registry.password.unwrap().expose(), "hunter2");
        assert!(chosen("other.example/a", account).username.is_none());
        assert_eq!(chosen("own.example:5000/a", account).username.as_deref(), Some("site"));
        let anywhere = r#"{"username": "u", "password": "p"}"#;
        assert_eq!(chosen("own.example:5000/a", anywhere).username.as_deref(), Some("u"));
        let hub = r#"{"registry": "https://index.docker.io/v1/", "username": "u", "password": "p"}"#;
        assert_eq!(chosen("someone/image", hub).host(), Some("docker.io"));
        assert!(chosen("someone/image", hub).username.is_some());
    }

    #[test]
    fn an_account_that_cannot_be_read_is_not_quoted() {
        let image = "r.example/a".parse().unwrap();
        for text in ["hunter2", r#"{"password": "hunter2"}"#, r#"{"username": 5, "password": "hunter2"}"#] {
            let error = registry_of(&image, &RegistryConfig::default(), Some(text)).unwrap_err();
            assert!(error.contains("CONTAINER_ENGINE_REGISTRY_CREDENTIALS") && !error.contains("hunter2"), "{error}");
        }
    }
}
