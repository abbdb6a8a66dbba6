//! `/health`, `/versions`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

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
    last: Mutex<Option<(Instant, Health)>>,
}

impl Checks {
    pub(crate) fn new(checks: Vec<Arc<dyn Check>>) -> Self {
        Self { checks, last: Mutex::new(None) }
    }

    async fn run(&self) -> Health {
        let mut last = self.last.lock().await;
        if let Some((at, health)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let probes = futures::future::join_all(self.checks.iter().map(|check| async move {
            let late = |_| Probe::from_result(Err("no answer in time"));
            (check, tokio::time::timeout(BOUND, check.probe()).await.unwrap_or_else(late))
        }))
        .await;
        let entry = |(check, probe): (&Arc<dyn Check>, Probe)| Checked {
            service: check.service().to_owned(),
            ok: probe.ok,
            ignore_failure: (!check.required()).then_some(true),
            detail: probe.detail,
        };
        let checks: Vec<Checked> = probes.into_iter().map(entry).collect();
        let ok = checks.iter().all(|check| check.ok || check.ignore_failure.is_some());
        let health = Health { ok, checks };
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

/// How the service is.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Health {
    /// Whether everything that is required is well.
    ok: bool,
    checks: Vec<Checked>,
}

/// How something that the service needs is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
struct Checked {
    /// Its name.
    service: String,
    /// Whether it is well.
    ok: bool,
    /// Whether the service is well without it.
    #[serde(rename = "_ignore_failure", skip_serializing_if = "Option::is_none")]
    ignore_failure: Option<bool>,
    /// Further figures, and `reason` where it is not well.
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    detail: Map<String, Value>,
}

#[utoipa::path(
    get, path = "/health", tag = "service", operation_id = "readHealth",
    summary = "Whether the service is well", description = "",
    responses(
        (status = 200, description = "Everything that is required is well", body = Health),
        (status = 503, description = "Something is not", body = Health),
    ),
)]
/// `GET /health`: 200 when everything required is well, else 503.
pub(crate) async fn health(web: web::Data<Web>) -> HttpResponse {
    let health = web.checks.run().await;
    if health.ok { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
}

/// Which versions of what run here.
#[derive(Debug, Serialize, ToSchema)]
struct Versions {
    /// By this key clients recognise a BinderHub.
    binderhub: String,
    bindery: String,
    builder: String,
    builder_info: BuilderInfo,
}

/// What decides how images are built.
#[derive(Debug, Serialize, ToSchema)]
struct BuilderInfo {
    recipe: String,
}

#[utoipa::path(
    get, path = "/versions", tag = "service", operation_id = "readVersions",
    summary = "Which versions of what run here", description = "",
    responses((status = 200, description = "The versions", body = Versions)),
)]
/// `GET /versions`. Clients recognise a BinderHub by the key `binderhub`.
pub(crate) async fn versions(web: web::Data<Web>) -> HttpResponse {
    let version = env!("CARGO_PKG_VERSION");
    HttpResponse::Ok().json(Versions {
        binderhub: format!("bindery-{version}"),
        bindery: version.to_owned(),
        builder: format!("bindery-{version}"),
        builder_info: BuilderInfo { recipe: web.recipe.clone() },
    })
}

#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "readMetrics",
    summary = "What this process counts", description = "In OpenMetrics text.",
    responses((status = 200, description = "The metrics", content_type = "application/openmetrics-text", body = String)),
)]
/// `GET /metrics`.
pub(crate) async fn metrics(web: web::Data<Web>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(web.metrics.encode())
}
