//! `/api/openapi.json`: what programs may ask for, described by the code that answers.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, ServerBuilder};
use utoipa::{Modify, OpenApi as _};

use crate::{Web, assets, builds, history, notebook, operate, plan, providers, status, stream};

/// Pages for people are not in it.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bindery",
        description = "A repository becomes a running notebook. The paths, events and shapes of BinderHub, and more beside them.",
        license(name = "BSD-3-Clause", identifier = "BSD-3-Clause"),
        contact(),
    ),
    paths(
        stream::build,
        operate::list,
        builds::record,
        operate::cancel,
        builds::log,
        plan::plan,
        history::usually,
        notebook::notebook,
        builds::provenance,
        builds::bill_of_materials,
        providers::list,
        providers::legacy,
        serve,
        status::versions,
        status::health,
        status::metrics,
        assets::badge_logo,
        assets::badge,
        assets::logo_social,
    ),
    modifiers(&Operator),
    tags(
        (name = "launches", description = "From a link to a session"),
        (name = "builds", description = "Builds at their permanent addresses"),
        (name = "service", description = "What this service is and how it is"),
        (name = "badges", description = "Pictures for links"),
    ),
)]
struct Description;

/// How the operator is known.
struct Operator;

impl Modify for Operator {
    fn modify(&self, openapi: &mut OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("`web.api_token`")).build();
        openapi.components.get_or_insert_default().add_security_scheme("operator", SecurityScheme::Http(bearer));
    }
}

/// The description of a service at the root of its host, as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn description() -> Result<String, serde_json::Error> {
    Ok(Description::openapi().to_pretty_json()? + "\n")
}

#[utoipa::path(
    get, path = "/api/openapi.json", tag = "service", operation_id = "readDescription",
    summary = "This description", description = "",
    responses((status = 200, description = "An OpenAPI document", body = Object)),
)]
/// `GET /api/openapi.json`: the description, with the address of this service.
pub(crate) async fn serve(web: web::Data<Web>) -> HttpResponse {
    let mut description = Description::openapi();
    let address = web.config.public_url();
    description.servers = Some(vec![ServerBuilder::new().url(address.trim_end_matches('/')).build()]);
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(description)
}
