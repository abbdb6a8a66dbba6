//! Headers, libraries, compilers and other programs that a build lacks.

use super::text::{after, between, number, package, quoted, word};
use super::{Diagnosis, Evidence, packages, python};

/// What is not there.
struct Missing {
    /// `the program`, `the header`, …
    kind: &'static str,
    name: String,
    /// Debian packages that have it.
    packages: Vec<&'static str>,
}

impl Missing {
    fn new(kind: &'static str, name: &str, package: Option<&'static str>) -> Option<Self> {
        let sane = |c: char| c.is_ascii_alphanumeric() || "_-+./".contains(c);
        let known = !name.is_empty() && name.len() <= 100 && name.chars().all(sane);
        known.then(|| Self { kind, name: name.to_owned(), packages: package.into_iter().collect() })
    }

    fn program(name: &str) -> Option<Self> {
        let missing = Self::new("the program", name, packages::of_program(name))?;
        // A program called by its path is one that something else should have made.
        (!name.starts_with(['.', '/'])).then_some(missing)
    }

    fn compiler(name: &str) -> Option<Self> {
        let mut missing = Self::new("the compiler", name, packages::of_program(name))?;
        if missing.packages == ["build-essential"] {
            // What a Python package compiles against comes apart from the compiler.
            missing.packages.push("python3-dev");
        }
        Some(missing)
    }
}

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let Missing { kind, name, packages } = evidence.first(missing)?;
    let package = python::building(evidence);
    let message = match &package {
        Some(package) => format!("`{package}` could not be built: {kind} `{name}` is missing."),
        None => format!("{} needs {kind} `{name}`, which is missing.", evidence.who()),
    };
    let hint = if packages.is_empty() {
        format!("Find the Debian package that has `{name}` and add it to apt.txt.")
    } else {
        evidence.install(&packages)
    };
    let mut diagnosis = Diagnosis::user("missing-system-package", message, hint);
    if let Some(requirement) = &package {
        diagnosis = diagnosis.named(self::package(requirement));
    }
    // A script's own place, in the words of bash or Python.
    let prefix = format!("{}\", line ", evidence.who());
    Some(diagnosis.line(evidence.last(|line| number(line.split_once(&prefix)?.1))))
}

fn missing(line: &str) -> Option<Missing> {
    header(line).or_else(|| library(line)).or_else(|| program(line)).or_else(|| module(line)).or_else(|| known(line))
}

fn header(line: &str) -> Option<Missing> {
    let rest = after(line, "fatal error: ")?;
    let name = rest
        .strip_suffix(": No such file or directory")
        .or_else(|| rest.strip_suffix(" file not found").and_then(quoted))?;
    Missing::new("the header", name, packages::of_header(name))
}

fn library(line: &str) -> Option<Missing> {
    let name = if let Some((before, _)) = line.split_once(": cannot open shared object file") {
        before.rsplit([' ', '\'']).next()?
    } else if let Some(name) = line.strip_suffix(" not found").filter(|name| name.ends_with(".so")) {
        name.rsplit(' ').next()?
    } else if let Some(rest) = after(line, "cannot find -l") {
        let name = word(rest)?;
        return Missing::new("the library", name, packages::of_module(name));
    } else {
        return None;
    };
    Missing::new("the shared library", name, packages::of_library(name))
}

fn program(line: &str) -> Option<Missing> {
    if let Some(name) = line.strip_suffix(" executable not found.") {
        return Missing::program(name.rsplit(' ').next()?);
    }
    if let Some(name) = after(line, "[Errno 2] No such file or directory: ").and_then(quoted) {
        return if is_compiler(name) {
            Missing::compiler(name)
        } else {
            // Only what is known to be a program: most files that are not found are none.
            packages::of_program(name).and_then(|_| Missing::program(name))
        };
    }
    if let Some(name) = between(line, "error: command '", "' failed: No such file or directory") {
        return Missing::compiler(name);
    }
    if let Some(rest) = after(line, "Unknown compiler(s): ") {
        return Missing::compiler(quoted(rest)?);
    }
    None
}

fn is_compiler(name: &str) -> bool {
    ["gcc", "g++", "cc", "c++", "clang", "gfortran"]
        .iter()
        .any(|end| name == *end || name.ends_with(&format!("-{end}")))
}

fn module(line: &str) -> Option<Missing> {
    let name = between(line, "No package '", "' found")
        .or_else(|| between(line, "Package '", "', required by"))
        .or_else(|| between(line, "ERROR: Dependency \"", "\" not found"))?;
    Missing::new("the library", name, packages::of_module(name))
}

/// Sentences of single packages that say the same in words of their own.
fn known(line: &str) -> Option<Missing> {
    const KNOWN: &[(&str, &str, &str, &str)] = &[
        ("Can not find valid pkg-config name", "the library", "mysqlclient", "default-libmysqlclient-dev"),
        (
            "Please make sure the libxml2 and libxslt development packages are installed",
            "the library",
            "libxslt",
            "libxslt1-dev",
        ),
        ("Unable to load dependency HDF5", "the library", "hdf5", "libhdf5-dev"),
        ("sndfile library not found", "the shared library", "libsndfile.so", "libsndfile1"),
        ("PortAudio library not found", "the shared library", "libportaudio.so", "libportaudio2"),
        ("can't find Rust compiler", "the compiler", "rustc", "rustc"),
        ("Cargo, the Rust package manager, is not installed", "the program", "cargo", "cargo"),
        ("Git executable not found", "the program", "git", "git"),
        ("CMake must be installed", "the program", "cmake", "cmake"),
        ("No CMAKE_C_COMPILER could be found", "the compiler", "cc", "build-essential"),
        ("No CMAKE_CXX_COMPILER could be found", "the compiler", "c++", "build-essential"),
        ("Cannot find command 'git'", "the program", "git", "git"),
    ];
    let (_, kind, name, package) = KNOWN.iter().find(|(sign, ..)| line.contains(sign))?;
    let mut missing = Missing::new(kind, name, Some(package))?;
    match *package {
        "default-libmysqlclient-dev" => missing.packages.push("pkg-config"),
        "libxslt1-dev" => missing.packages.insert(0, "libxml2-dev"),
        "build-essential" => missing.packages.push("python3-dev"),
        "rustc" => missing.packages.push("cargo"),
        _ => {}
    }
    Some(missing)
}
