//! `postBuild` and `start`: files that are run.

use crate::PlanError;

/// What runs a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunBy {
    /// The interpreter its `#!` line names.
    Itself,
    /// A shell that is told to run it, as shells do with a file the kernel refuses; it has no `#!` line.
    Shell,
}

const HINT: &str = "Make the first line of the file #!/bin/bash, #!/usr/bin/env python3 or the like.";

/// Checks that the kernel can run the file: it begins with `#!` and an absolute interpreter, with Unix line ends.
pub(crate) fn check(file: &str, bytes: &[u8]) -> Result<(), PlanError> {
    match run_by(file, bytes)? {
        RunBy::Itself => Ok(()),
        RunBy::Shell => Err(PlanError::line(file, 1, "The file has no #! line, so nothing says what runs it.", HINT)),
    }
}

/// What runs the file where a shell does the running. Many a `postBuild` out there has no `#!` line, and a shell runs it.
pub(crate) fn run_by(file: &str, bytes: &[u8]) -> Result<RunBy, PlanError> {
    let refuse = |message: &str, hint: &str| Err(PlanError::line(file, 1, message, hint));
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) || bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return refuse(
            "The file begins with a byte order mark, so it cannot be run.",
            "Save it as UTF-8 without a mark.",
        );
    }
    if first.ends_with(b"\r") {
        return refuse("The file has Windows line ends, so it cannot be run.", "Save it with Unix line ends (LF).");
    }
    let Some(interpreter) = first.strip_prefix(b"#!") else {
        if bytes.contains(&0) {
            return refuse("The file is neither a script nor does it name what runs it.", HINT);
        }
        return Ok(RunBy::Shell);
    };
    let interpreter = interpreter.trim_ascii();
    if !interpreter.starts_with(b"/") || interpreter.len() > 240 {
        return refuse("The #! line does not name an interpreter by its absolute path.", HINT);
    }
    Ok(RunBy::Itself)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{RunBy, check, run_by};

    #[test]
    fn scripts_with_an_interpreter_pass() {
        for text in ["#!/bin/bash\n", "#! /usr/bin/env python3\nprint()\n", "#!/bin/sh", "#!/bin/bash -e\n\u{ff}"] {
            assert!(check("postBuild", text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_the_kernel_would_not_run_is_named() {
        for bytes in [
            b"".as_slice(),
            b"echo hi\n",
            b"#!\n",
            b"#!bash\n",
            b"#!/bin/bash\r\n",
            b"\xef\xbb\xbf#!/bin/bash\n",
            b"\n#!/bin/bash\n",
        ] {
            let fault = bindery_core::Fault::from(check("binder/postBuild", bytes).unwrap_err());
            assert_eq!(fault.place().as_deref(), Some("binder/postBuild:1"));
        }
    }

    #[test]
    fn a_shell_runs_what_names_nothing_else_and_is_text() {
        for text in ["", "echo hi\n", "\n#!/bin/bash\n", "export PATH=/usr/games:$PATH"] {
            assert_eq!(run_by("postBuild", text.as_bytes()).unwrap(), RunBy::Shell, "{text}");
        }
        assert_eq!(run_by("postBuild", b"#!/bin/bash\n").unwrap(), RunBy::Itself);
        for bytes in [b"echo hi\r\n".as_slice(), b"\x7fELF\0\0", b"\xef\xbb\xbfecho", b"#!bash\n"] {
            assert!(run_by("postBuild", bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = check("start", &bytes);
        }
    }
}
