//! Detection and planning: the catalogue over a repository, then keys, notes and what is ignored.

use std::collections::BTreeSet;

use bindery_core::{BaseImage, EntryKind, EnvironmentKey, Tree};

use crate::base::{Contract, contract};
use crate::catalogue;
use crate::packs::Draft;
use crate::packs::r::NO_R;
use crate::plan::{Action, BuildPlan, DateChoice, PlanOptions, Step};
use crate::python_version;
use crate::repo::Repo;
use crate::{CATALOGUE, PlanError, SessionOptions, VERSION};

/// Directories a base or an installer may leave in the home directory. A file or link of the repository's by such a name
/// could not take its place, so the directory makes way.
const HOME_DIRECTORIES: [&str; 9] =
    [".cache", ".conda", ".config", ".ipython", ".jupyter", ".local", ".npm", ".npm-global", "work"];

/// What a repository asks for, and the steps that give it. Pure; reads only the environment files it uses.
///
/// # Errors
/// The user's where a file cannot be used as it is, with file and line; ours where the base lacks its contract or the tree
/// cannot be read.
pub fn plan(tree: &dyn Tree, base: &BaseImage, options: &PlanOptions) -> Result<BuildPlan, PlanError> {
    let contract = contract(base)?;
    let repo = Repo::open(tree, &contract)?;
    let as_of = options.as_of.map(|date| DateChoice { date, source: "asked for".to_owned() });
    let mut draft = Draft {
        as_of,
        platform: options.platform.clone(),
        sources: options.sources.clone(),
        conda: options.conda.clone(),
        dockerfiles: options.dockerfiles.clone(),
        ..Draft::default()
    };
    let mut buildpacks = Vec::new();
    for pack in CATALOGUE {
        let before = draft.used.len();
        pack.plan(&repo, &mut draft)?;
        if draft.used.len() > before {
            buildpacks.push(pack.name().to_owned());
        }
        if draft.dockerfile.is_some() {
            break;
        }
    }
    if draft.dockerfile.is_none() && draft.makes_kernel.is_none() {
        python_version::settle(&mut draft, repo.contract.python.as_deref(), options)?;
    }
    if draft.dockerfile.is_none() {
        draft.ignore_file = repo.first(&[repo.path(".dockerignore"), repo.path(".containerignore")])?;
        if let Some(path) = draft.ignore_file.clone() {
            draft.uses(path, "what stays out of the image");
        }
    }
    date_conda(&mut draft);
    lock_conda(&mut draft, options);
    let used: BTreeSet<&str> = draft.used.iter().map(|used| used.file.as_str()).collect();
    let ignored = catalogue::ignored(tree, repo.config_dir, draft.dockerfile.as_deref(), &draft.ignored, &|path| {
        used.contains(path)
    });
    draft.ignored.extend(ignored);
    say(&repo, buildpacks.is_empty(), &mut draft);
    if buildpacks.is_empty() {
        buildpacks.push("default".to_owned());
    }
    let session = options.session.beyond(base.env("NB_USER"), &contract);
    if draft.dockerfile.is_none() {
        // In this order: both have one rank.
        draft.steps.extend(session_step(&session));
        draft.steps.push(content_step(tree, &session.seen(&contract)));
    }
    draft.steps.sort_by_key(|step| step.action.rank(step.needs_content));
    let environment_key =
        if draft.dockerfile.is_some() { None } else { Some(environment_key(&draft, base, options, &contract)?) };
    Ok(BuildPlan {
        buildpacks,
        base: base.name.clone(),
        platform: options.platform.clone(),
        config_dir: repo.config_dir.map(str::to_owned),
        python: draft.python,
        as_of: draft.as_of,
        r: draft.r,
        julia: draft.julia,
        used: draft.used,
        ignored: draft.ignored,
        notes: draft.notes,
        steps: draft.steps,
        environment_key,
        start: draft.start,
        dockerfile: draft.dockerfile,
        ignore_file: draft.ignore_file,
        contract,
        session,
        lock: options.lock.clone(),
        // What is built as it stands is lent nothing.
        ca_bundle: options.ca_bundle && !draft.as_it_stands,
        as_it_stands: draft.as_it_stands,
        cache_scope: options
            .cache_scope
            .chars()
            .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .take(64)
            .collect(),
    })
}

