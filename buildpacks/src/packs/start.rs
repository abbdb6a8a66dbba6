//! `start`: a program of the repository's that starts the notebook server; what it exports reaches the server.

use super::{Draft, Pack};
use crate::error::PlanError;
use crate::parse;
use crate::plan::Action;
use crate::repo::Repo;

pub(crate) struct Start;

impl Pack for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn files(&self) -> &'static [&'static str] {
        &["start"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let Some(file) = repo.file("start")? else { return Ok(()) };
        parse::script::check(&file.path, &file.bytes)?;
        draft.uses(&file.path, "a program run in front of the notebook server");
        if !file.executable {
            let run = format!("chmod +x {}", file.path);
            let action = Action::PrepareStart { path: file.path.clone() };
            draft.step("start", &file.path, format!("make {} executable", file.path), run, true, action);
        }
        draft.start = Some(file.path);
        Ok(())
    }
}
