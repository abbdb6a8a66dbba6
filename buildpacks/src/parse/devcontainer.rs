//! `devcontainer.json`: JSON with comments and trailing commas.

use serde_json::{Map, Value};

use crate::PlanError;
use crate::error::shown;
use crate::parse::text;

/// The most variables, features or commands a file may name.
const MANY: usize = 200;
const HINT: &str = "See containers.dev for what a devcontainer.json may hold.";

/// A development container, as far as an image can have of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DevContainer {
    /// The image it is made from.
    pub(crate) image: Option<String>,
    /// The Dockerfile it is built from, and the directory that is built; both relative to the file.
    pub(crate) dockerfile: Option<(String, String)>,
    /// Whether it is several containers.
    pub(crate) compose: bool,
    /// Features by name, without their version, with their options.
    pub(crate) features: Vec<(String, Map<String, Value>)>,
    /// Variables with plain values.
    pub(crate) environment: Vec<(String, String)>,
    /// Variables whose values are made of others, which only a development tool can.
    pub(crate) substituted: Vec<String>,
    /// What is run when the container has been made, in order.
    pub(crate) commands: Vec<Command>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// A line of shell.
    Shell(String),
    /// A program and its arguments.
    Words(Vec<String>),
}

/// Reads a file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<DevContainer, PlanError> {
    let text = text::decode(file, bytes)?;
    let plain = without_comments(&text);
    let value: Value = serde_json::from_str(&plain).map_err(|error| {
        PlanError::line(
            file,
            text::json_line(&error),
            "The file is not JSON, even with comments and trailing commas.",
            HINT,
        )
    })?;
    let at = At { file, text: &text };
    let Value::Object(fields) = value else { return Err(at.wrong("", "The file is not a JSON object.")) };
    let mut out = DevContainer { image: at.text(&fields, "image")?, ..DevContainer::default() };
    if let Some(build) = at.object(&fields, "build")? {
        let context = at.text(build, "context")?.unwrap_or_else(|| ".".to_owned());
        out.dockerfile = at.text(build, "dockerfile")?.map(|dockerfile| (dockerfile, context));
    }
    if let (None, Some(dockerfile)) = (&out.dockerfile, at.text(&fields, "dockerFile")?) {
        out.dockerfile = Some((dockerfile, at.text(&fields, "context")?.unwrap_or_else(|| ".".to_owned())));
    }
    out.compose = fields.contains_key("dockerComposeFile");
    for (name, options) in at.object(&fields, "features")?.into_iter().flatten().take(MANY) {
        // `ghcr.io/devcontainers/features/python:1`; options are an object, or a version.
        let id = name.rsplit_once(':').map_or(name.as_str(), |(id, _)| id);
        let options = match options {
            Value::Object(options) => options.clone(),
            Value::String(version) => Map::from_iter([("version".to_owned(), Value::from(version.as_str()))]),
            _ => Map::new(),
        };
        out.features.push((id.to_owned(), options));
    }
    for (name, value) in at.object(&fields, "containerEnv")?.into_iter().flatten().take(MANY) {
        let Value::String(value) = value else {
            return Err(at.wrong(name, &format!("The value of {:?} in containerEnv is not a string.", shown(name))));
        };
        if !is_variable(name) || value.contains('\0') {
            return Err(at.wrong(name, &format!("{:?} is not the name of a variable.", shown(name))));
        }
        if value.contains("${") {
            out.substituted.push(name.clone());
        } else {
            out.environment.push((name.clone(), value.clone()));
        }
    }
    for field in ["onCreateCommand", "updateContentCommand", "postCreateCommand"] {
        match fields.get(field) {
            None | Some(Value::Null) => {}
            // Several by name: in the order of their names.
            Some(Value::Object(several)) => {
                for one in several.values().take(MANY) {
                    out.commands.extend(at.command(field, one)?);
                }
            }
            Some(one) => out.commands.extend(at.command(field, one)?),
        }
    }
    Ok(out)
}

/// The line, from 1, on which a file first says something.
pub(crate) fn line_of(file: &str, bytes: &[u8], said: &str) -> u32 {
    let text = text::decode(file, bytes).unwrap_or_default();
    text::line_at(&text, text.find(said).unwrap_or_default())
}

/// The file, for places of faults.
struct At<'a> {
    file: &'a str,
    text: &'a str,
}

