//! `pixi.toml`: channels, conda's and pip's dependencies of the default environment.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::PlanError;
use crate::error::shown;
use crate::parse::match_spec::MatchSpec;
use crate::parse::text;

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Project {
    /// Channels, as written, and the line of each.
    pub(crate) channels: Vec<(String, u32)>,
    /// What conda installs, and the line of each.
    pub(crate) specs: Vec<(MatchSpec, u32)>,
    /// What pip installs: lines of a requirements file, and the line of each.
    pub(crate) pip: Vec<(String, u32)>,
    /// Variables set wherever the environment is active.
    pub(crate) variables: Vec<(String, String)>,
    /// What is not used.
    pub(crate) notes: Vec<String>,
}

const HINT: &str = "Write `name = \"*\"`, or a version such as `\">=1.2,<2\"`.";

type Value<'a> = Spanned<DeValue<'a>>;

/// Where a message points.
struct At<'a> {
    file: &'a str,
    source: &'a str,
}

impl At<'_> {
    fn line(&self, value: &Value<'_>) -> u32 {
        text::line_at(self.source, value.span().start)
    }

    fn refuse(&self, line: u32, message: impl Into<String>) -> PlanError {
        PlanError::line(self.file, line, message, HINT)
    }
}

/// Reads the file, as it is for a platform.
pub(crate) fn parse(file: &str, bytes: &[u8], platform: &str) -> Result<Project, PlanError> {
    let source = text::decode(file, bytes)?;
    let at = At { file, source: &source };
    let tree = DeTable::parse(&source).map_err(|error| {
        let line = error.span().map_or(1, |span| text::line_at(&source, span.start));
        PlanError::line(file, line, "The line is not TOML.", "Check quotes, brackets and equal signs.")
    })?;
    let tree = tree.get_ref();
    let mut out = Project::default();
    let workspace = tree.get("workspace").or_else(|| tree.get("project"));
    if let Some(list) = workspace.and_then(|table| get(table, "channels")) {
        channels(&at, list, &mut out)?;
    }
    dependencies(&at, tree, &mut out)?;
    if let Some(targets) = tree.get("target").and_then(|value| table(value)) {
        let fitting = ["unix", "linux", platform];
        for name in fitting {
            if let Some(one) = targets.get(name).and_then(|value| table(value)) {
                dependencies(&at, one, &mut out)?;
            }
        }
    }
    if let Some(variables) = tree.get("activation").and_then(|value| get(value, "env")).and_then(|value| table(value)) {
        for (name, value) in variables {
            if let DeValue::String(text) = value.get_ref()
                && !text.chars().any(char::is_control)
                && name.get_ref().chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            {
                out.variables.push((name.get_ref().to_string(), text.to_string()));
            }
        }
    }
    if tree.get("feature").is_some() {
        out.notes.push(format!("{file}: only the default environment is made; features of others are not used."));
    }
    Ok(out)
}

fn table<'v, 'a>(value: &'v Value<'a>) -> Option<&'v DeTable<'a>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn get<'v, 'a>(value: &'v Value<'a>, key: &str) -> Option<&'v Value<'a>> {
    table(value)?.get(key)
}

fn string<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

fn channels(at: &At<'_>, value: &Value<'_>, out: &mut Project) -> Result<(), PlanError> {
    let DeValue::Array(list) = value.get_ref() else {
        return Err(at.refuse(at.line(value), "`channels` is not a list."));
    };
    for entry in list.iter() {
        // A channel with a priority is a table.
        let name = string(entry).or_else(|| get(entry, "channel").and_then(string));
        let plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '`' | '<' | '>' | '[' | ']' | '$');
        match name.filter(|name| !name.is_empty() && name.len() <= 500 && name.chars().all(plain)) {
            Some(name) => out.channels.push((name.to_owned(), at.line(entry))),
            None => return Err(at.refuse(at.line(entry), "The entry is not the name or address of a channel.")),
        }
    }
    Ok(())
}

