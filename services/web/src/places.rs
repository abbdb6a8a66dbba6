//! Places in the queue of builds: the store is asked once for all who wait.

use std::collections::HashMap;
use std::time::Duration;

use bindery_core::seams::{Queue, StoreError};
use bindery_core::{BuildId, EventBody, Phase, Topic};
use tokio::sync::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// How old an answer of the store may be.
const FRESH: Duration = Duration::from_millis(500);

/// The queue as it was last read.
#[derive(Default)]
pub(crate) struct Places(Mutex<Option<(Instant, HashMap<BuildId, u32>)>>);

impl Places {
    /// The place of a build, from 1; `None` when it does not wait.
    async fn of(&self, queue: &dyn Queue, build: BuildId) -> Result<Option<u32>, StoreError> {
        let mut last = self.0.lock().await;
        if let Some((at, places)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(places.get(&build).copied());
        }
        let places: HashMap<BuildId, u32> = queue.waiting().await?.into_iter().zip(1..).collect();
        let place = places.get(&build).copied();
        *last = Some((Instant::now(), places));
        Ok(place)
    }
}

/// One visitor's waiting for a builder.
pub(crate) struct Waiting {
    /// None once it is over, and for what waits elsewhere.
    build: Option<BuildId>,
    told: Option<u32>,
    looks: Interval,
}

impl Waiting {
    pub(crate) fn on(topic: Topic, between: Duration) -> Self {
        let between = between.max(Duration::from_secs(1));
        // Not at once: most builds are taken up in the moment they are asked for.
        let mut looks = tokio::time::interval_at(Instant::now() + between, between);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let build = match topic {
            Topic::Build(build) => Some(build),
            Topic::Launch(_) => None,
        };
        Self { build, told: None, looks }
    }

    /// What the log says now: a builder that says anything has taken it up.
    pub(crate) fn heard(&mut self, phase: Phase) {
        if phase != Phase::Waiting {
            self.build = None;
        }
    }

    /// Waits until the place may have changed. Never ends when nobody waits.
    pub(crate) async fn look(&mut self) {
        match self.build {
            Some(_) => _ = self.looks.tick().await,
            None => std::future::pending().await,
        }
    }

    /// What to tell, if the place is another than was told.
    pub(crate) async fn moved(&mut self, places: &Places, queue: &dyn Queue) -> Option<(BuildId, EventBody)> {
        let build = self.build?;
        // A place that cannot be read now is not worth ending a visit for.
        let place = places.of(queue, build).await.ok()??;
        (self.told.replace(place) != Some(place)).then(|| (build, EventBody::queued_build(place)))
    }
}
