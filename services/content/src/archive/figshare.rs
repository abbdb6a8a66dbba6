//! Figshare. A DOI may end with a version (`.v3`); without one the newest is meant.

use serde::Deserialize;

use super::answers::{Size, listed, moment, odd};
use super::{Archives, Content, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

#[derive(Deserialize)]
struct Known {
    version: u64,
}

#[derive(Deserialize)]
struct Article {
    #[serde(default)]
    files: Vec<File>,
    published_date: Option<String>,
}

#[derive(Deserialize)]
struct File {
    name: String,
    size: Option<Size>,
    #[serde(default)]
    is_link_only: bool,
    download_url: String,
}

pub(super) fn resolve(archives: &Archives, session: &mut Session, doi: &str) -> Result<Record, Error> {
    let (article, version) = place(archives, session, doi)?;
    let asked = below(&archives.figshare, &format!("v2/articles/{article}/versions"))?;
    let known: Vec<Known> = session.json(&asked)?;
    let version = match version {
        Some(version) => known.iter().map(|known| known.version).find(|known| *known == version),
        None => known.iter().map(|known| known.version).max(),
    };
    let version = version.ok_or_else(|| Error::RepositoryNotFound(asked.host_str().unwrap_or_default().to_owned()))?;
    let stem = doi.rsplit_once(".v").filter(|(_, tail)| is_number(tail)).map_or(doi, |(stem, _)| stem);
    Ok(Record {
        version: format!("{article}.v{version}"),
        name: format!("{stem}.v{version}"),
        identity: format!("https://doi.org/{stem}").to_lowercase(),
        url: format!("https://doi.org/{stem}.v{version}"),
    })
}

pub(super) fn list(archives: &Archives, session: &mut Session, version: &str) -> Result<Listing, Error> {
    let (article, number) = version.split_once(".v").unwrap_or((version, "1"));
    let asked = below(&archives.figshare, &format!("v2/articles/{article}/versions/{number}"))?;
    let article: Article = session.json(&asked)?;
    let (links, files): (Vec<File>, Vec<File>) = article.files.into_iter().partition(|file| file.is_link_only);
    let left = |file: &File| format!("{} is a link to somewhere else and was not fetched.", file.name);
    let notes = links.iter().map(left).collect();
    let files = files.into_iter().map(|file| {
        let size = Size::known(file.size.as_ref());
        listed(&asked, file.name, &file.download_url, size)
    });
    let content = Content::FilesOrOneArchive(files.collect::<Result<_, _>>()?);
    Ok(Listing { content, published: article.published_date.as_deref().and_then(moment), notes })
}

/// The article's number, and the version where the DOI names one.
fn place(archives: &Archives, session: &mut Session, doi: &str) -> Result<(String, Option<u64>), Error> {
    let lower = doi.to_ascii_lowercase();
    let (stem, version) = match lower.rsplit_once(".v") {
        Some((stem, version)) if is_number(version) => (stem, version.parse().ok()),
        _ => (lower.as_str(), None),
    };
    // `10.6084/m9.figshare.9782777`; institutions put a word of their own in the middle.
    if let Some(number) = stem.rsplit('.').next().filter(|number| is_number(number) && stem.contains('/')) {
        return Ok((number.to_owned(), version));
    }
    let url = archives.address_of(session, doi)?;
    let mut numbers = url.path().rsplit('/').take_while(|step| is_number(step)).collect::<Vec<_>>();
    let article = numbers.pop().ok_or_else(|| odd(&url, "it is not where Figshare keeps articles"))?;
    let found = numbers.pop().and_then(|version| version.parse().ok());
    Ok((article.to_owned(), version.or(found)))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit())
}
