//! What an instruction may be: nothing in it reaches beyond the build.

use parse_dockerfile::{Command, Flag, Instruction, Source};

use super::mounts::parse as parse_mount;
use super::{At, unambiguous};
use crate::PlanError;
use crate::error::shown;

/// Checks one instruction.
pub(super) fn check(at: &At<'_>, instruction: &Instruction<'_>) -> Result<(), PlanError> {
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
