//! A browser that asks for the same once more gets the session it has: people reload, and some programs reconnect for ever.
//!
//! A browser is known by a cookie that our own pages set: a random number that means nothing elsewhere. What it launched is in this
//! process's memory, so another process, or the next, starts another session.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use bindery_core::{ImageKey, LaunchId, SessionId};
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Config;

const COOKIE: &str = "bindery-browser";
/// Launches remembered at once, and for how long at most.
const MOST: usize = 50_000;
const KEPT: Duration = Duration::from_secs(3600);

/// A launch of a browser.
#[derive(Clone, Copy)]
pub(crate) struct Launched {
    pub(crate) launch: LaunchId,
    pub(crate) session: SessionId,
    pub(crate) at: Instant,
}

/// The latest launch of each thing by each browser.
#[derive(Default)]
pub(crate) struct Relaunches(Mutex<HashMap<(String, ImageKey), Launched>>);

impl Relaunches {
    pub(crate) fn note(&self, browser: &str, key: &ImageKey, launched: Launched) {
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.retain(|_, old| launched.at.saturating_duration_since(old.at) < KEPT);
            if known.len() >= MOST {
                return;
            }
        }
        known.insert((browser.to_owned(), key.clone()), launched);
    }

    pub(crate) fn find(&self, browser: &str, key: &ImageKey) -> Option<Launched> {
        self.0.lock().get(&(browser.to_owned(), key.clone())).copied()
    }
}

/// Which browser asks, if it has been here before.
pub(crate) fn browser_of(request: &HttpRequest) -> Option<String> {
    request
        .headers()
        .get_all("cookie")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && Uuid::try_parse(value).is_ok_and(|id| id.get_version_num() == 4))
        .map(|(_, value)| value.to_owned())
}

/// The cookie for a browser that has none.
pub(crate) fn new_cookie(request: &HttpRequest, config: &Config) -> Option<HeaderValue> {
    if browser_of(request).is_some() {
        return None;
    }
    let (id, path) = (Uuid::new_v4().simple(), config.base_path());
    let secure = if config.public_url().starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={id}; Path={path}; Max-Age=86400; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).ok()
}
