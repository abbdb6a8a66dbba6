//! Host names to addresses.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

/// Finds the addresses of a host. The gate checks what it returns; an implementation decides nothing.
pub trait Lookup: Debug + Send + Sync + 'static {
    /// Every address of `host`, which may be an address itself, with `port`. At most `within` long.
    ///
    /// # Errors
    /// Of kind `NotFound` when there is no such name, `TimedOut` when it took too long, any other when looking up failed.
    fn lookup(&self, host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str, port: u16, within: Duration) -> io::Result<Vec<SocketAddr>> {
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        // The C library's resolver has no timeout of its own that we could set; the thread ends when it gives up.
        let (answer, answered) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("lookup".to_owned()).spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            // Nobody may be waiting any more.
            let _ = answer.send(found);
        })?;
        let found = answered.recv_timeout(within).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        // The standard library gives "no such name" no kind of its own.
        let found = found.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}
