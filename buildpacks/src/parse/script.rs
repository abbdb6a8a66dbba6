//! `postBuild` and `start`: files the kernel must be able to run.

use crate::PlanError;

/// Checks that the kernel can run the file: it begins with `#!` and an absolute interpreter, with Unix line ends.
pub(crate) fn check(file: &str, bytes: &[u8]) -> Result<(), PlanError> {
    let hint = "Make the first line of the file #!/bin/bash, #!/usr/bin/env python3 or the like.";
    let refuse = |message: &str, hint: &str| Err(PlanError::line(file, 1, message, hint));
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) || bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return refuse(
            "The file begins with a byte order mark, so it cannot be run.",
            "Save it as UTF-8 without a mark.",
        );
    }
    let Some(interpreter) = first.strip_prefix(b"#!") else {
        return refuse("The file has no #! line, so nothing says what runs it.", hint);
    };
    if first.ends_with(b"\r") {
        return refuse("The file has Windows line ends, so it cannot be run.", "Save it with Unix line ends (LF).");
    }
    let interpreter = interpreter.trim_ascii();
    if !interpreter.starts_with(b"/") || interpreter.len() > 240 {
        return refuse("The #! line does not name an interpreter by its absolute path.", hint);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::check;

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

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = check("start", &bytes);
        }
    }
}
