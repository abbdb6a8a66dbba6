//! The buildpacks: one file each. A pack reads its own files and adds steps, choices and notes to a draft.

pub(crate) mod apt;
pub(crate) mod conda;
pub(crate) mod devcontainer;
pub(crate) mod dockerfile;
pub(crate) mod julia;
pub(crate) mod nix;
pub(crate) mod notebook;
pub(crate) mod post_build;
pub(crate) mod python;
pub(crate) mod r;
pub(crate) mod start;

use bindery_core::Date;

use crate::conda::CondaOptions;
use crate::error::PlanError;
use crate::plan::{Action, DateChoice, DockerfileRules, IgnoredFile, LanguageChoice, PythonChoice, Step, UsedFile};
use crate::python_version::PythonWant;
use crate::repo::Repo;
use crate::sources::Sources;

/// One buildpack.
pub(crate) trait Pack: Sync {
    /// Its name in plans.
    fn name(&self) -> &'static str;

    /// The files it reads in the configuration directory, exact names.
    fn files(&self) -> &'static [&'static str];

    /// Adds what it has to say about `repo`. Adding nothing means it does not take part.
    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError>;
}

/// A plan in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) python: Option<PythonChoice>,
    /// The day whose packages are installed. Set before any pack is asked when the visitor chose one.
    pub(crate) as_of: Option<DateChoice>,
    pub(crate) wants: Vec<PythonWant>,
    pub(crate) r: Option<LanguageChoice>,
    pub(crate) julia: Option<LanguageChoice>,
    /// Where the site takes things from. Set before any pack is asked.
    pub(crate) sources: Sources,
    pub(crate) used: Vec<UsedFile>,
    pub(crate) ignored: Vec<IgnoredFile>,
    pub(crate) notes: Vec<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) start: Option<String>,
    /// The platform built for, e.g. `linux/amd64`.
    pub(crate) platform: String,
    /// The site's settings for conda.
    pub(crate) conda: CondaOptions,
    /// The file whose environment the notebooks run in, Python and all. Nothing else then chooses a Python.
    pub(crate) makes_kernel: Option<String>,
    /// The file of conda's or pixi's that says which Python packages there are.
    pub(crate) decided_by_conda: Option<String>,
    pub(crate) dockerfile: Option<String>,
    /// The site's rules for it. Set before any pack is asked.
    pub(crate) dockerfiles: DockerfileRules,
    pub(crate) as_it_stands: bool,
    pub(crate) ignore_file: Option<String>,
}

impl Draft {
    /// Records a file as used.
    pub(crate) fn uses(&mut self, file: impl Into<String>, purpose: impl Into<String>) {
        let file = file.into();
        if !self.used.iter().any(|used| used.file == file) {
            self.used.push(UsedFile { file, r#for: purpose.into() });
        }
    }

    /// Takes up the day a file names, at `place`, unless another was chosen before.
    pub(crate) fn dated(&mut self, date: Date, place: &str) {
        match &self.as_of {
            Some(chosen) if chosen.date == date => {}
            Some(chosen) => self
                .notes
                .push(format!("{place} names the date {date}, which gives way to {}, {}.", chosen.date, chosen.source)),
            None => self.as_of = Some(DateChoice { date, source: place.to_owned() }),
        }
    }

    /// Records one more purpose of a file that may be used already.
    pub(crate) fn uses_also(&mut self, file: &str, purpose: &str) {
        match self.used.iter_mut().find(|used| used.file == file) {
            Some(used) if used.r#for.split(" and ").any(|one| one == purpose) => {}
            Some(used) => used.r#for = format!("{} and {purpose}", used.r#for),
            None => self.uses(file, purpose),
        }
    }

    /// Records what a file asks of Python. Which one it becomes is settled when every pack has spoken.
    pub(crate) fn want_python(&mut self, want: PythonWant) {
        self.wants.push(want);
    }

    /// Records a file as not used, with the reason.
    pub(crate) fn ignores(&mut self, file: impl Into<String>, reason: impl Into<String>) {
        self.ignored.push(IgnoredFile { file: file.into(), reason: reason.into() });
    }

    /// Adds a step.
    pub(crate) fn step(
        &mut self,
        id: &str,
        file: &str,
        name: String,
        run: String,
        needs_content: bool,
        action: Action,
    ) {
        self.steps.push(Step {
            id: id.to_owned(),
            name,
            run,
            action,
            needs_content,
            file: Some(file.to_owned()),
            line: None,
        });
    }
}
