//! `HydroShare`. It keeps one state of a resource, the present one; when it was modified is its version.

use serde::Deserialize;

use super::answers::{Size, listed, moment, odd, seconds};
use super::{Archives, Content, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

/// Pages of files asked for.
const MAX_PAGES: usize = 200;
/// What stands before a file's path in its address.
const CONTENTS: &str = "/data/contents/";

#[derive(Deserialize)]
struct Elements {
    #[serde(default)]
    dates: Vec<Dated>,
}

#[derive(Deserialize)]
struct Dated {
    #[serde(rename = "type")]
    kind: String,
    start_date: String,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    results: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    url: String,
    size: Option<Size>,
}

pub(super) fn resolve(archives: &Archives, session: &mut Session, id: &str) -> Result<Record, Error> {
    let (version, _) = modified(archives, session, id)?;
    let url = below(&archives.hydroshare, &format!("resource/{id}"))?.to_string();
    Ok(Record { version, name: id.to_owned(), identity: url.clone(), url })
}

pub(super) fn list(archives: &Archives, session: &mut Session, id: &str, version: &str) -> Result<Listing, Error> {
    let (now, published) = modified(archives, session, id)?;
    if now != version {
        return Err(Error::RecordChanged);
    }
    let mut asked = below(&archives.hydroshare, &format!("hsapi/resource/{id}/files/"))?;
    let mut files = Vec::new();
    for _ in 0..MAX_PAGES {
        let page: Page = session.json(&asked)?;
        for file in page.results {
            let (_, path) =
                file.url.split_once(CONTENTS).ok_or_else(|| odd(&asked, "the address of a file is not one"))?;
            let path = percent_decoded(path).ok_or_else(|| odd(&asked, "the name of a file is not text"))?;
            files.push(listed(&asked, path, &file.url, Size::known(file.size.as_ref()))?);
        }
        let Some(next) = page.next else {
            return Ok(Listing { content: Content::Files(files), published, notes: Vec::new() });
        };
        let next = listed(&asked, String::new(), &next, None)?.url;
        if next.host() != asked.host() {
            return Err(odd(&asked, "its list of files goes on elsewhere"));
        }
        asked = next;
    }
    Err(odd(&asked, "its list of files does not end"))
}

fn modified(
    archives: &Archives,
    session: &mut Session,
    id: &str,
) -> Result<(String, Option<bindery_core::Timestamp>), Error> {
    let asked = below(&archives.hydroshare, &format!("hsapi/resource/{id}/scimeta/elements/"))?;
    let elements: Elements = session.json(&asked)?;
    let time = elements.dates.iter().find(|date| date.kind == "modified").map(|date| date.start_date.as_str());
    let time = time.ok_or_else(|| odd(&asked, "the record does not say when it was modified"))?;
    let version = seconds(time).ok_or_else(|| odd(&asked, "the record does not say when it was modified"))?;
    Ok((format!("{id}.v{version}"), moment(time)))
}

fn percent_decoded(path: &str) -> Option<String> {
    // An address's path is what the form's parser makes of it, but for `+`, which stays.
    let text = format!("x={}", path.replace('+', "%2B"));
    let found = url::form_urlencoded::parse(text.as_bytes()).next().map(|(_, value)| value.into_owned());
    found.filter(|path| !path.contains('\u{fffd}'))
}
