//! Real failures, each with the sentence it must give. The files say how each was made; names of package indexes are replaced.

use std::path::Path;

use bindery_buildpacks::{PlanOptions, Step, assumed_base, plan};
use bindery_core::{BaseImage, Fault, MemoryTree};
use proptest::prelude::*;

use super::{Failure, diagnose};
use crate::blame;
use crate::progress::FailedStep;

pub(crate) fn base() -> BaseImage {
    let labels = vec![("io.bindery.python".to_owned(), "3.11.2".to_owned())];
    BaseImage { labels, ..assumed_base("bindery/stack:test") }
}

fn failed(step: Option<Step>, lines: Vec<String>) -> FailedStep {
    FailedStep { step, lines, id: "env-1".to_owned(), name: "the step".to_owned() }
}

struct Fixture {
    name: String,
    head: Vec<(String, String)>,
    source: String,
    output: Vec<String>,
}

impl Fixture {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let (head, rest) = text.split_once("\n--- ").unwrap();
        let (_, rest) = rest.split_once('\n').unwrap();
        let (source, output) = rest.split_once("--- output\n").unwrap();
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            head: head.lines().map(|line| line.split_once(": ").unwrap()).map(|(k, v)| (k.into(), v.into())).collect(),
            source: source.replace("\\r\n", "\r\n"),
            output: output.lines().map(str::to_owned).collect(),
        }
    }

    fn all() -> Vec<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnosis");
        let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "log"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn head(&self, key: &str) -> &str {
        self.head.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str()).unwrap()
    }

    /// The fault as the pipeline gets it from the engine and hands it on.
    fn fault(&self) -> Fault {
        let file = self.head("file");
        // Line ends that a plan refuses reach a build in other ways; the plan is only the frame here.
        let planned = self.source.replace('\r', "");
        let tree = MemoryTree::new([(file, planned.as_str())]).unwrap();
        // A Python that the base does not have, for the steps that fetch one.
        let options = PlanOptions { pythons: vec!["3.10".to_owned()], ..PlanOptions::default() };
        let plan = plan(&tree, &base(), &options).unwrap();
        let step = plan.steps.iter().find(|step| step.file.as_deref() == Some(file)).cloned();
        assert!(step.is_some(), "{}: the plan has no step of {file}", self.name);
        let tree = MemoryTree::new([(file, self.source.as_str())]).unwrap();
        let message = format!("The step `RUN x` failed with exit code {}.", self.head("exit code"));
        let failed = failed(step, self.output.clone());
        blame::place(Fault::user("build-step-failed", message), Some(failed), &plan, &tree)
    }
}

#[test]
fn every_recorded_failure_gives_its_sentence() {
    let fixtures = Fixture::all();
    assert!(fixtures.len() >= 20);
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let fault = fixture.fault();
        let by = format!("{:?}", fault.by).to_lowercase();
        let place = fault.place().unwrap_or_default();
        let hint = fault.hint.clone().unwrap_or_default();
        let found = [("place", place), ("by", by), ("code", fault.code), ("says", fault.message), ("hint", hint)];
        if found.iter().any(|(key, value)| fixture.head(key) != value) {
            let lines: Vec<String> = found.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            wrong.push(format!("{}\n{}\n", fixture.name, lines.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are told otherwise:\n{}", wrong.len(), fixtures.len(), wrong.join("\n"));
}

#[test]
fn what_is_not_recognised_keeps_its_step_and_exit_code() {
    let tree = MemoryTree::new([("postBuild", "#!/bin/sh\nexit 3\n")]).unwrap();
    let plan = plan(&tree, &base(), &PlanOptions::default()).unwrap();
    let step = plan.steps.iter().find(|step| step.id == "post-build").cloned();
    let failed = failed(step, vec!["about to fail".to_owned()]);
    let fault = Fault::user("build-step-failed", "The step `RUN x` failed with exit code 3.");
    let fault = blame::place(fault, Some(failed), &plan, &tree);
    assert_eq!(fault.message, "could not run postBuild: it failed with exit code 3.");
    assert_eq!((fault.code.as_str(), fault.place().as_deref()), ("build-step-failed", Some("postBuild")));
    let output = fault.output.unwrap();
    assert_eq!((output.step.as_str(), output.lines.as_slice()), ("env-1", &["about to fail".to_owned()][..]));
}

#[test]
fn a_fault_that_is_no_failed_step_stays_as_it_is() {
    let tree = MemoryTree::new([("apt.txt", "curl\n")]).unwrap();
    let plan = plan(&tree, &base(), &PlanOptions::default()).unwrap();
    let failed = failed(None, vec!["E: Unable to locate package curl".to_owned()]);
    let fault = Fault::us("disk-full", "the disk of the engine is full");
    let output = failed.output();
    assert!(output.is_some(), "its output is shown all the same");
    assert_eq!(blame::place(fault.clone(), Some(failed), &plan, &tree), fault.output(output));
}

proptest! {
    #[test]
    fn any_output_is_survived(lines in prop::collection::vec(".{0,120}", 0..12), pick in 0usize..64, cut in 0usize..400) {
        let tree = MemoryTree::new([("requirements.txt", "six\n")]).unwrap();
        let plan = plan(&tree, &base(), &PlanOptions::default()).unwrap();
        let fixtures = Fixture::all();
        let mut mixed = lines;
        // Real lines, cut anywhere.
        if let Some(fixture) = fixtures.get(pick % fixtures.len().max(1)) {
            mixed.extend(fixture.output.iter().rev().take(8).map(|line| line.chars().take(cut % 100).collect::<String>()));
        }
        let failure = Failure { plan: &plan, step: plan.steps.first(), lines: &mixed, exit_code: Some(127), source: "#!" };
        if let Some(cause) = diagnose(&failure) {
            prop_assert!(!cause.message.is_empty() && !cause.message.contains('\n'));
        }
    }
}
