//! The step that gives the kernel a Python of its own. Nothing of the repository's runs in it: the site said that it has this Python.

use bindery_buildpacks::Action;
use bindery_core::FaultBy;

use super::{Diagnosis, Evidence, machine};

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let step = evidence.failure.step?;
    let Action::CreateKernelEnvironment { version, own, .. } = &step.action else { return None };
    let not_there = ["No download found for request", "Failed to install cpython", "No interpreter found"];
    if !own && not_there.iter().any(|sign| evidence.has(sign)) {
        let asked_by = step.file.as_ref().map(|file| format!(", which {file} asks for,")).unwrap_or_default();
        return Some(ours(
            "python-not-fetched",
            format!("This site offers Python {version}{asked_by} and could not fetch it."),
            "Nothing is wrong with the repository. Whoever runs this site should look at build.pythons and build.python_mirror.",
        ));
    }
    // The kernel's own packages come from an index, which the repository does not name.
    if let Some(mut found) = machine::network(evidence) {
        let host = found.names.first().map_or_else(|| "its index".to_owned(), |host| format!("`{host}`"));
        found.message = format!("The notebook's kernel needs packages of {host}, which could not be reached.");
        return Some(found);
    }
    Some(ours(
        "kernel-environment-failed",
        format!("The notebook's kernel could not be given an environment with Python {version}."),
        "Nothing is wrong with the repository. Whoever runs this site should read the end of the step's output.",
    ))
}

fn ours(code: &'static str, message: String, hint: &str) -> Diagnosis {
    Diagnosis { by: FaultBy::Us, ..Diagnosis::user(code, message, hint) }
}
