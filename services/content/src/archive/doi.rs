//! Where a DOI leads, by the handle system's own interface: one answer, and no redirect of anybody's.

use serde::Deserialize;
use url::Url;

use super::answers::odd;
use super::{Archives, below};
use crate::Error;
use crate::remote::Session;

#[derive(Deserialize)]
struct Handle {
    #[serde(default)]
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct Value {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    value: serde_json::Value,
}

impl Archives {
    /// The address registered for `doi`.
    pub(super) fn address_of(&self, session: &mut Session, doi: &str) -> Result<Url, Error> {
        let asked = below(&self.doi, &format!("api/handles/{doi}"))?;
        let handle: Handle = session.json(&asked)?;
        let url = handle.values.iter().find(|value| value.kind == "URL").and_then(|value| value.data.value.as_str());
        let url = url.ok_or_else(|| Error::RepositoryNotFound(asked.host_str().unwrap_or_default().to_owned()))?;
        let mut url = Url::parse(url).map_err(|_| odd(&asked, "the address of a record is not one"))?;
        // Old registrations say `http`; whether that may be used at all is the gate's to say.
        if url.scheme() == "http" && session.admit(&url).is_err() {
            url.set_scheme("https").map_err(|()| odd(&asked, "the address of a record is not one"))?;
        }
        Ok(url)
    }
}
