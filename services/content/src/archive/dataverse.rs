//! Any Dataverse: which one, its DOI says. `/v1.0` after a DOI names a version; without it the newest published is meant.

use serde::Deserialize;
use url::Url;

use super::answers::{Size, listed, moment, odd};
use super::{Archives, Content, Listed, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Dataset {
    #[serde(rename = "datasetId")]
    id: u64,
    #[serde(rename = "versionNumber")]
    major: u64,
    #[serde(rename = "versionMinorNumber", default)]
    minor: u64,
    #[serde(rename = "releaseTime")]
    released: Option<String>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    label: String,
    #[serde(rename = "directoryLabel", default)]
    directory: String,
    #[serde(default)]
    restricted: bool,
    #[serde(rename = "dataFile")]
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    id: u64,
    filesize: Option<Size>,
    /// Of a table, which is kept in another form and given back in its first one.
    original_file_name: Option<String>,
    original_file_format: Option<String>,
}

pub(super) fn resolve(archives: &Archives, session: &mut Session, name: &str) -> Result<Record, Error> {
    let (doi, version) = split(name);
    let base = installation(archives, session, doi)?;
    let dataset: Answer<Dataset> = session.json(&version_url(&base, doi, version.unwrap_or(":latest-published"))?)?;
    let Dataset { id, major, minor, .. } = dataset.data;
    Ok(Record {
        version: format!("{id}.v{major}.{minor}"),
        name: format!("{doi}/v{major}.{minor}"),
        identity: format!("https://doi.org/{doi}").to_lowercase(),
        url: format!("https://doi.org/{doi}"),
    })
}

pub(super) fn list(archives: &Archives, session: &mut Session, name: &str, version: &str) -> Result<Listing, Error> {
    let (doi, _) = split(name);
    let base = installation(archives, session, doi)?;
    let number = version.split_once(".v").map_or(":latest-published", |(_, number)| number);
    let asked = version_url(&base, doi, number)?;
    let dataset: Answer<Dataset> = session.json(&asked)?;
    let (restricted, files): (Vec<File>, Vec<File>) = dataset.data.files.into_iter().partition(|file| file.restricted);
    let left = |file: &File| format!("{} is not public and was not fetched.", file.label);
    let files = files.into_iter().map(|file| public(&base, &asked, file)).collect::<Result<_, _>>()?;
    Ok(Listing {
        content: Content::Files(files),
        published: dataset.data.released.as_deref().and_then(moment),
        notes: restricted.iter().map(left).collect(),
    })
}

fn public(base: &Url, asked: &Url, file: File) -> Result<Listed, Error> {
    // The size told is that of the form it is kept in.
    let size = if file.data.original_file_format.is_none() { Size::known(file.data.filesize.as_ref()) } else { None };
    let name = file.data.original_file_name.unwrap_or(file.label);
    let path = if file.directory.is_empty() { name } else { format!("{}/{name}", file.directory.trim_matches('/')) };
    let address = below(base, &format!("api/access/datafile/{}?format=original", file.data.id))?;
    listed(asked, path, address.as_str(), size)
}

/// The DOI, and the version after it.
fn split(name: &str) -> (&str, Option<&str>) {
    let is_version = |text: &str| {
        let number = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
        text.split('.').count() <= 2 && text.split('.').all(number)
    };
    match name.rsplit_once("/v") {
        Some((doi, version)) if is_version(version) && doi.contains('/') => (doi, Some(version)),
        _ => (name, None),
    }
}

fn version_url(base: &Url, doi: &str, version: &str) -> Result<Url, Error> {
    below(base, &format!("api/datasets/:persistentId/versions/{version}?persistentId=doi:{doi}"))
}

/// The installation that a DOI leads to: everything before its page about a dataset.
fn installation(archives: &Archives, session: &mut Session, doi: &str) -> Result<Url, Error> {
    let page = archives.address_of(session, doi)?;
    let above = ["/citation", "/dataset.xhtml"].into_iter().find_map(|end| page.path().strip_suffix(end));
    let above = above.ok_or_else(|| odd(&page, "it is not where a Dataverse keeps datasets"))?;
    let mut base = page.clone();
    base.set_path(&format!("{above}/"));
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_version_after_a_doi_is_told_from_the_doi() {
        assert_eq!(split("10.7910/DVN/X/v1.0"), ("10.7910/DVN/X", Some("1.0")));
        assert_eq!(split("10.7910/DVN/X/v2"), ("10.7910/DVN/X", Some("2")));
        for doi in ["10.7910/DVN/X", "10.7910/v1", "10.7910/DVN/vX", "10.7910/DVN/v1.2.3", "10.7910/DVN/v"] {
            assert_eq!(split(doi), (doi, None));
        }
    }
}
