//! Scripts of the repository's: programs they use, how they begin, their syntax, what they may not do.

use super::text::{after, between, number, quoted};
use super::{Diagnosis, Evidence, packages};

/// A script that could not even be started: its `#!` line.
pub(super) fn not_started(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let who = evidence.who();
    // GNU's env: `/usr/bin/env: ‘bash\r’: No such file or directory`.
    let env = evidence.last(|line| {
        let rest = after(line, "/usr/bin/env: ")?;
        rest.ends_with("No such file or directory").then(|| quoted(rest))?
    });
    if let Some(name) = env {
        return Some(if name.ends_with("\\r") { carriage_return(&who) } else { no_interpreter(evidence, name) });
    }
    // bash: `./postBuild: /usr/bin/fish: bad interpreter: No such file or directory`.
    let bash =
        evidence.last(|line| line.strip_suffix(": bad interpreter: No such file or directory")?.rsplit(": ").next());
    if let Some(name) = bash {
        return Some(if name.ends_with("^M") { carriage_return(&who) } else { no_interpreter(evidence, name) });
    }
    // A plain shell says of the file itself that it is not found; it is there, so its interpreter is not.
    let file = evidence.failure.step?.file.as_deref()?;
    let not_found = [format!("exec: ./{file}: not found"), format!("./{file}: not found")];
    evidence.first(|line| not_found.iter().any(|end| line.ends_with(end)).then_some(()))?;
    let first = evidence.failure.source.split('\n').next()?.strip_prefix("#!")?;
    if first.ends_with('\r') {
        return Some(carriage_return(&who));
    }
    Some(no_interpreter(evidence, first.split_whitespace().next()?))
}

fn carriage_return(who: &str) -> Diagnosis {
    let message = format!("{who} has Windows line ends, so the program in its #! line is not found.");
    let hint = "Save it with Unix line ends; a line `* text=auto eol=lf` in .gitattributes keeps them.";
    Diagnosis::user("windows-line-ends", message, hint).line(Some(1))
}

fn no_interpreter(evidence: &Evidence<'_>, program: &str) -> Diagnosis {
    let message = format!("The program `{program}` in the #! line of {} is not in the image.", evidence.who());
    let name = program.rsplit('/').next().unwrap_or(program);
    let hint = match packages::of_program(name) {
        Some(package) => evidence.install(&[package]),
        None => format!("Install {name}, for example with apt.txt, or begin with #!/bin/bash."),
    };
    Diagnosis::user("interpreter-not-found", message, hint).line(Some(1))
}

/// A command that was not found, where the exit code says that this is what ended the script.
pub(super) fn command_of_exit_code(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    if evidence.exited(&[127]) { command_not_found(evidence) } else { None }
}

fn command_not_found(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let (place, name) = evidence.last(|line| {
        let (rest, name) = match line.strip_suffix(": command not found") {
            Some(rest) => rest.rsplit_once(": ")?,
            None => line.strip_suffix(": not found")?.rsplit_once(": ")?,
        };
        // A path that is not there is not a program to install.
        let is_name = !name.contains([' ', '/']) && !name.is_empty() && !rest.starts_with("E:");
        is_name.then_some((rest, name))
    })?;
    let who = evidence.who();
    if name == "sudo" {
        let message = format!("{who} uses sudo, and nothing in a build runs as root on the repository's behalf.");
        let hint = "List Debian packages in apt.txt: they are installed as root, before.";
        return Some(Diagnosis::user("needs-root", message, hint).named("sudo").line(line_of(place)));
    }
    let message = format!("{who} uses the program `{name}`, which is not in the image.");
    let hint = match packages::of_program(name) {
        Some(package) => evidence.install(&[package]),
        None => "Check its spelling, or install what has it before it is used.".to_owned(),
    };
    Some(Diagnosis::user("command-not-found", message, hint).named(name).line(line_of(place)))
}

/// The line in `./postBuild: line 4` (bash) and `./postBuild: 4` (dash).
fn line_of(place: &str) -> Option<u32> {
    let rest = place.strip_prefix("./")?.split_once(": ")?.1;
    number(rest.strip_prefix("line ").unwrap_or(rest))
}

/// What cannot be read as a program.
pub(super) fn syntax(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    shell_syntax(evidence).or_else(|| python_syntax(evidence))
}

fn shell_syntax(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let (place, what) = evidence.first(|line| {
        let mark = [": syntax error", ": Syntax error: ", ": unexpected EOF while looking for"]
            .iter()
            .find(|mark| line.contains(**mark))?;
        let (place, rest) = line.split_once(mark)?;
        Some((place, quoted(rest).unwrap_or_default()))
    })?;
    let line = line_of(place);
    let at = line.map_or_else(String::new, |line| format!(" in line {line}"));
    let near = if what.is_empty() { String::new() } else { format!(", at `{what}`") };
    let message = format!("{} has a syntax error{at}{near}.", evidence.who());
    Some(Diagnosis::user("syntax-error", message, "Correct it, and try it with `bash -n` before.").line(line))
}

/// Python's own report: the place, the line, and last the error.
fn python_syntax(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let kinds = ["SyntaxError: ", "IndentationError: ", "TabError: "];
    let at = evidence.lines.iter().rposition(|line| kinds.iter().any(|kind| line.starts_with(kind)))?;
    let reason = evidence.lines.get(at)?.split_once(": ")?.1;
    let before = evidence.lines.get(..at)?;
    let (file, line) = before.iter().rev().find_map(|line| {
        let file = between(line, "File \"", "\", line ")?;
        Some((file, number(line.rsplit_once("\", line ")?.1)?))
    })?;
    let name = file.rsplit_once("/home/").map_or(file, |(_, rest)| rest.split_once('/').map_or(rest, |(_, rest)| rest));
    let name = name.trim_start_matches("./");
    let own = evidence.failure.step.and_then(|step| step.file.as_deref()).is_some_and(|own| name == own);
    let message = format!("{name} has a syntax error in line {line}: {reason}.");
    let hint = "Correct it; if it is written for another Python, say which in runtime.txt.";
    Some(Diagnosis::user("syntax-error", message, hint).line(own.then_some(line)))
}

/// What may be an echo of something else, asked last.
pub(super) fn other(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    denied(evidence).or_else(|| command_not_found(evidence))
}

fn denied(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let line = evidence.last(|line| {
        (line.ends_with("Permission denied") || line.contains("PermissionError: [Errno 13]")).then_some(line)
    })?;
    let who = evidence.who();
    let what = quoted(line).map_or_else(String::new, |what| format!(" `{what}`"));
    let message = format!("{who} may not write{what}: it runs as the notebook user, not as root.");
    let hint = "Write below the home directory, or list Debian packages in apt.txt, which are installed as root.";
    let place = line.split_once(": ").map(|_| line).and_then(line_of);
    let diagnosis = Diagnosis::user("needs-root", message, hint).line(place);
    Some(match quoted(line) {
        Some(name) => diagnosis.named(name),
        None => diagnosis,
    })
}
