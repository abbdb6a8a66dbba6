//! Refuses text that the engine's parser and this one could read differently.

use super::At;
use crate::PlanError;

const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Checks the whole text, before it is parsed.
pub(super) fn check(at: &At<'_>) -> Result<(), PlanError> {
    if let Some(offset) =
        at.text.find(|c: char| (c.is_whitespace() && !matches!(c, ' ' | '\t' | '\n')) || c == '\u{feff}')
    {
        let message = "The line has white space that is not a space, tab or line end.";
        return Err(at.refuse(offset, message, "Replace it by ordinary spaces."));
    }
    directives(at)?;
    let escape = if at.text.lines().next().is_some_and(|first| escape_of(first) == Some('`')) { '`' } else { '\\' };
    let mut offset = 0;
    for line in at.text.split('\n') {
        let trimmed = line.trim_end();
        if trimmed.ends_with(&[escape, escape].iter().collect::<String>()) {
            let message =
                format!("Whether a line that ends in two {escape} goes on is read differently by different engines.");
            return Err(at.refuse(offset, message, "End the line in another way."));
        }
        offset += line.len() + 1;
    }
    here_documents(at, escape)
}

/// The character a `# escape=` line names.
fn escape_of(line: &str) -> Option<char> {
    let (key, value) = directive(line)?;
    let mut value = value.chars();
    match (key.as_str(), value.next(), value.next()) {
        ("escape", Some(c @ ('`' | '\\')), None) => Some(c),
        _ => None,
    }
}

/// A comment of the form `# key = value`, as loosely as any engine reads one.
fn directive(line: &str) -> Option<(String, String)> {
    let rest = line.trim().trim_start_matches('\u{feff}');
    let rest = rest.strip_prefix('#').or_else(|| rest.strip_prefix("//"))?;
    let (key, value) = rest.split_once('=')?;
    Some((key.trim().to_lowercase(), value.trim().to_owned()))
}

/// Only `escape`, only on the first line. A `syntax` line would hand the build to a program of the repository's choice.
fn directives(at: &At<'_>) -> Result<(), PlanError> {
    let mut offset = 0;
    for (index, line) in at.text.split('\n').enumerate() {
        let trimmed = line.trim();
        if !(trimmed.is_empty() || trimmed.starts_with('#') || trimmed.starts_with("//")) {
            break;
        }
        if let Some((key, _)) = directive(line) {
            let plain_escape = index == 0 && escape_of(line).is_some();
            if matches!(key.as_str(), "syntax" | "check") || (key == "escape" && !plain_escape) {
                let message = match key.as_str() {
                    "syntax" => "A # syntax= line is not allowed; the site's own engine reads the file.",
                    "check" => "A # check= line is not allowed.",
                    _ => "A # escape= line is only allowed as the first line, with \\ or `.",
                };
                return Err(at.refuse(offset, message, "Remove the line."));
            }
        }
        offset += line.len() + 1;
    }
    Ok(())
}

/// Older engines know no here-documents and read their bodies as instructions. That must always fail at the closing line, so it
/// may be neither an instruction itself nor the continuation of the line before.
fn here_documents(at: &At<'_>, escape: char) -> Result<(), PlanError> {
    let lines: Vec<&str> = at.text.split('\n').collect();
    let mut offset = 0;
    for (index, line) in lines.iter().enumerate() {
        for name in names(line) {
            let closing =
                lines.iter().skip(index + 1).position(|line| line.trim() == name).map(|position| index + 1 + position);
            let before = closing.map(|closing| lines.iter().take(closing).skip(index + 1).rev());
            let continued = before.is_some_and(|mut lines| {
                lines
                    .find(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
                    .is_some_and(|line| line.trim_end().ends_with(escape))
            });
            if continued || INSTRUCTIONS.contains(&name.to_uppercase().as_str()) {
                let message = "The here-document is read differently by different engines.";
                return Err(at.refuse(
                    offset,
                    message,
                    "Close it with a word like EOF, after a line that is complete.",
                ));
            }
        }
        offset += line.len() + 1;
    }
    Ok(())
}

/// Every word after `<<` in a line.
fn names(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for (at, mark) in line.match_indices("<<") {
        let rest = line.get(at + mark.len()..).unwrap_or_default();
        let rest = rest.trim_start_matches(['-', '<', '"', '\'', ' ', '\t', '\\']);
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        match rest.get(..end) {
            Some(name) if !name.is_empty() => out.push(name),
            _ => {}
        }
    }
    out
}

/// Refuses a command that begins like a flag: flags the parser here did not take for one.
pub(super) fn no_more_flags(at: &At<'_>, start: usize) -> Result<(), PlanError> {
    let mut rest = at.text.get(start..).unwrap_or_default();
    loop {
        let trimmed = rest.trim_start().trim_start_matches(['\\', '`']);
        let trimmed =
            if trimmed.starts_with('#') { trimmed.split_once('\n').map_or("", |(_, rest)| rest) } else { trimmed };
        if trimmed.len() == rest.len() {
            break;
        }
        rest = trimmed;
    }
    if rest.starts_with("--") {
        return Err(at.refuse(start, "The command begins with --.", "Write the command after the flags of RUN."));
    }
    Ok(())
}
