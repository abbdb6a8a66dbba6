//! A build at its permanent address: `/builds/<id>` and what is below it.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::{BuildId, BuildRecord, BuildState, Event, EventId, Fault, ImageRef, Provenance, Timestamp, Topic};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Said, Unavailable};
use crate::stream::query_value;
use crate::{Web, pages, wire};

/// Events read from the store at a time.
pub(crate) const PAGE: usize = 1000;

#[utoipa::path(
    get, path = "/builds/{id}/log", tag = "builds", operation_id = "readLog",
    summary = "A build's log", description = "Every line so far. The address is permanent.",
    params(
        ("id" = String, Path, description = "The build's id"),
        ("format" = Option<String>, Query, description = "`json` for every event, one to a line, instead of text"),
    ),
    responses(
        (status = 200, description = "The log", content(
            (String = "text/plain"),
            (wire::Archived = "application/x-ndjson"),
        )),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build", content_type = "text/html", body = String),
    ),
)]
/// `GET /builds/<id>/log`: every line so far, as plain text, streamed in pages. With `?format=json`, every event, one to a line.
pub(crate) async fn log(request: HttpRequest, web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let (id, record) = match find(&web, &id).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let web = web.into_inner();
    if query_value(request.query_string(), "format").as_deref() == Some("json") {
        return json_log(web, id, &file_name(&record, "jsonl"));
    }
    let pages = futures::stream::unfold((web, EventId::START), move |(web, after)| async move {
        let events = web.events.history(Topic::Build(id), after, PAGE).await.ok()?;
        let last = events.last()?.id;
        let text: String = events.iter().map(|event| line(event)).collect();
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), (web, last)))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, file_name(&record, "log.txt")))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(pages)
}

/// Shown where it is, and called after its repository and commit where it is saved.
fn file_name(record: &BuildRecord, ending: &str) -> String {
    let resolved = &record.request.resolved;
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).take(80).collect()
    };
    let (name, revision) = (plain(resolved.repo_url.short_name()), plain(resolved.revision.short()));
    format!("inline; filename=\"{name}-{revision}.{ending}\"")
}

fn json_log(web: Arc<Web>, id: BuildId, file_name: &str) -> HttpResponse {
    let pages = futures::stream::unfold((web, EventId::START), move |(web, after)| async move {
        let events = web.events.history(Topic::Build(id), after, PAGE).await.ok()?;
        let last = events.last()?.id;
        let lines: String = events.iter().map(|event| wire::archived(event) + "\n").collect();
        Some((Ok::<_, actix_web::Error>(Bytes::from(lines)), (web, last)))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((CONTENT_DISPOSITION, file_name))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(pages)
}

fn line(event: &Event) -> String {
    let body = &event.body;
    match (&body.step, &body.stream) {
        // Output of a step stands under the step's own line.
        (Some(_), Some(_)) => format!("    {}", body.message),
        _ => format!("[{}] {}", body.phase.as_str(), body.message),
    }
}

#[utoipa::path(
    get, path = "/builds/{id}/provenance", tag = "builds", operation_id = "readProvenance",
    summary = "What a build's image was made of, and how", description = "",
    params(("id" = String, Path, description = "The build's id")),
    responses(
        (status = 200, description = "The record", body = Provenance),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build, or none yet", content(
            (Said = "application/json"),
            (String = "text/html"),
        )),
        (status = 503, description = "The service's records cannot be read now", body = Unavailable),
    ),
)]
/// `GET /builds/<id>/provenance`: what its image was made of and how.
pub(crate) async fn provenance(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    match recorded(&web, &id).await {
        Ok(provenance) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(provenance),
        Err(refusal) => refusal,
    }
}

