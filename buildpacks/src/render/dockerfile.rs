//! A repository's own Dockerfile: checked, its caches kept apart, the CA bundle lent to each of its steps.

use bindery_core::Tree;
use bindery_core::seams::OWN_DOCKERFILE_PREFIX;
use parse_dockerfile::{Command, Flag, Instruction, Source};

use super::Rendered;
use super::context::{CA_TARGET, CA_VARIABLES, ca_mount};
use crate::PlanError;
use crate::parse::dockerfile::{At, check, mount_in_build, parse_mount};
use crate::parse::text;
use crate::plan::BuildPlan;
use crate::repo::Repo;

/// A replacement of a piece of text.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// The repository's Dockerfile as it is built; `NB_USER` and `NB_UID` are build arguments.
///
/// Its sources are taken from the repository's content in the context, and never from what lies beside it: `COPY .` must not
/// put the CA bundle into the image.
///
/// # Errors
/// The Dockerfile is one this site does not build, or the plan is not one of a repository with a Dockerfile.
pub fn render_dockerfile_repo(plan: &BuildPlan, tree: &dyn Tree) -> Result<Rendered, PlanError> {
    let path = plan.dockerfile.as_deref().ok_or_else(|| PlanError::Render("the plan has no Dockerfile".to_owned()))?;
    let file = Repo::open(tree, &plan.contract)?.read(path)?;
    let (dockerfile, tree_prefix) = if plan.as_it_stands {
        // At the top of the context, with nothing beside it.
        (text::decode(path, &file.bytes)?, String::new())
    } else {
        let text = check(path, &file.bytes, &[])?.text;
        let dockerfile = rewrite(plan, path, &text)?;
        compare(plan, &text, &dockerfile)?;
        (dockerfile, OWN_DOCKERFILE_PREFIX.to_owned())
    };
    let (name, id) = plan.session.named_user().map_or(("jovyan", plan.contract.uid), |user| (&user.name, user.id));
    let mut build_args = vec![("NB_USER".to_owned(), name.to_owned()), ("NB_UID".to_owned(), id.to_string())];
    build_args.extend(plan.session.named_directory().map(|path| ("REPO_DIR".to_owned(), path.to_owned())));
    let appended = plan.session.appended();
    let dockerfile = if appended.is_empty() { dockerfile } else { format!("{}\n{appended}", dockerfile.trim_end()) };
    Ok(Rendered {
        dockerfile,
        files: Vec::new(),
        tree_prefix,
        ignore_file: plan.ignore_file.clone(),
        keep: Vec::new(),
        needs_tree: true,
        build_args,
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
                    let text = mount_in_build(&options, &plan.cache_scope);
                    edits.push(Edit { start: flag.span().start, end: flag.span().end, text });
                }
            }
            Instruction::Copy(copy) if from_context(&copy.options) => sources(&copy.src, text, &mut edits),
            Instruction::Add(add) => sources(&add.src, text, &mut edits),
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

fn from_context(flags: &[Flag<'_>]) -> bool {
    !flags.iter().any(|flag| flag.name.value == "from")
}

/// Points sources at the repository's content in the context.
fn sources(sources: &[Source<'_>], text: &str, edits: &mut Vec<Edit>) {
    for source in sources {
        if let Source::Path(path) = source {
            // In the JSON form the prefix goes inside the quotes; elsewhere quotes may stay behind it.
            let quoted = text.get(path.span.start..).is_some_and(|rest| rest.starts_with('"'));
            let json = text.get(..path.span.start).is_some_and(|before| before.trim_end().ends_with(['[', ',']));
            let start = path.span.start + usize::from(quoted && json);
            edits.push(Edit { start, end: start, text: format!("{OWN_DOCKERFILE_PREFIX}/") });
        }
    }
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
    if !new_sources(&new.instructions).iter().all(|source| source.starts_with(&format!("{OWN_DOCKERFILE_PREFIX}/"))) {
        return Err(mismatch("a source lies outside the content"));
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

/// The sources taken from the context.
fn new_sources(instructions: &[Instruction<'_>]) -> Vec<String> {
    let paths = |sources: &[Source<'_>]| -> Vec<String> {
        let path = |source: &Source<'_>| match source {
            Source::Path(path) => Some(path.value.trim_start_matches(['"', '\'']).to_owned()),
            _ => None,
        };
        sources.iter().filter_map(path).collect()
    };
    let mut out = Vec::new();
    for instruction in instructions {
        match instruction {
            Instruction::Copy(copy) if from_context(&copy.options) => out.extend(paths(&copy.src)),
            Instruction::Add(add) => out.extend(paths(&add.src)),
            _ => {}
        }
    }
    out
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
