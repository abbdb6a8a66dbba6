//! Zip and tar files, made byte by byte, so that they can be what no program would write.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// A member of a zip file.
#[derive(Debug)]
pub struct Member {
    /// Its path.
    pub name: Vec<u8>,
    /// Its mode on Unix.
    pub mode: u32,
    /// What is in it.
    pub content: Vec<u8>,
    /// Whether that is compressed.
    pub deflate: bool,
    /// What it says its size is, where that is a lie.
    pub claims: Option<u32>,
    /// Its general purpose flags.
    pub flags: u16,
}

/// A regular file.
#[must_use]
pub fn member(name: &str, content: impl Into<Vec<u8>>) -> Member {
    let content = content.into();
    Member { name: name.into(), mode: 0o100_644, content, deflate: true, claims: None, flags: 1 << 11 }
}

/// A zip file as programs on Unix write them.
#[must_use]
pub fn zip(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = u32::try_from(out.len()).unwrap();
        let packed = if member.deflate {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&member.content).unwrap();
            encoder.finish().unwrap()
        } else {
            member.content.clone()
        };
        let mut crc = flate2::Crc::new();
        crc.update(&member.content);
        let mut fields = Vec::new();
        fields.extend(20_u16.to_le_bytes());
        fields.extend(member.flags.to_le_bytes());
        fields.extend(if member.deflate { 8_u16 } else { 0 }.to_le_bytes());
        fields.extend([0; 4]);
        fields.extend(crc.sum().to_le_bytes());
        fields.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        fields.extend(member.claims.unwrap_or(u32::try_from(member.content.len()).unwrap()).to_le_bytes());
        fields.extend(u16::try_from(member.name.len()).unwrap().to_le_bytes());
        fields.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend(&member.name);
        out.extend(&packed);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]);
        directory.extend(&fields);
        directory.extend([0; 6]);
        directory.extend((member.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&member.name);
    }
    let at = u32::try_from(out.len()).unwrap();
    let count = u16::try_from(members.len()).unwrap();
    let size = u32::try_from(directory.len()).unwrap();
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// An entry of a tar file, its name unchecked.
#[must_use]
pub fn tar_entry(name: &str, kind: tar::EntryType, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// A compressed tar file of entries.
#[must_use]
pub fn tar_gz(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for entry in entries {
        encoder.write_all(entry).unwrap();
    }
    encoder.write_all(&[0; 1024]).unwrap();
    encoder.finish().unwrap()
}