impl At<'_> {
    fn wrong(&self, key: &str, message: &str) -> PlanError {
        let at = self.text.find(&format!("\"{key}\"")).filter(|_| !key.is_empty()).unwrap_or_default();
        PlanError::line(self.file, text::line_at(self.text, at), message, HINT)
    }

    fn text(&self, fields: &Map<String, Value>, key: &str) -> Result<Option<String>, PlanError> {
        match fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, &format!("The value of {key} is not a string."))),
        }
    }

    fn object<'a>(
        &self,
        fields: &'a Map<String, Value>,
        key: &str,
    ) -> Result<Option<&'a Map<String, Value>>, PlanError> {
        match fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(inner)) => Ok(Some(inner)),
            Some(_) => Err(self.wrong(key, &format!("The value of {key} is not an object."))),
        }
    }

    fn command(&self, field: &str, value: &Value) -> Result<Option<Command>, PlanError> {
        let wrong = || self.wrong(field, &format!("{field} is neither a line of shell nor a list of words."));
        let command = match value {
            Value::String(line) if line.trim().is_empty() => return Ok(None),
            Value::String(line) => Command::Shell(line.clone()),
            Value::Array(words) if words.is_empty() => return Ok(None),
            Value::Array(words) => {
                let words = words.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
                Command::Words(words.ok_or_else(wrong)?)
            }
            _ => return Err(wrong()),
        };
        let nul = match &command {
            Command::Shell(line) => line.contains('\0'),
            Command::Words(words) => words.iter().any(|word| word.contains('\0')),
        };
        if nul { Err(wrong()) } else { Ok(Some(command)) }
    }
}

fn is_variable(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The text with blanks in place of comments and of commas before a closing bracket, so that every line stays where it is.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut comma = None;
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('"', _) => {
                comma = None;
                out.push(c);
                while let Some(inner) = rest.next() {
                    out.push(inner);
                    match inner {
                        '\\' => out.extend(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => while rest.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) => {
                rest.next();
                let mut before = ' ';
                for inner in rest.by_ref() {
                    if inner == '\n' {
                        out.push('\n');
                    }
                    if before == '*' && inner == '/' {
                        break;
                    }
                    before = inner;
                }
                out.push(' ');
            }
            (',', _) => {
                comma = Some(out.len());
                out.push(',');
            }
            ('}' | ']', _) => {
                if let Some(at) = comma.take() {
                    out.replace_range(at..=at, " ");
                }
                out.push(c);
            }
            (c, _) => {
                if !c.is_whitespace() {
                    comma = None;
                }
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Command, parse, without_comments};

    #[test]
    fn a_file_with_comments_and_trailing_commas_is_read() {
        let text = r#"// See the documentation
{
  "name": "x", /* two
  lines */ "image": "mcr.microsoft.com/devcontainers/python:3.11", // tag
  "features": { "ghcr.io/devcontainers/features/python:1": {"version": "3.11",}, "ghcr.io/devcontainers/features/git:1": {}, },
  "containerEnv": { "URL": "https://x//y", "P": "${containerEnv:PATH}:/x", },
  "onCreateCommand": {"a": "one", "b": ["two", "three"]},
  "postCreateCommand": "pip install -r requirements.txt",
  "customizations": {"vscode": {"extensions": ["ms-python.python",]}},
}"#;
        let read = parse("devcontainer.json", text.as_bytes()).unwrap();
        assert_eq!(read.image.as_deref(), Some("mcr.microsoft.com/devcontainers/python:3.11"));
        let features: Vec<_> = read.features.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(features, ["ghcr.io/devcontainers/features/git", "ghcr.io/devcontainers/features/python"]);
        assert_eq!(read.features[1].1["version"], "3.11");
        assert_eq!(read.environment, [("URL".to_owned(), "https://x//y".to_owned())]);
        assert_eq!(read.substituted, ["P"]);
        let words = Command::Words(vec!["two".to_owned(), "three".to_owned()]);
        let shell = |line: &str| Command::Shell(line.to_owned());
        assert_eq!(read.commands, [shell("one"), words, shell("pip install -r requirements.txt")]);
        let read = parse("x", br#"{"build": {"dockerfile": "Dockerfile", "context": ".."}}"#).unwrap();
        assert_eq!(read.dockerfile, Some(("Dockerfile".to_owned(), "..".to_owned())));
        assert!(parse("x", br#"{"dockerComposeFile": "x.yml"}"#).unwrap().compose);
    }

    #[test]
    fn hostile_files_are_refused_with_their_line() {
        for (text, line) in [
            ("", 1),
            ("[]", 1),
            ("{\n// x\n\"image\": 1}", 3),
            ("{\n\n\"features\": []}", 3),
            ("{\"containerEnv\": {\n\"A=B; touch /pwned\": \"x\"}}", 2),
            ("{\"containerEnv\": {\n\"A\": 1}}", 2),
            ("{\n\"postCreateCommand\": 1}", 2),
            ("{\n\"postCreateCommand\": [1]}", 2),
            ("{\n\"a\": \"x\ny\"}", 2),
            ("{\n\"a\": 1,,}", 2),
        ] {
            let fault = Fault::from(parse("devcontainer.json", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("devcontainer.json:{line}")), "{text:?}");
            assert!(fault.hint.is_some());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("devcontainer.json", &bytes);
        }

        #[test]
        fn lines_stay_where_they_are(text in "[\"\\\\/*,}\\]\n a]{0,60}") {
            let lines = |text: &str| text.matches('\n').count();
            prop_assert_eq!(lines(&without_comments(&text)), lines(&text));
        }

        #[test]
        fn plain_json_is_left_as_it_is(value in "[a-z/*, \\\\\"\n]{0,30}") {
            let json = serde_json::json!({"a": [value, {"b": []}], "c": {}}).to_string();
            prop_assert_eq!(without_comments(&json), json);
        }
    }
}
