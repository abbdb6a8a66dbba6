//! How a command tells what it does: in colour on a terminal, as plain lines in a pipe, as JSON for programs.

use std::io::{IsTerminal as _, Write as _};

use bindery_builder::Report;
use bindery_core::{EventBody, StepOutput, StepStatus};
use serde_json::json;

/// Where and how progress goes. Always to standard error, so that results on standard output stay clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// A person watches.
    Terminal,
    /// A file or a program's log.
    Plain,
    /// One JSON object per line, with `phase` and `message`, and `step`, `plan` or `fault` where there is one.
    Json,
}

impl Output {
    /// JSON when asked for, else by what standard error is.
    pub(crate) fn choose(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Terminal,
            (false, false) => Self::Plain,
        }
    }

    fn render(self, event: &EventBody) -> String {
        let message = event.message.trim_end_matches('\n');
        match self {
            Self::Json => {
                let mut line = json!({"phase": event.phase.as_str(), "message": event.message});
                if let (Some(fault), Some(object)) = (&event.fault, line.as_object_mut()) {
                    object.insert("fault".to_owned(), json!(fault));
                }
                if let (Some(step), Some(object)) = (&event.step, line.as_object_mut()) {
                    object.insert("step".to_owned(), json!(step));
                }
                if let (Some(plan), Some(object)) = (&event.plan, line.as_object_mut()) {
                    object.insert("plan".to_owned(), plan.clone());
                }
                format!("{line}\n")
            }
            _ if event.stream.is_some() => self.paint("2", &format!("    {message}")),
            _ => match &event.step {
                Some(step) => {
                    let took = step.duration_ms.map(|ms| format!(" {:.1}s", ms as f64 / 1000.0)).unwrap_or_default();
                    let (mark, colour) = match step.status {
                        StepStatus::Running => ("…", "36"),
                        StepStatus::Cached => ("=", "32"),
                        StepStatus::Done => ("✓", "32"),
                        StepStatus::Failed => ("✗", "31"),
                    };
                    self.paint(colour, &format!("{mark} {}{took}", step.name))
                }
                None => {
                    let output = event.fault.as_ref().and_then(|fault| fault.output.as_deref());
                    self.paint("1", message) + &output.map(|output| self.end_of(output)).unwrap_or_default()
                }
            },
        }
    }

    /// What the failed step wrote last, under the sentence that says what failed.
    fn end_of(self, output: &StepOutput) -> String {
        let mut text = self.paint("1", &format!("The last lines of \"{}\":", printable(&output.name)));
        for line in &output.lines {
            text.push_str(&self.paint("2", &format!("    {}", printable(line))));
        }
        text
    }

    fn paint(self, colour: &str, text: &str) -> String {
        match self {
            Self::Terminal => format!("\u{1b}[{colour}m{text}\u{1b}[0m\n"),
            Self::Plain | Self::Json => format!("{text}\n"),
        }
    }
}

/// The line as a terminal would leave it, without what else it could make a terminal do.
fn printable(line: &str) -> String {
    let shown = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let mut text = String::with_capacity(shown.len());
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        match character {
            // A control sequence ends in a letter.
            '\u{1b}' => while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\t' => text.push('\t'),
            other if other.is_control() => {}
            other => text.push(other),
        }
    }
    text
}

impl Report for Output {
    fn event(&self, event: EventBody) {
        // A closed pipe must not end the build.
        let _ = std::io::stderr().write_all(self.render(&event).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use bindery_core::{EventBody, Fault, LogStream, Phase, StepMark, StepOutput, StepStatus};

    fn step(status: StepStatus) -> StepMark {
        StepMark { id: "1".into(), name: "install".into(), status, duration_ms: Some(1500) }
    }

    #[test]
    fn a_pipe_gets_no_colours() {
        let line = Output::Plain.render(&EventBody::step(Phase::Building, step(StepStatus::Done)));
        assert_eq!(line, "✓ install 1.5s\n");
        let line = Output::Plain.render(&EventBody::output(
            Phase::Building,
            step(StepStatus::Running),
            LogStream::Stdout,
            "x",
        ));
        assert_eq!(line, "    x\n");
    }

    #[test]
    fn a_failure_ends_with_the_last_lines_of_its_step_as_text() {
        let lines =
            ["Resolving".to_owned(), "\u{1b}[31merror\u{1b}[0m:\u{7} no\u{9b} 10%\r\u{1b}]0;title no six".to_owned()];
        let output = StepOutput::last("env-1", "install packages", &lines);
        let fault = Fault::user("no-such", "No such package.").at("requirements.txt", Some(2)).output(output);
        assert_eq!(
            Output::Plain.render(&EventBody::failed(fault.clone())),
            "requirements.txt:2: No such package.\nThe last lines of \"install packages\":\n    Resolving\n    itle no six\n"
        );
        let value: serde_json::Value = serde_json::from_str(&Output::Json.render(&EventBody::failed(fault))).unwrap();
        assert_eq!(value["fault"]["output"]["lines"][1], lines[1], "a program gets it as it was written");
    }

    #[test]
    fn json_lines_have_phase_and_message() {
        let line = Output::Json.render(&EventBody::message(Phase::Fetching, "Fetching"));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((value["phase"].as_str(), value["message"].as_str()), (Some("fetching"), Some("Fetching\n")));
        let fault = Fault::user("bad-line", "Not a package.").at("apt.txt", Some(2));
        let value: serde_json::Value = serde_json::from_str(&Output::Json.render(&EventBody::failed(fault))).unwrap();
        assert_eq!((value["fault"]["file"].as_str(), value["fault"]["line"].as_u64()), (Some("apt.txt"), Some(2)));
    }
}
