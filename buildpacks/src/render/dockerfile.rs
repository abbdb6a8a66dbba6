//! A repository's own Dockerfile: checked, its caches kept apart, the CA bundle lent to each of its steps.

use bindery_core::Tree;
use parse_dockerfile::{Command, Instruction};

use super::Rendered;
use super::context::{CA_TARGET, CA_VARIABLES, FILES, ca_mount};
use crate::PlanError;
use crate::error::DOCKERFILE;
use crate::parse::dockerfile::{At, cache_id, check, parse_mount};
use crate::plan::BuildPlan;
use crate::repo::Repo;

/// A replacement of a piece of text.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// The repository's Dockerfile as it is built: context is the repository's top, `NB_USER` and `NB_UID` are build arguments.
///
/// # Errors
/// The Dockerfile is one this site does not build, or the plan is not one of a repository with a Dockerfile.
pub fn render_dockerfile_repo(plan: &BuildPlan, tree: &dyn Tree) -> Result<Rendered, PlanError> {
    let path = plan.dockerfile.as_deref().ok_or_else(|| PlanError::Render("the plan has no Dockerfile".to_owned()))?;
    if tree.entry(FILES).is_some() || tree.has_directory(FILES) {
        return Err(PlanError::file(FILES, format!("The name {FILES} is reserved."), "Rename it.").coded(DOCKERFILE));
    }
    let file = Repo::open(tree, &plan.contract)?.read(path)?;
    let text = check(path, &file.bytes)?.text;
    let dockerfile = rewrite(plan, path, &text)?;
    compare(plan, &text, &dockerfile)?;
    Ok(Rendered {
        dockerfile,
        files: Vec::new(),
        tree_prefix: String::new(),
        needs_tree: true,
        build_args: vec![
            ("NB_USER".to_owned(), "jovyan".to_owned()),
            ("NB_UID".to_owned(), plan.contract.uid.to_string()),
        ],
    })
}

fn rewrite(plan: &BuildPlan, path: &str, text: &str) -> Result<String, PlanError> {
    let at = At { file: path, text };
    let parsed = parse_dockerfile::parse(text).map_err(|error| PlanError::Render(error.to_string()))?;
    let mut edits = Vec::new();
    for instruction in &parsed.instructions {
        match instruction {
            Instruction::From(from) if plan.ca_bundle => {
                let end = from.as_.as_ref().map_or(from.image.span.end, |(_, name)| name.span.end);
                let rest = text.get(end..).unwrap_or_default().split('\n').next().unwrap_or_default();
                if !rest.trim().is_empty() {
                    return Err(at.refuse(
                        end,
                        "The FROM line goes on after the image's name.",
                        "Write it on one line.",
                    ));
                }
                // An ARG reaches the steps and not the image.
                let arguments: String = CA_VARIABLES.iter().map(|name| format!("\nARG {name}={CA_TARGET}")).collect();
                edits.push(Edit { start: end, end, text: arguments });
            }
            Instruction::Run(run) => {
                if plan.ca_bundle {
                    edits.push(Edit {
                        start: run.run.span.end,
                        end: run.run.span.end,
                        text: format!(" {}", ca_mount()),
                    });
                }
                for flag in run.options.iter().filter(|flag| flag.name.value == "mount") {
                    let value = flag.value.as_ref().map(|value| value.value.as_ref()).unwrap_or_default();
                    let options = parse_mount(&at, flag.flag_span().start, value)?;
                    if let Some(text) = cache_id(&options, &plan.cache_scope) {
                        edits.push(Edit { start: flag.span().start, end: flag.span().end, text });
                    }
                }
            }
            _ => {}
        }
    }
    let mut out = text.to_owned();
    edits.sort_by_key(|edit| edit.start);
    for edit in edits.iter().rev() {
        if !out.is_char_boundary(edit.start) || !out.is_char_boundary(edit.end) || edit.end < edit.start {
            return Err(PlanError::Render("an edit falls inside a character".to_owned()));
        }
        out.replace_range(edit.start..edit.end, &edit.text);
    }
    Ok(out)
}

/// Reads the result back: the same instructions, with the arguments added and each command unchanged.
fn compare(plan: &BuildPlan, before: &str, after: &str) -> Result<(), PlanError> {
    let mismatch = |what: &str| PlanError::Render(what.to_owned());
    let read = |text| parse_dockerfile::parse(text).map_err(|_| mismatch("it does not parse"));
    let (old, new) = (read(before)?, read(after)?);
    let added = if plan.ca_bundle { old.stages().len() * CA_VARIABLES.len() } else { 0 };
    if new.instructions.len() != old.instructions.len() + added || new.stages().len() != old.stages().len() {
        return Err(mismatch("it has other instructions"));
    }
    let (old, new): (Vec<_>, Vec<_>) = (runs(&old.instructions, before), runs(&new.instructions, after));
    if old.iter().map(|(command, _)| command).ne(new.iter().map(|(command, _)| command)) {
        return Err(mismatch("a command changed"));
    }
    let more = usize::from(plan.ca_bundle);
    if old.iter().zip(&new).any(|((_, one), (_, other))| one + more != *other) {
        return Err(mismatch("a step has other mounts"));
    }
    Ok(())
}

/// The command of each RUN as it stands in the text, and its number of flags.
fn runs<'a>(instructions: &[Instruction<'_>], text: &'a str) -> Vec<(&'a str, usize)> {
    instructions
        .iter()
        .filter_map(|instruction| match instruction {
            Instruction::Run(run) => {
                let span = match &run.arguments {
                    Command::Exec(words) => words.span.clone(),
                    Command::Shell(shell) => shell.span.clone(),
                    _ => return None,
                };
                Some((text.get(span)?, run.options.len()))
            }
            _ => None,
        })
        .collect()
}
