//! `environment.yml`: channels, what conda installs, and what pip installs after it.

use crate::PlanError;
use crate::error::shown;
use crate::parse::match_spec::MatchSpec;
use crate::parse::yaml::{self, Node, Value};

/// The most entries a file may have.
const LIMIT: usize = 2000;

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Channels, as written, and the line of each.
    pub(crate) channels: Vec<(String, u32)>,
    /// What conda installs, and the line of each.
    pub(crate) specs: Vec<(MatchSpec, u32)>,
    /// What pip installs: lines of a requirements file, and the line of each.
    pub(crate) pip: Vec<(String, u32)>,
    /// Variables set wherever the environment is active.
    pub(crate) variables: Vec<(String, String)>,
    /// Keys without a meaning here, and the line of each.
    pub(crate) unknown: Vec<(String, u32)>,
}

const HINT: &str = "Write one name per entry, e.g. `- numpy=1.26`, under `dependencies:`.";

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Environment, PlanError> {
    let tree = yaml::parse(file, bytes)?;
    let mut out = Environment::default();
    let pairs = match tree.value {
        Value::Null => return Ok(out),
        Value::Map(pairs) => pairs,
        _ => {
            let message = format!("The file holds {}, not a mapping with `dependencies:`.", tree.kind());
            return Err(PlanError::line(
                file,
                tree.line,
                message,
                "Begin with `dependencies:` and list packages below it.",
            ));
        }
    };
    for (key, value) in pairs {
        match key.text() {
            Some("channels") => channels(file, &value, &mut out)?,
            Some("dependencies") => dependencies(file, &value, &mut out)?,
            Some("variables") => variables(file, &value, &mut out)?,
            Some("name" | "prefix") => {}
            Some(other) => out.unknown.push((shown(other), key.line)),
            None => return Err(PlanError::line(file, key.line, "A key of the file is not text.", HINT)),
        }
    }
    if out.specs.len() + out.pip.len() + out.channels.len() > LIMIT {
        let message = format!("The file has more than {LIMIT} entries.");
        return Err(PlanError::file(file, message, "Leave out what others bring along."));
    }
    Ok(out)
}

fn channels(file: &str, node: &Node, out: &mut Environment) -> Result<(), PlanError> {
    let bad = |node: &Node| {
        let message = format!("A channel is {}, not a name or an address.", node.kind());
        PlanError::line(file, node.line, message, "Write a list of names, e.g. `- conda-forge`.")
    };
    let one = std::slice::from_ref(node);
    let list = match &node.value {
        Value::Null => return Ok(()),
        Value::List(list) => list,
        Value::Text(_) => one,
        _ => return Err(bad(node)),
    };
    for entry in list {
        let channel = entry.text().ok_or_else(|| bad(entry))?.trim();
        let plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '`' | '<' | '>' | '[' | ']' | '$');
        if channel.is_empty() || channel.len() > 500 || !channel.chars().all(plain) {
            let message = "The entry is not the name or address of a channel.";
            return Err(PlanError::line(
                file,
                entry.line,
                message,
                "Write a name, e.g. `- conda-forge`, or an https address.",
            ));
        }
        out.channels.push((channel.to_owned(), entry.line));
    }
    Ok(())
}

fn dependencies(file: &str, node: &Node, out: &mut Environment) -> Result<(), PlanError> {
    let list = match &node.value {
        Value::List(list) => list,
        // `{}` says as little as `[]`.
        Value::Map(pairs) if pairs.is_empty() => return Ok(()),
        other => {
            let message = match other {
                Value::Null => "`dependencies:` is empty.".to_owned(),
                _ => format!("`dependencies:` is {}, not a list.", node.kind()),
            };
            return Err(PlanError::line(file, node.line, message, "List packages below it, or remove it."));
        }
    };
    for entry in list {
        match &entry.value {
            Value::Text(text) => {
                let Some(spec) = MatchSpec::parse(text) else {
                    let message = format!("{:?} is not the name of a conda package with a version.", shown(text));
                    return Err(PlanError::line(file, entry.line, message, HINT));
                };
                out.specs.push((spec, entry.line));
            }
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    match key.text() {
                        Some("pip") => pip(file, value, out)?,
                        _ => {
                            let message = "An entry of `dependencies:` is a mapping; only `pip:` may be one.";
                            return Err(PlanError::line(file, key.line, message, HINT));
                        }
                    }
                }
            }
            _ => {
                let message = format!("An entry of `dependencies:` is {}, not the name of a package.", entry.kind());
                return Err(PlanError::line(file, entry.line, message, HINT));
            }
        }
    }
    Ok(())
}

fn pip(file: &str, node: &Node, out: &mut Environment) -> Result<(), PlanError> {
    const PIP: &str = "List requirements below `pip:`, each as pip takes it, e.g. `- numpy==1.26`.";
    let mut add = |text: &str, line: u32| {
        for (index, part) in text.lines().enumerate() {
            if !part.trim().is_empty() {
                let line = line.saturating_add(u32::try_from(index).unwrap_or(0));
                out.pip.push((part.trim().to_owned(), line));
            }
        }
    };
    match &node.value {
        Value::Null => {}
        // One text in place of a list, as people write it.
        Value::Text(text) => add(text, node.line),
        Value::List(list) => {
            for entry in list {
                match &entry.value {
                    Value::Text(text) => add(text, entry.line),
                    _ => {
                        let message = format!("An entry of `pip:` is {}, not a requirement.", entry.kind());
                        return Err(PlanError::line(file, entry.line, message, PIP));
                    }
                }
            }
        }
        _ => {
            let message = format!("`pip:` is {}, not a list.", node.kind());
            return Err(PlanError::line(file, node.line, message, PIP));
        }
    }
    Ok(())
}

