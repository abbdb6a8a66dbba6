//! Where the test engine is, and what a test may have left in it.

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::repos::{RepoFile, file};

/// A real Docker engine and a base image in it, as `tests/run` provides them.
#[derive(Debug, Clone)]
pub struct Engine {
    /// `unix://…`.
    pub docker_host: String,
    /// The Jupyter stack to build on.
    pub base_image: String,
}

impl Engine {
    /// The test engine; `None`, loudly, when there is none and this is not CI.
    ///
    /// # Panics
    /// In CI, when there is none.
    #[must_use]
    pub fn find(test: &str) -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("BINDERY_TEST_DOCKER_HOST"), variable("BINDERY_TEST_BASE_IMAGE")) {
            (Some(docker_host), Some(base_image)) => Some(Self { docker_host, base_image }),
            _ => {
                assert!(variable("CI").is_none(), "{test} needs a Docker engine, and in CI there must be one");
                eprintln!("SKIPPED {test}: no test engine; run tests/run");
                None
            }
        }
    }

    /// A program that will speak to this engine: its own client, or one that starts it.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", &self.docker_host).env("DOCKER_API_VERSION", "1.41");
        command
    }

    /// Runs the engine's own client; what it printed.
    ///
    /// # Errors
    /// It failed.
    pub fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.client("docker").args(arguments).output().context("cannot start docker")?;
        if !output.status.success() {
            bail!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Ids of the containers of one Bindery instance.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn containers(&self, instance: &str) -> anyhow::Result<Vec<String>> {
        let filter = format!("label=io.bindery.instance={instance}");
        let listed = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])?;
        Ok(listed.split_whitespace().map(str::to_owned).collect())
    }

    /// Removes the containers of one Bindery instance.
    pub fn remove_containers(&self, instance: &str) {
        for id in self.containers(instance).unwrap_or_default() {
            // It may be going away by itself.
            let _ = self.docker(&["rm", "--force", &id]);
        }
    }
}

/// A file that no other repository has, so that an engine that built the same files before has to work again.
#[must_use]
pub fn unique() -> RepoFile {
    file("unique.txt", uuid::Uuid::new_v4().to_string())
}
