//! What uv's and pip's resolvers say when no set of versions fits. uv writes sentences with the same few clauses, in any number.

use super::text::{after, between, package, quoted, word};
use super::{Diagnosis, Evidence};

/// A clause of the resolver's reasoning.
#[derive(Debug, PartialEq, Eq)]
enum Fact {
    /// The index has no package of that name.
    Unknown(String),
    /// The index has the package, but not so.
    NoVersion(String),
    /// What there is instead, e.g. `numpy<=2.5.5`.
    Only(String),
    /// This Python does not suit.
    WrongPython { current: String, needed: String },
    /// Only ready-made files for other Pythons or platforms.
    NoWheel(String),
    /// One asks for another.
    Depends { who: String, on: String },
    /// The author asks for it.
    Required(String),
}

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    of_uv(evidence).or_else(|| of_pip(evidence))
}

fn of_uv(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let start = evidence.lines.iter().position(|line| line.contains("No solution found when resolving"))?;
    let reasoning: Vec<&str> = evidence
        .lines
        .iter()
        .skip(start + 1)
        .map(|line| line.trim_start_matches(['╰', '─', '▶', '│', ' ']))
        .take_while(|line| !line.is_empty() && !line.starts_with("hint:"))
        .map(|line| line.strip_prefix("cause: ").unwrap_or(line))
        .collect();
    explain(&facts(&reasoning.join(" ")))
}

fn explain(facts: &[Fact]) -> Option<Diagnosis> {
    if let Some(name) = facts.iter().find_map(|fact| if let Fact::Unknown(name) = fact { Some(name) } else { None }) {
        return Some(unknown(name));
    }
    let depends =
        || facts.iter().filter_map(|fact| if let Fact::Depends { who, on } = fact { Some((who, on)) } else { None });
    let required = || facts.iter().filter_map(|fact| if let Fact::Required(what) = fact { Some(what) } else { None });
    for fact in facts {
        match fact {
            Fact::WrongPython { current, needed } => {
                let (who, _) = depends().find(|(_, on)| *on == needed)?;
                return Some(wrong_python(who, needed, current));
            }
            Fact::NoWheel(what) => return Some(no_wheel(what)),
            _ => {}
        }
    }
    // Both pins name the same package: the one the author wrote, and the one another package brings.
    for (who, on) in depends() {
        if let Some(mine) = required().find(|mine| package(mine) == package(on) && *mine != on) {
            let message = format!("The requirements conflict: `{who}` depends on `{on}`, but `{mine}` is asked for.");
            return Some(conflict(message).named(package(mine)).named(package(who)));
        }
        if let Some((other, theirs)) =
            depends().find(|(other, theirs)| package(theirs) == package(on) && *other != who && *theirs != on)
        {
            let message =
                format!("The requirements conflict: `{who}` depends on `{on}`, but `{other}` depends on `{theirs}`.");
            return Some(conflict(message).named(package(who)).named(package(other)));
        }
    }
    for mine in required() {
        if let Some(other) = required().find(|other| *other != mine && package(other) == package(mine)) {
            let message = format!("The requirements conflict: `{mine}` and `{other}` are both asked for.");
            return Some(conflict(message).named(package(mine)));
        }
    }
    let what = facts.iter().find_map(|fact| if let Fact::NoVersion(what) = fact { Some(what) } else { None });
    let only = facts.iter().find_map(|fact| if let Fact::Only(what) = fact { Some(what) } else { None });
    if let Some(only) = only {
        let asked = required().find(|mine| package(mine) == package(only))?;
        return Some(no_version(asked, Some(only)));
    }
    what.map(|what| no_version(what, None))
}

/// The clauses of `Because a and b, we can conclude that c. And because d, we …`. Conclusions repeat what is known; only what they
/// rest on is read.
fn facts(text: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    for sentence in text.replace("And because ", "Because ").split("Because ").skip(1) {
        let grounds = sentence.split(", we can conclude").next().unwrap_or(sentence);
        // A list of requirements has commas between more than two.
        let grounds = grounds.replace(", and ", " and ").replace(" (e.g., ", " (");
        let mut listing = false;
        for clause in grounds.split(" and ").flat_map(|clause| clause.split(", ")) {
            let clause = clause.trim();
            if let Some(fact) = fact(clause) {
                listing = matches!(fact, Fact::Required(_));
                facts.push(fact);
            } else if listing && clause.contains(['=', '<', '>', '~']) && !clause.contains(' ') {
                facts.push(Fact::Required(clause.to_owned()));
            }
        }
    }
    facts
}

fn fact(clause: &str) -> Option<Fact> {
    let before = |mark: &str| clause.split_once(mark).and_then(|(before, _)| before.split_whitespace().last());
    if let Some(name) = before(" was not found in the").or_else(|| before(" were not found in the")) {
        return Some(Fact::Unknown(name.to_owned()));
    }
    if let Some(needed) = after(clause, "the current Python version (") {
        let (current, needed) = needed.split_once(") does not satisfy ")?;
        return Some(Fact::WrongPython { current: current.to_owned(), needed: needed.to_owned() });
    }
    if let Some(what) =
        ["there is no version of ", "there are no versions of "].iter().find_map(|mark| after(clause, mark))
    {
        return Some(Fact::NoVersion(word(what)?.to_owned()));
    }
    if let Some(what) = between(clause, "only ", " is available") {
        return Some(Fact::Only(what.to_owned()));
    }
    if let Some(what) = before(" has no wheels with").or_else(|| before(" has no usable wheels")) {
        return Some(Fact::NoWheel(what.to_owned()));
    }
    if let Some((who, on)) = clause.split_once(" depends on ") {
        let who = who.strip_prefix("all versions of ").unwrap_or(who);
        return Some(Fact::Depends { who: who.to_owned(), on: on.to_owned() });
    }
    let what = clause.strip_prefix("you require ")?;
    Some(Fact::Required(what.to_owned()))
}