fn dependencies(at: &At<'_>, tree: &DeTable<'_>, out: &mut Project) -> Result<(), PlanError> {
    for (key, conda) in [("dependencies", true), ("pypi-dependencies", false)] {
        let Some(value) = tree.get(key) else { continue };
        let Some(entries) = table(value) else {
            return Err(at.refuse(at.line(value), format!("`{key}` is not a table.")));
        };
        for (name, value) in entries {
            let line = text::line_at(at.source, name.span().start);
            let name: &str = name.get_ref();
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) || name.is_empty() {
                return Err(at.refuse(line, format!("{:?} is not the name of a package.", shown(name))));
            }
            if conda {
                out.specs.push((spec(at, line, name, value)?, line));
            } else {
                out.pip.push((requirement(at, line, name, value)?, line));
            }
        }
    }
    Ok(())
}

fn spec(at: &At<'_>, line: u32, name: &str, value: &Value<'_>) -> Result<MatchSpec, PlanError> {
    let bad = || at.refuse(line, format!("{name} does not ask for a version of a conda package."));
    let text = match value.get_ref() {
        DeValue::String(version) if version.trim() == "*" => name.to_owned(),
        DeValue::String(version) => format!("{name} {version}"),
        DeValue::Table(table) => {
            let known = ["version", "build", "build-number", "channel"];
            if table.keys().any(|key| !known.contains(&key.get_ref().as_ref())) {
                return Err(at.refuse(line, format!("{name} is not asked for by version, build and channel alone.")));
            }
            let part = |key: &str| table.get(key).and_then(string);
            let version = part("version").filter(|version| *version != "*").unwrap_or_default();
            let build = part("build").map(|build| format!("[build='{build}']")).unwrap_or_default();
            if build.matches('\'').count() > 2 || version.contains('[') {
                return Err(bad());
            }
            let channel = part("channel").map(|channel| format!("{channel}::")).unwrap_or_default();
            format!("{channel}{name} {version}{build}")
        }
        _ => return Err(bad()),
    };
    MatchSpec::parse(&text).filter(|spec| !spec.name.is_empty()).ok_or_else(bad)
}

