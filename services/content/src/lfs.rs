//! Large files that a repository keeps beside git (Git LFS): pointers in the tree, replaced by what they name.
//!
//! Every address the host gives passes the same gate as the repository's own, every byte counts against the same limits, and what
//! arrives must have the size and the SHA-256 that its pointer says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;

use git2::Oid;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::remote::Session;
use crate::store::ObjectStore;
use crate::task::Task;
use crate::walk::Walk;
use crate::{Error, Limits};

/// A larger file is no pointer.
const MAX_POINTER: u64 = 1024;
/// A `.gitattributes` or `.lfsconfig` is read up to this.
const MAX_ATTRIBUTES: u64 = 64 << 10;
/// Files asked for at once.
const BATCH: usize = 100;
/// The largest answer about where files are, in bytes.
const MAX_ANSWER: u64 = 4 << 20;

/// Contents on disk, by the pointer they take the place of.
pub(crate) type Large = BTreeMap<Oid, PathBuf>;

/// What a pointer says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointer {
    sha256: String,
    size: u64,
}

/// A pointer that was found.
struct Wanted {
    pointer: Pointer,
    id: Oid,
    path: String,
}

/// A repository in a walk.
pub(crate) struct Place<'a> {
    /// Its directory; empty for the outermost.
    pub(crate) prefix: &'a str,
    pub(crate) url: &'a Url,
}

impl Place<'_> {
    fn holds(&self, path: &str) -> bool {
        self.prefix.is_empty() || path.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The paths of all pointers, of submodules too.
pub(crate) fn pointers(walk: &Walk<'_>, store: &ObjectStore, url: &Url) -> Result<Vec<String>, Error> {
    Ok(find(walk, store, &Place { prefix: "", url })?.into_iter().map(|wanted| wanted.path).collect())
}

/// Fetches what the pointers of the repository at `place` name, before any of its submodules is in the walk.
pub(crate) fn fetch(
    session: &mut Session,
    walk: &mut Walk<'_>,
    store: &ObjectStore,
    place: &Place<'_>,
    limits: Limits,
    task: &Task,
) -> Result<Large, Error> {
    let mut large = Large::new();
    let mut waiting: BTreeMap<String, Wanted> = BTreeMap::new();
    let found = find(walk, store, place)?;
    let own = if found.is_empty() { None } else { configured(walk, store, place)? };
    for wanted in found {
        if wanted.pointer.size > limits.max_blob {
            return Err(Error::over_bytes("one large file", limits.max_blob, "max_blob"));
        }
        walk.resize(wanted.id, wanted.pointer.size)?;
        large.insert(wanted.id, store.large_file(&wanted.pointer.sha256)?);
        waiting.insert(wanted.pointer.sha256.clone(), wanted);
    }
    while !waiting.is_empty() {
        let batch: Vec<Wanted> =
            std::iter::from_fn(|| waiting.pop_first().map(|(_, wanted)| wanted)).take(BATCH).collect();
        let mut answer = ask(session, place.url, own.as_ref(), &batch)?;
        for wanted in &batch {
            task.check("fetching large files")?;
            let failed = |reason: &str| Error::LargeFile { path: wanted.path.clone(), reason: reason.to_owned() };
            let found =
                answer.remove(&wanted.pointer.sha256).ok_or_else(|| failed("its host does not say where it is"))?;
            if let Some(error) = found.error {
                return Err(failed(&format!("its host answers with {} {}", error.code, plain(&error.message))));
            }
            let action = found.actions.and_then(|actions| actions.download);
            let action = action.ok_or_else(|| failed("its host does not say where it is"))?;
            let address = Url::parse(&action.href).map_err(|_| failed("its address is not one"))?;
            let path = store.large_file(&wanted.pointer.sha256)?;
            receive(session, &address, &action.header, wanted, &path).map_err(|error| match error {
                limit @ (Error::TooLarge { .. } | Error::Cancelled | Error::Timeout { .. } | Error::Machine(_)) => {
                    limit
                }
                other => failed(&other.to_string()),
            })?;
        }
    }
    Ok(large)
}

/// Every pointer, where some `.gitattributes` says that there are any.
fn find(walk: &Walk<'_>, store: &ObjectStore, place: &Place<'_>) -> Result<Vec<Wanted>, Error> {
    let files = || walk.found().iter().filter(|(entry, _)| entry.kind.is_file() && place.holds(entry.path.as_str()));
    let mut used = false;
    for (entry, id) in files().filter(|(entry, _)| entry.path.file_name() == ".gitattributes") {
        if !used && entry.size <= MAX_ATTRIBUTES {
            used = String::from_utf8_lossy(&store.blob(*id, MAX_ATTRIBUTES)?).contains("filter=lfs");
        }
    }
    let mut found = Vec::new();
    for (entry, id) in files().filter(|(entry, _)| used && entry.size <= MAX_POINTER) {
        if let Some(pointer) = parse(&store.blob(*id, MAX_POINTER)?) {
            found.push(Wanted { pointer, id: *id, path: entry.path.as_str().to_owned() });
        }
    }
    Ok(found)
}

/// Where the repository's `.lfsconfig` says that its large files are, if it has one that says so.
fn configured(walk: &Walk<'_>, store: &ObjectStore, place: &Place<'_>) -> Result<Option<Url>, Error> {
    let path = if place.prefix.is_empty() { ".lfsconfig".to_owned() } else { format!("{}/.lfsconfig", place.prefix) };
    let file = walk.found().iter().find(|(entry, _)| entry.kind.is_file() && entry.path.as_str() == path);
    let Some((_, id)) = file else { return Ok(None) };
    let text = store.blob(*id, MAX_ATTRIBUTES)?;
    let Some(address) = address_in(&String::from_utf8_lossy(&text)) else { return Ok(None) };
    match Url::parse(&address) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(Some(url)),
        _ => Err(Error::LargeFile { path, reason: "it names an address that cannot be used here".to_owned() }),
    }
}

