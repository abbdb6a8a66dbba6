//! `Pipfile` and `Pipfile.lock`: packages of both groups, and the Python they were made for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::PlanError;
use crate::error::shown;
use crate::parse::locked::{Origin, Package};
use crate::parse::runtime::PythonVersion;
use crate::parse::text;
use crate::parse::toml::{self, Node};

/// What a file gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pipfile {
    /// Packages and development packages; paths are relative to the file.
    pub(crate) packages: Vec<Package>,
    /// Addresses of indexes beside the site's own.
    pub(crate) indexes: Vec<String>,
    /// The Python it names, and its line.
    pub(crate) python: Option<(PythonVersion, u32)>,
}

const HINT: &str = "Write it as Pipenv does, e.g. numpy = \">=2\".";
const LOCK_HINT: &str = "Make it anew with pipenv lock.";

/// A value of either format.
enum Field {
    Text(String),
    Truth(bool),
    List(Vec<String>),
}

/// Reads `Pipfile`.
pub(crate) fn pipfile(file: &str, bytes: &[u8]) -> Result<Pipfile, PlanError> {
    toml::with(file, bytes, |root| {
        let (mut out, mut known) = (Pipfile::default(), BTreeSet::new());
        if let Some(requires) = root.get("requires") {
            let version = requires.get("python_full_version").or_else(|| requires.get("python_version"));
            if let Some(node) = version {
                out.python = python(node.text().unwrap_or_default())
                    .map_err(|message| node.wrong(message, "Write it as python_version = \"3.12\"."))?
                    .map(|version| (version, node.line()));
            }
        }
        for source in root.get("source").map(|sources| sources.items()).unwrap_or_default() {
            let url = source.text_at("url").unwrap_or_default();
            index(source.text_at("name"), url, &mut out).map_err(|message| source.wrong(message, HINT))?;
        }
        for group in ["packages", "dev-packages"] {
            for (name, node) in root.get(group).map(|group| group.entries()).unwrap_or_default() {
                let fields = match node.text() {
                    Some(version) => vec![("version".to_owned(), Field::Text(version.to_owned()))],
                    None => node
                        .entries()
                        .into_iter()
                        .filter_map(|(key, value)| Some((key.to_owned(), field(&value)?)))
                        .collect(),
                };
                let package = package(name, fields);
                add(package, &mut known, &mut out)
                    .map_err(|wrong| node.wrong(format!("{} {wrong}.", shown(name)), HINT))?;
            }
        }
        Ok(out)
    })
}

fn field(node: &Node<'_>) -> Option<Field> {
    if let Some(text) = node.text() {
        return Some(Field::Text(text.to_owned()));
    }
    if let Some(truth) = node.truth() {
        return Some(Field::Truth(truth));
    }
    node.is_array().then(|| Field::List(node.items().iter().filter_map(Node::text).map(str::to_owned).collect()))
}

/// Reads `Pipfile.lock`.
pub(crate) fn lock(file: &str, bytes: &[u8]) -> Result<Pipfile, PlanError> {
    let source = text::decode(file, bytes)?;
    let root: Value = serde_json::from_str(&source).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(1).max(1);
        PlanError::line(file, line, "The file is not JSON, so it is not a lock file of Pipenv.", LOCK_HINT)
    })?;
    let line_of = |word: &str| {
        let quoted = format!("\"{word}\"");
        source.find(&quoted).map_or(1, |at| text::line_at(&source, at))
    };
    if root.get("default").is_none_or(|group| !group.is_object()) {
        return Err(PlanError::line(
            file,
            1,
            "The file has no packages, so it is not a lock file of Pipenv.",
            LOCK_HINT,
        ));
    }
    let (mut out, mut known) = (Pipfile::default(), BTreeSet::new());
    let meta = root.get("_meta");
    let requires = meta.and_then(|meta| meta.get("requires"));
    for key in ["python_full_version", "python_version"] {
        if let Some(value) = requires.and_then(|requires| requires.get(key)).filter(|_| out.python.is_none()) {
            let line = line_of(key);
            out.python = python(value.as_str().unwrap_or_default())
                .map_err(|message| PlanError::line(file, line, message, LOCK_HINT))?
                .map(|version| (version, line));
        }
    }
    let sources = meta.and_then(|meta| meta.get("sources")).and_then(Value::as_array);
    for source in sources.into_iter().flatten() {
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        index(text("name"), text("url").unwrap_or_default(), &mut out)
            .map_err(|message| PlanError::line(file, line_of("sources"), message, LOCK_HINT))?;
    }
    for group in ["default", "develop"] {
        for (name, entry) in root.get(group).and_then(Value::as_object).into_iter().flatten() {
            let fields = entry.as_object().into_iter().flatten().filter_map(|(key, value)| {
                let value = match value {
                    Value::String(text) => Field::Text(text.clone()),
                    Value::Bool(truth) => Field::Truth(*truth),
                    Value::Array(list) => {
                        Field::List(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                    }
                    _ => return None,
                };
                Some((key.clone(), value))
            });
            let package = package(name, fields.collect());
            add(package, &mut known, &mut out).map_err(|wrong| {
                PlanError::line(file, line_of(name), format!("{} {wrong}.", shown(name)), LOCK_HINT)
            })?;
        }
    }
    Ok(out)
}

