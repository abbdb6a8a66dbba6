//! The `git://` protocol, for sites that allow it: plain TCP, no proof of who answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use url::Url;

use super::{Meter, Metered, host_of};
use crate::Error;
use crate::egress::Gate;
use crate::task::Task;
use crate::wire::{Advertisement, PacketReader, frame};

/// Until a connection stands, over all addresses of a host.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection on which the repository was named; the server begins with its refs.
pub(super) struct Connection(TcpStream);

/// Connects to an address the gate has checked.
pub(super) fn connect(gate: &Gate, task: &Task, patience: Duration, url: &Url) -> Result<Connection, Error> {
    let host = host_of(url);
    let port = crate::egress::port_of(url);
    let down = |reason: &str| Error::HostDown { host: host.clone(), reason: reason.to_owned() };
    let within = CONNECT.min(task.left());
    let addresses = gate.addresses(&host, port, within)?;
    let share = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut stream = addresses
        .iter()
        .find_map(|address| TcpStream::connect_timeout(address, share.max(Duration::from_millis(100))).ok())
        .ok_or_else(|| down("it refuses the connection"))?;
    let failed = |_| down("the connection failed");
    stream.set_read_timeout(Some(patience)).map_err(failed)?;
    stream.set_write_timeout(Some(patience)).map_err(failed)?;
    let stop = stream.try_clone().map_err(failed)?;
    task.on_cancel(move || {
        // Fails only if it is closed already.
        let _ = stop.shutdown(Shutdown::Both);
    });
    let request = frame(&format!("git-upload-pack {}\0host={host}:{port}\0", url.path()));
    stream.write_all(request.as_bytes()).map_err(failed)?;
    Ok(Connection(stream))
}

impl Connection {
    pub(super) fn boxed(self) -> Box<dyn Read + Send> {
        Box::new(self.0)
    }

    /// Passes over the refs, sends the request, and leaves the stream at its answer.
    pub(super) fn request(self, meter: Meter, body: &str) -> Result<Box<dyn Read + Send>, Error> {
        let host = meter.host.clone();
        let failed = |_| Error::HostDown { host: host.clone(), reason: "the connection failed".to_owned() };
        let mut writer = self.0.try_clone().map_err(failed)?;
        let mut packets = PacketReader::new(Metered::new(self.0.try_clone().map_err(failed)?, meter), &host);
        Advertisement::read(&mut packets, &host)?;
        writer.write_all(body.as_bytes()).map_err(failed)?;
        Ok(Box::new(self.0))
    }
}
