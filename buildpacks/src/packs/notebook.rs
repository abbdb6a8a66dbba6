//! Notebooks that say they are R's or Julia's, where no file describes an environment: they get their kernel and nothing else.

use super::{Draft, Pack, julia, r};
use crate::error::PlanError;
use crate::parse::notebook::{Language, language};
use crate::repo::Repo;

/// Notebooks that are read, at most.
const NOTEBOOKS: usize = 20;
/// Bytes of one, at most; a larger one is passed over.
const LIMIT: u64 = 4 * 1024 * 1024;

pub(crate) struct Notebook;

impl Pack for Notebook {
    fn name(&self) -> &'static str {
        "notebook"
    }

    fn files(&self) -> &'static [&'static str] {
        &[]
    }

    /// Asked last.
    fn plan(&self, repo: &Repo<'_>, draft: &mut Draft) -> Result<(), PlanError> {
        if !draft.used.is_empty() || repo.config_dir.is_some() {
            return Ok(());
        }
        let mut paths: Vec<&str> = repo
            .tree
            .entries()
            .iter()
            .filter(|entry| entry.kind.is_file())
            .map(|entry| entry.path.as_str())
            .filter(|path| path.ends_with(".ipynb") && path.matches('/').count() <= 1 && !path.starts_with('.'))
            .collect();
        // Those at the top first; the order of names in each, on any host.
        paths.sort_by_key(|path| (path.contains('/'), *path));
        let (mut with_r, mut with_julia) = (None, None);
        for path in paths.into_iter().take(NOTEBOOKS) {
            let Ok(bytes) = repo.tree.read(path, LIMIT) else { continue };
            match language(&bytes) {
                Some(Language::R) => with_r = with_r.or(Some(path)),
                Some(Language::Julia) => with_julia = with_julia.or(Some(path)),
                None => {}
            }
        }
        if let Some(path) = with_r {
            draft.uses(path, "its kernel's language, R");
            r::kernel(repo, path, draft);
        }
        if let Some(path) = with_julia {
            draft.uses(path, "its kernel's language, Julia");
            julia::kernel(repo, path, draft)?;
        }
        if with_r.is_some() || with_julia.is_some() {
            draft
                .notes
                .push("No file names packages; notebooks name their kernel's language, which is provided.".to_owned());
        }
        Ok(())
    }
}
