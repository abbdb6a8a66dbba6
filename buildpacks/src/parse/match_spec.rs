//! How conda names what it wants: `numpy`, `numpy=1.2`, `numpy >=1,<2`, `conda-forge::numpy[build=py*]`, or a package's address.
//!
//! The solver does the real parsing. This one splits a spec into its parts, refuses what no solver takes, and says which Pythons a
//! spec for `python` allows.

use pep440_rs::VersionSpecifiers;

/// The longest spec that is read, in bytes.
const LIMIT: usize = 500;

/// A spec, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatchSpec {
    /// The channel, as written.
    pub(crate) channel: Option<String>,
    /// The name, in lower case; empty for an address.
    pub(crate) name: String,
    /// Everything behind the name, without needless white space.
    pub(crate) rest: String,
    /// The version part of it.
    pub(crate) version: Option<String>,
    /// Whether a build, or anything in brackets, is asked for.
    pub(crate) more: bool,
}

impl MatchSpec {
    /// Reads one spec; `None` when it is none. An address has an empty name and stands in `rest`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > LIMIT || text.chars().any(char::is_control) {
            return None;
        }
        let plain = text.split('[').next().unwrap_or_default();
        if plain.ends_with(".conda") || plain.ends_with(".tar.bz2") {
            let rest = text.to_owned();
            let address = text.contains("://") && !text.contains(char::is_whitespace);
            return address.then_some(Self { channel: None, name: String::new(), rest, version: None, more: true });
        }
        let (channel, body) = match plain.rsplit_once("::") {
            Some((channel, _)) => (Some(channel), text.get(channel.len() + 2..)?),
            None => (None, text),
        };
        if channel.is_some_and(|channel| channel.is_empty() || !channel.chars().all(is_of_channel)) {
            return None;
        }
        let end =
            body.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(body.len());
        let (name, rest) = body.split_at_checked(end)?;
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return None;
        }
        let (constraint, brackets) = match rest.find('[') {
            Some(at) => rest.split_at_checked(at)?,
            None => (rest, ""),
        };
        let closed = brackets.ends_with(']') && brackets.matches(['[', ']']).count() == 2;
        if !(brackets.is_empty() || closed) {
            return None;
        }
        let constraint = tight(constraint);
        let (version, build) = version_and_build(&constraint)?;
        Some(Self {
            channel: channel.map(str::to_owned),
            name: name.to_ascii_lowercase(),
            rest: format!("{}{brackets}", if constraint.is_empty() { String::new() } else { spaced(&constraint) }),
            version,
            more: build || !brackets.is_empty(),
        })
    }

    /// As the solver is told it, with the channel at an address of its own.
    pub(crate) fn on_channel(&self, channel: Option<&str>) -> String {
        match channel {
            Some(channel) => format!("{channel}::{}{}", self.name, self.rest),
            None => format!("{}{}", self.name, self.rest),
        }
    }

    /// The spec as it stands in its file.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> String {
        self.on_channel(self.channel.as_deref())
    }

    /// The versions of Python that a spec for it allows. `Err` for what only conda can express: a build, or alternatives.
    ///
    /// A bare version stands for its series: nobody who writes `python 3.12` means 3.12.0.
    pub(crate) fn python(&self) -> Result<PythonSpec, NotInPython> {
        if self.more {
            return Err(NotInPython);
        }
        let Some(version) = self.version.as_deref().filter(|version| version.trim_start_matches('=') != "*") else {
            return Ok(PythonSpec::default());
        };
        let mut out = PythonSpec::default();
        let mut clauses = Vec::new();
        for clause in version.split(',') {
            let at = clause.find(|c: char| !matches!(c, '<' | '>' | '=' | '!' | '~')).unwrap_or(clause.len());
            let (operator, number) = clause.split_at_checked(at).ok_or(NotInPython)?;
            let number = number.trim_end_matches(".*").trim_end_matches('*');
            if !is_release(number) {
                return Err(NotInPython);
            }
            match operator {
                "" | "=" | "==" => {
                    let mut parts = number.split('.');
                    let series: Vec<&str> = parts.by_ref().take(2).collect();
                    out.patch |= parts.next().is_some();
                    clauses.push(format!("=={}.*", series.join(".")));
                }
                "!=" if clause.ends_with('*') => clauses.push(format!("!={number}.*")),
                "<" | "<=" | ">" | ">=" | "!=" | "~=" => clauses.push(format!("{operator}{number}")),
                _ => return Err(NotInPython),
            }
        }
        out.text = version.trim_start_matches('=').to_owned();
        if out.patch && clauses.len() == 1 {
            out.text = out.text.split('.').take(2).collect::<Vec<_>>().join(".");
        }
        out.specifiers = clauses.join(",").parse().map_err(|_| NotInPython)?;
        Ok(out)
    }
}

