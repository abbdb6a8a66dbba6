//! TOML with places: every value knows its line, for faults that name it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::PlanError;
use crate::parse::text;

/// Reads a TOML file and hands it to `read`.
pub(crate) fn with<T>(
    file: &str,
    bytes: &[u8],
    read: impl FnOnce(&Node<'_>) -> Result<T, PlanError>,
) -> Result<T, PlanError> {
    let source = text::decode(file, bytes)?;
    let table = DeTable::parse(&source).map_err(|error| {
        let line = text::line_at(&source, error.span().map_or(0, |span| span.start));
        let what = error.message().lines().next().unwrap_or_default().to_owned();
        PlanError::line(
            file,
            line,
            format!("The file is not TOML: {what}."),
            "Correct the line; a TOML checker finds more.",
        )
    })?;
    let span = table.span();
    let value = Spanned::new(span, DeValue::Table(table.into_inner()));
    read(&Node { file, source: &source, value: &value })
}

/// A value and its place.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    file: &'a str,
    source: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Node<'a> {
    /// The whole file as text: UTF-8, Unix line ends.
    pub(crate) fn source(&self) -> &'a str {
        self.source
    }

    /// The line it begins on, from 1.
    pub(crate) fn line(&self) -> u32 {
        text::line_at(self.source, self.value.span().start)
    }

    /// The value below `key`, of a table.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let DeValue::Table(table) = self.value.get_ref() else { return None };
        let value = table.get(key)?;
        Some(Node { value, ..*self })
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<Node<'a>> {
        path.iter().try_fold(*self, |node, key| node.get(key))
    }

    /// Keys and values of a table; empty for anything else.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        let DeValue::Table(table) = self.value.get_ref() else { return Vec::new() };
        table.iter().map(|(key, value)| (key.get_ref().as_ref(), Node { value, ..*self })).collect()
    }

    /// The values of an array; empty for anything else.
    pub(crate) fn items(&self) -> Vec<Node<'a>> {
        let DeValue::Array(array) = self.value.get_ref() else { return Vec::new() };
        array.iter().map(|value| Node { value, ..*self }).collect()
    }

    /// A string.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    /// A truth value.
    pub(crate) fn truth(&self) -> Option<bool> {
        self.value.get_ref().as_bool()
    }

    /// Whether it is an array.
    pub(crate) fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// A string below `key`.
    pub(crate) fn text_at(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// A fault at this place.
    pub(crate) fn wrong(&self, message: impl Into<String>, hint: impl Into<String>) -> PlanError {
        PlanError::line(self.file, self.line(), message, hint)
    }
}
