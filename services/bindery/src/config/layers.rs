//! Lays one source of settings over another and remembers where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::Config;
use super::derive;

/// Environment variables that begin like this are settings: `BINDERY__WEB__LISTEN`.
const PREFIX: &str = "BINDERY__";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// Worked out from other settings or the host.
    Derived(&'static str),
    /// A line of a file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// `--set`.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Derived(from) => write!(f, "from {from}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("--set"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or holds an unknown or wrong setting.
    #[error("{path}:{line}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// An environment variable or `--set` names an unknown setting or holds a wrong value.
    #[error("{origin}: {message}")]
    Value {
        /// Which.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// `--set` without `=`.
    #[error("--set takes section.key=value, not {0:?}")]
    Flag(String),
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
}

/// What to lay over the defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// The TOML file, if one is named.
    pub(crate) file: Option<PathBuf>,
    /// The process's environment.
    pub(crate) environment: Vec<(String, String)>,
    /// `section.key=value`.
    pub(crate) flags: Vec<String>,
}

/// A configuration, and where each value in it came from.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// Origins of the values that are not defaults, by dotted path.
    pub(crate) origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Reads every layer.
    ///
    /// # Errors
    /// The first thing wrong, with its place.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        let mut table = Table::new();
        let mut origins = BTreeMap::new();
        if let Some(path) = &self.file {
            read_file(path, &mut table, &mut origins)?;
        }
        for (name, text) in &self.environment {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let path = rest.to_lowercase().replace("__", ".");
                set(&mut table, &path, text, name)?;
                origins.insert(path, Origin::Environment(name.clone()));
            }
        }
        for flag in &self.flags {
            let (path, text) = flag.split_once('=').ok_or_else(|| ConfigError::Flag(flag.clone()))?;
            set(&mut table, path.trim(), text, &format!("--set {path}"))?;
            origins.insert(path.trim().to_owned(), Origin::Flag);
        }
        let config = deserialize(&table)
            .map_err(|error| ConfigError::Value { origin: "configuration".to_owned(), message: first_line(&error) })?;
        let mut loaded = Loaded { config, origins };
        derive::fill_in(&mut loaded, &self.environment)?;
        Ok(loaded)
    }
}

fn deserialize(table: &Table) -> Result<Config, toml::de::Error> {
    Config::deserialize(Value::Table(table.clone()))
}

fn read_file(path: &Path, table: &mut Table, origins: &mut BTreeMap<String, Origin>) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let wrong = |error: toml::de::Error| {
        let line = line_of(&text, error.span().map_or(0, |span| span.start));
        ConfigError::File { path: path.to_owned(), line, message: error.message().to_owned() }
    };
    toml::from_str::<Config>(&text).map_err(wrong)?;
    *table = text.parse::<Table>().map_err(wrong)?;
    let spans = DeTable::parse(&text).map_err(wrong)?;
    note_origins(spans.get_ref(), "", &mut |key, start| {
        origins.insert(key, Origin::File(path.to_owned(), line_of(&text, start)));
    });
    Ok(())
}

fn note_origins(table: &DeTable<'_>, prefix: &str, note: &mut dyn FnMut(String, usize)) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => note_origins(inner, &path, note),
            _ => note(path, key.span().start),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// Sets one value from text, reading the text as whatever type the setting has: a string if that fits, else a number, a truth
/// value, or a list separated by commas.
fn set(table: &mut Table, path: &str, text: &str, origin: &str) -> Result<(), ConfigError> {
    let mut refusal = None;
    for value in readings(text) {
        let mut candidate = table.clone();
        if !insert(&mut candidate, path, value) {
            break;
        }
        match deserialize(&candidate) {
            Ok(_) => {
                *table = candidate;
                return Ok(());
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    let message = refusal.map_or_else(|| format!("{path} is not a setting"), |error| first_line(&error));
    Err(ConfigError::Value { origin: origin.to_owned(), message })
}

/// The values a text may mean, most literal first.
fn readings(text: &str) -> Vec<Value> {
    let mut values = vec![Value::String(text.to_owned())];
    if let Some(value) = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v")) {
        values.push(value);
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    values.push(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()));
    values
}

fn insert(table: &mut Table, path: &str, value: Value) -> bool {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
            true
        }
        Some((head, rest)) => match table.entry(head).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => insert(inner, rest, value),
            _ => false,
        },
    }
}

