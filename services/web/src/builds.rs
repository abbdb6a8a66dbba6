//! A build's log at its permanent address: `/builds/<id>/log` as text, `/builds/<id>` as JSON.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use bindery_core::{BuildId, BuildState, Event, EventId, Topic};
use bytes::Bytes;
use serde_json::json;

use crate::Web;
use crate::pages;

/// Events read from the store at a time.
const PAGE: usize = 1000;

/// `GET /builds/<id>/log`: every line so far, as plain text, streamed in pages.
pub(crate) async fn log(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let Some((id, _)) = find(&web, &id).await else { return pages::not_found(&web) };
    let web = web.into_inner();
    let pages = futures::stream::unfold((web, EventId::START), move |(web, after)| async move {
        let events = web.events.history(Topic::Build(id), after, PAGE).await.ok()?;
        let last = events.last()?.id;
        let text: String = events.iter().map(|event| line(event)).collect();
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), (web, last)))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
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

/// `GET /builds/<id>`: what was asked for and what became of it.
pub(crate) async fn record(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let Some((id, record)) = find(&web, &id).await else { return pages::not_found(&web) };
    let resolved = &record.request.resolved;
    let (state, image, fault) = match &record.state {
        BuildState::Queued => ("queued", None, None),
        BuildState::Running { .. } => ("running", None, None),
        BuildState::Built { image, .. } => ("built", Some(image), None),
        BuildState::Failed { fault, .. } => ("failed", None, Some(fault)),
    };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(json!({
        "id": id, "state": state, "attempt": record.attempt, "created": record.created,
        "repo_url": resolved.repo_url, "ref": resolved.spec.reference, "commit": resolved.commit,
        "image": image, "fault": fault, "log": format!("{}builds/{id}/log", web.config.public_url()),
    }))
}

async fn find(web: &Web, id: &str) -> Option<(BuildId, bindery_core::BuildRecord)> {
    let id: BuildId = id.parse().ok()?;
    let record = web.queue.get(id).await.ok()??;
    Some((id, record))
}
