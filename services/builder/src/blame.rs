//! A failing step, traced to a line of an environment file, so that the author is told where to look.

use bindery_core::{Fault, Tree};

use crate::progress::FailedStep;

/// Environment files are at most this long, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Adds to a build fault the plan's name of the step, the environment file behind it and, where the step's own output names an entry
/// of that file, the entry's line.
pub(crate) fn place(fault: Fault, failed: Option<FailedStep>, tree: &dyn Tree) -> Fault {
    let Some(FailedStep { step: Some(step), lines }) = failed else { return fault };
    let mut fault = fault;
    // The engine names a step by its command, which the plan's name says better.
    let outcome = fault.message.rsplit_once("` ").map_or(fault.message.as_str(), |(_, outcome)| outcome);
    fault.message = format!("could not {}: it {outcome}", step.name);
    let Some(file) = step.file else { return fault };
    let text = tree.read(&file, MAX_FILE).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let line = blamed_line(&text, &lines);
    fault.at(file, line)
}

/// The first line of `file` whose entry a complaining output line names. Names compare as Python compares them: case and runs of
/// `-`, `_`, `.` do not matter.
fn blamed_line(file: &str, output: &[String]) -> Option<u32> {
    let complaints: Vec<Vec<String>> = output
        .iter()
        .filter(|line| is_complaint(line))
        .map(|line| words(line).map(|word| normal(&word)).collect())
        .collect();
    for (index, line) in file.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        let Some(name) = words(entry).next().map(|word| normal(&word)) else { continue };
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

fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if matches!(c, '-' | '_' | '.') { '-' } else { c.to_ascii_lowercase() };
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    out
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
