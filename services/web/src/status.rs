//! `/health`, `/versions`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Web;

/// How long an answer of a check is good for.
const FRESH: Duration = Duration::from_secs(5);
/// How long a check may take.
const BOUND: Duration = Duration::from_secs(3);

/// Something this service needs, asked whether it is well.
#[async_trait]
pub trait Check: Send + Sync {
    /// Its name in `/health`.
    fn service(&self) -> &str;

    /// Whether its being unwell makes the service unwell.
    fn required(&self) -> bool {
        true
    }

    /// Asks it. Bounded by the caller.
    async fn probe(&self) -> Probe;
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// Whether it is well.
    pub ok: bool,
    /// Further keys of its entry in `/health`; never a secret.
    pub detail: Map<String, Value>,
}

impl Probe {
    /// Well, or unwell for a reason.
    #[must_use]
    pub fn from_result<E: std::fmt::Display>(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self { ok: true, detail: Map::new() },
            Err(error) => Self { ok: false, detail: Map::from_iter([("reason".to_owned(), json!(error.to_string()))]) },
        }
    }
}

/// Last time and answer of each check, so that a flood of `/health` is one probe.
pub(crate) struct Checks {
    checks: Vec<Arc<dyn Check>>,
    last: Mutex<Option<(Instant, bool, Value)>>,
}

impl Checks {
    pub(crate) fn new(checks: Vec<Arc<dyn Check>>) -> Self {
        Self { checks, last: Mutex::new(None) }
    }

    async fn run(&self) -> (bool, Value) {
        let mut last = self.last.lock().await;
        if let Some((at, ok, answer)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return (*ok, answer.clone());
        }
        let probes = futures::future::join_all(self.checks.iter().map(|check| async move {
            let late = |_| Probe::from_result(Err("no answer in time"));
            (check, tokio::time::timeout(BOUND, check.probe()).await.unwrap_or_else(late))
        }))
        .await;
        let mut all_ok = true;
        let mut entries = Vec::with_capacity(probes.len());
        for (check, probe) in probes {
            let mut entry =
                Map::from_iter([("service".to_owned(), json!(check.service())), ("ok".to_owned(), json!(probe.ok))]);
            if !check.required() {
                entry.insert("_ignore_failure".to_owned(), json!(true));
            }
            all_ok &= probe.ok || !check.required();
            entry.extend(probe.detail);
            entries.push(Value::Object(entry));
        }
        let answer = json!({"ok": all_ok, "checks": entries});
        *last = Some((Instant::now(), all_ok, answer.clone()));
        (all_ok, answer)
    }
}

/// `GET /health`: 200 when everything required is well, else 503.
pub(crate) async fn health(web: web::Data<Web>) -> HttpResponse {
    let (ok, answer) = web.checks.run().await;
    if ok { HttpResponse::Ok().json(answer) } else { HttpResponse::ServiceUnavailable().json(answer) }
}

/// `GET /versions`. Clients recognise a BinderHub by the key `binderhub`.
pub(crate) async fn versions(web: web::Data<Web>) -> HttpResponse {
    let version = env!("CARGO_PKG_VERSION");
    HttpResponse::Ok().json(json!({
        "binderhub": format!("bindery-{version}"),
        "bindery": version,
        "builder": format!("bindery-{version}"),
        "builder_info": {"recipe": web.recipe},
    }))
}

/// `GET /metrics`.
pub(crate) async fn metrics(web: web::Data<Web>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(web.metrics.encode())
}
