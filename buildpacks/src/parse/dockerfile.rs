//! A repository's own Dockerfile: is it one this site builds, and what are its steps?
//!
//! The engine reads the file with its own parser. Where the two could read it differently, it is refused, so that nothing this
//! policy has not seen can run.

use parse_dockerfile::{Command, Flag, Instruction, Source};
use serde::Serialize;

use crate::PlanError;
use crate::error::{DOCKERFILE, shown};
use crate::parse::text;

mod mounts;
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
#[derive(Debug)]
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

/// Checks a Dockerfile against the policy.
pub(crate) fn check(file: &str, bytes: &[u8]) -> Result<Checked, PlanError> {
    let text = text::decode(file, bytes)?;
    let at = At { file, text: &text };
    unambiguous::check(&at)?;
    let parsed = parse_dockerfile::parse(&text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(1).max(1);
        PlanError::line(file, line, "The line is not an instruction of a Dockerfile.", "See the Dockerfile reference.")
    })?;
    let stages = parsed.stages().len();
    let mut out = Checked { text: text.clone(), steps: Vec::new(), warnings: Vec::new() };
    let mut place = Place { names: Vec::new(), stage: String::new(), index: 0, root: None };
    for instruction in &parsed.instructions {
        policy(&at, instruction)?;
        follow(&at, instruction, stages, &mut place, &mut out);
    }
    if let Some(line) = place.root {
        out.warnings.push(format!("{file}:{line}: the image's user is root; end with USER ${{NB_USER}}."));
    }
    Ok(out)
}

/// Where in the file the walk is.
struct Place {
    names: Vec<String>,
    stage: String,
    index: u32,
    root: Option<u32>,
}

/// Counts steps the way the engine does: `FROM` of an image is the first of its stage, then each RUN, COPY, ADD and WORKDIR.
fn follow(at: &At<'_>, instruction: &Instruction<'_>, stages: usize, place: &mut Place, out: &mut Checked) {
    let (keyword, span) = match instruction {
        Instruction::From(from) => {
            let image = from.image.value.to_lowercase();
            let earlier = place.names.contains(&image);
            let line = text::line_at(at.text, from.from.span.start);
            place.index = 0;
            place.root = None;
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
            place.root = matches!(name, "root" | "0").then_some(line);
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

fn policy(at: &At<'_>, instruction: &Instruction<'_>) -> Result<(), PlanError> {
    match instruction {
        Instruction::From(from) => flags(at, "FROM", &from.options, &["platform"]),
        Instruction::Run(run) => {
            flags(at, "RUN", &run.options, &["mount", "network", "security"])?;
            for flag in &run.options {
                let value = flag.value.as_ref().map(|value| value.value.as_ref()).unwrap_or_default();
                match flag.name.value.as_ref() {
                    "mount" => {
                        parse_mount(at, flag.flag_span().start, value)?;
                    }
                    "network" if !matches!(value, "default" | "none") => {
                        let message = "RUN with this network is not allowed; builds have their own network.";
                        return Err(at.refuse(flag.flag_span().start, message, "Remove --network."));
                    }
                    "security" if value != "sandbox" => {
                        let message = "RUN outside the sandbox is not allowed.";
                        return Err(at.refuse(flag.flag_span().start, message, "Remove --security."));
                    }
                    _ => {}
                }
            }
            let start = match &run.arguments {
                Command::Exec(words) => words.span.start,
                Command::Shell(shell) => shell.span.start,
                _ => return Err(unknown(at, run.run.span.start)),
            };
            unambiguous::no_more_flags(at, start)
        }
        Instruction::Copy(copy) => {
            flags(at, "COPY", &copy.options, &["from", "chown", "chmod", "link"])?;
            sources(at, copy.copy.span.start, &copy.src)
        }
        Instruction::Add(add) => {
            flags(at, "ADD", &add.options, &["chown", "chmod", "link"])?;
            sources(at, add.add.span.start, &add.src)?;
            let remote = add.src.iter().any(|source| match source {
                Source::Path(path) => is_remote(&path.value),
                _ => false,
            });
            if remote {
                let message = "ADD from the network is not allowed.";
                return Err(at.refuse(add.add.span.start, message, "Use RUN with curl or git instead."));
            }
            Ok(())
        }
        Instruction::Healthcheck(check) => flags(
            at,
            "HEALTHCHECK",
            &check.options,
            &["interval", "timeout", "start-period", "start-interval", "retries"],
        ),
        Instruction::Onbuild(onbuild) => {
            let message = "ONBUILD is not allowed; the image is not built upon.";
            Err(at.refuse(onbuild.onbuild.span.start, message, "Write the instruction itself."))
        }
        Instruction::Workdir(workdir) => kernel_path(at, workdir.workdir.span.start, &workdir.arguments.value),
        // A variable may become a WORKDIR.
        Instruction::Env(env) => kernel_path(at, env.env.span.start, &env.arguments.value),
        Instruction::Arg(arg) => kernel_path(at, arg.arg.span.start, &arg.arguments.value),
        Instruction::Label(label) => {
            let bare: String =
                label.arguments.value.chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '`')).collect();
            if bare.to_lowercase().contains("bindery") || bare.split_whitespace().any(|pair| key(pair).contains('$')) {
                let message = "The label could be taken for one of the service's own.";
                return Err(at.refuse(label.label.span.start, message, "Choose a fixed label that does not name it."));
            }
            Ok(())
        }
        Instruction::Cmd(_)
        | Instruction::Entrypoint(_)
        | Instruction::Expose(_)
        | Instruction::Maintainer(_)
        | Instruction::Shell(_)
        | Instruction::Stopsignal(_)
        | Instruction::User(_)
        | Instruction::Volume(_) => Ok(()),
        _ => Err(unknown(at, 0)),
    }
}

/// Refuses sources that climb.
fn sources(at: &At<'_>, offset: usize, sources: &[Source<'_>]) -> Result<(), PlanError> {
    let climbs = sources.iter().any(|source| match source {
        Source::Path(path) => path.value.split('/').any(|part| part == ".."),
        _ => false,
    });
    if climbs {
        return Err(at.refuse(offset, "The source leaves the repository.", "Name it from the top of the repository."));
    }
    Ok(())
}

