//! Packages of R, Julia, conda and Node.

use super::text::{after, between, quoted, word};
use super::{Diagnosis, Evidence, packages};

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    r(evidence).or_else(|| conda(evidence)).or_else(|| node(evidence))
}

fn r(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    // Our own step's words: `runtime.txt:1 asks for R 4.3; this site has R 4.2.2-1`.
    if let Some((asked, have)) =
        evidence.last(|line| line.split_once(" asks for R ")?.1.split_once("; this site has R "))
    {
        let message = format!("The repository asks for R {asked}; this site has R {have}.");
        let hint = "Ask for the R this site has, or for none in particular.";
        return Some(Diagnosis::user("r-not-available", message, hint));
    }
    // `package ‘nosuch’ is not available for this version of R`, one or several.
    if let Some(name) = evidence.first(|line| {
        let (before, _) = line.split_once(" not available for this version of R")?;
        quoted(before)
    }) {
        let message = format!("The R package `{name}` is not to be had for this image's R.");
        let hint = "Check its spelling (upper and lower case matter), or ask for a version that suits.";
        return Some(Diagnosis::user("r-package-not-found", message, hint).named(name));
    }
    if let Some(name) = evidence.first(|line| {
        let rest = after(line, "there is no package called ")?;
        quoted(rest)
    }) {
        let message = format!("{} uses the R package `{name}`, which is not installed.", evidence.who());
        let hint = format!("Install it before, for example with install.packages(\"{name}\") in install.R.");
        return Some(Diagnosis::user("r-package-not-found", message, hint).named(name));
    }
    // `ERROR: configuration failed for package ‘xml2’` after `Configuration failed because libxml-2.0 was not found.`
    let module = evidence.first(|line| between(line, "Configuration failed because ", " was not found"))?;
    let module = module.split([',', ' ']).next()?;
    let package = evidence.first(|line| line.contains("failed for package").then(|| quoted(line))?);
    let message = match package {
        Some(package) => format!("The R package `{package}` could not be built: the library `{module}` is missing."),
        None => format!("{} needs the library `{module}`, which is missing.", evidence.who()),
    };
    let hint = match packages::of_module(module) {
        Some(package) => evidence.install(&[package]),
        None => format!("Find the Debian package that has `{module}` and add it to apt.txt."),
    };
    let diagnosis = Diagnosis::user("missing-system-package", message, hint);
    Some(match package {
        Some(package) => diagnosis.named(package),
        None => diagnosis,
    })
}

/// What rattler's solver could not do, in the words of our own program and of others that use it or libmamba.
fn conda(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let ours = evidence.first(|line| line.split_once("could not solve ").and_then(|(_, rest)| rest.split_once(": ")));
    let reason = ours.map(|(_, reason)| reason.trim_end_matches('.'));
    let missing = reason.and_then(|reason| reason.strip_prefix("no channel has ")).or_else(|| {
        evidence.first(|line| {
            let rest = after(line, "No candidates were found for ");
            rest.or_else(|| Some(line.split_once(" does not exist (perhaps a typo or a missing channel)")?.0))
                .and_then(word)
        })
    });
    if let Some(name) = missing {
        let message = format!("No conda channel that is asked has `{name}`.");
        let hint = "Check its spelling, its version and the channels.";
        return Some(Diagnosis::user("conda-package-not-found", message, hint).named(name));
    }
    let together = reason.and_then(|reason| reason.strip_suffix(" cannot be installed together"));
    if let Some((one, other)) = together.and_then(|names| names.split_once(" and ")) {
        let message = format!("The conda packages `{one}` and `{other}` cannot be installed together.");
        return Some(conda_conflict(message).named(one).named(other));
    }
    let refused =
        ["Cannot solve the request", "The following packages are incompatible", "Could not solve for environment"];
    let refused = reason.is_some() || refused.iter().any(|sign| evidence.has(sign));
    refused.then(|| conda_conflict("The conda packages that are asked for cannot be installed together.".to_owned()))
}

fn conda_conflict(message: String) -> Diagnosis {
    let hint = "Loosen or change one of them; the solver's reasons are in the log.";
    Diagnosis::user("conflicting-requirements", message, hint)
}

fn node(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    if evidence.has("Please install Node.js and npm") || evidence.has("Please install nodejs") {
        let message = format!("{} needs Node.js and npm, which are not in the image.", evidence.who());
        return Some(
            Diagnosis::user("command-not-found", message, evidence.install(&["nodejs", "npm"]))
                .named("jupyter")
                .named("npm"),
        );
    }
    let what = evidence.first(|line| {
        let rest = line.strip_prefix("npm error 404 ").or_else(|| line.strip_prefix("npm ERR! 404 "))?;
        let (before, _) =
            rest.split_once(" is not in this registry").or_else(|| rest.split_once(" could not be found"))?;
        quoted(before)
    })?;
    let message = format!("The npm registry has no package `{what}`.");
    Some(Diagnosis::user("package-not-found", message, "Check its spelling and version.").named(what))
}
