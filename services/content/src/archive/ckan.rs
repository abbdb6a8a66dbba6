//! Any CKAN. When a dataset's description was modified is its version; one of its activities may be named instead, which is the
//! description as it was then.

use serde::Deserialize;
use url::Url;

use super::answers::{Id, Size, listed, moment, odd, seconds};
use super::{Content, Listed, Listing, Record, below};
use crate::Error;
use crate::remote::Session;

#[derive(Deserialize)]
struct Answer {
    success: bool,
    result: Result_,
}

/// An activity's data may hold the dataset or be it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Result_ {
    Inside { package: Dataset },
    Plain(Dataset),
}

#[derive(Deserialize)]
struct Dataset {
    id: Id,
    metadata_modified: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    url: Option<String>,
    size: Option<Size>,
}

pub(super) fn resolve(session: &mut Session, name: &str) -> Result<Record, Error> {
    let (asked, dataset) = dataset(session, name)?;
    let page = name.split("/history/").next().unwrap_or(name);
    Ok(Record {
        version: version(&asked, &dataset)?,
        name: name.to_owned(),
        identity: page.to_owned(),
        url: page.to_owned(),
    })
}

pub(super) fn list(session: &mut Session, name: &str, wanted: &str) -> Result<Listing, Error> {
    let (asked, dataset) = dataset(session, name)?;
    if version(&asked, &dataset)? != wanted {
        return Err(Error::RecordChanged);
    }
    let published = moment(&dataset.metadata_modified);
    let mut files: Vec<Listed> = Vec::new();
    let mut notes = Vec::new();
    for resource in dataset.resources {
        let Some(address) = resource.url.filter(|address| !address.is_empty()) else { continue };
        let mut file = listed(&asked, String::new(), &address, Size::known(resource.size.as_ref()))?;
        let name = file.url.path_segments().and_then(|mut steps| steps.next_back()).unwrap_or_default();
        let name = super::files::plain_name(name);
        if name.is_empty() {
            notes.push(format!("{} is a page, not a file, and was not fetched.", file.url));
            continue;
        }
        // Two resources may end alike.
        let same = files.iter().filter(|other| other.path == name || other.path.ends_with(&format!("/{name}"))).count();
        file.path = if same == 0 { name } else { format!("{same}/{name}") };
        files.push(file);
    }
    Ok(Listing { content: Content::Files(files), published, notes })
}

fn version(asked: &Url, dataset: &Dataset) -> Result<String, Error> {
    let time = seconds(&dataset.metadata_modified)
        .ok_or_else(|| odd(asked, "the record does not say when it was modified"))?;
    Ok(format!("{}.v{time}", dataset.id.plain(asked)?))
}

fn dataset(session: &mut Session, name: &str) -> Result<(Url, Dataset), Error> {
    let url = Url::parse(name).map_err(|error| Error::Address(error.to_string()))?;
    let (above, id) = url.path().rsplit_once("/dataset/").ok_or_else(|| odd(&url, "it is no dataset"))?;
    let mut base = url.clone();
    base.set_path(&format!("{above}/"));
    let tail = match id.split_once("/history/") {
        Some((_, activity)) => format!("api/3/action/activity_data_show?id={activity}"),
        None => format!("api/3/action/package_show?id={id}"),
    };
    let asked = below(&base, &tail)?;
    let answer: Answer = session.json(&asked)?;
    if !answer.success {
        return Err(Error::RepositoryNotFound(asked.host_str().unwrap_or_default().to_owned()));
    }
    let (Result_::Inside { package: dataset } | Result_::Plain(dataset)) = answer.result;
    Ok((asked, dataset))
}
