//! `Project.toml` and `Manifest.toml`: what a Julia project needs, as far as a plan must know.

use toml::de::{DeTable, DeValue};

use crate::PlanError;
use crate::error::shown;
use crate::parse::julia_compat::{Compat, JuliaVersion};
use crate::parse::text;

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
    let text = text::decode(file, bytes)?;
    let table = parse(file, &text)?;
    let table = table.get_ref();
    let julia = match find(table, "compat").and_then(|(value, _)| as_table(value)).and_then(|it| find(it, "julia")) {
        None => None,
        Some((value, at)) => {
            let line = text::line_at(&text, at);
            let written = value.as_str().unwrap_or_default();
            let compat = Compat::parse(written).ok_or_else(|| {
                let message = format!("{:?} is not a requirement on Julia.", shown(written));
                PlanError::line(file, line, message, "Write it as julia = \"1.9\" or julia = \"1.6, 1.9\".")
            })?;
            Some((written.to_owned(), compat, line))
        }
    };
    let sources = find(table, "sources").and_then(|(value, _)| as_table(value));
    Ok(Project {
        julia,
        is_package: find(table, "name").is_some() && find(table, "uuid").is_some(),
        has_dependencies: find(table, "deps").and_then(|(value, _)| as_table(value)).is_some_and(|it| !it.is_empty()),
        path_line: sources
            .and_then(|sources| sources.iter().find_map(|(_, source)| find(as_table(source.get_ref())?, "path")))
            .map(|(_, at)| text::line_at(&text, at)),
        text: text.clone(),
    })
}

/// Reads a `Manifest.toml` of either format.
pub(crate) fn manifest(file: &str, bytes: &[u8]) -> Result<Manifest, PlanError> {
    let text = text::decode(file, bytes)?;
    let table = parse(file, &text)?;
    let table = table.get_ref();
    let julia = match find(table, "julia_version") {
        None => None,
        Some((value, at)) => {
            let line = text::line_at(&text, at);
            let written = value.as_str().unwrap_or_default();
            let version = JuliaVersion::parse(written).ok_or_else(|| {
                let message = format!("{:?} is not a release of Julia.", shown(written));
                PlanError::line(file, line, message, "Write the manifest with a release: julia_version = \"1.9.4\".")
            })?;
            Some((version, line))
        }
    };
    // The packages are tables of the file in the first format, and of `deps` in the second.
    let second = find(table, "manifest_format").is_some();
    let packages = if second { find(table, "deps").and_then(|(value, _)| as_table(value)) } else { Some(table) };
    let path = packages.into_iter().flat_map(DeTable::iter).find_map(|(_, entries)| {
        let DeValue::Array(entries) = entries.get_ref() else { return None };
        entries.iter().find_map(|entry| find(as_table(entry.get_ref())?, "path"))
    });
    Ok(Manifest { julia, path_line: path.map(|(_, at)| text::line_at(&text, at)), text: text.clone() })
}

fn parse<'a>(file: &str, text: &'a str) -> Result<toml::Spanned<DeTable<'a>>, PlanError> {
    DeTable::parse(text).map_err(|error| {
        let line = text::line_at(text, error.span().map_or(0, |span| span.start));
        // The parser's own words for what it expected; they hold nothing of the file.
        let message = format!("The file is not TOML: {}.", error.message().lines().next().unwrap_or_default());
        PlanError::line(file, line, message, "Correct the line, or write the file with Julia's package manager.")
    })
}

/// The value of a key and where the key stands.
fn find<'a, 'b>(table: &'a DeTable<'b>, name: &str) -> Option<(&'a DeValue<'b>, usize)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((value.get_ref(), key.span().start))
}

fn as_table<'a, 'b>(value: &'a DeValue<'b>) -> Option<&'a DeTable<'b>> {
    match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
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
