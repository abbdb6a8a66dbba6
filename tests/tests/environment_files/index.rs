//! A Python package index on the engine's network, where builds reach it, which counts what is fetched from it.

use bindery_tests::engine::Engine;
use bindery_tests::repos::{RepoFile, write};
use uuid::Uuid;

use crate::support::Server;

/// The index of `tests/index.py`.
pub(crate) struct Index {
    server: Server,
    /// What the names of `shared-RUN-N` have in common: no cache of an earlier run knows them.
    pub(crate) run: String,
}

impl Index {
    /// Starts one; `None`, loudly, when there is no engine and this is not CI.
    #[track_caller]
    pub(crate) fn find(test: &str) -> Option<Self> {
        let engine = Engine::find(test)?;
        let run = Uuid::new_v4().simple().to_string();
        let script = include_str!("../../index.py");
        let options = ["--no-healthcheck", "--user", "root", "--entrypoint", "python3"];
        let server = Server::start(&engine, &options, &engine.base_image, &["-c", script, &run]);
        server.until(&["curl", "-fsS", "http://127.0.0.1:8000/simple/"]);
        Some(Self { server, run })
    }

    /// Its address, for an installer.
    #[track_caller]
    pub(crate) fn url(&self) -> String {
        format!("http://{}:8000/simple", self.server.address())
    }

    /// What a shell script prints, run beside the index in a directory of these files.
    #[track_caller]
    pub(crate) fn sh(&self, files: &[RepoFile], script: &str) -> String {
        let (here, there) = (tempfile::tempdir().unwrap(), format!("/srv/{}", Uuid::new_v4().simple()));
        write(here.path(), files).unwrap();
        self.server.copy(here.path(), &there);
        self.server.exec(&["bash", "-euc", &format!("cd {there}; {script}")])
    }

    /// The files fetched from it so far, in order; some more than once, for what is written in them first.
    pub(crate) fn fetched(&self) -> Vec<String> {
        let log = self.server.logs();
        let asked = log.lines().filter_map(|line| line.split_once("\"GET /files/")?.1.split_whitespace().next());
        asked.map(str::to_owned).collect()
    }
}
