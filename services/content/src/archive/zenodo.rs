//! Zenodo, and others that run `InvenioRDM`.
//!
//! A record's number is its version. The DOI of all versions has a number too, which the interface may not know; the pages do, and
//! lead to the newest version.

use std::collections::BTreeMap;

use bindery_core::Timestamp;
use serde::Deserialize;
use url::Url;

use super::answers::{Id, Size, listed, moment, odd};
use super::{Archives, Content, Listed, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

#[derive(Deserialize)]
struct Answer {
    id: Id,
    #[serde(rename = "conceptrecid")]
    concept: Option<Id>,
    parent: Option<Parent>,
    #[serde(default)]
    files: Files,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Parent {
    id: Id,
}

#[derive(Deserialize)]
struct Metadata {
    publication_date: Option<String>,
}

/// A list at Zenodo, an object of entries elsewhere.
#[derive(Deserialize)]
#[serde(untagged)]
enum Files {
    List(Vec<Entry>),
    Entries {
        #[serde(default)]
        entries: BTreeMap<String, Entry>,
    },
}

impl Default for Files {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    size: Option<Size>,
    #[serde(default)]
    links: Links,
}

#[derive(Deserialize, Default)]
struct Links {
    content: Option<String>,
    #[serde(rename = "self")]
    own: Option<String>,
}

pub(super) fn resolve(archives: &Archives, session: &mut Session, doi: &str) -> Result<Record, Error> {
    let (base, number) = place(archives, session, doi)?;
    let asked = below(&base, &format!("api/records/{number}"))?;
    let (asked, answer) = match session.json::<Answer>(&asked) {
        Err(error) if error.is_absence() => {
            let newest = newest(session, &base, &number)?.ok_or(error)?;
            let asked = below(&base, &format!("api/records/{newest}"))?;
            let answer = session.json::<Answer>(&asked)?;
            (asked, answer)
        }
        answer => (asked, answer?),
    };
    let number = answer.id.plain(&asked)?;
    let concept = answer.concept.or(answer.parent.map(|parent| parent.id));
    let concept = concept.map_or_else(|| Ok(number.clone()), |id| id.plain(&asked))?;
    let identity = below(&base, &format!("records/{concept}"))?.into();
    // A DOI that does not end with the record's number is the best name there is.
    let (name, url) = match number_in(doi) {
        Some(_) => (format!("{}.{number}", stem(doi)), format!("https://doi.org/{}.{number}", stem(doi))),
        None => (doi.to_owned(), below(&base, &format!("records/{number}"))?.into()),
    };
    Ok(Record { version: number, name, identity, url })
}

pub(super) fn list(archives: &Archives, session: &mut Session, doi: &str, version: &str) -> Result<Listing, Error> {
    let (base, _) = place(archives, session, doi)?;
    let asked = below(&base, &format!("api/records/{version}"))?;
    let mut answer: Answer = session.json(&asked)?;
    let mut entries = entries(std::mem::take(&mut answer.files));
    if entries.is_empty() {
        // Newer servers list a record's files at an address of their own.
        let asked = below(&base, &format!("api/records/{version}/files"))?;
        entries = self::entries(session.json::<Files>(&asked)?);
    }
    let content: Result<Vec<Listed>, Error> = entries.into_iter().map(|entry| file(&asked, entry)).collect();
    let published: Option<Timestamp> = answer.metadata.and_then(|metadata| moment(&metadata.publication_date?));
    Ok(Listing { content: Content::FilesOrOneArchive(content?), published, notes: Vec::new() })
}

fn entries(files: Files) -> Vec<Entry> {
    match files {
        Files::List(list) => list,
        Files::Entries { entries } => entries.into_values().collect(),
    }
}

fn file(asked: &Url, entry: Entry) -> Result<Listed, Error> {
    let address = entry.links.content.or(entry.links.own).ok_or_else(|| odd(asked, "a file has no address"))?;
    listed(asked, entry.key, &address, Size::known(entry.size.as_ref()))
}

/// The server that has the record, and the number in its DOI or address.
fn place(archives: &Archives, session: &mut Session, doi: &str) -> Result<(Url, String), Error> {
    if let Some(number) = number_in(doi) {
        return Ok((archives.zenodo.clone(), number));
    }
    let mut url = archives.address_of(session, doi)?;
    if record_in(&url).is_none() {
        url = session.landing(&url)?;
    }
    let (base, number) = record_in(&url).ok_or_else(|| odd(&url, "it is not where Zenodo or its like keep records"))?;
    if is_number(&number) { Ok((base, number)) } else { Err(odd(&url, "an id of its is not one")) }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The record's number in a DOI of Zenodo's own, `10.5281/zenodo.3242074`.
fn number_in(doi: &str) -> Option<String> {
    let doi = doi.to_ascii_lowercase();
    doi.split_once("/zenodo.").map(|(_, number)| number.to_owned()).filter(|number| is_number(number))
}

/// `https://host/records/<number>` as server and number.
fn record_in(url: &Url) -> Option<(Url, String)> {
    let (above, number) = ["/records/", "/record/"].into_iter().find_map(|kind| url.path().rsplit_once(kind))?;
    let number = number.split('/').next()?.to_owned();
    let mut base = url.clone();
    base.set_path(&format!("{above}/"));
    base.set_query(None);
    base.set_fragment(None);
    Some((base, number))
}

/// The number of the newest version, of the number of all versions.
fn newest(session: &mut Session, base: &Url, number: &str) -> Result<Option<String>, Error> {
    let page = session.landing(&below(base, &format!("records/{number}"))?)?;
    let found = record_in(&page).map(|(_, number)| number).filter(|found| found != number && found != "latest");
    Ok(found.filter(|found| is_number(found)))
}

/// `10.5281/zenodo` of `10.5281/zenodo.3242074`.
fn stem(doi: &str) -> &str {
    doi.rsplit_once('.').map_or(doi, |(stem, _)| stem)
}
