//! An archive's HTTP interface, with answers put in by tests, and the archive files it hands out.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bindery_content::{Config, HostedContent};
use bindery_core::seams::{ContentProvider, FetchReport};
use bindery_core::{Fault, RepoSpec, ResolvedRef, Tree};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde_json::Value;

use super::hostile::Hostile;

enum Answer {
    Body(u16, Vec<u8>),
    To(String),
    /// One after another, the last one for ever.
    Turns(Vec<Vec<u8>>),
}

/// Answers by path and query; everything else is 404.
pub struct Archive {
    server: Hostile,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    data: tempfile::TempDir,
    pub content: HostedContent,
}

impl Archive {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// Every archive of the site is this server.
    pub fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let answers: Arc<Mutex<HashMap<String, Answer>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, heard) = (Arc::clone(&answers), Arc::clone(&asked));
        let server = Hostile::start(move |request, stream| {
            let path = request.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let reply = match known.lock().unwrap().get_mut(&path) {
                Some(Answer::Body(status, body)) => reply(*status, "", body),
                Some(Answer::To(to)) => reply(302, &format!("Location: {to}\r\n"), b""),
                Some(Answer::Turns(turns)) => {
                    let turn = if turns.len() > 1 { turns.remove(0) } else { turns[0].clone() };
                    reply(200, "", &turn)
                }
                None => reply(404, "", b"{}"),
            };
            heard.lock().unwrap().push(request.split(" HTTP").next().unwrap_or_default().to_owned());
            stream.write_all(&reply)
        });
        let url = server.url();
        let mut config = Config { allow_hosts: vec![server.authority()], ..Config::default() };
        for address in [
            &mut config.doi_url,
            &mut config.zenodo_url,
            &mut config.figshare_url,
            &mut config.hydroshare_url,
            &mut config.osf_url,
            &mut config.osf_files_url,
            &mut config.swh_url,
        ] {
            address.clone_from(&url);
        }
        adjust(&mut config);
        let data = tempfile::tempdir().unwrap();
        let content = HostedContent::new(config, data.path().to_owned()).unwrap();
        Self { server, answers, asked, data, content }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn json(&self, path: &str, answer: Value) {
        self.file(path, answer.to_string());
    }

    pub fn file(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap().insert(path.to_owned(), Answer::Body(200, content.into()));
    }

    pub fn status(&self, path: &str, status: u16) {
        self.answers.lock().unwrap().insert(path.to_owned(), Answer::Body(status, b"{}".to_vec()));
    }

    pub fn redirect(&self, path: &str, to: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), Answer::To(to.to_owned()));
    }

    pub fn turns(&self, path: &str, turns: Vec<Value>) {
        let turns = turns.into_iter().map(|turn| turn.to_string().into_bytes()).collect();
        self.answers.lock().unwrap().insert(path.to_owned(), Answer::Turns(turns));
    }

    /// What was asked so far: `GET /path`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Says where a DOI leads.
    pub fn doi(&self, doi: &str, url: &str) {
        let value =
            serde_json::json!({"index": 1, "type": "URL", "data": {"format": "string", "value": url}, "ttl": 86400});
        self.json(
            &format!("/api/handles/{doi}"),
            serde_json::json!({"responseCode": 1, "handle": doi, "values": [value]}),
        );
    }

    pub async fn resolve(&self, provider: &str, raw: &str) -> Result<ResolvedRef, Fault> {
        self.content.resolve(&RepoSpec::parse(provider, raw).unwrap()).await
    }

    pub async fn fetch(&self, provider: &str, raw: &str) -> Result<(Arc<dyn Tree>, FetchReport), Fault> {
        let resolved = self.resolve(provider, raw).await?;
        self.content.fetch(&resolved).await
    }

    /// Names in the data directory, below the one this site works in.
    pub fn left_on_disk(&self) -> usize {
        let runs = std::fs::read_dir(self.data.path().join("content")).unwrap();
        runs.map(|run| std::fs::read_dir(run.unwrap().path()).unwrap().count() - 1).sum()
    }
}

fn reply(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A member of a zip file.
pub struct Member {
    pub name: Vec<u8>,
    pub mode: u32,
    pub content: Vec<u8>,
    pub deflate: bool,
    /// What it says its size is, where that is a lie.
    pub claims: Option<u32>,
    pub flags: u16,
}

pub fn member(name: &str, content: impl Into<Vec<u8>>) -> Member {
    let content = content.into();
    Member { name: name.into(), mode: 0o100_644, content, deflate: true, claims: None, flags: 1 << 11 }
}

/// A zip file as programs on Unix write them.
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

pub fn tar_gz(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for entry in entries {
        encoder.write_all(entry).unwrap();
    }
    encoder.write_all(&[0; 1024]).unwrap();
    encoder.finish().unwrap()
}