fn key(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

fn unknown(at: &At<'_>, offset: usize) -> PlanError {
    at.refuse(offset, "The instruction is not known here.", "Use the instructions of the Dockerfile reference.")
}

/// Refuses flags that are not on the list, and any that two parsers could read differently.
fn flags(at: &At<'_>, instruction: &str, flags: &[Flag<'_>], allowed: &[&str]) -> Result<(), PlanError> {
    for flag in flags {
        let raw = at.text.get(flag.span()).unwrap_or("\\");
        if raw.contains(['\\', '`', '"', '\'', '\n']) {
            let message = format!("A flag of {instruction} is quoted or broken over lines.");
            return Err(at.refuse(flag.flag_span().start, message, "Write the flag plainly, on one line."));
        }
        if !allowed.contains(&flag.name.value.as_ref()) {
            let message = format!("{instruction} --{} is not allowed.", shown(&flag.name.value));
            return Err(at.refuse(flag.flag_span().start, message, "Remove the flag."));
        }
    }
    Ok(())
}

/// Whether ADD would fetch this. A variable could become anything.
fn is_remote(source: &str) -> bool {
    let lower = source.to_lowercase();
    lower.contains("://")
        || lower.contains('$')
        || lower.starts_with("git@")
        || lower.starts_with("github.com/")
        || lower.ends_with(".git")
        || lower.contains(".git#")
}

/// Refuses paths in the kernel's own file systems, by which file handles of the builder have been reached.
fn kernel_path(at: &At<'_>, offset: usize, value: &str) -> Result<(), PlanError> {
    let value: String = value.chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '`')).collect();
    let inside = ["/proc", "/sys", "/dev"].iter().any(|root| {
        value.match_indices(root).any(|(found, _)| {
            let before = value.get(..found).and_then(|before| before.chars().next_back());
            let after = value.get(found + root.len()..).and_then(|after| after.chars().next());
            before.is_none_or(|c| matches!(c, '=' | ':' | '/' | '.' | '-' | '+' | '}') || c.is_whitespace())
                && after.is_none_or(|c| matches!(c, '/' | '}' | '$') || c.is_whitespace())
        })
    });
    if inside {
        let message = "A path under /proc, /sys or /dev is not allowed here.";
        return Err(at.refuse(offset, message, "Use a directory of the image."));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
