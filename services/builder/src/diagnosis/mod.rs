//! What a failed step's own output says about the cause. Pure: a step, its lines and the plan in; a sentence, advice and a place out.
//!
//! The output stays in the log as it is. Where no cause is recognised nothing is said: a wrong cause is worse than none.
//!
//! | file | causes |
//! |---|---|
//! | `machine.rs` | memory, disk, a network or an index that does not answer |
//! | `kernel.rs` | a Python that this site offers and could not give |
//! | `r_server.rs` | RStudio and Shiny of the site's, which could not be installed |
//! | `script.rs` | programs that are not there, `#!` lines, syntax, permissions |
//! | `apt.rs` | Debian packages that do not exist |
//! | `native.rs`, `packages.rs` | headers, libraries and compilers that a build lacks, and the Debian packages that have them |
//! | `python.rs`, `resolver.rs` | Python packages: names, versions, Pythons, wheels, conflicts, hashes |
//! | `languages.rs` | R, Julia, conda and Node packages |
//! | `text.rs` | reading lines of output |

mod apt;
mod kernel;
mod languages;
mod machine;
mod native;
mod packages;
mod python;
mod r_server;
mod resolver;
mod script;
#[cfg(test)]
pub(crate) mod tests;
mod text;

use bindery_buildpacks::{BuildPlan, Step};
use bindery_core::FaultBy;

/// A step that failed, and what is known of it.
pub(crate) struct Failure<'a> {
    /// The plan it belongs to.
    pub(crate) plan: &'a BuildPlan,
    /// The step, where the engine's name of it led back to one.
    pub(crate) step: Option<&'a Step>,
    /// Its last lines.
    pub(crate) lines: &'a [String],
    /// The exit code of its process.
    pub(crate) exit_code: Option<i64>,
    /// The text of the environment file it comes from; empty where there is none.
    pub(crate) source: &'a str,
}

/// The cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// Who can put it right.
    pub(crate) by: FaultBy,
    /// A stable kebab-case name for programs.
    pub(crate) code: &'static str,
    /// One sentence that names the cause.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
    /// What to look for in the environment file to find the line at fault, the likeliest first.
    pub(crate) names: Vec<String>,
    /// The line at fault, where the output itself says it.
    pub(crate) line: Option<u32>,
}

impl Diagnosis {
    fn user(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { by: FaultBy::User, code, message: message.into(), hint: hint.into(), names: Vec::new(), line: None }
    }

    fn named(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    fn line(mut self, line: Option<u32>) -> Self {
        self.line = line;
        self
    }
}

/// What the rules read: the failure with its lines as plain text.
struct Evidence<'a> {
    failure: &'a Failure<'a>,
    /// Without colours, without the space around them.
    lines: Vec<String>,
}

impl Evidence<'_> {
    /// The first line a rule finds something in.
    fn first<'s, T>(&'s self, rule: impl Fn(&'s str) -> Option<T>) -> Option<T> {
        self.lines.iter().find_map(|line| rule(line))
    }

    /// The last line a rule finds something in: where a program goes on after a complaint, its last one ended it.
    fn last<'s, T>(&'s self, rule: impl Fn(&'s str) -> Option<T>) -> Option<T> {
        self.lines.iter().rev().find_map(|line| rule(line))
    }

    fn has(&self, sign: &str) -> bool {
        self.lines.iter().any(|line| line.contains(sign))
    }

    fn exited(&self, codes: &[i64]) -> bool {
        self.failure.exit_code.is_some_and(|code| codes.contains(&code))
    }

    /// The environment file's name, or what the step is called.
    fn who(&self) -> String {
        let step = self.failure.step;
        step.and_then(|step| step.file.clone()).unwrap_or_else(|| "the step".to_owned())
    }

    /// How the author gets a Debian package into the image.
    fn install(&self, packages: &[&str]) -> String {
        let list: Vec<String> = packages.iter().map(|package| format!("`{package}`")).collect();
        let list = list.join(" and ");
        if self.failure.plan.is_dockerfile() {
            return format!("Install {list} with apt-get in the Dockerfile, before this step.");
        }
        match &self.failure.plan.config_dir {
            Some(dir) => format!("Add {list} to {dir}/apt.txt."),
            None => format!("Add {list} to apt.txt."),
        }
    }
}

/// The cause, if its signs are known. Rules are asked from the ones that explain all that follows them (memory, a network) to the
/// ones that may be an echo of something else.
pub(crate) fn diagnose(failure: &Failure<'_>) -> Option<Diagnosis> {
    let lines = failure.lines.iter().map(|line| text::plain(line)).collect();
    let evidence = Evidence { failure, lines };
    let rules: [fn(&Evidence<'_>) -> Option<Diagnosis>; 15] = [
        machine::memory,
        machine::disk,
        kernel::diagnose,
        r_server::diagnose,
        script::not_started,
        script::command_of_exit_code,
        machine::network,
        apt::diagnose,
        python::hashes,
        resolver::diagnose,
        native::diagnose,
        python::diagnose,
        languages::diagnose,
        script::syntax,
        script::other,
    ];
    rules.iter().find_map(|rule| rule(&evidence))
}
