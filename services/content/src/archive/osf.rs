//! The Open Science Framework: projects, whose version is when they were modified, and registrations, which do not change. What is
//! fetched is what lies in its own storage; what a project has elsewhere (add-ons) is elsewhere.

use serde::Deserialize;

use super::answers::{moment, odd, seconds};
use super::{Archives, Content, Listed, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

#[derive(Deserialize)]
struct Answer {
    data: Node,
}

#[derive(Deserialize)]
struct Node {
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    date_modified: String,
}

pub(super) fn resolve(archives: &Archives, session: &mut Session, id: &str) -> Result<Record, Error> {
    let (version, _) = modified(archives, session, id)?;
    let url = format!("https://osf.io/{id}");
    Ok(Record { version, name: id.to_owned(), identity: url.clone(), url })
}

pub(super) fn list(archives: &Archives, session: &mut Session, id: &str, version: &str) -> Result<Listing, Error> {
    let (now, published) = modified(archives, session, id)?;
    if now != version {
        return Err(Error::RecordChanged);
    }
    let url = below(&archives.osf_files, &format!("v1/resources/{id}/providers/osfstorage/?zip="))?;
    let content = Content::Archive(Listed { path: format!("{id}.zip"), url, size: None });
    Ok(Listing { content, published, notes: Vec::new() })
}

fn modified(
    archives: &Archives,
    session: &mut Session,
    id: &str,
) -> Result<(String, Option<bindery_core::Timestamp>), Error> {
    let mut asked = below(&archives.osf, &format!("v2/nodes/{id}/"))?;
    let answer = match session.json::<Answer>(&asked) {
        Err(error) if error.is_absence() => {
            asked = below(&archives.osf, &format!("v2/registrations/{id}/"))?;
            session.json::<Answer>(&asked)
        }
        answer => answer,
    }?;
    let time = answer.data.attributes.date_modified;
    let version = seconds(&time).ok_or_else(|| odd(&asked, "the record does not say when it was modified"))?;
    Ok((format!("{id}.v{version}"), moment(&time)))
}
