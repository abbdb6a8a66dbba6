//! HTTP to people and programs: pages, the event stream, badges, health and metrics.
//!
//! It holds no state that matters: builds, launches and their events live in the store, and a restart loses nothing but how many
//! builds each address has started lately and which browser launched what a moment ago. It never
//! talks to an engine, never fetches content itself, and names seams, never an adapter.
//!
//! | file | what it does |
//! |---|---|
//! | `app.rs` | the route table, on one screen |
//! | `visit.rs` | one visitor's request, from spec to session: resolve, join or start a build, launch, tell |
//! | `stream.rs` | `/build/…`: a visit as server-sent events, with resume |
//! | `wire.rs` | events as BinderHub clients read them |
//! | `pages.rs` | home, loading, about and error pages |
//! | `repository.rs` | the page of a repository: what was built of it, and of what; `badge.rs` what launches it from a README |
//! | `history.rs` | what earlier builds say of the next one |
//! | `assets.rs` | built files and badges |
//! | `builds.rs` | a build at its permanent address: record, log, provenance |
//! | `operate.rs` | what the operator's programs do with builds: list, cancel |
//! | `notebook.rs` | a notebook, to be read while its session is made |
//! | `plan.rs` | the plan a build follows |
//! | `places.rs` | places in the queue of builds |
//! | `status.rs` | `/health`, `/versions`, `/metrics` |
//! | `providers.rs` | `/api/repoproviders` |
//! | `openapi.rs` | `/api/openapi.json`: all of that, described for programs |
//! | `relaunch.rs` | a browser that comes back at once gets the session it has |
//! | `gate.rs` | who may start something: origins, banned networks, the operator, build tokens |
//! | `tokens.rs` | build tokens: a page we served may start what it is for |
//! | `limits.rs` | how many builds one address may start |
//! | `policy.rs` | networks and repositories that are not served |
//! | `quota.rs` | how many sessions one repository may have |
//! | `launches.rs` | a line of JSON for each launch |
//! | `headers.rs` | content security policy, CORS |
//! | `forwarded.rs` | who the visitor is behind proxies |
//! | `metrics.rs`, `dashboards.rs` | what is counted; under BinderHub's names |

mod app;
mod assets;
mod badge;
mod builds;
mod config;
mod dashboards;
mod error;
mod forwarded;
mod gate;
mod headers;
mod history;
mod launches;
mod limits;
mod metrics;
mod notebook;
mod openapi;
mod operate;
mod pages;
mod places;
mod plan;
mod policy;
mod providers;
mod quota;
mod relaunch;
mod repository;
mod status;
mod stream;
mod tokens;
mod visit;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bindery_core::seams::{ContentProvider, EventLog, Provenances, Queue, SessionStore};
use bindery_frontend::Pages;

pub use app::{configure, serve};
pub use config::Config;
pub use error::Error;
pub use metrics::{Metrics, Reading};
pub use openapi::description;
pub use status::{Check, Probe};

/// Everything a request handler may use.
pub struct Web {
    config: Config,
    /// What, beside repository and commit, decides what is built; part of every image key.
    recipe: String,
    content: Arc<dyn ContentProvider>,
    queue: Arc<dyn Queue>,
    events: Arc<dyn EventLog>,
    sessions: Arc<dyn SessionStore>,
    provenances: Arc<dyn Provenances>,
    pages: Pages,
    metrics: Arc<Metrics>,
    checks: status::Checks,
    policy: policy::Policy,
    tokens: tokens::BuildTokens,
    limits: limits::Limits,
    quotas: quota::Quotas,
    places: places::Places,
    launches: launches::LaunchEvents,
    relaunches: relaunch::Relaunches,
}

/// The outside worlds the web role uses.
pub struct Seams {
    /// Resolves what visitors ask for.
    pub content: Arc<dyn ContentProvider>,
    /// Builds.
    pub queue: Arc<dyn Queue>,
    /// What builds and launches say.
    pub events: Arc<dyn EventLog>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// What images were made of.
    pub provenances: Arc<dyn Provenances>,
}

impl Web {
    /// A web role over these seams. `recipe` names everything beside repository and commit that decides what is built, and must be
    /// the same in every process of a site. `checks` are shown by `/health` in this order.
    ///
    /// # Errors
    /// A template or a pattern of the settings does not compile.
    pub fn new(
        config: Config,
        recipe: String,
        seams: Seams,
        checks: Vec<Arc<dyn Check>>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        let Seams { content, queue, events, sessions, provenances } = seams;
        let pages = Pages::new().map_err(|error| Error::Pages(error.to_string()))?;
        let checks = status::Checks::new(checks);
        let policy = policy::Policy::new(&config)?;
        let secret = config.build_token_secret.as_ref();
        let tokens = tokens::BuildTokens::new(secret, config.build_token_seconds, config.build_token_check_origin);
        let limits = limits::Limits::new(config.rate_limit_builds, Duration::from_secs(config.rate_limit_seconds));
        let quotas = quota::Quotas::new(&config)?;
        let launches = launches::LaunchEvents::new(&config.launch_events);
        Ok(Self {
            config,
            recipe,
            content,
            queue,
            events,
            sessions,
            provenances,
            pages,
            metrics,
            checks,
            policy,
            tokens,
            limits,
            quotas,
            places: places::Places::default(),
            launches,
            relaunches: relaunch::Relaunches::default(),
        })
    }
}
