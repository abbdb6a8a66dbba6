//! One commit into an object store, with fallbacks for strict servers.

use bindery_core::{CommitId, GitRef};
use url::Url;

use crate::ref_choice::choose;
use crate::remote::{Found, Session, host_of};
use crate::store::ObjectStore;
use crate::task::Task;
use crate::wire::{PackLimits, WantRequest};
use crate::{Error, Limits};

/// Refs asked for at once when a commit must be looked for in all of them.
const MAX_WANTS: usize = 2000;

/// What to fetch, and from where.
pub(crate) struct Target<'a> {
    pub(crate) commit: &'a CommitId,
    /// The ref by which the visitor named it, where one is known.
    pub(crate) reference: Option<&'a GitRef>,
    /// Addresses under which the repository may be known.
    pub(crate) spellings: &'a [Url],
    /// Where it was found to be a moment ago, if anyone asked.
    pub(crate) known: Option<Url>,
}

/// Where objects go and what they may amount to.
pub(crate) struct Into<'a> {
    pub(crate) store: &'a ObjectStore,
    pub(crate) limits: Limits,
    pub(crate) task: &'a Task,
}

/// Brings `target` into the store.
///
/// First that commit alone, which most hosts hand out. A host that hands out only tips is asked for the ref that is the
/// commit, again alone; and if the ref has moved on, for the whole ref, in which the commit is then looked for.
pub(crate) fn fetch_commit(session: &mut Session, target: &Target<'_>, into: &Into<'_>) -> Result<(), Error> {
    if into.store.has(target.commit) {
        return Ok(());
    }
    let bases = target.known.as_ref().map_or(target.spellings, std::slice::from_ref);
    let mut absent = None;
    for base in bases {
        match want(session, base, std::slice::from_ref(target.commit), true, target, into) {
            Ok(()) if into.store.has(target.commit) => return Ok(()),
            Ok(()) => return from_refs(session, base, target, into),
            Err(error) if error.is_refusal() => return from_refs(session, base, target, into),
            Err(error) if error.is_absence() => absent = Some(error),
            Err(error) => return Err(error),
        }
    }
    // Perhaps it has moved; the host tells so when asked for refs, not when asked for objects.
    let found = session.refs(target.spellings)?;
    if bases.contains(&found.base) {
        return Err(absent.unwrap_or_else(|| Error::CommitNotFound(target.commit.to_string())));
    }
    match want(session, &found.base, std::slice::from_ref(target.commit), true, target, into) {
        Ok(()) if into.store.has(target.commit) => Ok(()),
        Ok(()) => from_refs(session, &found.base, target, into),
        Err(error) if error.is_refusal() => from_refs(session, &found.base, target, into),
        Err(error) => Err(error),
    }
}

/// For a host that hands out only what its refs name.
fn from_refs(session: &mut Session, base: &Url, target: &Target<'_>, into: &Into<'_>) -> Result<(), Error> {
    // Asked anew: what was heard when the link was resolved may be the very thing that has changed since.
    let found = session.refs(std::slice::from_ref(base))?;
    let refs = &found.refs;
    let tip = refs.refs.values().find(|tip| tip.target() == target.commit).map(|tip| tip.id.clone());
    let head = refs.head.clone().filter(|head| head == target.commit);
    if let Some(tip) = tip.or(head) {
        want(session, base, &[tip], true, target, into)?;
    } else {
        let named = target.reference.filter(|reference| !reference.is_commit());
        let wants = match named.map(|reference| choose(refs, reference)) {
            Some(Ok(choice)) => choice
                .name
                .and_then(|name| refs.refs.get(&name))
                .map_or(vec![choice.commit], |found| vec![found.id.clone()]),
            _ => branches_and_tags(&found),
        };
        if wants.is_empty() {
            return Err(Error::CommitNotFound(target.commit.to_string()));
        }
        want(session, base, &wants, false, target, into)?;
    }
    if into.store.has(target.commit) { Ok(()) } else { Err(Error::CommitNotFound(target.commit.to_string())) }
}

fn branches_and_tags(found: &Found) -> Vec<CommitId> {
    let wanted = |name: &&String| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    let mut ids: Vec<CommitId> =
        found.refs.refs.iter().filter(|(name, _)| wanted(name)).map(|(_, found)| found.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids.truncate(MAX_WANTS);
    ids
}

fn want(
    session: &mut Session,
    base: &Url,
    wants: &[CommitId],
    shallow: bool,
    target: &Target<'_>,
    into: &Into<'_>,
) -> Result<(), Error> {
    let mut sink = into.store.pack(pack_limits(into.limits, shallow), into.task, &host_of(base))?;
    session.pack(base, &WantRequest { wants, shallow }, target.commit.as_str(), |bytes| sink.write(bytes))?;
    sink.finish()
}

/// A pack of one commit holds little more than its files; one with history holds every version of them.
const fn pack_limits(limits: Limits, shallow: bool) -> PackLimits {
    let versions = if shallow { 1 } else { 8 };
    PackLimits {
        // Directories are objects too, and so is the commit.
        max_objects: limits.max_entries.saturating_mul(2 * versions).saturating_add(16),
        max_blob: limits.max_blob,
        max_total: limits.max_bytes.saturating_mul(versions).saturating_add(256 << 20),
    }
}
