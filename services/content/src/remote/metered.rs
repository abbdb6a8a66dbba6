//! A stream whose every byte counts against limits of size, time and speed.

use std::io::{self, Read};
use std::time::Duration;

use tokio::time::Instant;

use crate::Error;
use crate::task::Task;

/// What a stream is held to.
pub(crate) struct Meter {
    pub(crate) task: Task,
    pub(crate) host: String,
    /// What is too large when it is.
    pub(crate) what: &'static str,
    pub(crate) max_bytes: u64,
    /// The setting that raises it; empty where none does.
    pub(crate) setting: &'static str,
    /// Bytes per second, over `low_speed_time`; zero for any speed.
    pub(crate) low_speed_bytes: u64,
    pub(crate) low_speed_time: Duration,
}

/// Reads from a peer within limits. Its errors are [`Error`] inside [`io::Error`].
pub(crate) struct Metered<R> {
    source: R,
    meter: Meter,
    received: u64,
    /// When the present stretch of low-speed measurement began, and what had been received by then.
    stretch: (Instant, u64),
}

impl<R: Read> Metered<R> {
    pub(crate) fn new(source: R, meter: Meter) -> Self {
        Self { source, meter, received: 0, stretch: (Instant::now(), 0) }
    }

    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    fn check(&mut self) -> Result<(), Error> {
        let meter = &self.meter;
        meter.task.check(&meter.host)?;
        if self.received > meter.max_bytes {
            return Err(Error::over_bytes(meter.what, meter.max_bytes, meter.setting));
        }
        let (since, before) = self.stretch;
        if since.elapsed() >= meter.low_speed_time {
            let seconds = meter.low_speed_time.as_secs();
            if self.received - before < meter.low_speed_bytes.saturating_mul(seconds) {
                let (host, bytes) = (meter.host.clone(), meter.low_speed_bytes);
                return Err(Error::TooSlow { host, bytes, seconds });
            }
            self.stretch = (Instant::now(), self.received);
        }
        Ok(())
    }

    /// What a failed read means: someone stopped it, it took too long, or the peer is gone.
    fn explain(&self, error: &io::Error) -> Error {
        let meter = &self.meter;
        if let Err(stopped) = meter.task.check(&meter.host) {
            return stopped;
        }
        let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
            || matches!(ureq_error(error), Some(ureq::Error::Timeout(_)));
        if timed_out {
            Error::Timeout { host: meter.host.clone(), seconds: meter.low_speed_time.as_secs() }
        } else {
            Error::HostDown { host: meter.host.clone(), reason: "the connection broke off".to_owned() }
        }
    }
}

fn ureq_error(error: &io::Error) -> Option<&ureq::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check().map_err(io::Error::other)?;
        match self.source.read(buffer) {
            Ok(0) => {
                // A stream shut down by a cancellation looks like one that ended.
                self.meter.task.check(&self.meter.host).map_err(io::Error::other)?;
                Ok(0)
            }
            Ok(n) => {
                self.received += n as u64;
                self.check().map_err(io::Error::other)?;
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(io::Error::other(self.explain(&error))),
        }
    }
}
