//! An archive's HTTP interface, with answers put in by tests.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bindery_content::{Config, HostedContent};
use bindery_core::seams::{ContentProvider, FetchReport};
use bindery_core::{Fault, RepoSpec, ResolvedRef, Tree};
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