/// Adds a package that can be written as a requirement; what is in both groups stands there once.
fn add(package: Package, known: &mut BTreeSet<String>, out: &mut Pipfile) -> Result<(), &'static str> {
    package.line()?;
    if known.insert(package.name.clone()) {
        out.packages.push(package);
    }
    Ok(())
}

fn python(text: &str) -> Result<Option<PythonVersion>, String> {
    if text.is_empty() || text == "*" {
        return Ok(None);
    }
    match PythonVersion::parse(text) {
        Some(version) => Ok(Some(version)),
        None => Err(format!("{:?} is not a version of Python.", shown(text))),
    }
}

/// An index beside the usual one, which Pipenv always names `pypi`.
fn index(name: Option<&str>, url: &str, out: &mut Pipfile) -> Result<(), &'static str> {
    if name == Some("pypi") {
        return Ok(());
    }
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains(char::is_whitespace) {
        return Err("A source is not an address.");
    }
    out.indexes.push(url.to_owned());
    Ok(())
}

fn package(name: &str, fields: Vec<(String, Field)>) -> Package {
    let mut out = Package { name: name.to_owned(), ..Package::default() };
    let (mut revision, mut below, mut address, mut editable) = (None, None, None, false);
    let mut markers: Vec<String> = Vec::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("version", Field::Text(text)) if text != "*" => out.version = text,
            ("extras", Field::List(list)) => out.extras = list,
            ("hashes", Field::List(list)) => out.hashes = list,
            ("markers", Field::Text(text)) => markers.push(format!("({text})")),
            ("editable", Field::Truth(truth)) => editable = truth,
            ("ref", Field::Text(text)) => revision = Some(text),
            ("subdirectory", Field::Text(text)) => below = Some(text),
            ("git" | "path" | "file", Field::Text(text)) => address = Some((key, text)),
            // `sys_platform = "== 'linux'"`.
            (
                "os_name"
                | "sys_platform"
                | "platform_machine"
                | "platform_python_implementation"
                | "platform_release"
                | "platform_system"
                | "platform_version"
                | "python_version"
                | "python_full_version"
                | "implementation_name"
                | "implementation_version",
                Field::Text(text),
            ) => markers.push(format!("{key} {text}")),
            _ => {}
        }
    }
    out.marker = (!markers.is_empty()).then(|| markers.join(" and "));
    match address {
        Some((kind, text)) if kind == "git" => {
            let at = revision.map(|revision| format!("@{revision}")).unwrap_or_default();
            let below = below.map(|path| format!("#subdirectory={path}")).unwrap_or_default();
            let text = match text.strip_prefix("git@").and_then(|rest| rest.split_once(':')) {
                Some((host, path)) if !text.contains("://") => format!("ssh://git@{host}/{path}"),
                _ => text,
            };
            let scheme = if text.starts_with("git+") { "" } else { "git+" };
            out.origin = Origin::Repository(format!("{scheme}{text}{at}{below}"));
        }
        Some((_, text)) if text.contains("://") => out.origin = Origin::Archive(text),
        Some((_, text)) => out.origin = Origin::Path { path: text, editable },
        None => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Pipfile, lock, pipfile};

    fn lines(read: &Pipfile) -> Vec<String> {
        read.packages.iter().map(|package| package.line().unwrap().replace(" \\\n    --hash=", " #")).collect()
    }

    #[test]
    fn a_pipfile_gives_packages_of_both_groups_and_its_python() {
        let read = pipfile(
            "Pipfile",
            b"[[source]]\nname = \"pypi\"\nurl = \"https://index.example.org/simple\"\n[[source]]\nname = \"own\"\nurl = \"https://own.example.org/simple\"\n\
              [packages]\nnumpy = \"*\"\nsix = \"==1.16.0\"\nrequests = {version = \">=2\", extras = [\"socks\"], markers = \"python_version < '4'\"}\n\
              here = {path = \".\", editable = true}\ng = {git = \"https://example.org/g.git\", ref = \"v1\"}\npywin32 = {version = \"*\", sys_platform = \"== 'win32'\"}\n\
              [dev-packages]\npytest = \"~=8.0\"\nsix = \"*\"\n[requires]\npython_version = \"3.11\"\n",
        )
        .unwrap();
        let mut found = lines(&read);
        found.sort();
        assert_eq!(
            found,
            [
                "-e .",
                "g @ git+https://example.org/g.git@v1",
                "numpy",
                "pytest~=8.0",
                "pywin32 ; sys_platform == 'win32'",
                "requests[socks]>=2 ; (python_version < '4')",
                "six==1.16.0",
            ]
        );
        assert_eq!(read.indexes, ["https://own.example.org/simple"]);
        let (version, line) = read.python.unwrap();
        assert_eq!((version.series().as_str(), line), ("3.11", 18));
    }

    #[test]
    fn a_lock_file_gives_exact_versions_with_their_hashes() {
        let hash = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";
        let text = format!(
            "{{\n\"_meta\": {{\"requires\": {{\"python_version\": \"3.11\"}}, \"sources\": [{{\"name\": \"pypi\", \"url\": \"x\"}}]}},\n\
             \"default\": {{\"six\": {{\"version\": \"==1.16.0\", \"hashes\": [\"{hash}\"], \"markers\": \"python_version >= '3'\", \"index\": \"pypi\"}}}},\n\
             \"develop\": {{\"iniconfig\": {{\"version\": \"==2.0.0\"}}, \"here\": {{\"path\": \"..\", \"editable\": true}}}}\n}}\n"
        );
        let read = lock("Pipfile.lock", text.as_bytes()).unwrap();
        let mut found = lines(&read);
        found.sort();
        assert_eq!(
            found,
            [
                "-e ./..".to_owned(),
                "iniconfig==2.0.0".to_owned(),
                format!("six==1.16.0 ; (python_version >= '3') #{hash}")
            ]
        );
        assert_eq!(read.python.unwrap().1, 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line) in [
            ("[packages]\nnumpy = \"1.2\"\n", 2),
            ("[packages]\nnumpy = \"^1\"\n", 2),
            ("[packages]\n\"a b\" = \"*\"\n", 2),
            ("[requires]\npython_version = \"3.x\"\n", 2),
            ("[[source]]\nurl = \"somewhere\"\n", 1),
            ("[packages\n", 1),
        ] {
            let fault = Fault::from(pipfile("Pipfile", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("Pipfile:{line}")), "{text}: {fault}");
        }
        for (text, line) in [
            ("", 1),
            ("[]", 1),
            ("{\n\"default\": {\n\"six\": {\"version\": \"==x y\"}}}", 3),
            ("{\"default\": {}\n<<<<<<< HEAD", 2),
        ] {
            let fault = Fault::from(lock("Pipfile.lock", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("Pipfile.lock:{line}")), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = pipfile("Pipfile", &bytes);
            let _ = lock("Pipfile.lock", &bytes);
        }

        #[test]
        fn whatever_is_taken_is_one_requirement(name in "[ -~]{1,8}", version in "[ -~]{0,8}", marker in "[ -~]{0,10}", git in "[ -~]{0,12}") {
            let text = format!("[packages]\n{name:?} = {{version = {version:?}, markers = {marker:?}}}\n\"g\" = {{git = {git:?}}}\n");
            if let Ok(read) = pipfile("Pipfile", text.as_bytes()) {
                for line in read.packages.iter().map(|package| package.line().unwrap()) {
                    prop_assert_eq!(line.lines().count(), 1);
                }
            }
        }
    }
}
