//! Two sockets joined: bytes go both ways as they are. Frames are followed only to tell activity from pings, and to know
//! where one ends.
//!
//! A buffer is held only while bytes are on their way, so an idle WebSocket costs two sockets and a small task.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use crate::body::Progress;
use crate::opcodes::Opcodes;
use crate::routes::Route;

const BUFFER: usize = 32 * 1024;
/// The most unused buffers kept per thread.
const MOST_BUFFERS: usize = 16;
/// How long the other side may take to finish after one side ended.
const FINISH: Duration = Duration::from_secs(5);
/// How long a visitor may take to hear a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// A close frame with code 1001, "going away".
const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// One side of a tunnel: its socket, and what was already read from it.
pub(crate) struct Side {
    pub(crate) stream: TcpStream,
    pub(crate) early: Vec<u8>,
}

/// See the module's description.
pub(crate) struct Tunnel<'a> {
    pub(crate) client: Side,
    pub(crate) server: Side,
    pub(crate) route: &'a Route,
    /// The longest silence.
    pub(crate) idle: Duration,
    /// Cancelled when the proxy cannot wait any longer.
    pub(crate) kill: &'a CancellationToken,
}

impl Tunnel<'_> {
    /// Moves bytes until one side ends, the route is removed, nothing moved for too long, or the proxy ends.
    pub(crate) async fn run(self) {
        let Self { mut client, mut server, route, idle, kill } = self;
        let progress = Progress::new();
        let whole = AtomicBool::new(true);
        let (from_client, mut to_client) = client.stream.split();
        let (from_server, mut to_server) = server.stream.split();

        let ended = {
            let up = pump(&from_client, &mut to_server, client.early, &progress, |data| {
                if data > 0 {
                    route.touch();
                }
            });
            let down = follow_frames(&from_server, &mut to_client, server.early, &progress, &whole);
            tokio::pin!(up, down);
            tokio::select! {
                // When one side is finished, what the other still has to say is passed on.
                ended = &mut up => ended.is_err() || tokio::time::timeout(FINISH, down).await.is_ok(),
                ended = &mut down => ended.is_err() || tokio::time::timeout(FINISH, up).await.is_ok(),
                () = route.gone.cancelled() => false,
                () = kill.cancelled() => false,
                () = progress.stalled(idle) => false,
            }
        };
        if !ended {
            let goodbye = say_goodbye(&from_client, &mut to_client, whole.load(Ordering::Relaxed));
            tokio::time::timeout(GOODBYE, goodbye).await.ok();
        }
    }
}

/// Tells a visitor that the session is going away, if it stands between two frames, and waits until it hung up: closing
/// with unread bytes would reset the connection and could lose the goodbye.
async fn say_goodbye(from: &ReadHalf<'_>, to: &mut WriteHalf<'_>, whole: bool) -> io::Result<()> {
    if whole {
        to.write_all(&GOING_AWAY).await?;
    }
    to.shutdown().await?;
    let mut sink = buffer();
    loop {
        from.readable().await?;
        sink.clear();
        match from.try_read_buf(&mut sink) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// [`pump`], noting in `whole` whether what was written ends with a frame.
async fn follow_frames(
    from: &ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    early: Vec<u8>,
    progress: &Progress,
    whole: &AtomicBool,
) -> io::Result<()> {
    copy(from, to, early, progress, |_, opcodes, written| {
        whole.store(written && opcodes.at_boundary(), Ordering::Relaxed);
    })
    .await
}

/// Moves bytes one way until their source ends, then ends the destination. `seen` hears how many data frames began.
async fn pump(
    from: &ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    early: Vec<u8>,
    progress: &Progress,
    seen: impl Fn(usize),
) -> io::Result<()> {
    copy(from, to, early, progress, |data, _, written| {
        if !written {
            seen(data);
        }
    })
    .await
}

/// `note` is called before and after each write, with the data frames that began in it, the frames so far, and which it is.
async fn copy(
    from: &ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    early: Vec<u8>,
    progress: &Progress,
    note: impl Fn(usize, &Opcodes, bool),
) -> io::Result<()> {
    let mut opcodes = Opcodes::default();
    if !early.is_empty() {
        pass(&early, to, &mut opcodes, &note).await?;
    }
    drop(early);
    loop {
        from.readable().await?;
        let mut bytes = buffer();
        match from.try_read_buf(&mut bytes) {
            Ok(0) => return to.shutdown().await,
            Ok(_) => pass(&bytes, to, &mut opcodes, &note).await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        progress.note();
        give_back(bytes);
    }
}

async fn pass(
    bytes: &[u8],
    to: &mut WriteHalf<'_>,
    opcodes: &mut Opcodes,
    note: &impl Fn(usize, &Opcodes, bool),
) -> io::Result<()> {
    let data = opcodes.feed(bytes);
    note(data, opcodes, false);
    to.write_all(bytes).await?;
    note(data, opcodes, true);
    Ok(())
}

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn buffer() -> Vec<u8> {
    BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BUFFER))
}

fn give_back(mut bytes: Vec<u8>) {
    bytes.clear();
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < MOST_BUFFERS {
            buffers.push(bytes);
        }
    });
}