/// What a spec for `python` asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct PythonSpec {
    /// The versions it allows; empty for any.
    pub(crate) specifiers: VersionSpecifiers,
    /// Whether it named a patch release, of which the series was taken.
    pub(crate) patch: bool,
    /// The wish as people write it, e.g. `3.12` or `>=3.10,<3.13`.
    pub(crate) text: String,
}

/// The spec says more than a version of Python can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotInPython;

fn is_of_channel(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '~' | '@' | '%' | '+')
}

fn is_release(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Takes out white space around operators and commas: `>= 1, < 2` is `>=1,<2`.
fn tight(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        let joins = |c: char| matches!(c, '<' | '>' | '=' | '!' | '~' | ',' | '|' | '(');
        let open = out.ends_with(joins);
        let closes = word.starts_with([',', '|', ')']) || (word.starts_with(joins) && out.ends_with(joins));
        if !(out.is_empty() || open || closes) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// One space in front of what does not begin with an operator, so that it stays apart from the name.
fn spaced(constraint: &str) -> String {
    let glued = constraint.starts_with(['<', '>', '=', '!', '~']);
    if glued { constraint.to_owned() } else { format!(" {constraint}") }
}

/// The version of what stands behind a name, and whether a build follows it. `None` when it is neither.
fn version_and_build(constraint: &str) -> Option<(Option<String>, bool)> {
    if constraint.is_empty() {
        return Some((None, false));
    }
    let of_version = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '.' | '*' | '+' | '!' | '_' | '-' | '<' | '>' | '=' | '~' | ',' | '|' | '(' | ')')
    };
    let mut words = constraint.split(' ');
    let first = words.next().unwrap_or_default();
    let second = words.next();
    if words.next().is_some() || !constraint.chars().all(|c| of_version(c) || c == ' ') {
        return None;
    }
    // `=1.2=py_0` and `1.2=py_0`: a second `=` that is not part of an operator begins the build.
    let operator = first.find(|c: char| !matches!(c, '<' | '>' | '=' | '!' | '~')).unwrap_or(first.len());
    let (head, number) = first.split_at_checked(operator)?;
    let (number, glued) = match number.split_once('=') {
        Some((number, build)) if matches!(head, "" | "=" | "==") && !number.contains([',', '|']) => {
            (number, Some(build))
        }
        _ => (number, None),
    };
    let begins = number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '*' | '('));
    if !begins || !["", "=", "==", "<", "<=", ">", ">=", "!=", "!==", "~="].contains(&head) {
        return None;
    }
    if glued.is_some() && second.is_some() || glued.is_some_and(str::is_empty) {
        return None;
    }
    let build = glued.or(second).is_some_and(|build| build != "*");
    Some((Some(format!("{head}{number}")), build))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::MatchSpec;

    #[test]
    fn every_way_of_writing_a_spec_reads_as_the_solver_takes_it() {
        for (text, name, told, version, more) in [
            ("numpy", "numpy", "numpy", None, false),
            ("NumPy=1.2", "numpy", "numpy=1.2", Some("=1.2"), false),
            ("numpy 1.2", "numpy", "numpy 1.2", Some("1.2"), false),
            ("numpy>=1", "numpy", "numpy>=1", Some(">=1"), false),
            ("numpy >= 1.2, < 2", "numpy", "numpy>=1.2,<2", Some(">=1.2,<2"), false),
            ("numpy=1.2=py_0", "numpy", "numpy=1.2=py_0", Some("=1.2"), true),
            ("numpy 1.2 py_0", "numpy", "numpy 1.2 py_0", Some("1.2"), true),
            ("numpy =1.2.*=*", "numpy", "numpy=1.2.*=*", Some("=1.2.*"), false),
            ("conda-forge::numpy", "numpy", "conda-forge::numpy", None, false),
            ("conda-forge/label/dev::numpy>1", "numpy", "conda-forge/label/dev::numpy>1", Some(">1"), false),
            ("https://example.org/c::numpy", "numpy", "https://example.org/c::numpy", None, false),
            ("numpy[version='>=1,<2']", "numpy", "numpy[version='>=1,<2']", None, true),
            ("numpy=*", "numpy", "numpy=*", Some("=*"), false),
            ("_libgcc_mutex=0.1", "_libgcc_mutex", "_libgcc_mutex=0.1", Some("=0.1"), false),
            ("python=3.11|3.12", "python", "python=3.11|3.12", Some("=3.11|3.12"), false),
            ("https://example.org/c/noarch/a-1-0.conda", "", "https://example.org/c/noarch/a-1-0.conda", None, true),
        ] {
            let spec = MatchSpec::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((spec.name.as_str(), spec.shown().as_str()), (name, told), "{text}");
            assert_eq!((spec.version.as_deref(), spec.more), (version, more), "{text}");
        }
    }

    #[test]
    fn what_is_no_spec_is_not_one() {
        for text in [
            "",
            " ",
            "=1.2",
            "numpy=",
            "numpy<",
            "numpy==",
            "numpy $(id)",
            "numpy; id",
            "numpy[",
            "numpy[a][b]",
            "-e .",
            "::numpy",
            "numpy 1.2 py_0 more",
            "numpy=1.2=",
            "a\nb",
            "numpy=><1",
            "/x/a-1-0.conda",
            "pip install numpy",
            "../x",
        ] {
            assert_eq!(MatchSpec::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a29_specs_for_python_allow_what_they_say() {
        for (text, specifiers, patch) in [
            ("python", "", false),
            ("python=*", "", false),
            ("python=3", "==3.*", false),
            ("python=3.12", "==3.12.*", false),
            ("python==3.12", "==3.12.*", false),
            ("python 3.12", "==3.12.*", false),
            ("python 3.12.*", "==3.12.*", false),
            ("conda-forge::python=3.12", "==3.12.*", false),
            ("python>=3.12", ">=3.12", false),
            ("python >=3.10, <3.13", ">=3.10, <3.13", false),
            ("python!=3.11.*", "!=3.11.*", false),
            ("python=3.11.9", "==3.11.*", true),
            ("python=4", "==4.*", false),
        ] {
            let spec = MatchSpec::parse(text).unwrap().python().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!((spec.specifiers.to_string().as_str(), spec.patch), (specifiers, patch), "{text}");
        }
        for text in ["python=3.11|3.12", "python=3.11=h_0_cpython", "python[version='3.12']", "python=3.x"] {
            assert!(MatchSpec::parse(text).unwrap().python().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_what_is_read_is_one_line(text in "\\PC{0,30}|[a-z0-9.=<>!~*,|\\[\\]: /-]{0,24}") {
            if let Some(spec) = MatchSpec::parse(&text) {
                prop_assert!(!spec.shown().contains('\n'));
                let _ = spec.python();
                if spec.channel.is_none() && !spec.name.is_empty() {
                    prop_assert_eq!(MatchSpec::parse(&spec.shown()).map(|again| again.shown()), Some(spec.shown()));
                }
            }
        }
    }
}
