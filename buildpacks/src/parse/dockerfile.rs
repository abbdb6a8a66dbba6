//! A repository's own Dockerfile: is it one this site builds, and what are its steps?
//!
//! The engine reads the file with its own parser. Where the two could read it differently, it is refused, so that nothing this
//! policy has not seen can run.

use parse_dockerfile::{Command, Instruction};
use serde::Serialize;

use crate::PlanError;
use crate::error::{DOCKERFILE, shown};
use crate::parse::text;

mod bases;
mod mounts;
mod policy;
mod unambiguous;

pub(crate) use mounts::{in_build as mount_in_build, parse as parse_mount};

/// One instruction of a repository's Dockerfile that the engine reports as a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockerfileStep {
    /// The stage as the engine names it: its name, or `stage-N`.
    pub stage: String,
    /// How many stages the file has.
    pub stages: u32,
    /// The step's number in its stage, as the engine counts.
    pub index: u32,
    /// The instruction, upper case.
    pub keyword: String,
}

/// A Dockerfile that was found fit.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Its text: UTF-8, Unix line ends.
    pub(crate) text: String,
    /// Its steps: where the engine reports them, what to show, and their line.
    pub(crate) steps: Vec<(DockerfileStep, String, u32)>,
    /// What is worth knowing.
    pub(crate) warnings: Vec<String>,
}

/// Where a refusal points.
pub(crate) struct At<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl At<'_> {
    pub(crate) fn refuse(&self, offset: usize, message: impl Into<String>, hint: &str) -> PlanError {
        PlanError::line(self.file, text::line_at(self.text, offset), message, hint).coded(DOCKERFILE)
    }
}

/// The largest Dockerfile, in bytes. What grows with the square of its length, such as here-documents that close one another, stays
/// small below this.
const LIMIT: usize = 128 * 1024;

/// Checks a Dockerfile against the policy, and the images it takes from against `bases`.
pub(crate) fn check(file: &str, bytes: &[u8], bases: &[String]) -> Result<Checked, PlanError> {
    let text = text::decode(file, bytes)?;
    if text.len() > LIMIT {
        let message = format!("The Dockerfile is larger than {} KiB.", LIMIT / 1024);
        let hint = "Put what it carries into files of the repository, and COPY those.";
        return Err(PlanError::file(file, message, hint).coded("environment-file-too-large"));
    }
    let at = At { file, text: &text };
    unambiguous::check(&at)?;
    let parsed = parse_dockerfile::parse(&text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(1).max(1);
        PlanError::line(file, line, "The line is not an instruction of a Dockerfile.", "See the Dockerfile reference.")
    })?;
    let stages = parsed.stages().len();
    let mut out = Checked { text: text.clone(), steps: Vec::new(), warnings: Vec::new() };
    let mut place = Place::default();
    for instruction in &parsed.instructions {
        policy::check(&at, instruction)?;
        bases::check(&at, instruction, &place.names, bases)?;
        follow(&at, instruction, stages, &mut place, &mut out);
    }
    // What an image of Jupyter's makers has by itself.
    let jupyter = ["jupyter", "notebook"].iter().any(|word| text.to_lowercase().contains(word));
    match place.user {
        Some((true, line)) => {
            out.warnings.push(format!("{file}:{line}: the image's user is root; end with USER ${{NB_USER}}."));
        }
        None if !jupyter => out.warnings.push(format!(
            "{file} names no USER, so the image's user is root unless its base says otherwise; end with USER ${{NB_USER}}."
        )),
        _ => {}
    }
    if !jupyter {
        out.warnings.push(format!(
            "{file} does not mention Jupyter; without a notebook server in the image no session of it can start."
        ));
    }
    Ok(out)
}

/// Where in the file the walk is.
#[derive(Default)]
struct Place {
    /// The stages so far, in lower case; empty for one without a name.
    names: Vec<String>,
    stage: String,
    index: u32,
    /// Whether the stage's last USER is root, and its line.
    user: Option<(bool, u32)>,
}

/// Counts steps the way the engine does: `FROM` of an image is the first of its stage, then each RUN, COPY, ADD and WORKDIR.
fn follow(at: &At<'_>, instruction: &Instruction<'_>, stages: usize, place: &mut Place, out: &mut Checked) {
    let (keyword, span) = match instruction {
        Instruction::From(from) => {
            let image = from.image.value.to_lowercase();
            let earlier = place.names.contains(&image);
            let line = text::line_at(at.text, from.from.span.start);
            place.index = 0;
            place.user = None;
            let name = from.as_.as_ref().map(|(_, name)| name.value.to_lowercase());
            place.stage = name.clone().unwrap_or_else(|| format!("stage-{}", place.names.len()));
            place.names.push(name.unwrap_or_default());
            if earlier || image == "scratch" {
                return;
            }
            if !image.contains("@sha256:") && !image.contains('$') {
                let image = shown(&from.image.value);
                out.warnings
                    .push(format!("{}:{line}: {image} is not pinned by digest, so a later build may differ.", at.file));
            }
            ("FROM", from.from.span.clone())
        }
        Instruction::Run(run) => {
            let start = match &run.arguments {
                Command::Exec(words) => words.span.start,
                Command::Shell(shell) => shell.span.start,
                _ => run.run.span.end,
            };
            // Shown without its flags.
            ("RUN", run.run.span.start..start.saturating_sub(1))
        }
        Instruction::Copy(copy) => ("COPY", copy.copy.span.clone()),
        Instruction::Add(add) => ("ADD", add.add.span.clone()),
        Instruction::Workdir(workdir) => ("WORKDIR", workdir.workdir.span.clone()),
        Instruction::User(user) => {
            let name = user.arguments.value.split(':').next().unwrap_or_default();
            let line = text::line_at(at.text, user.user.span.start);
            place.user = Some((matches!(name, "root" | "0"), line));
            return;
        }
        _ => return,
    };
    place.index += 1;
    let line = text::line_at(at.text, span.start);
    let rest = at.text.get(span.end..).unwrap_or_default().lines().next().unwrap_or_default();
    let step = DockerfileStep {
        stage: place.stage.clone(),
        stages: u32::try_from(stages).unwrap_or(u32::MAX),
        index: place.index,
        keyword: keyword.to_owned(),
    };
    out.steps.push((step, shown(&format!("{keyword}{}", rest.trim_end_matches('\\'))), line));
}

#[cfg(test)]
mod tests;
