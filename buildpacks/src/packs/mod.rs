//! The buildpacks: one file each. A pack reads its own files and adds steps, choices and notes to a draft.

pub(crate) mod apt;
pub(crate) mod dockerfile;
pub(crate) mod post_build;
pub(crate) mod python;
pub(crate) mod start;

use crate::error::PlanError;
use crate::plan::{Action, IgnoredFile, PythonChoice, Step, UsedFile};
use crate::repo::Repo;

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
    pub(crate) used: Vec<UsedFile>,
    pub(crate) ignored: Vec<IgnoredFile>,
    pub(crate) notes: Vec<String>,
    pub(crate) steps: Vec<Step>,
    pub(crate) start: Option<String>,
    pub(crate) dockerfile: Option<String>,
}

impl Draft {
    /// Records a file as used.
    pub(crate) fn uses(&mut self, file: impl Into<String>, purpose: impl Into<String>) {
        let file = file.into();
        if !self.used.iter().any(|used| used.file == file) {
            self.used.push(UsedFile { file, r#for: purpose.into() });
        }
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
