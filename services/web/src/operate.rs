//! What the operator's programs do with builds. They send the token of `web.api_token` in a header, so no page can make a browser do
//! it, and nothing here is for other origins.

use actix_web::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::seams::StoreError;
use bindery_core::{BuildLease, BuildOutcome, BuildState, EventBody, Fault};
use serde_json::json;

use crate::builds::{find, summary};
use crate::gate::is_operator;
use crate::stream::query_value;
use crate::{Web, pages};

/// Builds in an answer, unless another number is asked for; and at most.
const LIMIT: usize = 50;
const MOST: usize = 500;
/// Times a cancelled build may change hands before that is given up.
const TRIES: usize = 3;

/// `GET /builds?limit=…`: builds, the latest first.
pub(crate) async fn list(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    if let Some(refusal) = refuse(&request, &web) {
        return refusal;
    }
    let limit = match query_value(request.query_string(), "limit").map(|text| text.parse::<usize>()) {
        None => LIMIT,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => {
            return HttpResponse::BadRequest().json(json!({"message": format!("limit is a number from 1 to {MOST}.")}));
        }
    };
    match web.queue.recent(limit).await {
        Ok(records) => {
            let builds: Vec<_> = records.iter().map(|record| summary(record, &web)).collect();
            HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({"builds": builds}))
        }
        Err(error) => unavailable(error),
    }
}

/// `DELETE /builds/<id>`: ends a running build. Its worker, wherever it is, loses its lease with it and stops within a heartbeat;
/// everyone who watches is told.
pub(crate) async fn cancel(request: HttpRequest, web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    if let Some(refusal) = refuse(&request, &web) {
        return refusal;
    }
    for _ in 0..TRIES {
        let Some((id, record)) = find(&web, &id).await else { return pages::not_found(&web) };
        let (worker, fence) = match &record.state {
            BuildState::Running { worker, fence } => (worker.clone(), *fence),
            BuildState::Queued => return conflict("This build has not begun. Ask again once it runs."),
            BuildState::Built { .. } | BuildState::Failed { .. } => return conflict("This build has ended."),
        };
        let fault = Fault::us("cancelled", "The operator ended this build.").hint("Try again later.");
        let last = EventBody::failed(fault.clone());
        // With the worker's own proof: whichever of the two ends it first has ended it.
        let lease = BuildLease { record, worker, fence };
        match web.queue.finish(&lease, BuildOutcome::Failed(fault), last).await {
            Ok(()) => {
                tracing::info!(build = %id, "build cancelled by the operator");
                return match find(&web, &id.to_string()).await {
                    Some((_, record)) => HttpResponse::Ok().json(summary(&record, &web)),
                    None => HttpResponse::NoContent().finish(),
                };
            }
            // Another worker has just taken it up.
            Err(StoreError::LeaseLost) => {}
            Err(error) => return unavailable(error),
        }
    }
    conflict("This build is changing hands. Ask again.")
}

fn refuse(request: &HttpRequest, web: &Web) -> Option<HttpResponse> {
    let token = web.config.api_token.as_ref();
    (!is_operator(request.headers(), token)).then(|| {
        let message = "This is for the operator: send web.api_token as `Authorization: Bearer`.";
        HttpResponse::Unauthorized().insert_header((WWW_AUTHENTICATE, "Bearer")).json(json!({"message": message}))
    })
}

fn conflict(message: &str) -> HttpResponse {
    HttpResponse::Conflict().json(json!({"message": message}))
}

fn unavailable(error: StoreError) -> HttpResponse {
    tracing::error!("builds cannot be read or ended: {error}");
    HttpResponse::ServiceUnavailable().json(json!({"fault": Fault::from(error)}))
}
