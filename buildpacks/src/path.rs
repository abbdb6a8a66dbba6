//! Paths as files of a repository name each other.

/// The directory a file lies in; empty at the top.
pub(crate) fn directory(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// `directory/path` without `.` and `..`; `None` when it leaves the repository, empty for its top.
pub(crate) fn join(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{directory, join};

    #[test]
    fn a_path_is_taken_from_where_it_is_named() {
        for (from, path, joined) in [
            ("", "a.txt", Some("a.txt")),
            ("binder", "../a/./b", Some("a/b")),
            ("binder", "..", Some("")),
            ("a/b", "../c//d/", Some("a/c/d")),
            ("binder", "../../a", None),
            ("", "..", None),
            ("", "a/../../b", None),
        ] {
            assert_eq!(join(from, path).as_deref(), joined, "{from} {path}");
        }
        assert_eq!([directory("a"), directory("a/b"), directory("a/b/c")], ["", "a", "a/b"]);
    }

    proptest! {
        #[test]
        fn nothing_leads_out_of_the_repository(from in "[a./]{0,6}", path in "[ab./]{0,12}") {
            if let Some(joined) = join(&from, &path) {
                prop_assert!(joined.is_empty() || joined.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}