/// Whether a repository asks for R, as far as its plan, or why it has none on a base without R, shows.
#[must_use]
pub fn asks_for_r(planned: &Result<BuildPlan, PlanError>) -> bool {
    match planned {
        Ok(plan) => plan.r.is_some(),
        Err(PlanError::File { code, .. }) => *code == NO_R,
        Err(_) => false,
    }
}

/// A solver takes what could be had on the draft's day; a lock file says itself what is installed.
fn date_conda(draft: &mut Draft) {
    let Some(chosen) = &draft.as_of else { return };
    for step in &mut draft.steps {
        if let Action::InstallConda(what) = &mut step.action
            && what.packages.is_empty()
        {
            what.date = Some(chosen.date.end());
        }
    }
}

/// An image that was built before says exactly what its solver found.
fn lock_conda(draft: &mut Draft, options: &PlanOptions) {
    let Some(lock) = &options.lock else { return };
    for step in &mut draft.steps {
        if let Action::InstallConda(what) = &mut step.action
            && what.packages.is_empty()
        {
            what.packages = lock.conda().to_vec();
        }
    }
}

/// Notes that follow from the whole.
fn say(repo: &Repo<'_>, nothing: bool, draft: &mut Draft) {
    if nothing {
        draft.notes.insert(
            0,
            if draft.ignored.is_empty() {
                "No environment files found: the image has what its base has.".to_owned()
            } else {
                "No environment files that are supported were found: the image has only what its base has.".to_owned()
            },
        );
    }
    match &draft.as_of {
        Some(DateChoice { date, .. }) if draft.dockerfile.is_some() => {
            draft.notes.push(format!("The date {date} has no effect: the repository has its own Dockerfile."));
        }
        Some(DateChoice { date, source }) => {
            draft.notes.push(format!("Packages are those that could be had on {date} ({source})."));
        }
        None => {}
    }
    if let (true, Some(dir)) = (nothing, repo.config_dir) {
        draft
            .notes
            .push(format!("{dir}/ has no environment files, and those outside it are not read while it exists."));
    }
}

fn session_step(session: &SessionOptions) -> Option<Step> {
    let (user, directory) = (session.named_user().cloned(), session.named_directory().map(str::to_owned));
    if user.is_none() && directory.is_none() {
        return None;
    }
    Some(Step {
        id: "session".to_owned(),
        name: "prepare the user and directory that are asked for".to_owned(),
        run: "usermod; install -d".to_owned(),
        action: Action::PrepareSession { user, directory },
        needs_content: true,
        file: None,
        line: None,
    })
}

fn content_step(tree: &dyn Tree, contract: &Contract) -> Step {
    let not_a_directory =
        |name: &&str| tree.entry(name).is_some_and(|entry| entry.kind.is_file() || entry.kind == EntryKind::Symlink);
    let make_way =
        HOME_DIRECTORIES.iter().filter(|name| not_a_directory(name)).map(|name| (*name).to_owned()).collect();
    Step {
        id: "content".to_owned(),
        name: "add the repository's files".to_owned(),
        run: format!("copy to {}", contract.home),
        action: Action::CopyContent { make_way },
        needs_content: true,
        file: None,
        line: None,
    }
}

/// The identity of the environment image: recipe version, platform, base, whether a CA bundle is lent (never its content), and
/// every environment step with the content of its files, and the day of their packages. Nothing of the repository's other content.
fn environment_key(
    draft: &Draft,
    base: &BaseImage,
    options: &PlanOptions,
    contract: &Contract,
) -> Result<EnvironmentKey, PlanError> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| PlanError::Render(error.to_string()));
    let mut parts: Vec<Vec<u8>> = vec![
        VERSION.into(),
        options.platform.as_bytes().into(),
        base.id.as_bytes().into(),
        if options.ca_bundle { b"ca".to_vec() } else { b"no-ca".to_vec() },
        json(serde_json::to_string(contract))?.into_bytes(),
    ];
    // One part before the steps, each of which is two: no day can be taken for a step.
    parts.extend(draft.as_of.as_ref().map(|chosen| chosen.date.to_string().into_bytes()));
    parts.extend(options.lock.as_ref().map(|lock| format!("locked to {}", lock.digest()).into_bytes()));
    for step in draft.steps.iter().filter(|step| !step.needs_content) {
        parts.push(step.id.as_bytes().into());
        parts.push(json(serde_json::to_string(&step.action.anywhere()))?.into_bytes());
    }
    Ok(EnvironmentKey::of_parts(parts.iter().map(Vec::as_slice)))
}

#[cfg(test)]
mod any;
#[cfg(test)]
mod tests;
