//! A failing step, traced to a line of an environment file, so that the author is told where to look.

use bindery_buildpacks::{BuildPlan, normal_package_name};
use bindery_core::{Fault, FaultBy, Tree};

use crate::diagnosis::{Failure, diagnose};
use crate::progress::FailedStep;

/// What the engine calls the failure of a step.
const STEP_FAILED: &str = "build-step-failed";

/// Environment files are at most this long, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Adds to a build fault its cause as far as the step's own output shows it, or else the plan's name of the step; the environment
/// file behind it; and the line of that file, where the output names one or names an entry of it.
pub(crate) fn place(fault: Fault, failed: Option<FailedStep>, plan: &BuildPlan, tree: &dyn Tree) -> Fault {
    let output = failed.as_ref().and_then(FailedStep::output);
    let fault = fault.output(output);
    // A full disk, an engine that went away: whatever a step wrote is not the cause.
    let Some(FailedStep { step, lines, .. }) = failed.filter(|_| fault.code == STEP_FAILED) else { return fault };
    let file = step.as_ref().and_then(|step| step.file.clone());
    let text = file.as_deref().and_then(|file| tree.read(file, MAX_FILE).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let failure = Failure { plan, step: step.as_ref(), lines: &lines, exit_code: exit_code(&fault), source: &text };
    let mut fault = fault;
    let mut line = step.as_ref().and_then(|step| step.line);
    if let Some(cause) = diagnose(&failure) {
        let named = cause.names.iter().find_map(|name| line_with(&text, name));
        line = cause.line.or(named).or(line);
        fault.by = cause.by;
        fault.retry = cause.by == FaultBy::Upstream;
        fault.code = cause.code.to_owned();
        fault.message = cause.message;
        fault.hint = Some(cause.hint);
    } else if let Some(step) = &step {
        // The engine names a step by its command, which the plan's name says better.
        let outcome = fault.message.rsplit_once("` ").map_or(fault.message.as_str(), |(_, outcome)| outcome);
        fault.message = format!("could not {}: it {outcome}", step.name);
    }
    match file {
        Some(file) => fault.at(file, line.or_else(|| blamed_line(&text, &lines))),
        None => fault,
    }
}

/// `failed with exit code 7`, `(exit code 137)`.
fn exit_code(fault: &Fault) -> Option<i64> {
    let (_, rest) = fault.message.rsplit_once("exit code ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The first line of `file` that names this and is no comment.
fn line_with(file: &str, name: &str) -> Option<u32> {
    // A path is one thing, of which a word would be a part.
    let path = name.contains('/');
    let word = normal_package_name(name);
    let found = file.lines().position(|line| {
        let entry = line.split('#').next().unwrap_or_default();
        if path { entry.contains(name) } else { words(entry).any(|found| normal_package_name(&found) == word) }
    })?;
    u32::try_from(found + 1).ok()
}

/// The first line of `file` whose entry a complaining output line names. Names compare as Python compares them: case and runs of
/// `-`, `_`, `.` do not matter.
fn blamed_line(file: &str, output: &[String]) -> Option<u32> {
    let complaints: Vec<Vec<String>> = output
        .iter()
        .filter(|line| is_complaint(line))
        .map(|line| words(line).map(|word| normal_package_name(&word)).collect())
        .collect();
    for (index, line) in file.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        let Some(name) = words(entry).next().map(|word| normal_package_name(&word)) else { continue };
        if name.len() > 1 && complaints.iter().any(|complaint| complaint.contains(&name)) {
            return u32::try_from(index + 1).ok();
        }
    }
    None
}

fn is_complaint(line: &str) -> bool {
    let line = line.to_lowercase();
    [
        "error",
        "not found",
        "unable to",
        "no solution",
        "because",
        "failed",
        "no matching",
        "invalid",
        "could not",
        "hint",
    ]
    .iter()
    .any(|sign| line.contains(sign))
}

/// Runs of characters that can be in a package name, without dots at their ends.
fn words(line: &str) -> impl Iterator<Item = String> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+')))
        .map(|word| word.trim_matches(['.', '-', '_']).to_owned())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::blamed_line;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_line_an_installer_complains_about_is_found() {
        let file = "numpy\n# no-such-package is a comment\nNo_Such.Package==1.0\n";
        let output = "Resolving\n  × No solution found when resolving dependencies:\n  ╰─▶ Because no-such-package was not found in the package registry";
        assert_eq!(blamed_line(file, &lines(output)), Some(3));
    }

    #[test]
    fn apt_complaints_name_their_package() {
        let output = "E: Unable to locate package libfoo-doesnotexist";
        assert_eq!(blamed_line("curl\nlibfoo-doesnotexist\n", &lines(output)), Some(2));
    }

    #[test]
    fn nothing_is_blamed_when_nothing_is_named() {
        assert_eq!(blamed_line("numpy\nscipy\n", &lines("error: the network is down")), None);
        assert_eq!(blamed_line("numpy\n", &lines("installing numpy")), None);
    }
}
