//! `GET /builds/<id>/plan`: the plan a build follows, the object that `bindery plan --json` prints.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use bindery_core::seams::StoreError;
use bindery_core::{BuildId, BuildState, EventBody, EventId, Topic};
use serde_json::Value;

use crate::Web;
use crate::builds::{PAGE, find};
use crate::error::{Said, Unavailable};

#[utoipa::path(
    get, path = "/builds/{id}/plan", tag = "builds", operation_id = "readPlan",
    summary = "The plan a build follows", description = "The object that `bindery plan --json` prints.",
    params(("id" = String, Path, description = "The build's id")),
    responses(
        (status = 200, description = "The plan", body = Object),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build, or no plan yet", content(
            (Said = "application/json"),
            (String = "text/html"),
        )),
        (status = 503, description = "The service's records cannot be read now", body = Unavailable),
    ),
)]
/// The plan, from the build's log; 404 with a word on why while there is none.
pub(crate) async fn plan(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let (id, record) = match find(&web, &id).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    match in_log(&web, id).await {
        Ok(Some(plan)) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(plan),
        Ok(None) => {
            let message = match record.state {
                BuildState::Queued => "This build has not begun, so it has no plan yet.",
                BuildState::Running { .. } => "The repository is still being read, so there is no plan yet.",
                BuildState::Failed { .. } => "This build ended before there was a plan.",
                BuildState::Built { .. } => "There was no plan for this build, or it is no longer kept.",
            };
            HttpResponse::NotFound().insert_header((CACHE_CONTROL, "no-cache")).json(Said::new(message))
        }
        Err(error) => {
            tracing::error!(build = %id, "a plan cannot be read: {error}");
            HttpResponse::ServiceUnavailable().json(Unavailable { fault: error.into() })
        }
    }
}

pub(crate) async fn in_log(web: &Web, id: BuildId) -> Result<Option<Value>, StoreError> {
    first_in_log(web, id, |body| body.plan.clone()).await
}

/// The first event of a build's log that has this. What is looked for so stands near the beginning: only what is said before it is
/// read.
pub(crate) async fn first_in_log(
    web: &Web,
    id: BuildId,
    wanted: impl Fn(&EventBody) -> Option<Value>,
) -> Result<Option<Value>, StoreError> {
    let mut after = EventId::START;
    loop {
        let events = web.events.history(Topic::Build(id), after, PAGE).await?;
        if let Some(found) = events.iter().find_map(|event| wanted(&event.body)) {
            return Ok(Some(found));
        }
        match events.last() {
            Some(last) => after = last.id,
            None => return Ok(None),
        }
    }
}
