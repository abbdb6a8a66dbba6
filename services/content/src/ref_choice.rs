//! Which of a host's refs a visitor meant.

use bindery_core::{CommitId, GitRef};

use crate::Error;
use crate::wire::{AdvertisedRef, Advertisement};

/// How many refs a "did you mean" lists.
const NEAR: usize = 5;

/// A ref, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The commit it stands for.
    pub(crate) commit: CommitId,
    /// Its full name at the host, when it is a ref there.
    pub(crate) name: Option<String>,
}

/// The commit `wanted` stands for.
///
/// A full commit id is taken at its word. Otherwise the first of: `HEAD`; the full name `refs/...`; a branch; a tag (of a
/// commit, however deep); `heads/x`, `tags/x`; a branch behind a leading `origin/`; a unique beginning of the commit id of
/// some branch or tag; and for `main` and `master`, the default branch, because old links outlive renamed branches.
pub(crate) fn choose(refs: &Advertisement, wanted: &GitRef) -> Result<Choice, Error> {
    if let Ok(commit) = wanted.as_str().parse::<CommitId>() {
        return Ok(Choice { commit, name: None });
    }
    if refs.head.is_none() && refs.refs.is_empty() {
        return Err(Error::RepositoryEmpty);
    }
    let head = || refs.head.clone().map(|commit| Choice { commit, name: Some("HEAD".to_owned()) });
    if wanted.is_head() {
        return head().ok_or_else(|| not_found(refs, wanted));
    }
    if let Some((name, found)) = named(refs, wanted.as_str()) {
        return Ok(Choice { commit: found.target().clone(), name: Some(name) });
    }
    if let Some(found) = abbreviated(refs, wanted.as_str()) {
        return found;
    }
    if matches!(wanted.as_str(), "main" | "master")
        && let Some(choice) = head()
    {
        return Ok(choice);
    }
    Err(not_found(refs, wanted))
}

/// The ref of that name, by git's own habits.
fn named<'a>(refs: &'a Advertisement, wanted: &str) -> Option<(String, &'a AdvertisedRef)> {
    let origin = wanted.strip_prefix("origin/").map(|branch| format!("refs/heads/{branch}"));
    let full = wanted.starts_with("refs/").then(|| wanted.to_owned());
    [
        full,
        Some(format!("refs/heads/{wanted}")),
        Some(format!("refs/tags/{wanted}")),
        Some(format!("refs/{wanted}")),
        origin,
    ]
    .into_iter()
    .flatten()
    .find_map(|name| refs.refs.get(&name).map(|found| (name, found)))
}

/// For 4 to 39 hexadecimal digits: the one tip that starts with them, or advice.
fn abbreviated(refs: &Advertisement, wanted: &str) -> Option<Result<Choice, Error>> {
    if !(4..40).contains(&wanted.len()) || !wanted.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let prefix = wanted.to_lowercase();
    let mut tips = refs.refs.iter().filter(|(_, tip)| tip.target().as_str().starts_with(&prefix));
    let Some((name, first)) = tips.next() else {
        // Words such as `feed` or `decade` are hexadecimal too; only digits make it look like an id.
        let looks_like_an_id = wanted.len() >= 7 && wanted.bytes().any(|b| b.is_ascii_digit());
        return looks_like_an_id.then(|| Err(Error::ShortCommit(wanted.to_owned())));
    };
    if tips.all(|(_, tip)| tip.target() == first.target()) {
        Some(Ok(Choice { commit: first.target().clone(), name: Some(name.clone()) }))
    } else {
        Some(Err(Error::ShortCommit(wanted.to_owned())))
    }
}

fn not_found(refs: &Advertisement, wanted: &GitRef) -> Error {
    Error::RefNotFound { reference: wanted.to_string(), near: near(refs, wanted.as_str()) }
}

/// A few branches and tags most alike, nearest first.
fn near(refs: &Advertisement, wanted: &str) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let short = |name: &str| {
        let short = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"))?;
        // Nothing that a message could not show plainly.
        (short.len() <= 60 && short.parse::<GitRef>().is_ok()).then(|| short.to_owned())
    };
    // A host with a hundred thousand refs must not cost a hundred thousand comparisons of long names.
    let mut scored: Vec<(usize, String)> = refs
        .refs
        .keys()
        .filter_map(|name| short(name))
        .take(5000)
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wanted.len()) / 2).max(1))
        .collect();
    scored.sort();
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(NEAR).map(|(_, name)| name).collect()
}

