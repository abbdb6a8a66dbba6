//! The route table.

use std::net::TcpListener;

use actix_web::body::MessageBody;
use actix_web::dev::{HttpServiceFactory, Service as _, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::{App, HttpServer, guard, web};
use tokio_util::sync::CancellationToken;

use crate::headers::{add_cors, client_ip, preflight};
use crate::{
    Error, Web, assets, builds, history, notebook, openapi, operate, pages, plan, providers, repository, status, stream,
};

/// How the names of files end that pages of others show.
const FILES: [&str; 3] = [".svg", ".png", ".ico"];

/// Every route, on one screen.
pub fn configure(routes: &mut web::ServiceConfig, base_path: &str) {
    routes.service(
        web::scope(base_path.trim_end_matches('/'))
            // For programs, BinderHub's clients among them: readable across origins.
            .service(program("/build/{provider}/{spec:.*}", web::get().to(stream::build)))
            .service(program("/versions", web::get().to(status::versions)))
            .service(program("/health", web::route().guard(guard_read()).to(status::health)))
            .service(program("/api/repoproviders", web::get().to(providers::list)))
            .service(program("/api/openapi.json", web::get().to(openapi::serve)))
            .service(program("/_config", web::get().to(providers::legacy)))
            .service(web::resource("/builds").route(web::get().to(operate::list)))
            .service(
                web::resource("/builds/{id}")
                    .route(web::get().to(builds::record))
                    .route(web::delete().to(operate::cancel))
                    .route(web::method(Method::OPTIONS).to(|| async { preflight() }))
                    .wrap(from_fn(cors)),
            )
            .service(program("/builds/{id}/log", web::get().to(builds::log)))
            .service(program("/builds/{id}/plan", web::get().to(plan::plan)))
            .service(program("/builds/{id}/notebook", web::get().to(notebook::notebook)))
            .service(program("/builds/{id}/estimate", web::get().to(history::usually)))
            .service(program("/builds/{id}/provenance", web::get().to(builds::provenance)))
            .service(program("/builds/{id}/bill-of-materials", web::get().to(builds::bill_of_materials)))
            .route("/metrics", web::get().to(status::metrics))
            // For people.
            .service(
                web::scope("")
                    .guard(guard_read())
                    .wrap(Compress::default())
                    .wrap(from_fn(unbanned))
                    .route("/", web::to(pages::home))
                    .route("/about", web::to(pages::about))
                    .route("/launch", web::to(pages::launch_form))
                    .route("/v2/{provider}/{spec:.*}", web::to(pages::loading))
                    .route("/repositories/{provider}/{spec:.*}", web::to(repository::page))
                    .route("/repo/{tail:.*}", web::to(pages::legacy_repo))
                    // For READMEs and browsers.
                    .route("/static/{name}", web::to(assets::file))
                    .route("/badge_logo.svg", web::to(assets::badge_logo))
                    .route("/badge.svg", web::to(assets::badge))
                    .route("/assets/images/badge.svg", web::to(assets::badge))
                    .route("/logo_social.png", web::to(assets::logo_social))
                    .route("/favicon.ico", web::to(assets::favicon))
                    .default_service(web::to(pages::fallback)),
            ),
    );
}

fn guard_read() -> impl guard::Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

/// A resource that pages of other origins may read, and ask whether they may.
fn program(path: &str, route: actix_web::Route) -> impl HttpServiceFactory + 'static {
    let preflights = web::method(Method::OPTIONS).to(|| async { preflight() });
    web::resource(path).route(route).route(preflights).wrap(from_fn(cors))
}

/// Lets pages of the origins the site allows read the answer.
async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let allowed =
        request.app_data::<web::Data<Web>>().map(|web| web.config.cors_allow_origin.clone()).unwrap_or_default();
    let mut response = next.call(request).await?;
    add_cors(response.headers_mut(), origin.as_deref(), &allowed);
    Ok(response)
}

/// Pages are not for banned networks; badges, which others' pages show, are.
async fn unbanned(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let is_file = request.path().contains("/static/") || FILES.iter().any(|kind| request.path().ends_with(kind));
    let banned = request.app_data::<web::Data<Web>>().filter(|_| !is_file).and_then(|web| {
        let client = client_ip(request.request(), &web.config.trusted_proxies)?;
        let network = web.policy.banned_network(client)?;
        Some(pages::banned(web, &network.to_string()))
    });
    match banned {
        Some(response) => Ok(request.into_response(response).map_into_right_body()),
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

/// Serves on `listener` until `shutdown`, then closes: open streams are told nothing and resume elsewhere.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(web: Web, listener: TcpListener, shutdown: CancellationToken) -> Result<(), Error> {
    let base_path = web.config.base_path();
    let web = web::Data::new(web);
    let server = HttpServer::new(move || {
        let base_path = base_path.clone();
        App::new()
            .app_data(web.clone())
            .wrap_fn(|request, app| {
                let response = app.call(request);
                async {
                    let mut response = response.await?;
                    response
                        .headers_mut()
                        .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
                    Ok(response)
                }
            })
            .configure(move |routes| configure(routes, &base_path))
    })
    .workers(std::thread::available_parallelism().map_or(2, usize::from))
    // A visitor who hangs up has left, at once and not only when something is next written to them: otherwise each reload
    // during a build would leave a visit behind that starts a session for nobody.
    .h1_allow_half_closed(false)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)
    .map_err(Error::Server)?
    .run();
    let handle = server.handle();
    let stopper = actix_web::rt::spawn(async move {
        shutdown.cancelled().await;
        handle.stop(true).await;
    });
    let result = server.await.map_err(Error::Server);
    stopper.abort();
    result
}
