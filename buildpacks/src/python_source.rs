//! Which file describes the Python packages, when several do.
//!
//! One place, one order: an environment of conda's decides everything, then lock files, then what people write by hand. A loser is
//! named with its winner.

use crate::plan::IgnoredFile;
use crate::repo::Repo;

/// What describes the packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `environment.yml` or a lock file of conda's or pixi's, which another pack reads.
    Conda,
    /// `uv.lock` with its `pyproject.toml`.
    UvLock,
    /// `pylock.toml`.
    PyLock,
    /// `poetry.lock` with its `pyproject.toml`.
    PoetryLock,
    /// `pdm.lock` with its `pyproject.toml`.
    PdmLock,
    /// `Pipfile.lock`.
    PipfileLock,
    /// `Pipfile`.
    Pipfile,
    /// `requirements.txt`.
    Requirements,
    /// A project of its own: `pyproject.toml`, `setup.py`, `setup.cfg`.
    Project,
}

/// Files that describe packages, strongest first.
const ORDER: [(&str, Source); 10] = [
    ("uv.lock", Source::UvLock),
    ("pylock.toml", Source::PyLock),
    ("poetry.lock", Source::PoetryLock),
    ("pdm.lock", Source::PdmLock),
    ("Pipfile.lock", Source::PipfileLock),
    ("Pipfile", Source::Pipfile),
    ("requirements.txt", Source::Requirements),
    ("pyproject.toml", Source::Project),
    ("setup.py", Source::Project),
    ("setup.cfg", Source::Project),
];

/// The decision.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// The winner.
    pub(crate) winner: Option<Source>,
    /// What else describes packages, weaker than the winner and no part of it.
    pub(crate) losers: Vec<IgnoredFile>,
}

/// Looks at which files there are, and decides. `conda` is the file that the pack for conda's environments read, if it did.
pub(crate) fn choose(repo: &Repo<'_>, conda: Option<&str>) -> Choice {
    let written = ORDER.iter().map(|(name, source)| (*source, repo.path(name))).filter(|(_, path)| repo.exists(path));
    let there: Vec<(Source, String)> =
        conda.map(|path| (Source::Conda, path.to_owned())).into_iter().chain(written).collect();
    let Some((winner, path)) = there.first().cloned() else { return Choice::default() };
    let losers = there
        .into_iter()
        .skip(1)
        .filter(|(source, _)| !goes_with(winner, *source))
        .map(|(_, file)| IgnoredFile { file, reason: reason(winner, &path) })
        .collect();
    Choice { winner: Some(winner), losers }
}

/// Whether a weaker file is part of what the winner says.
fn goes_with(winner: Source, source: Source) -> bool {
    match winner {
        // The pack that reads the one speaks of the other.
        Source::Conda => source == Source::Conda,
        // A project may come with each of these.
        Source::UvLock
        | Source::PyLock
        | Source::PoetryLock
        | Source::PdmLock
        | Source::Requirements
        | Source::Project => source == Source::Project,
        Source::PipfileLock => source == Source::Pipfile,
        Source::Pipfile => false,
    }
}

fn reason(winner: Source, path: &str) -> String {
    match winner {
        Source::Conda => format!("{path} describes the whole environment"),
        Source::UvLock | Source::PyLock | Source::PoetryLock | Source::PdmLock | Source::PipfileLock => {
            format!("{path}, a lock file, decides the Python packages")
        }
        Source::Pipfile | Source::Requirements | Source::Project => format!("{path} decides the Python packages"),
    }
}
