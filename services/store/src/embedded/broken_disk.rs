//! What happens when the disk fails and comes back.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bindery_core::seams::{EventLog as _, EventStream, Leases as _, SessionStore as _, StoreError};
use bindery_core::{EventBody, EventId, Fault, LaunchId, Phase, Topic, WorkerId};
use futures::StreamExt as _;
use redb::StorageBackend;

use super::{Embedded, start};
use crate::Config;
use crate::stores::Medium as _;

/// A file that refuses to be written while `full`.
struct Disk {
    file: redb::backends::FileBackend,
    full: Arc<AtomicBool>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    fn check(&self) -> Result<(), io::Error> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.check()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.check()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.check()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.file.close()
    }
}

async fn open_on(path: &Path, full: &Arc<AtomicBool>) -> Embedded {
    let (to_open, full) = (path.to_owned(), Arc::clone(full));
    let opener = move || {
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(&to_open).unwrap();
        let disk = Disk { file: redb::backends::FileBackend::new(file)?, full: Arc::clone(&full) };
        redb::Builder::new().create_with_backend(disk)
    };
    start(path, Box::new(opener), &Config::default()).await.unwrap()
}

fn line(text: &str) -> EventBody {
    EventBody::message(Phase::Launching, text)
}

async fn next(stream: &mut EventStream) -> String {
    let event = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.unwrap().unwrap().unwrap();
    event.body.message.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_that_changes_nothing_and_ends_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.redb");
    let full = Arc::new(AtomicBool::new(false));
    let store = open_on(&path, &full).await;
    let topic = Topic::Launch(LaunchId::new());
    store.append(topic, vec![line("before")], None).await.unwrap();
    store.reachable().await.unwrap();
    let mut stream = store.follow(topic, EventId::START).await.unwrap();
    assert_eq!(next(&mut stream).await, "before\n");

    full.store(true, Ordering::SeqCst);
    assert!(matches!(store.reachable().await, Err(StoreError::Unavailable(_))));
    // A line is shown even when it cannot be written yet.
    store.append(topic, vec![line("during")], None).await.unwrap();
    let holder = WorkerId("w".to_owned());
    let refused = store.try_acquire("cull", &holder, Duration::from_secs(60)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(next(&mut stream).await, "during\n");

    full.store(false, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(60), async {
        while store.reachable().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    // What was refused had no effect.
    assert!(store.try_acquire("cull", &holder, Duration::from_secs(60)).await.unwrap().is_some());
    assert!(store.list().await.unwrap().is_empty());
    store.append(topic, vec![EventBody::failed(Fault::us("x", "y"))], None).await.unwrap();
    assert_eq!(stream.count().await, 1);
    store.close().await;

    let store = open_on(&path, &full).await;
    let kept = store.history(topic, EventId::START, 10).await.unwrap();
    let texts: Vec<_> = kept.iter().map(|event| (event.id.0, event.body.message.as_str())).collect();
    assert_eq!(texts, [(1, "before\n"), (2, "during\n"), (3, "y\n")]);
    store.close().await;
}
