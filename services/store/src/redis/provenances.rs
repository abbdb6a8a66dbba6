//! Provenances in Redis, each as long as its build.

use async_trait::async_trait;
use bindery_core::seams::{Provenances, StoreError};
use bindery_core::{BuildId, Provenance};
use redis::Cmd;

use super::Remote;
use crate::packed::{pack, unpack};

#[async_trait]
impl Provenances for Remote {
    async fn keep(&self, build: BuildId, provenance: &Provenance) -> Result<(), StoreError> {
        let key = key(build);
        let packed = pack(&key, provenance)?;
        self.inner.server.command(&Cmd::set(self.inner.server.key(&key), packed)).await
    }

    async fn provenance(&self, build: BuildId) -> Result<Option<Provenance>, StoreError> {
        let key = key(build);
        let packed: Option<Vec<u8>> = self.inner.server.command(&Cmd::get(self.inner.server.key(&key))).await?;
        packed.map(|packed| unpack(&key, &packed)).transpose()
    }
}

fn key(build: BuildId) -> String {
    format!("provenance:{build}")
}
