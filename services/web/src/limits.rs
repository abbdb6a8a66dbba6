//! How many builds one visitor may start: a bucket of tokens for each address, refilled evenly.
//!
//! In this process's memory: each process of a split site counts for itself, and a restart forgets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Addresses remembered at once. Only those that started something lately are.
const MOST: usize = 100_000;

/// The buckets.
pub(crate) struct Limits {
    /// How many a full bucket allows; 0 is no limit.
    size: u32,
    /// How long an empty one takes to fill.
    period: Duration,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// What is left for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until all of it is there again.
    pub(crate) reset: u64,
}

impl Limits {
    pub(crate) fn new(size: u32, period: Duration) -> Self {
        Self { size, period, buckets: Mutex::default() }
    }

    /// Takes one; or says in how many seconds, rounded up, there will be one.
    pub(crate) fn take(&self, client: IpAddr, now: Instant) -> Result<(), u64> {
        if self.size == 0 {
            return Ok(());
        }
        let client = block_of(client);
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MOST && !buckets.contains_key(&client) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| self.level(*bucket, now) < f64::from(self.size));
            if buckets.len() >= MOST {
                return Ok(());
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: f64::from(self.size), at: now });
        let level = self.level(*bucket, now);
        *bucket = Bucket { tokens: level, at: now };
        if level >= 1.0 {
            bucket.tokens = level - 1.0;
            return Ok(());
        }
        Err(self.seconds_for(1.0 - level).max(1))
    }

    /// What is left, without taking any; `None` when nothing is limited.
    pub(crate) fn allowance(&self, client: IpAddr, now: Instant) -> Option<Allowance> {
        let full = f64::from(self.size);
        let bucket = self.buckets.lock().get(&block_of(client)).copied();
        let level = bucket.map_or(full, |bucket| self.level(bucket, now));
        let whole = (1..=self.size).rev().find(|count| level >= f64::from(*count)).unwrap_or(0);
        let reset = self.seconds_for(full - level);
        (self.size > 0).then_some(Allowance { limit: self.size, remaining: whole, reset })
    }

    fn level(&self, bucket: Bucket, now: Instant) -> f64 {
        let per_second = f64::from(self.size) / self.period.as_secs_f64().max(0.001);
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * per_second;
        // What rounding took from a whole token, it may not keep.
        let level = bucket.tokens + gained + 1e-9;
        level.min(f64::from(self.size))
    }

    fn seconds_for(&self, tokens: f64) -> u64 {
        let seconds = tokens.max(0.0) * self.period.as_secs_f64() / f64::from(self.size.max(1));
        let wait = Duration::try_from_secs_f64(seconds - 1e-6).unwrap_or_default();
        wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
    }
}

/// One customer's IPv6 network is one visitor: they have every address in it.
fn block_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Limits};
    use std::net::IpAddr;
    use std::time::Duration;
    use tokio::time::Instant;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_full_bucket_is_spent_at_once_and_refills_evenly() {
        let limits = Limits::new(10, Duration::from_secs(3600));
        let (start, client) = (Instant::now(), ip("192.0.2.1"));
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..10 {
            assert_eq!(limits.take(client, start), Ok(()));
        }
        assert_eq!(limits.take(client, start), Err(360));
        // Asking costs nothing, and the answer is the time that is left.
        assert_eq!(limits.take(client, at(100)), Err(260));
        assert_eq!(limits.take(client, at(359)), Err(1));
        assert_eq!(limits.take(client, at(360)), Ok(()));
        assert_eq!(limits.take(client, at(360)), Err(360));
        assert_eq!(limits.take(client, at(1080)), Ok(()));
        assert_eq!(limits.take(client, at(1080)), Ok(()));
        assert_eq!(limits.take(client, at(1080)), Err(360));
        // No more than a bucketful is saved up.
        let allowance = limits.allowance(client, at(1_000_000));
        assert_eq!(allowance, Some(Allowance { limit: 10, remaining: 10, reset: 0 }));
    }

    #[test]
    fn an_allowance_says_what_is_left_and_takes_nothing() {
        let limits = Limits::new(3, Duration::from_secs(30));
        let (now, client) = (Instant::now(), ip("192.0.2.1"));
        assert_eq!(limits.allowance(client, now).unwrap().remaining, 3);
        limits.take(client, now).unwrap();
        for _ in 0..2 {
            assert_eq!(limits.allowance(client, now), Some(Allowance { limit: 3, remaining: 2, reset: 10 }));
        }
        assert_eq!(Limits::new(0, Duration::from_secs(30)).allowance(client, now), None);
    }

    #[test]
    fn each_address_has_its_own_and_an_ipv6_network_is_one() {
        let limits = Limits::new(1, Duration::from_secs(60));
        let now = Instant::now();
        for (client, expected) in [
            ("192.0.2.1", Ok(())),
            ("192.0.2.2", Ok(())),
            ("192.0.2.1", Err(60)),
            ("::ffff:192.0.2.1", Err(60)),
            ("2001:db8:1:2::1", Ok(())),
            ("2001:db8:1:2:ffff::9", Err(60)),
            ("2001:db8:1:3::1", Ok(())),
        ] {
            assert_eq!(limits.take(ip(client), now), expected, "{client}");
        }
    }

    #[test]
    fn a_limit_of_none_limits_nobody() {
        let limits = Limits::new(0, Duration::from_secs(60));
        assert!((0..1000).all(|_| limits.take(ip("192.0.2.1"), Instant::now()).is_ok()));
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_once_their_buckets_are_full() {
        let limits = Limits::new(1, Duration::from_secs(60));
        let now = Instant::now();
        for number in 0..u32::try_from(super::MOST).unwrap() {
            limits.take(IpAddr::from(number.to_be_bytes()), now).unwrap();
        }
        limits.take(ip("203.0.113.1"), now + Duration::from_secs(61)).unwrap();
        assert_eq!(limits.buckets.lock().len(), 1);
    }
}