/// `url` of the section `[lfs]`, the last one counting, as in git's own files.
fn address_in(text: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']).trim().eq_ignore_ascii_case("lfs");
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside)
            && key.trim().eq_ignore_ascii_case("url")
        {
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    found
}

/// Reads a pointer: a version line, then one `key value` a line.
fn parse(content: &[u8]) -> Option<Pointer> {
    let mut lines = std::str::from_utf8(content).ok()?.lines();
    let version = lines.next()?.strip_prefix("version ")?;
    if !matches!(version, "https://git-lfs.github.com/spec/v1" | "https://hawser.github.com/spec/v1") {
        return None;
    }
    let (mut sha256, mut size) = (None, None);
    for line in lines {
        match line.split_once(' ')? {
            ("oid", value) => sha256 = value.strip_prefix("sha256:").filter(|id| is_sha256(id)),
            ("size", value) => size = value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit())),
            _ => {}
        }
    }
    Some(Pointer { sha256: sha256?.to_owned(), size: size? })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[derive(Serialize)]
struct Question<'a> {
    operation: &'static str,
    transfers: [&'static str; 1],
    objects: Vec<Asked<'a>>,
}

#[derive(Serialize)]
struct Asked<'a> {
    oid: &'a str,
    size: u64,
}

#[derive(Deserialize)]
struct Answer {
    objects: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    oid: String,
    actions: Option<Actions>,
    error: Option<Refused>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Refused {
    code: u16,
    #[serde(default)]
    message: String,
}

/// Where these files are, by their SHA-256.
fn ask(
    session: &mut Session,
    repository: &Url,
    own: Option<&Url>,
    batch: &[Wanted],
) -> Result<BTreeMap<String, Found>, Error> {
    let objects = batch.iter().map(|wanted| Asked { oid: &wanted.pointer.sha256, size: wanted.pointer.size }).collect();
    let question = Question { operation: "download", transfers: ["basic"], objects };
    let failed = |reason: String| Error::LargeFile {
        path: batch.first().map_or_else(String::new, |wanted| wanted.path.clone()),
        reason,
    };
    let body = serde_json::to_string(&question).map_err(|error| Error::Machine(error.to_string()))?;
    let mut text = Vec::new();
    session
        .large_files(repository, own, &body, MAX_ANSWER)
        .and_then(|mut stream| stream.read_to_end(&mut text).map_err(Error::from_stream))
        .map_err(|error| match error {
            limit @ (Error::Cancelled | Error::Timeout { .. }) => limit,
            Error::RepositoryNotFound(_) => failed("its host keeps no large files for this repository".to_owned()),
            other => failed(other.to_string()),
        })?;
    let answer: Answer =
        serde_json::from_slice(&text).map_err(|_| failed("its host's answer cannot be read".to_owned()))?;
    Ok(answer.objects.into_iter().map(|found| (found.oid.clone(), found)).collect())
}

/// Receives one file, and checks that it is the one.
fn receive(
    session: &mut Session,
    address: &Url,
    headers: &BTreeMap<String, String>,
    wanted: &Wanted,
    path: &std::path::Path,
) -> Result<(), Error> {
    let disk = |error: std::io::Error| Error::Machine(format!("no working space: {error}"));
    let mut stream = session.large_file(address, headers, wanted.pointer.size)?;
    let mut file = std::fs::File::create(path).map_err(disk)?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0_u64, vec![0; 64 << 10]);
    loop {
        let count = stream.read(&mut buffer).map_err(Error::from_stream)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        size += bytes.len() as u64;
        hash.update(bytes);
        file.write_all(bytes).map_err(disk)?;
    }
    if size != wanted.pointer.size || hex::encode(hash.finalize()) != wanted.pointer.sha256 {
        return Err(Error::Damaged("what its host sends is not what the repository names".to_owned()));
    }
    Ok(())
}

/// A host's words, fit for a message.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{address_in, parse};

    const SHA: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn a_pointer_is_read_by_its_specification() {
        let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize 12345\n");
        let pointer = parse(text.as_bytes()).unwrap();
        assert_eq!((pointer.sha256.as_str(), pointer.size), (SHA, 12345));
        let extended =
            format!("version https://git-lfs.github.com/spec/v1\next-0-x sha256:{SHA}\noid sha256:{SHA}\nsize 0");
        assert_eq!(parse(extended.as_bytes()).unwrap().size, 0);
    }

    #[test]
    fn what_is_no_pointer_is_content() {
        for text in [
            String::new(),
            "version https://git-lfs.github.com/spec/v1\n".to_owned(),
            format!("version https://example.org/spec/v1\noid sha256:{SHA}\nsize 1\n"),
            format!("version https://git-lfs.github.com/spec/v1\noid sha1:{SHA}\nsize 1\n"),
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:../{}\nsize 1\n", &SHA[3..]),
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n", SHA.to_uppercase()),
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize +1\n"),
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize -1\n"),
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize 99999999999999999999\n"),
            format!("oid sha256:{SHA}\nsize 1\n"),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_address_is_that_of_the_section_of_its_name() {
        let text = "# c\n[core]\n\turl = https://no\n[LFS]\n\turl = \"https://h/lfs\"\n\tlocksverify = false\n";
        assert_eq!(address_in(text).as_deref(), Some("https://h/lfs"));
        for text in ["", "url = https://no", "[lfs \"https://h\"]\nurl = https://no", "[lfs]\nlocksverify = true"] {
            assert_eq!(address_in(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = address_in(&String::from_utf8_lossy(&bytes));
            let _ = parse(&bytes);
        }
    }
}
