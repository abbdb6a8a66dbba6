//! Provenances in the file, beside their builds.

use async_trait::async_trait;
use bindery_core::seams::{Provenances, StoreError};
use bindery_core::{BuildId, Provenance};

use super::Embedded;
use super::tables::PROVENANCES;
use crate::error::unavailable;
use crate::packed::{pack, unpack};

#[async_trait]
impl Provenances for Embedded {
    async fn keep(&self, build: BuildId, provenance: &Provenance) -> Result<(), StoreError> {
        let key = build.to_string();
        let packed = pack(&key, provenance)?;
        self.inner.writer.run(move |tx| tx.put_bytes(PROVENANCES, &key, &packed)).await
    }

    async fn provenance(&self, build: BuildId) -> Result<Option<Provenance>, StoreError> {
        let key = build.to_string();
        let read = self.inner.writer.read(move |txn| {
            let table = txn.open_table(PROVENANCES).map_err(unavailable)?;
            let found = table.get(key.as_str()).map_err(unavailable)?;
            found.map(|value| unpack(&key, value.value())).transpose()
        });
        read.await
    }
}
