//! `Project.toml` and `Manifest.toml`: what a Julia project needs, as far as a plan must know.

use crate::PlanError;
use crate::error::shown;
use crate::parse::julia_compat::{Compat, JuliaVersion};
use crate::parse::toml;

/// A project file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// The requirement on Julia, as written and as read, with its line.
    pub(crate) julia: Option<(String, Compat, u32)>,
    /// Whether it is a package of its own: it has a name and an id.
    pub(crate) is_package: bool,
    /// Whether it names dependencies.
    pub(crate) has_dependencies: bool,
    /// The line of the first source that is a path, which only the repository's content has.
    pub(crate) path_line: Option<u32>,
    /// The whole file: UTF-8, Unix line ends.
    pub(crate) text: String,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The Julia that wrote it, with its line. Old ones do not say.
    pub(crate) julia: Option<(JuliaVersion, u32)>,
    /// The line of the first package that is a path, which only the repository's content has.
    pub(crate) path_line: Option<u32>,
    /// The whole file: UTF-8, Unix line ends.
    pub(crate) text: String,
}

/// Reads a `Project.toml`.
pub(crate) fn project(file: &str, bytes: &[u8]) -> Result<Project, PlanError> {
    toml::with(file, bytes, |root| {
        let julia = match root.at(&["compat", "julia"]) {
            None => None,
            Some(node) => {
                let written = node.text().unwrap_or_default();
                let compat = Compat::parse(written).ok_or_else(|| {
                    let message = format!("{:?} is not a requirement on Julia.", shown(written));
                    node.wrong(message, "Write it as julia = \"1.9\" or julia = \"1.6, 1.9\".")
                })?;
                Some((written.to_owned(), compat, node.line()))
            }
        };
        let below = |key: &str| root.get(key).map(|table| table.entries()).unwrap_or_default();
        Ok(Project {
            julia,
            is_package: root.get("name").is_some() && root.get("uuid").is_some(),
            has_dependencies: !below("deps").is_empty(),
            path_line: below("sources").iter().find_map(|(_, source)| source.get("path")).map(|path| path.line()),
            text: root.source().to_owned(),
        })
    })
}

/// Reads a `Manifest.toml` of either format.
pub(crate) fn manifest(file: &str, bytes: &[u8]) -> Result<Manifest, PlanError> {
    toml::with(file, bytes, |root| {
        let julia = match root.get("julia_version") {
            None => None,
            Some(node) => {
                let written = node.text().unwrap_or_default();
                let version = JuliaVersion::parse(written).ok_or_else(|| {
                    let message = format!("{:?} is not a release of Julia.", shown(written));
                    node.wrong(message, "Write the manifest with a release: julia_version = \"1.9.4\".")
                })?;
                Some((version, node.line()))
            }
        };
        // The packages are tables of the file in the first format, and of `deps` in the second.
        let second = root.get("manifest_format").is_some();
        let packages = if second { root.get("deps") } else { Some(*root) };
        let packages = packages.map(|packages| packages.entries()).unwrap_or_default();
        let path = packages.iter().find_map(|(_, entries)| entries.items().iter().find_map(|entry| entry.get("path")));
        Ok(Manifest { julia, path_line: path.map(|path| path.line()), text: root.source().to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{manifest, project};
    use crate::parse::julia_compat::JuliaVersion;

    #[test]
    fn a_project_says_what_julia_it_needs_and_what_it_is() {
        let text = "name = \"Waves\"\nuuid = \"1\"\n[deps]\nExample = \"7876af07-990d-54b4-ab0e-23690620f79a\"\n\n[compat]\nExample = \"0.5\"\njulia = \"1.6, 1.9\"\n";
        let read = project("Project.toml", text.as_bytes()).unwrap();
        let (written, compat, line) = read.julia.unwrap();
        assert_eq!((written.as_str(), line), ("1.6, 1.9", 8));
        assert!(compat.allows(JuliaVersion(1, 9, 4)));
        assert!(read.is_package && read.has_dependencies);
        assert_eq!(read.path_line, None);
        let local = project("Project.toml", b"[deps]\nA = \"x\"\n[sources]\nA = {path = \"lib/A\"}\n").unwrap();
        assert_eq!((local.is_package, local.path_line), (false, Some(4)));
        assert_eq!(project("Project.toml", b"").unwrap().julia, None);
    }

    #[test]
    fn manifests_of_both_formats_say_which_packages_are_paths() {
        let new = "julia_version = \"1.9.4\"\nmanifest_format = \"2.0\"\n\n[[deps.Example]]\nversion = \"0.5.3\"\n\n[[deps.Own]]\npath = \"lib/Own\"\n";
        let read = manifest("Manifest.toml", new.as_bytes()).unwrap();
        assert_eq!((read.julia, read.path_line), (Some((JuliaVersion(1, 9, 4), 1)), Some(8)));
        let old = "[[Example]]\nversion = \"0.5.3\"\n[[Own]]\npath = \"lib/Own\"\n";
        let read = manifest("Manifest.toml", old.as_bytes()).unwrap();
        assert_eq!((read.julia, read.path_line), (None, Some(4)));
        assert_eq!(manifest("Manifest.toml", b"[[Example]]\nversion = \"1\"\n").unwrap().path_line, None);
    }

    #[test]
    fn hostile_files_are_refused_with_their_line() {
        for (text, line) in [
            ("[deps\n", 1),
            ("[compat]\njulia = \"1.x\"\n", 2),
            ("[compat]\njulia = 1.6\n", 2),
            ("[compat]\njulia = \"\"\n", 2),
            ("a = 1\na = 2\n", 2),
            ("\n\nx = \"\u{1b}[31m\"\n", 3),
            ("<<<<<<< HEAD\n", 1),
        ] {
            let fault = Fault::from(project("binder/Project.toml", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("binder/Project.toml:{line}")), "{text:?}");
            assert!(fault.hint.is_some());
        }
        let fault = Fault::from(manifest("Manifest.toml", b"\njulia_version = \"1.9\"\n").unwrap_err());
        assert_eq!(fault.place().as_deref(), Some("Manifest.toml:2"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = project("Project.toml", &bytes);
            let _ = manifest("Manifest.toml", &bytes);
        }
    }
}