fn first_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Layers, Origin};

    fn environment(pairs: &[(&str, &str)]) -> Layers {
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Layers { environment, ..Layers::default() }
    }

    #[test]
    fn text_is_read_as_the_setting_s_own_type() {
        let layers = environment(&[
            ("BINDERY__WEB__LISTEN", "127.0.0.1:9999"),
            ("BINDERY__CONTENT__ALLOW_HOSTS", "localhost:1234, 127.0.0.1"),
            ("BINDERY__LAUNCHER__CPUS", "0.5"),
            ("BINDERY__LOG__JSON", "true"),
            ("BINDERY__BUILD__BASE_IMAGE", "12"),
            ("PATH", "/bin"),
        ]);
        let config = layers.load().unwrap().config;
        assert_eq!(config.web.listen.port(), 9999);
        assert_eq!(config.content.allow_hosts, ["localhost:1234", "127.0.0.1"]);
        assert!((config.launcher.cpus - 0.5).abs() < f64::EPSILON);
        assert!(config.log.json);
        assert_eq!(config.build.base_image, "12");
    }

    #[test]
    fn an_unknown_setting_is_an_error_that_names_its_variable() {
        let error = environment(&[("BINDERY__WEB__LISTNE", "x")]).load().unwrap_err().to_string();
        assert!(error.starts_with("BINDERY__WEB__LISTNE: ") && error.contains("listne"), "{error}");
        let error = environment(&[("BINDERY__WEB__LISTEN", "nowhere")]).load().unwrap_err().to_string();
        assert!(error.starts_with("BINDERY__WEB__LISTEN: "), "{error}");
    }

    #[test]
    fn credentials_that_cannot_be_read_are_not_repeated() {
        for text in
            ["hunter2", "[{host = \"h\", pasword = \"hunter2\"}]", "[\"hunter2\"]", "[{password = \"hunter2\"}]"]
        {
            let error = environment(&[("BINDERY__CONTENT__CREDENTIALS", text)]).load().unwrap_err().to_string();
            assert!(error.starts_with("BINDERY__CONTENT__CREDENTIALS: ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_is_overridden_by_the_environment_and_that_by_flags() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bindery.toml");
        std::fs::write(&file, "[build]\nbase_image = \"a\"\nplatform = \"linux/arm64\"\n[log]\nfilter = \"debug\"\n")
            .unwrap();
        let mut layers = environment(&[("BINDERY__BUILD__BASE_IMAGE", "b"), ("BINDERY__LOG__FILTER", "warn")]);
        layers.file = Some(file.clone());
        layers.flags = vec!["log.filter=error".to_owned()];
        let loaded = layers.load().unwrap();
        assert_eq!((loaded.config.build.base_image.as_str(), loaded.config.log.filter.as_str()), ("b", "error"));
        assert_eq!(loaded.config.build.platform, "linux/arm64");
        assert_eq!(loaded.origins["build.platform"], Origin::File(file, 3));
        assert_eq!(loaded.origins["log.filter"], Origin::Flag);
    }

    #[test]
    fn an_unknown_key_in_a_file_is_an_error_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bindery.toml");
        std::fs::write(&file, "[web]\n\nlissten = \"127.0.0.1:1\"\n").unwrap();
        let error = Layers { file: Some(file), ..Layers::default() }.load().unwrap_err().to_string();
        assert!(error.contains("bindery.toml:3: ") && error.contains("lissten"), "{error}");
    }
}