/// How many letters must change (Levenshtein); a name inside the other counts as near.
fn distance(a: &str, b: &str) -> usize {
    if !a.is_empty() && (b.contains(a) || a.contains(b)) {
        return 1;
    }
    let a: Vec<char> = a.chars().take(60).collect();
    let b: Vec<char> = b.chars().take(60).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, (y, window)) in b.iter().zip(row.windows(2)).enumerate() {
            let [diagonal, above] = window else { continue };
            let left = next.get(j).copied().unwrap_or(usize::MAX - 1);
            next.push((diagonal + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{choose, distance};
    use crate::Error;
    use crate::wire::{AdvertisedRef, Advertisement};
    use bindery_core::CommitId;

    fn id(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn refs(pairs: &[(&str, char)]) -> Advertisement {
        let mut refs = Advertisement { head: Some(id('f')), ..Advertisement::default() };
        for (name, digit) in pairs {
            refs.refs.insert((*name).to_owned(), AdvertisedRef { id: id(*digit), peeled: None });
        }
        refs
    }

    fn pick(refs: &Advertisement, wanted: &str) -> Result<CommitId, Error> {
        choose(refs, &wanted.parse().unwrap()).map(|choice| choice.commit)
    }

    #[test]
    fn names_are_whole_names() {
        let refs = refs(&[("refs/heads/release/v1", 'a'), ("refs/tags/v1", 'b')]);
        assert_eq!(pick(&refs, "v1"), Ok(id('b')));
        assert_eq!(pick(&refs, "release/v1"), Ok(id('a')));
        assert_eq!(pick(&refs, "tags/v1"), Ok(id('b')));
        assert_eq!(pick(&refs, "heads/release/v1"), Ok(id('a')));
        assert_eq!(pick(&refs, "refs/tags/v1"), Ok(id('b')));
        assert_eq!(pick(&refs, "origin/release/v1"), Ok(id('a')));
    }

    #[test]
    fn a_branch_wins_over_a_tag_of_its_name() {
        assert_eq!(pick(&refs(&[("refs/heads/x", 'a'), ("refs/tags/x", 'b')]), "x"), Ok(id('a')));
    }

    #[test]
    fn an_annotated_tag_is_its_commit() {
        let mut refs = refs(&[("refs/tags/v1", 'a')]);
        refs.refs.get_mut("refs/tags/v1").unwrap().peeled = Some(id('c'));
        assert_eq!(pick(&refs, "v1"), Ok(id('c')));
    }

    #[test]
    fn a_full_commit_id_is_itself_even_if_a_branch_has_that_name() {
        let name = id('a').to_string();
        let refs = refs(&[(&format!("refs/heads/{name}"), 'b')]);
        assert_eq!(pick(&refs, &name), Ok(id('a')));
        assert_eq!(pick(&refs, &name.to_uppercase()), Ok(id('a')));
    }

    #[test]
    fn a_short_id_counts_only_if_it_can_mean_one_tip() {
        let mut refs = refs(&[("refs/heads/a", 'a'), ("refs/tags/same", 'a'), ("refs/heads/b", 'b')]);
        assert_eq!(pick(&refs, "aaaaaaa"), Ok(id('a')));
        assert_eq!(pick(&refs, "1234567"), Err(Error::ShortCommit("1234567".to_owned())));
        let other = format!("aaaaaaa{}", "0".repeat(33)).parse().unwrap();
        refs.refs.insert("refs/heads/c".to_owned(), AdvertisedRef { id: other, peeled: None });
        assert_eq!(pick(&refs, "aaaaaaa"), Err(Error::ShortCommit("aaaaaaa".to_owned())));
    }

    #[test]
    fn main_and_master_fall_back_to_the_default_branch_and_nothing_else_does() {
        let refs = refs(&[("refs/heads/trunk", 'a')]);
        assert_eq!(pick(&refs, "master"), Ok(id('f')));
        assert_eq!(pick(&refs, "main"), Ok(id('f')));
        assert!(matches!(pick(&refs, "develop"), Err(Error::RefNotFound { .. })));
    }

    #[test]
    fn a_missing_ref_lists_near_ones() {
        let refs = refs(&[("refs/heads/develop", 'a'), ("refs/tags/v1.0", 'b'), ("refs/heads/zzzzzz", 'c')]);
        let Err(Error::RefNotFound { near, .. }) = pick(&refs, "develpo") else { panic!("found") };
        assert_eq!(near, ["develop"]);
        let Err(Error::RefNotFound { near, .. }) = pick(&refs, "v1") else { panic!("found") };
        assert_eq!(near, ["v1.0"]);
    }

    #[test]
    fn an_empty_repository_says_so() {
        assert_eq!(pick(&Advertisement::default(), "HEAD"), Err(Error::RepositoryEmpty));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
