//! `postBuild`: a program of the repository's, run when everything else is in place.

use super::{Draft, Pack};
use crate::error::PlanError;
use crate::parse;
use crate::parse::script::RunBy;
use crate::plan::Action;
use crate::repo::Repo;

pub(crate) struct PostBuild;

impl Pack for PostBuild {
    fn name(&self) -> &'static str {
        "post-build"
    }

    fn files(&self) -> &'static [&'static str] {
        &["postBuild"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let Some(file) = repo.file("postBuild")? else { return Ok(()) };
        if parse::script::run_by(&file.path, &file.bytes)? == RunBy::Shell {
            draft.notes.push(format!("{} has no #! line, so the image's shell runs it.", file.path));
        }
        draft.uses(&file.path, "a program run at the end of the build");
        let action = Action::RunPostBuild { path: file.path.clone(), make_executable: !file.executable };
        draft.step("post-build", &file.path, format!("run {}", file.path), format!("./{}", file.path), true, action);
        Ok(())
    }
}