fn requirement(at: &At<'_>, line: u32, name: &str, value: &Value<'_>) -> Result<String, PlanError> {
    let bad = || at.refuse(line, format!("{name} does not ask for a Python package in a way that is known here."));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ';' | '#' | '"' | '\'' | '\\'));
    let version = |text: &str| match text.trim() {
        "*" => Some(String::new()),
        // A bare version is that version.
        text if text.starts_with(|c: char| c.is_ascii_digit()) => Some(format!("=={text}")),
        text => Some(text.replace(' ', "")).filter(|text| plain(text)),
    };
    match value.get_ref() {
        DeValue::String(text) => Ok(format!("{name}{}", version(text).ok_or_else(bad)?)),
        DeValue::Table(table) => {
            let part = |key: &str| table.get(key).and_then(string).filter(|text| plain(text));
            let mut extras: Vec<&str> = Vec::new();
            if let Some(list) = table.get("extras") {
                let DeValue::Array(list) = list.get_ref() else { return Err(bad()) };
                for one in list.iter() {
                    extras.push(string(one).filter(|text| plain(text)).ok_or_else(bad)?);
                }
            }
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            if let Some(path) = part("path") {
                let editable =
                    table.get("editable").is_some_and(|value| matches!(value.get_ref(), DeValue::Boolean(true)));
                let path = if path.starts_with(['.', '/']) { path.to_owned() } else { format!("./{path}") };
                return Ok(format!("{}{path}{extras}", if editable { "-e " } else { "" }));
            }
            if let Some(git) = part("git") {
                let rev = ["rev", "tag", "branch"].into_iter().find_map(part).map(|rev| format!("@{rev}"));
                let sub = part("subdirectory").map(|sub| format!("#subdirectory={sub}"));
                let git = git.strip_prefix("git+").unwrap_or(git);
                return Ok(format!("{name}{extras} @ git+{git}{}{}", rev.unwrap_or_default(), sub.unwrap_or_default()));
            }
            if let Some(url) = part("url") {
                return Ok(format!("{name}{extras} @ {url}"));
            }
            let version = match table.get("version").and_then(string) {
                Some(text) => version(text).ok_or_else(bad)?,
                None if extras.is_empty() => return Err(bad()),
                None => String::new(),
            };
            Ok(format!("{name}{extras}{version}"))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Project, parse};

    fn read(text: &str) -> Project {
        parse("pixi.toml", text.as_bytes(), "linux-64").unwrap()
    }

    #[test]
    fn what_the_default_environment_needs_is_read_with_its_lines() {
        let read = read(
            "[workspace]\nname = \"x\"\nchannels = [\"conda-forge\", { channel = \"pytorch\", priority = 1 }]\nplatforms = [\"linux-64\"]\n\
             [dependencies]\npython = \">=3.12,<3.13\"\nnumpy = \"*\"\nscipy = { version = \"1.11.*\", channel = \"conda-forge\" }\n\
             [pypi-dependencies]\nsix = \"==1.16.0\"\nrequests = { version = \">=2\", extras = [\"socks\"] }\n\
             mine = { path = \".\", editable = true }\ngit = { git = \"https://example.org/a/b\", rev = \"v1\" }\n\
             [target.linux-64.dependencies]\nzlib = \"*\"\n[target.osx-64.dependencies]\nnever = \"*\"\n\
             [activation.env]\nMODE = \"teaching\"\n[feature.docs.dependencies]\nsphinx = \"*\"\n",
        );
        let specs: Vec<_> = read.specs.iter().map(|(spec, line)| (spec.shown(), *line)).collect();
        let expected = [("numpy", 7), ("python>=3.12,<3.13", 6), ("conda-forge::scipy 1.11.*", 8), ("zlib", 15)];
        assert_eq!(specs, expected.map(|(text, line)| (text.to_owned(), line)));
        assert_eq!(read.channels, [("conda-forge".to_owned(), 3), ("pytorch".to_owned(), 3)]);
        let pip: Vec<_> = read.pip.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(pip, ["git @ git+https://example.org/a/b@v1", "-e .", "requests[socks]>=2", "six==1.16.0"]);
        assert_eq!(read.variables, [("MODE".to_owned(), "teaching".to_owned())]);
        assert_eq!(read.notes.len(), 1);
    }

    #[test]
    fn wrong_shapes_are_refused_with_their_line() {
        for (text, line) in [
            ("[workspace\n", 1),
            ("a = 1\na = 2\n", 2),
            ("[workspace]\nchannels = 3\n", 2),
            ("[workspace]\nchannels = ['$(id)']\n", 2),
            ("dependencies = 3\n", 1),
            ("[dependencies]\nnumpy = 3\n", 2),
            ("[dependencies]\nnumpy = '$(id)'\n", 2),
            ("[dependencies]\n'a b' = '*'\n", 2),
            ("[dependencies]\nnumpy = { path = '.' }\n", 2),
            ("[pypi-dependencies]\nsix = 3\n", 2),
            ("[pypi-dependencies]\nsix = '; id'\n", 2),
            ("[pypi-dependencies]\nsix = {}\n", 2),
        ] {
            let fault = Fault::from(parse("pixi.toml", text.as_bytes(), "linux-64").unwrap_err());
            assert_eq!((fault.file.as_deref(), fault.line), (Some("pixi.toml"), Some(line)), "{text:?}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("pixi.toml", &bytes, "linux-64");
        }

        #[test]
        fn near_projects_are_read_without_panic(text in "\\[(workspace|dependencies|pypi-dependencies)\\]\n([a-z]{1,4} = ['\"{\\[][a-z=<>0-9. ,]{0,8}['\"}\\]]\n){0,4}") {
            let _ = parse("pixi.toml", text.as_bytes(), "linux-64");
        }
    }
}
