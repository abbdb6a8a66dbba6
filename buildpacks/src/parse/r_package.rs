//! Names and versions of R packages, and `DESCRIPTION`, the file that describes one.

use crate::PlanError;
use crate::error::shown;
use crate::parse::text;

/// The most packages one file may name.
pub(crate) const MANY: usize = 1000;

/// What every R has.
const OF_R: [&str; 14] = [
    "base",
    "compiler",
    "datasets",
    "graphics",
    "grDevices",
    "grid",
    "methods",
    "parallel",
    "splines",
    "stats",
    "stats4",
    "tcltk",
    "tools",
    "utils",
];

/// Whether every R has this package.
pub(crate) fn is_of_r(name: &str) -> bool {
    OF_R.contains(&name)
}

/// A package's name as R defines it: letters, digits and points, two or more, first a letter, last no point.
pub(crate) fn is_name(name: &str) -> bool {
    (2..=80).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

/// A version as R defines it: numbers with `.` or `-` between them.
pub(crate) fn is_version(version: &str) -> bool {
    let numbers = || version.split(['.', '-']);
    version.len() <= 40
        && numbers().all(|part| !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A package another one needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The least version that will do.
    pub(crate) at_least: Option<String>,
}

/// A `DESCRIPTION`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Description {
    /// The package's name, where there is one.
    pub(crate) package: Option<String>,
    /// Whether it has a version, without which nothing installs it.
    pub(crate) has_version: bool,
    /// What it needs, without what every R has; `Suggests` is not among it.
    pub(crate) dependencies: Vec<Dependency>,
    /// Whether it is linked to code of others, and so compiled.
    pub(crate) compiles: bool,
    /// The line of `Remotes`, packages from elsewhere than CRAN.
    pub(crate) remotes: Option<u32>,
}

const HINT: &str =
    "Write Depends, Imports and LinkingTo as names with commas between them, each optionally as name (>= 1.2).";

/// Reads a `DESCRIPTION`: fields as `Name: value`, continued on lines that begin with a blank.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Description, PlanError> {
    let text = text::decode(file, bytes)?;
    let mut out = Description::default();
    let mut field = String::new();
    for (index, line) in text.lines().enumerate() {
        let number = text::number(index);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let value = if line.starts_with([' ', '\t']) {
            if field.is_empty() {
                return Err(PlanError::line(file, number, "The file begins with a continued line.", HINT));
            }
            line
        } else {
            let Some((name, value)) = line.split_once(':') else {
                let hint = "Write each field as Name: value; continue it on lines that begin with a blank.";
                return Err(PlanError::line(file, number, "The line is no field of a DESCRIPTION.", hint));
            };
            name.trim().clone_into(&mut field);
            value
        };
        match field.as_str() {
            "Package" if !value.trim().is_empty() => {
                let name = value.trim();
                if !is_name(name) {
                    let message = format!("{:?} is not the name of an R package.", shown(name));
                    return Err(PlanError::line(file, number, message, "Use letters, digits and points only."));
                }
                out.package = Some(name.to_owned());
            }
            "Version" => out.has_version |= !value.trim().is_empty(),
            "Remotes" => out.remotes = out.remotes.or(Some(number)),
            "Depends" | "Imports" | "LinkingTo" => {
                out.compiles |= field == "LinkingTo";
                for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    let dependency = dependency(word).ok_or_else(|| {
                        let message = format!("{:?} is not an R package with a version.", shown(word));
                        PlanError::line(file, number, message, HINT)
                    })?;
                    if dependency.name != "R" && !is_of_r(&dependency.name) {
                        add(&mut out.dependencies, dependency);
                    }
                    if out.dependencies.len() > MANY {
                        let message = format!("More than {MANY} packages are named.");
                        return Err(PlanError::line(file, number, message, HINT));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

fn add(list: &mut Vec<Dependency>, new: Dependency) {
    match list.iter_mut().find(|known| known.name == new.name) {
        Some(known) => known.at_least = known.at_least.take().or(new.at_least),
        None => list.push(new),
    }
}

/// `name`, `name (>= 1.2)`; upper bounds and exact versions are taken for what they name, and checked by R itself.
fn dependency(word: &str) -> Option<Dependency> {
    let (name, version) = match word.split_once('(') {
        None => (word, None),
        Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')')?.trim())),
    };
    if name != "R" && !is_name(name) {
        return None;
    }
    let mut at_least = None;
    if let Some(version) = version {
        let sign = ["<=", ">=", "==", "!=", "<", ">"].into_iter().find(|sign| version.starts_with(sign))?;
        let number = version.strip_prefix(sign)?.trim();
        // R itself takes revisions of its sources too: R (>= r56550).
        let revision = name == "R" && number.strip_prefix('r').is_some_and(is_version);
        if !is_version(number) && !revision {
            return None;
        }
        if matches!(sign, ">=" | ">" | "==") {
            at_least = Some(number.to_owned());
        }
    }
    Some(Dependency { name: name.to_owned(), at_least })
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn what_a_package_needs_is_read_without_what_every_r_has() {
        let text = "Package: waves\nVersion: 0.1.0\nTitle: Waves: in water\nDepends:\n    R (>= 3.5), methods,\n    digest\n\
                    Imports: jsonlite (>= 1.8.0),stats,\n\tdigest (>= 0.6)\nSuggests: testthat\nLinkingTo: Rcpp\n\
                    Remotes: r-lib/x\nDescription: Long.\n    More: of it.\n";
        let read = parse("DESCRIPTION", text.as_bytes()).unwrap();
        assert_eq!(read.package.as_deref(), Some("waves"));
        assert!(read.has_version && read.compiles);
        assert_eq!(read.remotes, Some(11));
        let names: Vec<_> = read.dependencies.iter().map(|it| (it.name.as_str(), it.at_least.as_deref())).collect();
        assert_eq!(names, [("digest", Some("0.6")), ("jsonlite", Some("1.8.0")), ("Rcpp", None)]);
        assert_eq!(parse("DESCRIPTION", b"").unwrap().package, None);
    }

    #[test]
    fn hostile_lines_are_refused_with_their_place() {
        for (text, line) in [
            ("Package: a; touch /pwned\n", 1),
            ("Package: a2\nImports: -y\n", 2),
            ("Package: a2\nImports: x2 (>= $(id))\n", 2),
            ("Package: a2\nImports: x2 (>= 1\n", 2),
            ("Package: a2\nImports: x2 (~ 1)\n", 2),
            ("Package: a2\nImports: x2,\n  y z\n", 3),
            ("  x\n", 1),
            ("nonsense\n", 1),
            ("Package: a2\n<<<<<<<\n", 2),
        ] {
            let fault = Fault::from(parse("DESCRIPTION", text.as_bytes()).unwrap_err());
            assert_eq!(fault.place(), Some(format!("DESCRIPTION:{line}")), "{text:?}");
            assert!(fault.hint.is_some());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("DESCRIPTION", &bytes);
        }

        #[test]
        fn any_dependency_that_is_accepted_is_a_name(word in "\\PC{0,20}") {
            if let Some(dependency) = super::dependency(&word) {
                prop_assert!(dependency.name == "R" || super::is_name(&dependency.name));
            }
        }
    }
}
