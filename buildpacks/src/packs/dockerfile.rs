//! The repository's own Dockerfile, which decides everything itself.

use super::{Draft, Pack};
use crate::error::PlanError;
use crate::parse;
use crate::plan::{Action, Step};
use crate::repo::{EnvFile, Repo};

pub(crate) struct Dockerfile;

impl Pack for Dockerfile {
    fn name(&self) -> &'static str {
        "dockerfile"
    }

    fn files(&self) -> &'static [&'static str] {
        &["Dockerfile"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let Some(file) = repo.file("Dockerfile")? else { return Ok(()) };
        decide(repo, file, draft)
    }
}

/// Lets a Dockerfile decide the whole image.
pub(crate) fn decide(repo: &Repo<'_>, file: EnvFile, draft: &mut Draft) -> Result<(), PlanError> {
    let checked = parse::dockerfile::check(&file.path, &file.bytes)?;
    draft.uses(&file.path, "the whole image");
    if repo.tree.entry(".dockerignore").is_some() {
        draft.uses(".dockerignore", "what stays out of the build context");
    }
    draft.notes.extend(checked.warnings);
    for (number, (step, shown, line)) in checked.steps.into_iter().enumerate() {
        draft.steps.push(Step {
            id: format!("dockerfile-{}", number + 1),
            name: shown.clone(),
            run: shown,
            action: Action::Dockerfile(step),
            needs_content: true,
            file: Some(file.path.clone()),
            line: Some(line),
        });
    }
    draft.dockerfile = Some(file.path);
    Ok(())
}
