//! Debian packages that are not to be had.

use super::text::{after, quoted, word};
use super::{Diagnosis, Evidence};

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    evidence.first(|line| missing(evidence, line)).or_else(|| broken(evidence)).or_else(|| locked(evidence))
}

fn missing(evidence: &Evidence<'_>, line: &str) -> Option<Diagnosis> {
    let error = line.strip_prefix("E: ")?;
    if let Some(name) = after(error, "Unable to locate package ").and_then(word) {
        let message = format!("There is no Debian package `{name}` for this image.");
        return Some(diagnosis("apt-package-not-found", name, message, "Check its spelling, or remove it."));
    }
    if let Some((version, rest)) =
        error.strip_prefix("Version ").and_then(|rest| Some((quoted(rest)?, after(rest, " for ")?)))
    {
        let name = quoted(rest)?;
        let message = format!("The Debian package `{name}` is not to be had in version `{version}`.");
        let hint = format!(
            "Write `{name}` without a version: Debian keeps one version of each package, and replaces it with every update."
        );
        return Some(diagnosis("apt-version-not-found", name, message, hint));
    }
    if error.contains("has no installation candidate") {
        let name = quoted(error)?;
        let message =
            format!("`{name}` is a name that other Debian packages mention, but no package of this image's release.");
        let hint = match provider(evidence, name) {
            Some(provider) => format!("Name a package that stands in for it, such as `{provider}`."),
            None => "Name the package that took its place, or remove it.".to_owned(),
        };
        return Some(diagnosis("apt-package-not-found", name, message, hint));
    }
    None
}

/// A package that the output lists as one that provides `name`.
fn provider<'a>(evidence: &'a Evidence<'_>, name: &str) -> Option<&'a str> {
    let heading = format!("Package {name} is a virtual package provided by:");
    let at = evidence.lines.iter().position(|line| *line == heading)?;
    evidence.lines.get(at + 1).and_then(|line| word(line))
}

/// Packages that cannot be installed together.
fn broken(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let at =
        evidence.lines.iter().position(|line| line.starts_with("The following packages have unmet dependencies:"))?;
    let (name, needs) = evidence.lines.get(at + 1)?.split_once(" : ")?;
    let (name, needs) = (name.trim(), needs.trim());
    let message = format!("The Debian package `{name}` cannot be installed beside the others: {needs}.");
    Some(diagnosis("apt-conflict", name, message, "Remove one of the two, or the versions that are asked for."))
}

/// A script that calls the package manager, which only root may use.
fn locked(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let denied = |line: &str| {
        let of_apt = ["/var/lib/apt", "/var/lib/dpkg", "/var/cache/apt"].iter().any(|place| line.contains(place));
        (of_apt && line.contains("Permission denied")).then_some(())
    };
    evidence.first(denied)?;
    let message = format!("{} installs Debian packages, which only root may do.", evidence.who());
    let hint = "List the packages in apt.txt: they are installed as root, before.";
    Some(Diagnosis::user("needs-root", message, hint).named("apt-get").named("apt"))
}

fn diagnosis(code: &'static str, name: &str, message: String, hint: impl Into<String>) -> Diagnosis {
    Diagnosis::user(code, message, hint).named(name)
}
