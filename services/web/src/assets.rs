//! Built files and badges, with strong entity tags.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::Web;
use crate::pages;

/// `GET /static/<name>`.
pub(crate) async fn file(request: HttpRequest, web: web::Data<Web>, name: web::Path<String>) -> HttpResponse {
    respond(&request, &web, &name)
}

#[utoipa::path(
    get, path = "/badge_logo.svg", tag = "badges", operation_id = "readBadgeLogo",
    summary = "The badge that links in READMEs show", description = "",
    responses(
        (status = 200, description = "The picture", content_type = "image/svg+xml", body = String),
        (status = 304, description = "It has not changed"),
    ),
)]
/// The badge that links in READMEs show.
pub(crate) async fn badge_logo(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    respond(&request, &web, "badge_logo.svg")
}

#[utoipa::path(
    get, path = "/badge.svg", tag = "badges", operation_id = "readBadge",
    summary = "The older, plain badge", description = "Also at `/assets/images/badge.svg`.",
    responses(
        (status = 200, description = "The picture", content_type = "image/svg+xml", body = String),
        (status = 304, description = "It has not changed"),
    ),
)]
/// The older, plain badge.
pub(crate) async fn badge(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    respond(&request, &web, "badge.svg")
}

#[utoipa::path(
    get, path = "/logo_social.png", tag = "badges", operation_id = "readSocialPicture",
    summary = "The picture that link previews show", description = "",
    responses(
        (status = 200, description = "The picture", content_type = "image/png", body = String),
        (status = 304, description = "It has not changed"),
    ),
)]
/// The picture link previews show.
pub(crate) async fn logo_social(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    respond(&request, &web, "logo_social.png")
}

/// The icon browsers ask for unasked.
pub(crate) async fn favicon(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    respond(&request, &web, "favicon.svg")
}

fn respond(request: &HttpRequest, web: &Web, name: &str) -> HttpResponse {
    let Some(asset) = bindery_frontend::asset(name) else { return pages::not_found(web) };
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == asset.etag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, asset.etag))
        // Names are stable, so a browser asks each time whether it changed; the answer is usually a bare 304.
        .insert_header((CACHE_CONTROL, "public, max-age=0, must-revalidate"));
    if is_known {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, asset.content_type)).body(asset.bytes.into_owned())
}
