//! Software Heritage. A name is a digest of what it names, so every one of them ends at a directory that never changes; its
//! vault makes an archive of it when asked.

use std::time::Duration;

use serde::Deserialize;

use super::answers::odd;
use super::{Archives, Content, Listed, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

/// Between two questions whether an archive is ready.
const BETWEEN: Duration = Duration::from_secs(2);
/// Steps from a name to a directory: snapshot, release of a release, revision.
const MAX_STEPS: usize = 6;

#[derive(Deserialize)]
struct Revision {
    directory: String,
}

#[derive(Deserialize)]
struct Release {
    target: String,
    target_type: String,
}

#[derive(Deserialize)]
struct Snapshot {
    branches: std::collections::BTreeMap<String, Option<Branch>>,
}

#[derive(Deserialize)]
struct Branch {
    target: String,
    target_type: String,
}

#[derive(Deserialize)]
struct Cooking {
    status: String,
}

pub(super) fn resolve(archives: &Archives, session: &mut Session, swhid: &str) -> Result<Record, Error> {
    let host = || Error::RepositoryNotFound(archives.swh.host_str().unwrap_or_default().to_owned());
    let (mut kind, mut id) = match swhid.trim_start_matches("swh:1:").split_once(':') {
        Some(("dir", id)) => ("directory".to_owned(), id.to_owned()),
        Some(("rev", id)) => ("revision".to_owned(), id.to_owned()),
        Some(("rel", id)) => ("release".to_owned(), id.to_owned()),
        Some(("snp", id)) => ("snapshot".to_owned(), id.to_owned()),
        _ => return Err(host()),
    };
    for _ in 0..MAX_STEPS {
        let asked = below(&archives.swh, &format!("api/1/{kind}/{id}/"))?;
        if id.len() != 40 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(odd(&asked, "an id of its is not one"));
        }
        (kind, id) = match kind.as_str() {
            "directory" => {
                // Asked so that what is not there is told now, and not by a build.
                let _: serde::de::IgnoredAny = session.json(&asked)?;
                let swhid = format!("swh:1:dir:{id}");
                let url = below(&archives.swh, &format!("browse/directory/{id}"))?;
                return Ok(Record {
                    version: format!("dir.{id}"),
                    name: swhid.clone(),
                    identity: swhid,
                    url: url.into(),
                });
            }
            "revision" => ("directory".to_owned(), session.json::<Revision>(&asked)?.directory),
            "release" => {
                let release: Release = session.json(&asked)?;
                (release.target_type, release.target)
            }
            "snapshot" => head(session.json(&asked)?).ok_or_else(host)?,
            _ => return Err(odd(&asked, "the record is not of a directory")),
        };
    }
    Err(odd(&archives.swh, "the record leads nowhere"))
}

/// What a snapshot's default branch points at.
fn head(snapshot: Snapshot) -> Option<(String, String)> {
    let mut name = "HEAD".to_owned();
    for _ in 0..MAX_STEPS {
        let branch = snapshot.branches.get(&name)?.as_ref()?;
        if branch.target_type != "alias" {
            return Some((branch.target_type.clone(), branch.target.clone()));
        }
        name.clone_from(&branch.target);
    }
    None
}

pub(super) fn list(archives: &Archives, session: &mut Session, version: &str) -> Result<Listing, Error> {
    let id = version.trim_start_matches("dir.");
    let asked = below(&archives.swh, &format!("api/1/vault/flat/swh:1:dir:{id}/"))?;
    let mut cooking: Cooking = session.post_json(&asked)?;
    // The time of the whole fetch is the bound.
    loop {
        match cooking.status.as_str() {
            "done" => break,
            "failed" => return Err(odd(&asked, "its vault cannot make an archive of the record")),
            _ => session.pause(BETWEEN, &asked)?,
        }
        cooking = session.json(&asked)?;
    }
    let url = below(&asked, "raw/")?;
    let content = Content::Archive(Listed { path: format!("{id}.tar.gz"), url, size: None });
    Ok(Listing { content, published: None, notes: Vec::new() })
}
