//! Not too many questions per host.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Hosts remembered; the ones longest at rest are forgotten first.
const MAX_HOSTS: usize = 4096;

/// A token bucket per host.
#[derive(Debug)]
pub(crate) struct Throttle {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Negative when questions are waiting for their turn.
    tokens: f64,
    at: Instant,
}

impl Throttle {
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        Self { burst: f64::from(burst.max(1)), per_second: f64::from(per_second.max(1)), buckets: Mutex::default() }
    }

    /// How long the next question to `host` must wait; `None`, and nothing is taken, if that is more than `patience`.
    pub(crate) fn take(&self, host: &str, patience: Duration) -> Option<Duration> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_HOSTS {
            // A bucket at rest for this long is full again, so forgetting it changes nothing.
            let full = Duration::from_secs_f64(self.burst / self.per_second);
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < full);
        }
        let bucket = buckets.entry(host.to_owned()).or_insert(Bucket { tokens: self.burst, at: now });
        let tokens =
            (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * self.per_second).min(self.burst) - 1.0;
        let wait = Duration::from_secs_f64((-tokens / self.per_second).max(0.0));
        if wait > patience {
            return None;
        }
        *bucket = Bucket { tokens, at: now };
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::Throttle;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_then_questions_queue_then_are_refused() {
        let throttle = Throttle::new(2, 1);
        let patience = Duration::from_secs(2);
        let seconds = |s| Some(Duration::from_secs(s));
        let taken: Vec<_> = (0..5).map(|_| throttle.take("h", patience)).collect();
        assert_eq!(taken, [seconds(0), seconds(0), seconds(1), seconds(2), None]);
        assert_eq!(throttle.take("other", patience), seconds(0));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(throttle.take("h", patience), seconds(0));
    }
}
