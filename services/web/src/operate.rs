//! What the operator's programs do with builds. They send the token of `web.api_token` in a header, so no page can make a browser do
//! it, and nothing here is for other origins.

use actix_web::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::seams::StoreError;
use bindery_core::{EventBody, Fault};
use serde::Serialize;
use utoipa::ToSchema;

use crate::builds::{Build, any, summary};
use crate::error::{Said, Unavailable};
use crate::gate::is_operator;
use crate::stream::query_value;
use crate::{Web, pages};

/// Builds in an answer, unless another number is asked for; and at most.
const LIMIT: usize = 50;
const MOST: usize = 500;

/// Builds, the latest first.
#[derive(Debug, Serialize, ToSchema)]
struct Builds {
    builds: Vec<Build>,
}

#[utoipa::path(
    get, path = "/builds", tag = "builds", operation_id = "listBuilds",
    summary = "The latest builds", description = "For the operator.",
    params(("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "How many; 50 unless said")),
    security(("operator" = [])),
    responses(
        (status = 200, description = "Builds, the latest first", body = Builds),
        (status = 400, description = "No such limit", body = Said),
        (status = 401, description = "Not the operator", body = Said),
        (status = 503, description = "The service's records cannot be read now", body = Unavailable),
    ),
)]
/// `GET /builds?limit=…`: builds, the latest first.
pub(crate) async fn list(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    if let Some(refusal) = refuse(&request, &web) {
        return refusal;
    }
    let limit = match query_value(request.query_string(), "limit").map(|text| text.parse::<usize>()) {
        None => LIMIT,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => {
            return HttpResponse::BadRequest().json(Said::new(format!("limit is a number from 1 to {MOST}.")));
        }
    };
    match web.queue.recent(limit).await {
        Ok(records) => {
            let builds = records.iter().map(|record| summary(record, &web)).collect();
            HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Builds { builds })
        }
        Err(error) => unavailable(error),
    }
}

#[utoipa::path(
    delete, path = "/builds/{id}", tag = "builds", operation_id = "cancelBuild",
    summary = "End a build", description = "For the operator. One that waits or runs; everyone who watches is told.",
    params(("id" = String, Path, description = "The build's id")),
    security(("operator" = [])),
    responses(
        (status = 200, description = "It has ended", body = Build),
        (status = 401, description = "Not the operator", body = Said),
        (status = 204, description = "It has ended, and its record is gone"),
        (status = 404, description = "No such build", content_type = "text/html", body = String),
        (status = 409, description = "It has ended already", body = Said),
        (status = 503, description = "The service's records cannot be written now", body = Unavailable),
    ),
)]
/// `DELETE /builds/<id>`: ends a build that waits or runs. Its worker, wherever it is, loses its lease with it and stops within a
/// heartbeat; everyone who watches is told.
pub(crate) async fn cancel(request: HttpRequest, web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    if let Some(refusal) = refuse(&request, &web) {
        return refusal;
    }
    let Some((id, _)) = any(&web, &id).await else { return pages::not_found(&web) };
    let fault = Fault::us("cancelled", "The operator ended this build.").hint("Try again later.");
    match web.queue.cancel(id, fault.clone(), EventBody::failed(fault)).await {
        Ok(true) => {
            tracing::info!(build = %id, "build cancelled by the operator");
            match any(&web, &id.to_string()).await {
                Some((_, record)) => HttpResponse::Ok().json(summary(&record, &web)),
                None => HttpResponse::NoContent().finish(),
            }
        }
        Ok(false) => conflict("This build has ended."),
        Err(error) => unavailable(error),
    }
}

fn refuse(request: &HttpRequest, web: &Web) -> Option<HttpResponse> {
    let token = web.config.api_token.as_ref();
    (!is_operator(request.headers(), token)).then(|| {
        let message = "This is for the operator: send web.api_token as `Authorization: Bearer`.";
        HttpResponse::Unauthorized().insert_header((WWW_AUTHENTICATE, "Bearer")).json(Said::new(message))
    })
}

fn conflict(message: &str) -> HttpResponse {
    HttpResponse::Conflict().json(Said::new(message))
}

fn unavailable(error: StoreError) -> HttpResponse {
    tracing::error!("builds cannot be read or ended: {error}");
    HttpResponse::ServiceUnavailable().json(Unavailable { fault: error.into() })
}
