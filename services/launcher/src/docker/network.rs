//! The one bridge all sessions are on: the host reaches them, they do not reach each other.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::{ASK_LIMIT, DockerBackend, LABEL_INSTANCE, START_LIMIT};
use crate::Error;

const ICC: &str = "com.docker.network.bridge.enable_icc";

impl DockerBackend {
    /// The session network's id; made when missing, checked once.
    pub(super) async fn network(&self, docker: &Docker) -> Result<String, Error> {
        // Held across the calls on purpose: engines before 25 make a second network of the same name without complaint.
        let mut known = self.network.lock().await;
        if let Some(id) = known.as_ref() {
            return Ok(id.clone());
        }
        let id = match self.find_network(docker).await? {
            Some(id) => id,
            None => {
                self.make_network(docker).await?;
                // Asked again by name: another process may have made one at the same moment, and all must use the same.
                self.find_network(docker).await?.ok_or_else(|| Error::Refused {
                    what: "create the session network",
                    reason: "it is not there afterwards".to_owned(),
                })?
            }
        };
        *known = Some(id.clone());
        Ok(id)
    }

    /// The oldest of its name, the others removed: an engine that has two starts no container on either.
    async fn find_network(&self, docker: &Docker) -> Result<Option<String>, Error> {
        let mut found = self.networks(docker).await?;
        if found.len() > 1 {
            for younger in found.iter().rev() {
                self.remove_unused_network(docker, younger).await;
                if self.networks(docker).await?.len() < 2 {
                    break;
                }
            }
            found = self.networks(docker).await?;
        }
        match found.into_iter().next() {
            None => Ok(None),
            Some(network) if is_safe(&network) => Ok(network.id),
            Some(_) => Err(Error::UnsafeNetwork(self.config.network.clone())),
        }
    }

    /// All of this name, the oldest first, which is an order everybody agrees on.
    async fn networks(&self, docker: &Docker) -> Result<Vec<Network>, Error> {
        let name = self.config.network.as_str();
        let filters = HashMap::from([("name", vec![name])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let mut found = self.call("list its networks", ASK_LIMIT, docker.list_networks(Some(options))).await?;
        // The engine's filter matches parts of names.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by_key(|network| (network.created, network.id.clone()));
        Ok(found)
    }

    /// Removes a network by its id. The engine refuses to where a container is on it, and somebody else may have been faster.
    async fn remove_unused_network(&self, docker: &Docker, network: &Network) {
        let id = network.id.as_deref().unwrap_or_default();
        match self.call("remove a second session network", ASK_LIMIT, docker.remove_network(id)).await {
            Ok(()) => tracing::info!(network = id, "removed a second session network of the same name"),
            Err(error) => {
                let error = Error::from(error);
                tracing::debug!(network = id, %error, "a second session network stays");
            }
        }
    }

    async fn make_network(&self, docker: &Docker) -> Result<(), Error> {
        let request = NetworkCreateRequest {
            name: self.config.network.clone(),
            driver: Some("bridge".to_owned()),
            enable_ipv6: Some(false),
            options: Some(HashMap::from([(ICC.to_owned(), "false".to_owned())])),
            labels: Some(HashMap::from([(LABEL_INSTANCE.to_owned(), self.config.instance.clone())])),
            ..NetworkCreateRequest::default()
        };
        match self.call("create the session network", START_LIMIT, docker.create_network(request)).await {
            Err(error) if error.status() != Some(409) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Whether somebody removed the session network under us, or made a second one at the same moment. What cleans up after a failed
/// start also forgets the network, so that the next start finds or makes the one that counts.
pub(super) fn is_at_fault(failed: &Error) -> bool {
    let Error::Refused { reason, .. } = failed else { return false };
    reason.contains("network") && (reason.contains("not found") || reason.contains("is ambiguous"))
}

fn is_safe(network: &Network) -> bool {
    network.driver.as_deref() == Some("bridge")
        && network.enable_ipv6 != Some(true)
        && network.options.as_ref().and_then(|options| options.get(ICC)).is_some_and(|icc| icc == "false")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::Network;

    use super::is_safe;

    fn bridge(icc: Option<&str>) -> Network {
        Network {
            driver: Some("bridge".to_owned()),
            options: icc.map(|icc| HashMap::from([(super::ICC.to_owned(), icc.to_owned())])),
            ..Network::default()
        }
    }

    #[test]
    fn only_a_bridge_that_keeps_containers_apart_is_safe() {
        assert!(is_safe(&bridge(Some("false"))));
        assert!(!is_safe(&bridge(Some("true"))));
        assert!(!is_safe(&bridge(None)));
        assert!(!is_safe(&Network { enable_ipv6: Some(true), ..bridge(Some("false")) }));
        assert!(!is_safe(&Network { driver: Some("macvlan".to_owned()), ..bridge(Some("false")) }));
    }
}