fn of_pip(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    if let Some(found) = evidence.first(|line| {
        let (who, rest) = line.strip_prefix("ERROR: Package ")?.split_once(" requires a different Python: ")?;
        let (current, needed) = rest.split_once(" not in ")?;
        Some(wrong_python(quoted(who)?, quoted(needed)?, current))
    }) {
        return Some(found);
    }
    if evidence.has("ERROR: ResolutionImpossible") || evidence.has("have conflicting dependencies") {
        return pip_conflict(evidence);
    }
    let (what, versions) = evidence.first(|line| {
        let rest = after(line, "Could not find a version that satisfies the requirement ")?;
        Some((word(rest)?, between(rest, "(from versions: ", ")")?))
    })?;
    let ignored = after(
        evidence.first(|line| line.contains("require a different python version:").then_some(line)).unwrap_or_default(),
        "python version: ",
    );
    // Each as `2.5.0 Requires-Python >=3.12`.
    let asked = what.split_once("==").map(|(_, version)| version);
    let needed = ignored.and_then(|ignored| {
        ignored
            .split("; ")
            .find_map(|one| one.split_once(" Requires-Python ").filter(|(version, _)| Some(*version) == asked))
    });
    if let Some((_, needed)) = needed {
        return Some(wrong_python(what, needed, &python(evidence)));
    }
    Some(if versions == "none" { unknown(package(what)) } else { no_version(what, None) })
}

fn pip_conflict(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let mine = evidence.first(|line| line.strip_prefix("The user requested "))?;
    let other = |line: &'_ str| {
        let (who, on) = line.split_once(" depends on ")?;
        (package(on) == package(mine)).then(|| (who.replace(' ', "=="), on.to_owned()))
    };
    match evidence.lines.iter().find_map(|line| other(line)) {
        Some((who, on)) => {
            let message = format!("The requirements conflict: `{who}` depends on `{on}`, but `{mine}` is asked for.");
            Some(conflict(message).named(package(mine)).named(package(&who)))
        }
        None => {
            let theirs = evidence.last(|line| line.strip_prefix("The user requested "))?;
            let message = format!("The requirements conflict: `{mine}` and `{theirs}` are both asked for.");
            Some(conflict(message).named(package(mine)))
        }
    }
}

/// The image's Python, as far as the plan knows.
fn python(evidence: &Evidence<'_>) -> String {
    evidence.failure.plan.python.as_ref().map(|python| python.version.clone()).unwrap_or_default()
}

fn unknown(name: &str) -> Diagnosis {
    let message = format!("The package index has no package called `{name}`.");
    let hint = "Check its spelling: the name to install may differ from the name to import.";
    Diagnosis::user("package-not-found", message, hint).named(name)
}

fn no_version(what: &str, only: Option<&str>) -> Diagnosis {
    let name = package(what);
    let message = match only {
        Some(only) => format!("There is no `{what}` in the package index, only `{only}`."),
        None => format!("There is no `{what}` in the package index."),
    };
    let hint = format!("Ask for a version of `{name}` that exists.");
    Diagnosis::user("version-not-found", message, hint).named(name)
}

fn wrong_python(who: &str, needed: &str, current: &str) -> Diagnosis {
    let needed = needed.trim_start_matches("Python");
    let have = if current.is_empty() {
        "which this image does not have".to_owned()
    } else {
        format!("and this image has Python {current}")
    };
    let message = format!("`{who}` needs Python {needed}, {have}.");
    let hint = format!("Ask for a version of `{}` that suits, or for another Python, in runtime.txt.", package(who));
    Diagnosis::user("requires-other-python", message, hint).named(package(who))
}

fn no_wheel(what: &str) -> Diagnosis {
    let message =
        format!("`{what}` has no ready-made files for this image's Python, and no source to build them from.");
    let hint = format!(
        "Ask for a version of `{}` made for this Python, or for the Python it was made for, in runtime.txt.",
        package(what)
    );
    Diagnosis::user("no-wheel", message, hint).named(package(what))
}

fn conflict(message: String) -> Diagnosis {
    Diagnosis::user("conflicting-requirements", message, "Loosen or change one of the two.")
}

#[cfg(test)]
mod tests {
    use super::{Fact, facts};

    #[test]
    fn requirements_listed_together_are_each_one() {
        let text = "Because you require six==1.15.0, six==1.16.0, and six==1.17.0, we can conclude that it cannot be.";
        let all = ["six==1.15.0", "six==1.16.0", "six==1.17.0"].map(|one| Fact::Required(one.to_owned()));
        assert_eq!(facts(text), all);
    }

    #[test]
    fn conclusions_are_not_taken_for_grounds() {
        let text = "Because a==1 depends on b>=2 and you require a==1, we can conclude that you require b>=2. \
                    And because you require b==1, we can conclude that your requirements are unsatisfiable.";
        let required: Vec<Fact> = facts(text).into_iter().filter(|fact| matches!(fact, Fact::Required(_))).collect();
        assert_eq!(required, ["a==1", "b==1"].map(|one| Fact::Required(one.to_owned())));
    }
}
