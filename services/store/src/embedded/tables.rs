//! The tables of the file. Keys are text, values JSON, so that a file can be read by eye and by later versions;
//! only provenances are compressed.

use bindery_core::seams::StoreError;
use bindery_core::{BuildRecord, Fence};
use redb::{ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{unavailable, unreadable};

pub(super) type Text = TableDefinition<'static, &'static str, &'static [u8]>;

/// Build id to [`StoredBuild`]. Ids sort by creation.
pub(super) const BUILDS: Text = TableDefinition::new("builds");
/// Image key to the id of its latest build.
pub(super) const KEYS: Text = TableDefinition::new("keys");
/// The ids of builds that are queued or running, in the order they were asked for.
pub(super) const OPEN: Text = TableDefinition::new("open");
/// A name of a repository and the id of a build of it, in the order they were asked for.
pub(super) const REPOSITORIES: TableDefinition<'static, (&'static str, &'static str), ()> =
    TableDefinition::new("repositories");
/// Topic to [`crate::log::LogMeta`].
pub(super) const LOGS: Text = TableDefinition::new("logs");
/// Topic and event id to event.
pub(super) const EVENTS: TableDefinition<'static, (&'static str, u64), &'static [u8]> = TableDefinition::new("events");
/// Build id to its provenance, compressed.
pub(super) const PROVENANCES: Text = TableDefinition::new("provenances");
/// Session id to session.
pub(super) const SESSIONS: Text = TableDefinition::new("sessions");
/// Names to numbers that only grow.
pub(super) const COUNTERS: TableDefinition<'static, &'static str, u64> = TableDefinition::new("counters");

/// A build and the fence of its latest lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredBuild {
    pub(super) record: BuildRecord,
    pub(super) fence: Fence,
}

/// Reads one record.
pub(super) fn read<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<T>, StoreError> {
    let found = table.get(key).map_err(unavailable)?;
    found.map(|value| decode(key, value.value())).transpose()
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(key, error))
}

pub(super) fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| unreadable(key, error))
}

/// Makes the tables, so that readers need not care whether anything was ever written.
pub(super) fn create(database: &redb::Database) -> Result<(), StoreError> {
    let mut txn = database.begin_write().map_err(unavailable)?;
    txn.set_quick_repair(true);
    for table in [BUILDS, KEYS, OPEN, LOGS, PROVENANCES, SESSIONS] {
        txn.open_table(table).map_err(unavailable)?;
    }
    txn.open_table(EVENTS).map_err(unavailable)?;
    txn.open_table(REPOSITORIES).map_err(unavailable)?;
    txn.open_table(COUNTERS).map_err(unavailable)?;
    txn.commit().map_err(unavailable)
}
