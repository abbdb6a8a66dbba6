//! The end of what a failed step wrote.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a failed step wrote last. The lines are as the step wrote them, colours and carriage returns included: whoever shows them
/// treats them as what strangers write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepOutput {
    /// The step's id in the log.
    pub step: String,
    /// Its name, for people.
    pub name: String,
    /// At most [`StepOutput::LINES`] lines, the oldest first, of at most [`StepOutput::BYTES`] bytes together.
    pub lines: Vec<String>,
}

impl StepOutput {
    /// The most lines.
    pub const LINES: usize = 20;
    /// The most bytes of all lines together.
    pub const BYTES: usize = 4096;

    /// The end of `lines`; nothing when they say nothing. Of a line that is too long, the end is kept: there a progress bar has what
    /// it shows, and an error what it is about.
    #[must_use]
    pub fn last(step: &str, name: &str, lines: &[String]) -> Option<Self> {
        let mut left = Self::BYTES;
        let mut kept: Vec<String> = Vec::new();
        for line in lines.iter().rev().skip_while(|line| line.trim().is_empty()).take(Self::LINES) {
            let end = end_of(line, left);
            if end.is_empty() && !line.is_empty() {
                break;
            }
            left -= end.len();
            kept.push(end.to_owned());
        }
        while kept.last().is_some_and(|line| line.trim().is_empty()) {
            kept.pop();
        }
        kept.reverse();
        (!kept.is_empty()).then(|| Self { step: step.to_owned(), name: name.to_owned(), lines: kept })
    }
}

/// The last characters of `text` that take at most `bytes`.
fn end_of(text: &str, bytes: usize) -> &str {
    let from = (text.len().saturating_sub(bytes)..=text.len()).find(|at| text.is_char_boundary(*at));
    from.and_then(|from| text.get(from..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::StepOutput;
    use proptest::prelude::*;

    fn last(lines: &[&str]) -> Option<Vec<String>> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        StepOutput::last("env-1", "install", &lines).map(|output| output.lines)
    }

    #[test]
    fn the_end_is_kept_without_the_blank_lines_around_it() {
        assert_eq!(last(&["", "a", "", "b", " ", ""]).unwrap(), ["a", "", "b"]);
        let many: Vec<String> = (0..50).map(|number| format!("line {number}")).collect();
        let output = StepOutput::last("env-1", "install", &many).unwrap();
        assert_eq!((output.lines.len(), output.lines[0].as_str()), (StepOutput::LINES, "line 30"));
        assert_eq!((output.step.as_str(), output.name.as_str()), ("env-1", "install"));
    }

    #[test]
    fn a_step_that_wrote_nothing_has_no_end() {
        assert_eq!(last(&[]), None);
        assert_eq!(last(&["", "  "]), None);
    }

    #[test]
    fn control_characters_are_kept_as_they_are() {
        assert_eq!(last(&["\u{1b}[31mred\u{1b}[0m", "10%\r20%"]).unwrap(), ["\u{1b}[31mred\u{1b}[0m", "10%\r20%"]);
    }

    proptest! {
        #[test]
        fn any_lines_stay_within_the_bounds_and_are_the_ends_of_what_was_written(lines in prop::collection::vec("(?s).{0,900}", 0..40)) {
            if let Some(output) = StepOutput::last("s", "n", &lines) {
                prop_assert!(output.lines.len() <= StepOutput::LINES);
                prop_assert!(output.lines.iter().map(String::len).sum::<usize>() <= StepOutput::BYTES);
                let written: Vec<&String> = lines.iter().rev().skip_while(|line| line.trim().is_empty()).collect();
                for (shown, whole) in output.lines.iter().rev().zip(written) {
                    prop_assert!(whole.ends_with(shown.as_str()));
                }
            } else {
                prop_assert!(lines.iter().all(|line| line.trim().is_empty()));
            }
        }
    }
}
