//! The commands that print a result and end.

mod build;
mod health;
mod locked;
mod output;
mod plan;
mod provenance;
mod repo2docker;
mod subtree;
mod target;

use std::io::Write as _;

pub(crate) use build::{BuildOrder, build};
pub(crate) use health::healthcheck;
pub(crate) use output::Output;
pub(crate) use plan::{dockerfile, plan};
pub(crate) use provenance::provenance;
pub(crate) use repo2docker::{Flags, mark, repo2docker};

use crate::config::{Loaded, show};

/// `bindery check-config`.
pub(crate) fn check_config(loaded: &Loaded) -> anyhow::Result<()> {
    std::io::stdout().write_all(show(loaded)?.as_bytes())?;
    Ok(())
}
