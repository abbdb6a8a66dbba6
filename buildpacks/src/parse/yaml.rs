//! YAML as a tree in which every node knows its line. Anchors and merge keys are followed, within a budget.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Spanned};

use crate::PlanError;
use crate::parse::text;

/// A node and the line it stands on, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing was written, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is shown.
    Number(String),
    /// Anything else that is one value.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file; no key stands twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What kind of value it is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, where it is a list.
    pub(crate) fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The value under `key`, where it is a mapping that has one.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(pairs) => pairs.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Reads one document. An empty file is [`Value::Null`].
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Node, PlanError> {
    let source = text::decode(file, bytes)?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_documents: 2,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_nodes: 400_000,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let has_content = source.lines().any(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && line != "---" && line != "..."
    });
    if !has_content {
        return Ok(Node { line: 1, value: Value::Null });
    }
    let parsed: Spanned<Value> =
        serde_saphyr::from_str_with_options(&source, options).map_err(|error| refuse(file, &source, &error))?;
    Ok(node(parsed))
}

/// The fault of a file that is not YAML, in our own words: the parser's may quote the line.
fn refuse(file: &str, source: &str, error: &Error) -> PlanError {
    let last = text::line_at(source, source.trim_end().len());
    let at = error.location().and_then(|place| u32::try_from(place.line()).ok()).filter(|line| *line > 0);
    let line = at.unwrap_or(1).min(last);
    let index = usize::try_from(line).unwrap_or(1);
    // A tab is often noticed only on the line after it, or told at the start of what it stands in.
    let tab = [index, index.saturating_sub(1), index + 1].into_iter().filter(|number| *number > 0).find(|number| {
        let line = source.lines().nth(number - 1).unwrap_or_default();
        line.get(..line.len() - line.trim_start().len()).unwrap_or_default().contains('\t')
    });
    if let Some(number) = tab {
        return PlanError::line(
            file,
            u32::try_from(number).unwrap_or(line),
            "The line is indented with a tab, which YAML does not allow.",
            "Indent with spaces.",
        );
    }
    let mut inner = error.without_snippet();
    while let Error::AliasError { error, .. } = inner {
        inner = error.without_snippet();
    }
    let (message, hint) = match inner {
        Error::DuplicateMappingKey { .. } => ("The key stands twice in its mapping.", "Keep one of the two."),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            ("The file is too deep, too long, or repeats itself too often through aliases.", "Write it out plainly.")
        }
        Error::MultipleDocuments { .. } => ("The file holds more than one YAML document.", "Keep one of them."),
        _ => ("The line is not YAML.", "Check indentation, colons and quotes here and on the line before."),
    };
    PlanError::line(file, line, message, hint)
}

fn node(spanned: Spanned<Value>) -> Node {
    let line = u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX).max(1);
    Node { line, value: spanned.value }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            out.push(node(item));
        }
        Ok(Value::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<Value>, Spanned<Value>>()? {
            out.push((node(key), node(value)));
        }
        Ok(Value::Map(out))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use bindery_core::Fault;

    use super::*;

    fn read(text: &str) -> Node {
        parse("x.yml", text.as_bytes()).unwrap()
    }

    #[test]
    fn every_node_knows_its_line() {
        let tree = read("# comment\nname: x\ndependencies:\n  - a=1\n  - pip:\n    - b\n    - 'c'\n");
        let dependencies = tree.get("dependencies").unwrap().list().unwrap();
        assert_eq!((dependencies[0].line, dependencies[0].text()), (4, Some("a=1")));
        let pip = dependencies[1].get("pip").unwrap().list().unwrap();
        assert_eq!((pip[0].line, pip[1].line, pip[1].text()), (6, 7, Some("c")));
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let tree = read("a: &a\n  x: 1\nb:\n  <<: *a\n  y: two\nc: *a\n");
        assert_eq!(tree.get("b").unwrap().get("x").unwrap().value, Value::Number("1".to_owned()));
        assert_eq!(tree.get("c").unwrap().kind(), "a mapping");
    }

    #[test]
    fn an_empty_file_is_nothing() {
        for text in ["", "\n", "# only\n", "---\n", "---\n...\n"] {
            assert_eq!(read(text).value, Value::Null, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_line_and_not_quoted() {
        for (text, line, word) in [
            ("a: 1\na: 2\n", 2, "twice"),
            ("a:\n\t- b\n", 2, "tab"),
            ("a:\n  - b\n\t- canary\n", 3, "tab"),
            ("a: 'canary\n", 1, "YAML"),
            ("a: [canary\n", 1, "YAML"),
            ("a: 1\n---\nb: canary\n", 2, "more than one"),
            ("a: *canary\n", 1, "YAML"),
        ] {
            let fault = Fault::from(parse("x.yml", text.as_bytes()).unwrap_err());
            assert!(fault.message.contains(word) && !fault.message.contains("canary"), "{text:?}: {fault}");
            assert!(fault.line.unwrap() >= line && fault.line.unwrap() <= line + 1, "{text:?}: {fault}");
        }
    }

    #[test]
    fn a_file_that_grows_through_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![before; 10].join(", ")));
        }
        let fault = Fault::from(parse("x.yml", text.as_bytes()).unwrap_err());
        assert!(fault.message.contains("aliases"), "{fault}");
        assert!(parse("x.yml", "[".repeat(5000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("x.yml", &bytes);
        }

        #[test]
        fn near_yaml_is_read_without_panic_and_faults_have_a_line_of_the_file(
            text in "([ \\t]{0,3}(- )?[a-z0-9&*\\[\\]{}<:'\"|>%@!#, -]{0,10}\n){0,6}",
        ) {
            if let Err(error) = parse("x.yml", text.as_bytes()) {
                let line = Fault::from(error).line.unwrap();
                prop_assert!(line >= 1 && usize::try_from(line).unwrap() <= text.lines().count().max(1));
            }
        }
    }
}
