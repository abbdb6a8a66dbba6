//! The table of required behaviour, A01 to A53: what each row asks for, and which tests prove it. Fails when a row has no test of the kind
//! it states, or a test names a row that is not here; prints the table.
//!
//! The sources are read, not the results: that a named test passes is for the run it is part of.

#[path = "table/rows.rs"]
mod rows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rows::{Proof, ROWS};

/// Where rows are proven. Other crates number their tests by tables of their own.
const PLACES: [&str; 3] = ["buildpacks/src/*.rs", "buildpacks/src/*.snap", "tests/tests/*.rs"];

/// What a test is evidence of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    /// A real image was built, and looked into.
    Engine,
    /// The real command was run, without an engine.
    Command,
    /// A plan and its Dockerfile are kept and compared.
    Picture,
    /// A part of the code was asked.
    Unit,
}

/// A test of a row.
#[derive(Debug)]
struct Found {
    row: u8,
    evidence: Evidence,
    name: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files of the repository, below its root.
fn sources() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--"])
        .args(PLACES)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

/// The row a name begins with: `a07_and_more`.
fn row_of(name: &str) -> Option<u8> {
    let (id, _) = name.strip_prefix('a')?.split_once('_')?;
    (id.len() == 2).then(|| id.parse().ok())?
}

/// The tests in a source file that are named for a row.
fn tests_in(path: &str, text: &str) -> Vec<Found> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some((before, declared)) = line.split_once("fn ") else { continue };
        let name = declared.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
        let (Some(row), "" | "async") = (row_of(name), before.trim()) else { continue };
        let attributes = lines[..number].iter().rev().take_while(|above| above.trim_start().starts_with("#["));
        let attributes = attributes.copied().collect::<String>();
        // One that is left out would be no test either, but tidy.rs lets none be.
        assert!(attributes.contains("test"), "{path}: {name} is not run as a test");
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        let body: Vec<&str> = lines[number..].iter().take_while(|line| **line != end).map(|line| line.trim()).collect();
        // As every test does that is skipped where there is no engine.
        let engine = body.join(" ").replace("; }", " }").contains("else { return }");
        let evidence = match (path.starts_with("tests/"), engine) {
            (true, true) => Evidence::Engine,
            (true, false) => Evidence::Command,
            (false, _) => Evidence::Unit,
        };
        found.push(Found { row, evidence, name: format!("{}::{name}", path.trim_end_matches(".rs")) });
    }
    found
}

/// Everything that is named for a row, in the order of rows.
fn found() -> Vec<Found> {
    let mut all = Vec::new();
    for path in sources() {
        if let Some(picture) = path.strip_suffix(".snap") {
            let name = picture.rsplit("__").next().unwrap().to_owned();
            all.extend(row_of(&name).map(|row| Found { row, evidence: Evidence::Picture, name }));
        } else {
            all.extend(tests_in(&path, &std::fs::read_to_string(root().join(&path)).unwrap()));
        }
    }
    all.sort_by(|one, other| (one.row, one.evidence, &one.name).cmp(&(other.row, other.evidence, &other.name)));
    all
}

#[test]
fn every_row_is_proven_as_it_says() {
    let all = found();
    let mut wrong: Vec<String> = all
        .iter()
        .filter(|test| !ROWS.iter().any(|row| row.id == test.row))
        .map(|test| format!("{} names A{:02}, which is no row", test.name, test.row))
        .collect();
    let mut table = String::from("\nRequired behaviour of environment files, and the tests of each row\n\n");
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for row in ROWS {
        let of = |evidence| all.iter().filter(move |test| (test.row, test.evidence) == (row.id, evidence));
        let (kind, evidence) = match row.proof {
            Proof::Engine => ("engine", Evidence::Engine),
            Proof::Command => ("command", Evidence::Command),
        };
        if of(evidence).next().is_none() {
            wrong.push(format!("A{:02} says {kind}, and has no such test", row.id));
        }
        match (row.picture, of(Evidence::Picture).next()) {
            (Some(lacks), None) => wrong.push(format!("A{:02} has no picture of what needs {lacks}", row.id)),
            (None, Some(test)) => wrong.push(format!("A{:02} does not say why {} is a picture", row.id, test.name)),
            _ => {}
        }
        *count.entry(kind).or_default() += 1;
        writeln!(table, "A{:02}  {kind:<8} {}", row.id, row.behaviour).unwrap();
        let shown = of(Evidence::Engine).chain(of(Evidence::Command));
        shown.for_each(|test| writeln!(table, "              {}", test.name).unwrap());
        if let Some(lacks) = row.picture {
            *count.entry("in part a picture").or_default() += 1;
            writeln!(table, "     picture  what needs {lacks}").unwrap();
            of(Evidence::Picture).for_each(|test| writeln!(table, "              {}", test.name).unwrap());
        }
    }
    let ids: Vec<u8> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(ids, (1..=53).collect::<Vec<u8>>(), "every row once and in order");
    let counted: Vec<String> = count.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
    writeln!(table, "\n{} rows: {}", ROWS.len(), counted.join(", ")).unwrap();
    // Not print!, which the harness keeps to itself where a test passes.
    std::io::stdout().write_all(table.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_test_is_told_from_what_is_none_and_an_engine_from_a_command() {
    let kinds = |path: &str, text: &str| -> Vec<(u8, Evidence)> {
        tests_in(path, text).into_iter().map(|test| (test.row, test.evidence)).collect()
    };
    let engine = "#[test]\nfn a07_x() {\n    let Some(x) = find() else {\n        return;\n    };\n}\n";
    let command = "#[tokio::test(flavor = \"x\")]\nasync fn a08_x() {\n    run();\n}\n";
    let other = "fn helper() {}\n// fn a09_x\n#[test]\nfn abc_x() {}\n#[test]\nfn a1_x() {}\n";
    let text = format!("{command}{engine}{other}");
    assert_eq!(kinds("tests/tests/x.rs", &text), [(8, Evidence::Command), (7, Evidence::Engine)]);
    assert_eq!(kinds("buildpacks/src/x.rs", &text), [(8, Evidence::Unit), (7, Evidence::Unit)]);
    let unrun = std::panic::catch_unwind(|| tests_in("tests/tests/x.rs", "#[cfg(unix)]\nfn a07_x() {\n}\n"));
    assert!(unrun.is_err(), "a test that is never run proves nothing");
}
