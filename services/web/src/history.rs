//! What is known of earlier builds of a repository: which there were, how long they took, and so how long the next one may take.

use std::time::Duration;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use bindery_core::seams::StoreError;
use bindery_core::{BuildId, BuildRecord, BuildState, EnvironmentKey, EventId, RepoSpec, Timestamp, Topic};
use serde::Serialize;
use utoipa::ToSchema;

use crate::builds::find;
use crate::error::Unavailable;
use crate::{Web, plan};

/// How many earlier builds an estimate looks at.
const LOOKED_AT: usize = 12;

/// A build that gave an image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Past {
    environment: Option<EnvironmentKey>,
    took: Duration,
    /// Whether no earlier one, among those that are known, had its environment.
    first: bool,
}

/// What earlier builds say of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usual {
    /// The middle one of their times.
    pub(crate) time: Duration,
    /// How many they are.
    pub(crate) builds: usize,
}

impl Web {
    /// The builds of the repository that `spec` names, whichever provider or spelling they were asked for by, the latest first.
    /// Contacts nobody: a repository that was never built under this name has none.
    pub(crate) async fn builds_of(&self, spec: &RepoSpec, limit: usize) -> Result<Vec<BuildRecord>, StoreError> {
        let named = self.queue.of_repository(&spec.repository_name(), 1).await?;
        match named.first() {
            Some(record) => {
                let mut records = self.queue.of_repository(&record.request.resolved.identity, limit).await?;
                records.retain(|record| self.policy.shown(&record.request.resolved).is_ok());
                Ok(records)
            }
            None => Ok(Vec::new()),
        }
    }

    /// When a worker took the build up, as its log has it.
    pub(crate) async fn began(&self, id: BuildId) -> Result<Option<Timestamp>, StoreError> {
        // The first event is that it was asked for.
        Ok(self.events.history(Topic::Build(id), EventId(1), 1).await?.first().map(|event| event.at))
    }

    /// How long it took, the time in the queue not counted, once it has ended.
    pub(crate) async fn took(&self, record: &BuildRecord) -> Result<Option<Duration>, StoreError> {
        let (BuildState::Built { at, .. } | BuildState::Failed { at, .. }) = record.state else { return Ok(None) };
        let began = self.began(record.id).await?.unwrap_or(record.created);
        Ok(Some(at.since(began.min(at))))
    }

    /// How long a build like this one usually takes; `None` where nothing is known.
    async fn usual(&self, record: &BuildRecord) -> Result<Option<Usual>, StoreError> {
        let earlier = self.queue.of_repository(&record.request.resolved.identity, LOOKED_AT + 1).await?;
        let mut past = Vec::new();
        for earlier in earlier.iter().filter(|earlier| earlier.id != record.id) {
            if let (BuildState::Built { environment, .. }, Some(took)) = (&earlier.state, self.took(earlier).await?) {
                past.push(Past { environment: environment.clone(), took, first: false });
            }
        }
        mark_first(&mut past);
        let planned = plan::in_log(self, record.id).await?;
        let planned = planned.map(|plan| plan.get("environment_key").and_then(|key| key.as_str().map(str::to_owned)));
        Ok(estimate(&past, planned.as_ref().map(Option::as_deref)))
    }
}

/// `past` is the latest first.
fn mark_first(past: &mut [Past]) {
    for at in 0..past.len() {
        if let Some((this, earlier)) = past.get_mut(at..).and_then(<[Past]>::split_first_mut) {
            this.first = earlier.iter().all(|one| one.environment != this.environment);
        }
    }
}

/// Of the builds that were like this one. `planned` is what its plan says its environment is, once there is one: an environment that
/// was built before need not be built again, and one that was not takes as long as others did.
fn estimate(past: &[Past], planned: Option<Option<&str>>) -> Option<Usual> {
    let alike: Vec<&Past> = match planned {
        None => past.iter().collect(),
        Some(planned) => {
            let same = |one: &&Past| one.environment.as_ref().map(EnvironmentKey::as_str) == planned;
            let known = planned.is_some() && past.iter().any(|one| same(&one));
            // A repository with a Dockerfile of its own has no environment to keep.
            past.iter()
                .filter(|one| planned.is_none() && same(one) || planned.is_some() && one.first != known)
                .collect()
        }
    };
    let mut times: Vec<Duration> = alike.iter().map(|one| one.took).collect();
    times.sort_unstable();
    times.get(times.len() / 2).map(|time| Usual { time: *time, builds: times.len() })
}