fn variables(file: &str, node: &Node, out: &mut Environment) -> Result<(), PlanError> {
    const VARIABLES: &str = "Write `NAME: value`; names have letters, digits and underscores.";
    let pairs = match &node.value {
        Value::Null => return Ok(()),
        Value::Map(pairs) => pairs,
        _ => {
            let message = format!("`variables:` is {}, not a mapping.", node.kind());
            return Err(PlanError::line(file, node.line, message, VARIABLES));
        }
    };
    for (key, value) in pairs {
        let name = key.text().filter(|name| is_variable(name));
        let text = match &value.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null => Some(String::new()),
            _ => None,
        };
        match (name, text) {
            (Some(name), Some(text)) if !text.chars().any(char::is_control) => {
                out.variables.push((name.to_owned(), text))
            }
            _ => {
                let message = "An entry of `variables:` is not a variable with a value on one line.";
                return Err(PlanError::line(file, key.line, message, VARIABLES));
            }
        }
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 100
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Environment, parse};

    fn read(text: &str) -> Environment {
        parse("environment.yml", text.as_bytes()).unwrap()
    }

    #[test]
    fn everything_people_write_is_read_with_its_line() {
        let read = read(
            "name: x\nchannels:\n  - conda-forge\n  - ./channel\ndependencies:\n  - numpy=1.26\n  - conda-forge::scipy >=1, <2\n  \
             - pip\n  - pip:\n    - -r requirements.txt\n    - 'requests[socks]>=2'\n    - --index-url https://example.org\n\
             variables:\n  A: 1\n  B: two\nprefix: /opt/x\nplatforms: [linux-64]\n",
        );
        let specs: Vec<_> = read.specs.iter().map(|(spec, line)| (spec.shown(), *line)).collect();
        assert_eq!(
            specs,
            [("numpy=1.26".to_owned(), 6), ("conda-forge::scipy>=1,<2".to_owned(), 7), ("pip".to_owned(), 8)]
        );
        assert_eq!(read.channels, [("conda-forge".to_owned(), 3), ("./channel".to_owned(), 4)]);
        assert_eq!(read.pip[0], ("-r requirements.txt".to_owned(), 10));
        assert_eq!(read.pip[2].1, 12);
        assert_eq!(read.variables, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "two".to_owned())]);
        assert_eq!(read.unknown, [("platforms".to_owned(), 17)]);
    }

    #[test]
    fn a_pip_list_may_be_one_text() {
        let lines = |text: &str| read(text).pip;
        assert_eq!(lines("dependencies:\n- pip: numpy\n"), [("numpy".to_owned(), 2)]);
        let block = lines("dependencies:\n- pip: |\n    numpy\n    -e ./pkg\n- a\n");
        assert_eq!(block, [("numpy".to_owned(), 3), ("-e ./pkg".to_owned(), 4)]);
        assert_eq!(lines("dependencies:\n- pip:\n"), []);
    }

    #[test]
    fn a_file_that_says_nothing_is_none() {
        for text in ["", "# x\n", "name: x\n", "dependencies: []\n", "dependencies: {}\n"] {
            assert!(read(text).specs.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a30_every_wrong_shape_is_refused_with_its_line() {
        for (text, line) in [
            ("- numpy\n", 1),
            ("just text\n", 1),
            ("3\n", 1),
            ("name: x\ndependencies:\n", 2),
            ("name: x\ndependencies: numpy\n", 2),
            ("dependencies:\n  numpy: 1\n", 2),
            ("name: x\ndependencies: {numpy: 1}\n", 2),
            ("dependencies:\n  - numpy\n  - 3.12\n", 3),
            ("dependencies:\n  - numpy\n  -\n", 3),
            ("dependencies:\n  - [numpy]\n", 2),
            ("dependencies:\n  - npm:\n    - left-pad\n", 2),
            ("dependencies:\n  - numpy: 1.2\n", 2),
            ("dependencies:\n  - pip:\n      numpy: 1\n", 3),
            ("dependencies:\n  - pip:\n    - 3\n", 3),
            ("dependencies:\n  - numpy\n  - numpy =\n", 3),
            ("dependencies:\n  - numpy; touch /pwned\n", 2),
            ("dependencies:\n  - \"$(id)\"\n", 2),
            ("dependencies:\n  - -e .\n", 2),
            ("dependencies:\n\t- numpy\n", 2),
            ("dependencies: [a]\ndependencies: [b]\n", 2),
            ("channels: 3\n", 1),
            ("channels:\n  - a\n  - 3\n", 3),
            ("channels:\n  - 'a b'\n", 2),
            ("channels:\n  - $(id)\n", 2),
            ("variables: 3\n", 1),
            ("variables:\n  A-B: 1\n", 2),
            ("variables:\n  A: [1]\n", 2),
            ("1: 2\n", 1),
        ] {
            let fault = Fault::from(parse("binder/environment.yml", text.as_bytes()).unwrap_err());
            assert_eq!(fault.file.as_deref(), Some("binder/environment.yml"), "{text:?}");
            let at = fault.line.unwrap();
            assert!(at == line || at + 1 == line, "{text:?}: {fault} at {at}");
            assert!(fault.hint.is_some(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse("environment.yml", &bytes);
        }

        #[test]
        fn near_environments_are_read_without_panic_and_no_entry_has_a_second_line(
            text in "(name|channels|dependencies|variables): ?\n((  )?- ?(pip:|[a-z=<>.0-9:\\[\\]'& |*-]{0,12})\n){0,6}",
        ) {
            if let Ok(read) = parse("environment.yml", text.as_bytes()) {
                prop_assert!(read.pip.iter().all(|(text, _)| !text.contains('\n')));
            }
        }
    }
}
