//! Python packages: hashes, and builds that fail for reasons of their own.

use super::text::{after, between, package, quoted, word};
use super::{Diagnosis, Evidence};

/// The requirement being built when the installer gave up, as it names it.
pub(super) fn building(evidence: &Evidence<'_>) -> Option<String> {
    const MARKS: [&str; 6] = [
        "Failed to build `",
        "Failed to download and build `",
        "Failed building wheel for ",
        "Failed to build installable wheels for some pyproject.toml based projects (",
        "Could not build wheels for ",
        "Failed to build '",
    ];
    let found = evidence.last(|line| {
        let rest = MARKS.iter().find_map(|mark| line.split_once(mark))?.1;
        rest.split(['`', '\'', ',', ')']).next().and_then(|text| text.split(" @ ").next()).and_then(word)
    });
    // pip does not name what it asked for its needs; it was the last it collected.
    let collected = || {
        evidence
            .has("did not run successfully")
            .then(|| evidence.last(|line| line.strip_prefix("Collecting ")))?
            .and_then(word)
    };
    found.or_else(collected).map(str::to_owned)
}

/// A file that is not the one its author vouched for.
pub(super) fn hashes(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let pip = || {
        let at = evidence.lines.iter().position(|line| line.contains("DO NOT MATCH THE HASHES"))?;
        evidence.lines.iter().skip(at + 1).find_map(|line| word(line.split_once(" from ")?.0))
    };
    if let Some(what) = evidence.first(|line| after(line, "Hash mismatch for ").and_then(quoted)).or_else(pip) {
        let message = format!("The file of `{what}` that the index gave has another hash than the requirements say.");
        let hint = "Take the hashes anew from the package's own page; if they were right, do not install it.";
        return Some(Diagnosis::user("hash-mismatch", message, hint).named(package(what)));
    }
    let what = evidence.first(|line| {
        let rest = after(line, "all requirements must have a hash, but none were provided for: ")?;
        word(rest)
    })?;
    let message = format!("Hashes are given for some requirements, so each must have one, and `{what}` has none.");
    Some(Diagnosis::user("hash-missing", message, "Add its hash, or remove the others.").named(package(what)))
}

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    repository(evidence).or_else(|| renamed(evidence)).or_else(|| module(evidence))
}

/// `git+https://…` of what is not there.
fn repository(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let name = building(evidence).or_else(|| Some(evidence.who()))?;
    let missing = |line: &str| {
        ["remote: Repository not found", "could not read Username", "couldn't find remote ref"]
            .iter()
            .any(|sign| line.contains(sign))
            .then_some(())
    };
    evidence.first(missing)?;
    let message = format!("The Git repository or ref that `{name}` is to come from does not exist or is private.");
    Some(Diagnosis::user("git-not-found", message, "Check its address and ref.").named(package(&name)))
}

/// A name that its own installer says to replace.
fn renamed(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.first(|line| line.contains("PyPI package is deprecated, use").then_some(line))?;
    let old = quoted(line)?;
    let new = quoted(line.split_once("use ")?.1)?;
    let message = format!("The package `{old}` is only a sign that says to install `{new}`.");
    Some(Diagnosis::user("package-renamed", message, format!("Write `{new}`.")).named(old))
}

/// A build, or a script, that imports what is not installed.
fn module(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let module = evidence.last(|line| between(line, "ModuleNotFoundError: No module named '", "'"))?;
    match building(evidence) {
        Some(what) => {
            let message = format!("`{what}` could not be built: its build imports `{module}` without asking for it.");
            let hint = if matches!(module, "pkg_resources" | "distutils" | "imp") {
                format!("It was made for older tools; ask for a newer version of `{}`.", package(&what))
            } else {
                format!(
                    "Ask for a version of `{}` that has a ready-made wheel, or that declares what its build needs.",
                    package(&what)
                )
            };
            Some(Diagnosis::user("build-needs-module", message, hint).named(package(&what)))
        }
        None => {
            let top = module.split('.').next().unwrap_or(module);
            let message = format!("{} imports the Python module `{module}`, which is not installed.", evidence.who());
            let hint = format!("Add the package that has `{top}` to requirements.txt.");
            Some(Diagnosis::user("module-not-found", message, hint).named(module))
        }
    }
}