/// How long a build like this one takes.
#[derive(Debug, Serialize, ToSchema)]
struct Estimate {
    /// The middle one of the times of earlier ones, in milliseconds; absent where there were none.
    #[schema(value_type = Option<u64>)]
    usual_ms: Option<u128>,
    /// How many those are.
    builds: usize,
    /// For how long this one has been at work.
    #[schema(value_type = Option<u64>)]
    running_ms: Option<u128>,
}

#[utoipa::path(
    get, path = "/builds/{id}/estimate", tag = "builds", operation_id = "readEstimate",
    summary = "How long a build like this one usually takes", description = "",
    params(("id" = String, Path, description = "The build's id")),
    responses(
        (status = 200, description = "What earlier builds of the repository say", body = Estimate),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build", content_type = "text/html", body = String),
        (status = 503, description = "The service's records cannot be read now", body = Unavailable),
    ),
)]
/// `GET /builds/<id>/estimate`: how long such a build usually takes, and since when this one is at work.
pub(crate) async fn usually(web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let (id, record) = match find(&web, &id).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let told = async {
        let began = web.began(id).await?;
        let so_far = began.map(|began| Timestamp::now().since(began).as_millis());
        Ok::<_, StoreError>((so_far, web.usual(&record).await?))
    };
    match told.await {
        Ok((so_far, usual)) => HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(Estimate {
            usual_ms: usual.as_ref().map(|usual| usual.time.as_millis()),
            builds: usual.as_ref().map_or(0, |usual| usual.builds),
            running_ms: so_far,
        }),
        Err(error) => {
            tracing::error!(build = %id, "earlier builds cannot be read: {error}");
            HttpResponse::ServiceUnavailable().json(Unavailable { fault: error.into() })
        }
    }
}

/// `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis < 9950 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    let seconds = (millis + 500) / 1000;
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bindery_core::EnvironmentKey;

    use super::{Past, Usual, duration, estimate, mark_first};

    fn key(name: char) -> EnvironmentKey {
        EnvironmentKey::of_parts([name.to_string().as_bytes()])
    }

    /// The latest first: an environment each, and how long it took.
    fn past(builds: &[(char, u64)]) -> Vec<Past> {
        let past = |(name, seconds): &(char, u64)| Past {
            environment: (*name != '-').then(|| key(*name)),
            took: Duration::from_secs(*seconds),
            first: false,
        };
        let mut past: Vec<Past> = builds.iter().map(past).collect();
        mark_first(&mut past);
        past
    }

    fn usual(seconds: u64, builds: usize) -> Option<Usual> {
        Some(Usual { time: Duration::from_secs(seconds), builds })
    }

    #[test]
    fn without_a_plan_it_is_the_middle_of_all() {
        assert_eq!(estimate(&[], None), None);
        assert_eq!(estimate(&past(&[('a', 100)]), None), usual(100, 1));
        assert_eq!(estimate(&past(&[('a', 3), ('a', 5), ('a', 100)]), None), usual(5, 3));
    }

    #[test]
    fn an_environment_that_is_there_is_not_built_again_and_a_new_one_is() {
        let builds = past(&[('b', 4), ('b', 120), ('a', 3), ('a', 2), ('a', 100)]);
        let (a, b, new) = (key('a'), key('b'), key('c'));
        assert_eq!(estimate(&builds, Some(Some(a.as_str()))), usual(3, 3));
        assert_eq!(estimate(&builds, Some(Some(b.as_str()))), usual(3, 3));
        assert_eq!(estimate(&builds, Some(Some(new.as_str()))), usual(120, 2));
        // Only ever built with its environment: what the rest takes alone is not known.
        assert_eq!(estimate(&past(&[('a', 100)]), Some(Some(a.as_str()))), None);
    }

    #[test]
    fn a_repository_with_its_own_dockerfile_takes_as_long_as_that_did() {
        let builds = past(&[('-', 50), ('a', 3), ('-', 70), ('-', 60)]);
        assert_eq!(estimate(&builds, Some(None)), usual(60, 3));
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let rows = [
            (0, "0.0 s"),
            (440, "0.4 s"),
            (9_949, "9.9 s"),
            (9_950, "10 s"),
            (59_499, "59 s"),
            (185_000, "3 min 05 s"),
        ];
        for (millis, text) in rows {
            assert_eq!(duration(Duration::from_millis(millis)), text, "{millis}");
        }
    }
}
