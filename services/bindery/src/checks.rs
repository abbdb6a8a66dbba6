//! What `/health` asks, in BinderHub's order: registry, sessions, and what is running.

use std::sync::Arc;

use async_trait::async_trait;
use bindery_core::ImageName;
use bindery_core::seams::{Queue, Registry, SessionBackend, SessionStore};
use bindery_store::Stores;
use bindery_web::{Check, Probe};
use serde_json::{Map, json};

/// The registry answers. An image that is not there is an answer.
pub(crate) struct RegistryCheck {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) image: ImageName,
}

#[async_trait]
impl Check for RegistryCheck {
    fn service(&self) -> &'static str {
        "Docker registry"
    }

    async fn probe(&self) -> Probe {
        Probe::from_result(self.registry.find(&self.image).await.map(|_| ()))
    }
}

/// The engine that runs sessions answers.
pub(crate) struct EngineCheck(pub(crate) Arc<dyn SessionBackend>);

#[async_trait]
impl Check for EngineCheck {
    fn service(&self) -> &'static str {
        "Docker engine"
    }

    async fn probe(&self) -> Probe {
        Probe::from_result(self.0.reachable().await)
    }
}

/// The records can be read.
pub(crate) struct StoreCheck(pub(crate) Arc<Stores>);

#[async_trait]
impl Check for StoreCheck {
    fn service(&self) -> &'static str {
        "Store"
    }

    async fn probe(&self) -> Probe {
        Probe::from_result(self.0.reachable().await)
    }
}

/// How much is running; never unwell.
pub(crate) struct LoadCheck {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) quota: u32,
}

#[async_trait]
impl Check for LoadCheck {
    fn service(&self) -> &'static str {
        "Pod quota"
    }

    fn required(&self) -> bool {
        false
    }

    async fn probe(&self) -> Probe {
        let (Ok((queued, running)), Ok(sessions)) = (self.queue.depth().await, self.sessions.list().await) else {
            return Probe::from_result(Err("the store cannot be read"));
        };
        let sessions = sessions.iter().filter(|session| session.state.holds_seat()).count() as u64;
        let detail = Map::from_iter([
            ("total_pods".to_owned(), json!(running + sessions)),
            ("build_pods".to_owned(), json!(running)),
            ("user_pods".to_owned(), json!(sessions)),
            ("queued_builds".to_owned(), json!(queued)),
            ("quota".to_owned(), json!(self.quota)),
        ]);
        Probe { ok: sessions < u64::from(self.quota), detail }
    }
}
