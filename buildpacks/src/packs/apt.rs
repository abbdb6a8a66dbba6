//! `apt.txt`: Debian packages.

use super::{Draft, Pack};
use crate::error::PlanError;
use crate::parse;
use crate::plan::Action;
use crate::repo::Repo;

pub(crate) struct Apt;

impl Pack for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    fn files(&self) -> &'static [&'static str] {
        &["apt.txt"]
    }

    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        let Some(file) = repo.file("apt.txt")? else { return Ok(()) };
        let packages = parse::apt::parse(&file.path, &file.bytes)?;
        draft.uses(&file.path, "Debian packages");
        if packages.is_empty() {
            draft.notes.push(format!("{} lists no packages.", file.path));
            return Ok(());
        }
        let name = format!("install Debian packages ({})", file.path);
        let run = format!("apt-get install {}", packages.join(" "));
        draft.step("apt", &file.path, name, run, false, Action::InstallApt { packages });
        Ok(())
    }
}
