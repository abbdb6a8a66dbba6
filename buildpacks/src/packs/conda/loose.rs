//! What conda is asked to solve, whichever file asks: channels, specs, and what pip adds.

use super::channels::Channels;
use super::{exact, file_name, install};
use crate::conda::{CondaInstall, subdir};
use crate::error::PlanError;
use crate::packs::Draft;
use crate::packs::python::{PipList, install_list};
use crate::parse::match_spec::MatchSpec;
use crate::plan::{PythonChoice, PythonTarget};
use crate::repo::{EnvFile, Repo};

/// What a file asks for, with the line of each entry.
pub(super) struct Wishes {
    pub(super) channels: Vec<(String, u32)>,
    pub(super) specs: Vec<(MatchSpec, u32)>,
    pub(super) pip: Vec<(String, u32)>,
    pub(super) variables: Vec<(String, String)>,
}

/// Plans a solve, and what pip adds to it.
pub(super) fn plan(repo: &Repo<'_>, file: &EnvFile, wishes: Wishes, draft: &mut Draft) -> Result<(), PlanError> {
    draft.uses(&file.path, "conda packages");
    let site = draft.conda.clone();
    let mut channels = Channels::default();
    for (channel, line) in &wishes.channels {
        channels.add(repo, &site, &file.path, channel, *line)?;
    }
    if channels.addresses.is_empty() {
        channels.addresses.push(site.address("conda-forge"));
    }
    let mut specs = Vec::new();
    for (spec, line) in &wishes.specs {
        let channel = match &spec.channel {
            Some(channel) => channels.add(repo, &site, &file.path, channel, *line)?,
            None => None,
        };
        if spec.name == "python"
            && draft.python.is_none()
            && let Some(text) = spec.python().ok().map(|python| python.text).filter(|text| !text.is_empty())
        {
            draft.python = Some(PythonChoice { version: text, source: format!("{}:{line}", file.path) });
        }
        specs.push(as_meant(spec).on_channel(channel.as_deref()));
    }
    if let Some(line) = channels.replaced {
        draft.notes.push(format!(
            "{}:{line}: {} takes the place of the defaults channel, whose terms do not cover every service.",
            file.path, site.defaults
        ));
    }
    let what = CondaInstall {
        file: file_name(&file.path).to_owned(),
        platform: subdir(&draft.platform).to_owned(),
        channels: channels.addresses,
        specs,
        packages: Vec::new(),
        variables: wishes.variables,
        date: None,
    };
    install(file, what, channels.in_content, draft);
    if !wishes.pip.is_empty() {
        install_list(repo, PipList { file, lines: &wishes.pip, target: PythonTarget::Conda }, draft)?;
        exact::after(channels.in_content, draft);
    }
    Ok(())
}

/// A bare version of Python stands for its series; to a solver it would be the first release of it.
fn as_meant(spec: &MatchSpec) -> MatchSpec {
    let bare = spec.version.as_deref().filter(|_| spec.name == "python" && !spec.more);
    let number = bare.map(|version| version.trim_start_matches('='));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some(number) if number.split('.').count() <= 2 && number.split('.').all(digits) => {
            MatchSpec { rest: format!("={number}"), ..spec.clone() }
        }
        _ => spec.clone(),
    }
}
