//! Text made safe to stand in a page: in markup, and inside a `<script>` element.

use minijinja::value::Value;
use minijinja::{Error, Output, State};

/// Writes a template's value as text that is no markup, in an element and in a quoted attribute.
///
/// Where the engine's own escaping also turns `/` into an entity, which makes every address in a page unreadable and
/// adds nothing once attributes are quoted, this does not.
///
/// # Errors
/// Only when the output cannot be written.
pub(crate) fn html(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    if value.is_safe() {
        return Ok(write!(out, "{value}")?);
    }
    let text = value.as_str().map_or_else(|| value.to_string().into(), std::borrow::Cow::Borrowed);
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let entity = match character {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' => "&quot;",
            '\'' => "&#39;",
            _ => continue,
        };
        out.write_str(text.get(plain..at).unwrap_or_default())?;
        out.write_str(entity)?;
        plain = at + 1;
    }
    Ok(out.write_str(text.get(plain..).unwrap_or_default())?)
}

/// The value as JSON which no HTML parser can take for markup and every JavaScript engine reads as it is written.
///
/// `<`, `>` and `&` (so `</script>` and `<!--`), and the two line separators older engines end a string at, can only
/// occur inside JSON strings, where an escape means the same.
pub(crate) fn json(value: &serde_json::Value) -> String {
    let plain = value.to_string();
    let mut safe = String::with_capacity(plain.len() + 16);
    for character in plain.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_leave_an_element_or_a_quoted_attribute() {
        let mut templates = minijinja::Environment::new();
        templates.set_formatter(html);
        let text = "a/b <i>\"x\" & 'y' \u{e9}\u{1f4d3}<";
        let shown = templates.render_str("{{ text }}|{{ 3 }}|{{ none }}", minijinja::context! { text }).unwrap();
        assert_eq!(shown, "a/b &lt;i&gt;&quot;x&quot; &amp; &#39;y&#39; \u{e9}\u{1f4d3}&lt;|3|");
    }

    #[test]
    fn nothing_in_a_value_can_end_the_script_and_the_value_is_unchanged() {
        let hostile = serde_json::json!({
            "</script><script>alert(1)</script>": "<!-- <script> ]]> & \u{2028} \u{2029} \\ \" '",
            "nested": ["</ScRiPt >", {"a": "</script\t"}],
        });
        let text = json(&hostile);
        for bad in ['<', '>', '&', '\u{2028}', '\u{2029}'] {
            assert!(!text.contains(bad), "{bad:?} in {text}");
        }
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), hostile);
    }
}
