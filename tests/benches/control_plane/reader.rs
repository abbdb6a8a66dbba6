//! Reads an event stream as cheaply as can be: thousands of them share a core with the clock that times them.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A stream, read event by event.
pub(crate) struct Reader {
    socket: TcpStream,
    /// Bytes as they came.
    raw: Vec<u8>,
    /// The body, taken out of its chunks.
    body: Vec<u8>,
    /// How much of `body` has been read.
    read: usize,
    /// The id of the last event.
    pub(crate) id: Option<String>,
}

impl Reader {
    /// Opens a stream, after the event of that id if there is one.
    pub(crate) async fn open(address: SocketAddr, target: &str, after: Option<&str>) -> Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let after = after.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n{after}\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = find(&raw, b"\r\n\r\n") {
                break end;
            }
            if socket.read_buf(&mut raw).await? == 0 {
                bail!("hung up before the head");
            }
        };
        if !raw.starts_with(b"HTTP/1.1 200 ") {
            bail!("{}", String::from_utf8_lossy(&raw));
        }
        raw.drain(..end + 4);
        Ok(Self { socket, raw, body: Vec::new(), read: 0, id: None })
    }

    /// The data of the next event.
    pub(crate) async fn event(&mut self) -> Result<Vec<u8>> {
        loop {
            let unread = self.body.get(self.read..).unwrap_or_default();
            if let Some(end) = find(unread, b"\n\n") {
                let frame = unread.get(..end).unwrap_or_default();
                let field = |name: &[u8]| frame.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name));
                if let Some(id) = field(b"id: ") {
                    self.id = Some(String::from_utf8(id.to_vec())?);
                }
                let data = field(b"data: ").map(<[u8]>::to_vec);
                self.read += end + 2;
                if let Some(data) = data {
                    return Ok(data);
                }
                continue;
            }
            self.body.drain(..self.read);
            self.read = 0;
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        loop {
            if let Some(line) = find(&self.raw, b"\r\n") {
                let size = self.raw.get(..line).map(String::from_utf8_lossy).context("no size")?;
                let size = usize::from_str_radix(&size, 16)?;
                if size == 0 {
                    bail!("the stream ended");
                }
                if let Some(chunk) =
                    self.raw.get(line + 2..line + 2 + size).filter(|_| self.raw.len() >= line + size + 4)
                {
                    self.body.extend_from_slice(chunk);
                    self.raw.drain(..line + size + 4);
                    return Ok(());
                }
            }
            if self.socket.read_buf(&mut self.raw).await? == 0 {
                bail!("hung up");
            }
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