#[utoipa::path(
    get, path = "/builds/{id}/bill-of-materials", tag = "builds", operation_id = "readBillOfMaterials",
    summary = "Every package in a build's image", description = "In CycloneDX's JSON form.",
    params(("id" = String, Path, description = "The build's id")),
    responses(
        (status = 200, description = "The list", content_type = "application/vnd.cyclonedx+json", body = Object),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build, or no list", content(
            (Said = "application/json"),
            (String = "text/html"),
        )),
        (status = 503, description = "The service's records cannot be read now", body = Unavailable),
    ),
)]
/// `GET /builds/<id>/bill-of-materials`: every package in its image, in `CycloneDX`'s JSON form.
pub(crate) async fn bill_of_materials(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    match recorded(&web, &id).await.map(|provenance| provenance.bill_of_materials) {
        Ok(Some(bill)) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((CONTENT_TYPE, "application/vnd.cyclonedx+json; version=1.6"))
            .body(bill.to_string()),
        Ok(None) => missing("The image of this build has no list of what is installed."),
        Err(refusal) => refusal,
    }
}

async fn recorded(web: &web::Data<Web>, id: &str) -> Result<Provenance, HttpResponse> {
    let (id, record) = find(web, id).await?;
    match web.provenances.provenance(id).await {
        Ok(Some(provenance)) => Ok(provenance),
        Ok(None) => Err(missing(match record.state {
            BuildState::Queued | BuildState::Running { .. } => "This build has not ended yet.",
            BuildState::Failed { .. } => "This build gave no image.",
            BuildState::Built { .. } => "What the image of this build was made of was not recorded.",
        })),
        Err(error) => {
            tracing::error!(build = %id, "a provenance cannot be read: {error}");
            Err(HttpResponse::ServiceUnavailable().json(Unavailable { fault: error.into() }))
        }
    }
}

fn missing(message: &str) -> HttpResponse {
    HttpResponse::NotFound().json(Said::new(message))
}

#[utoipa::path(
    get, path = "/builds/{id}", tag = "builds", operation_id = "readBuild",
    summary = "What was asked for, and what became of it", description = "",
    params(("id" = String, Path, description = "The build's id")),
    responses(
        (status = 200, description = "The build", body = Build),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build", content_type = "text/html", body = String),
    ),
)]
/// `GET /builds/<id>`: what was asked for and what became of it.
pub(crate) async fn record(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let (_, record) = match find(&web, &id).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(summary(&record, &web))
}

/// What became of a build.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BuildState)]
enum State {
    Queued,
    Running,
    Built,
    Failed,
}

/// A build.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Build {
    #[schema(value_type = String)]
    id: BuildId,
    state: State,
    /// How many times a worker has taken it up.
    attempt: u32,
    /// When it was asked for, in milliseconds since 1970.
    #[schema(value_type = u64)]
    created: Timestamp,
    repo_url: String,
    /// The ref that was asked for.
    #[serde(rename = "ref")]
    reference: String,
    /// The commit, or the version of a record of an archive.
    commit: String,
    /// The image, once it is built.
    image: Option<ImageRef>,
    /// Why there is none, when it failed.
    fault: Option<Fault>,
    /// The address of its log.
    log: String,
}

pub(crate) fn summary(record: &BuildRecord, web: &Web) -> Build {
    let (id, resolved) = (record.id, &record.request.resolved);
    let (state, image, fault) = match &record.state {
        BuildState::Queued => (State::Queued, None, None),
        BuildState::Running { .. } => (State::Running, None, None),
        BuildState::Built { image, .. } => (State::Built, Some(image.clone()), None),
        BuildState::Failed { fault, .. } => (State::Failed, None, Some(fault.clone())),
    };
    Build {
        id,
        state,
        attempt: record.attempt,
        created: record.created,
        repo_url: resolved.repo_url.to_string(),
        reference: resolved.spec.reference.to_string(),
        commit: resolved.revision.to_string(),
        image,
        fault,
        log: web.log_url(id),
    }
}

/// The build of that id as everybody may see it; or the answer to whoever may not, or asks for none.
pub(crate) async fn find(web: &Web, id: &str) -> Result<(BuildId, BuildRecord), HttpResponse> {
    let Some((id, record)) = any(web, id).await else { return Err(pages::not_found(web)) };
    match web.policy.shown(&record.request.resolved) {
        Ok(()) => Ok((id, record)),
        Err(fault) => Err(pages::forbidden(web, &fault)),
    }
}

/// The build of that id as the operator may see it.
pub(crate) async fn any(web: &Web, id: &str) -> Option<(BuildId, BuildRecord)> {
    let id: BuildId = id.parse().ok()?;
    let record = web.queue.get(id).await.ok()??;
    Some((id, record))
}
