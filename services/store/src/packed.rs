//! Provenances as they are kept: JSON, compressed, since most of it is names that recur.

use std::io::{Read as _, Write as _};

use bindery_core::Provenance;
use bindery_core::seams::StoreError;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::error::unreadable;

/// More than any provenance takes; a guard against a value that somebody else wrote.
const LIMIT: u64 = 64 * 1024 * 1024;

pub(crate) fn pack(key: &str, provenance: &Provenance) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(provenance).map_err(|error| unreadable(key, error))?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&json).and_then(|()| encoder.finish()).map_err(|error| unreadable(key, error))
}

pub(crate) fn unpack(key: &str, packed: &[u8]) -> Result<Provenance, StoreError> {
    let mut json = Vec::new();
    ZlibDecoder::new(packed).take(LIMIT).read_to_end(&mut json).map_err(|error| unreadable(key, error))?;
    serde_json::from_slice(&json).map_err(|error| unreadable(key, error))
}

#[cfg(test)]
mod tests {
    use bindery_core::seams::StoreError;

    use super::unpack;

    #[test]
    fn what_somebody_else_wrote_is_unreadable() {
        for bytes in [b"".as_slice(), b"{}", &[0x78, 0x9c, 0xff]] {
            assert!(matches!(unpack("provenance:x", bytes), Err(StoreError::Unreadable { .. })), "{bytes:?}");
        }
    }
}
