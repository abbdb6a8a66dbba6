//! What the messages of a failed build mean: whose fault, which step, which image.
//!
//! BuildKit's errors are sentences that differ between versions; those of the engine that Debian ships (20.10) and of newer
//! ones are both known here. What is not recognised stays as it is and counts as ours.

use crate::ImagesError;
use crate::error::shorten;
use crate::progress::Failed;
use crate::vertex;

const COMMAND: usize = 120;
const REASON: usize = 500;

/// Why the build failed, from the step that did and the engine's last word.
pub(crate) fn failure(failed: Option<&Failed>, last_word: &str) -> ImagesError {
    let error = failed.map_or(last_word, |failed| failed.error.as_str());
    if [error, last_word].iter().any(|text| is_disk_full(text)) {
        return ImagesError::DiskFull(shorten(last_word, REASON));
    }
    if let Some(found) = dockerfile_error(last_word) {
        return found;
    }
    let Some(failed) = failed else { return without_step(last_word) };
    let command = || shorten(&vertex::command(&failed.vertex), COMMAND);
    if let Some(exit_code) = exit_code(error) {
        return ImagesError::StepFailed { command: command(), exit_code, lines: failed.lines.clone() };
    }
    if let Some(name) = vertex::image_of(&failed.vertex) {
        return from_image(name, error);
    }
    if failed.shown {
        ImagesError::StepRefused { command: command(), reason: shorten(root(error), REASON) }
    } else {
        without_step(last_word)
    }
}

fn without_step(last_word: &str) -> ImagesError {
    let missing = ["failed to compute cache key", "failed to calculate checksum"];
    if missing.iter().any(|sign| last_word.contains(sign)) {
        return ImagesError::StepRefused { command: "COPY".to_owned(), reason: shorten(root(last_word), REASON) };
    }
    // Newer engines resolve images before there is a step to blame: `…: nosuch/image:1: failed to resolve source metadata …`.
    if let Some((_, rest)) = last_word.split_once("failed to resolve source metadata for ") {
        let name = rest.split(": ").next().unwrap_or(rest);
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        return from_image(name.strip_prefix("library/").unwrap_or(name).to_owned(), rest);
    }
    ImagesError::BuildFailed(shorten(last_word, REASON))
}

fn from_image(name: String, error: &str) -> ImagesError {
    let missing = [
        "not found",
        "manifest unknown",
        "pull access denied",
        "repository does not exist",
        "insufficient_scope",
        "unauthorized",
        "denied:",
        "invalid reference format",
    ];
    if missing.iter().any(|sign| error.contains(sign)) {
        ImagesError::FromMissing { name }
    } else {
        ImagesError::FromUnreachable { name, reason: shorten(root(error), REASON) }
    }
}

/// A Dockerfile that does not parse, or names a stage or flag that does not exist.
fn dockerfile_error(text: &str) -> Option<ImagesError> {
    let reason = ["dockerfile parse error", "Dockerfile parse error", "failed to create LLB definition: "]
        .iter()
        .find_map(|sign| text.find(sign))
        .and_then(|at| text.get(at..))?;
    // Images are resolved in the same phase; those are about the image.
    if ["failed to do request", "pull access denied", "not found", "failed to authorize", "failed to resolve source"]
        .iter()
        .any(|sign| reason.contains(sign))
    {
        return None;
    }
    let reason = reason.strip_prefix("failed to create LLB definition: ").unwrap_or(reason);
    let line = reason
        .split_once(" line ")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok());
    Some(ImagesError::Dockerfile { line, reason: shorten(reason, REASON) })
}

pub(crate) fn is_disk_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("no space left on device") || text.contains("disk quota exceeded")
}

/// `…: exit code: 7`, as every version ends its message.
fn exit_code(error: &str) -> Option<i64> {
    let (_, rest) = error.rsplit_once("exit code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Without the layers that say only that something failed.
fn root(error: &str) -> &str {
    const LAYERS: [&str; 6] = [
        "rpc error: code = Unknown desc = ",
        "rpc error: code = NotFound desc = ",
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "failed to build LLB: ",
        "failed to compute cache key: ",
    ];
    let mut error = error.trim();
    while let Some(rest) = LAYERS.iter().find_map(|layer| error.strip_prefix(layer)) {
        error = rest;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::failure;
    use crate::ImagesError;
    use crate::progress::Failed;
    use bindery_core::Fault;

    fn step(vertex: &str, error: &str) -> Failed {
        let shown = crate::vertex::step_name(vertex).is_some();
        Failed { vertex: vertex.into(), shown, error: error.into(), lines: vec!["last".into()] }
    }

    #[test]
    fn exit_codes_are_read_in_the_words_of_old_and_new_engines() {
        for error in [
            "executor failed running [/bin/sh -c exit 7]: exit code: 7",
            "process \"/bin/sh -c exit 7\" did not complete successfully: exit code: 7",
        ] {
            let found = failure(Some(&step("[2/2] RUN exit 7", error)), error);
            let ImagesError::StepFailed { command, exit_code, lines } = found else { panic!("{found:?}") };
            assert_eq!((command.as_str(), exit_code, lines.len()), ("RUN exit 7", 7, 1));
        }
    }

    #[test]
    fn a_full_disk_is_ours_whichever_step_met_it() {
        let error = "failed to copy: write /var/lib/x: no space left on device";
        let fault: Fault = failure(Some(&step("[2/2] COPY a b", error)), error).into();
        assert_eq!(fault.code, "disk-full");
    }

    #[test]
    fn a_parse_error_names_its_line() {
        let text = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: \
                    dockerfile parse error line 3: unknown instruction: FOO";
        let fault: Fault = failure(None, text).into();
        assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("dockerfile-invalid", Some("Dockerfile:3")));
    }

    #[test]
    fn a_missing_image_is_the_authors_and_a_silent_registry_is_nobodys_here() {
        let load = "[internal] load metadata for docker.io/library/nosuch:1";
        let denied = "pull access denied, repository does not exist or may require authorization";
        let fault: Fault = failure(Some(&step(load, denied)), "failed to solve").into();
        assert_eq!(fault.code, "from-image-missing");
        assert!(fault.message.contains("nosuch:1"));
        let refused =
            "failed to do request: Head \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io";
        let word = format!("failed to solve with frontend dockerfile.v0: failed to create LLB definition: {refused}");
        let fault: Fault = failure(Some(&step(load, refused)), &word).into();
        assert_eq!(fault.code, "from-image-unreachable");
        assert!(fault.retry);
    }

    #[test]
    fn a_missing_file_to_copy_names_it() {
        let error = "failed to compute cache key: \"/nosuch\" not found: not found";
        let fault: Fault = failure(Some(&step("[2/2] COPY nosuch /", error)), error).into();
        assert_eq!(fault.code, "build-step-failed");
        assert!(fault.message.contains("/nosuch"), "{fault}");
    }

    #[test]
    fn an_unknown_message_is_kept() {
        let fault: Fault = failure(None, "the moon is in the wrong place").into();
        assert!(fault.code == "build-failed" && fault.message.contains("moon"));
    }
}
