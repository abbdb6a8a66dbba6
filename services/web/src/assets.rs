//! Built files and badges, with strong entity tags.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::Web;
use crate::pages;

/// `GET /static/<name>`.
pub(crate) async fn file(request: HttpRequest, web: web::Data<Web>, name: web::Path<String>) -> HttpResponse {
    respond(&request, &web, &name)
}

/// The badge that links in READMEs show.
pub(crate) async fn badge_logo(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    respond(&request, &web, "badge_logo.svg")
}

/// The older, plain badge.
pub(crate) async fn badge(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    respond(&request, &web, "badge.svg")
}

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
