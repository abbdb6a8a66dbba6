//! Archives: from a record's name to one of its versions, and to its files.
//!
//! Each archive says two things through its HTTP interface: which version a name stands for ([`Record`]), and which files that
//! version has ([`Listing`]). Everything else is done here, once.
//!
//! | file | archive |
//! |---|---|
//! | `doi.rs` | where a DOI leads |
//! | `zenodo.rs` | Zenodo, and others that run `InvenioRDM` |
//! | `figshare.rs` | Figshare |
//! | `dataverse.rs` | any Dataverse |
//! | `hydroshare.rs` | `HydroShare` |
//! | `ckan.rs` | any CKAN |
//! | `osf.rs` | the Open Science Framework |
//! | `swh.rs` | Software Heritage |
//! | `image.rs` | images in registries, as the Dockerfile that is built of one |
//! | `answers.rs` | what is alike in their answers |
//! | `files.rs` | a version's files into a tree |

mod answers;
mod ckan;
mod dataverse;
mod doi;
mod figshare;
mod files;
mod hydroshare;
mod image;
mod osf;
mod swh;
mod zenodo;

use bindery_core::{Provider, RepoSpec, RepoUrl, ResolvedRef, Revision, Timestamp, Version};
use url::Url;

use crate::remote::Session;
use crate::spool::{Spool, SpoolTree};
use crate::{Config, Error};

/// The archives of a site.
#[derive(Debug, Clone)]
pub(crate) struct Archives {
    doi: Url,
    zenodo: Url,
    figshare: Url,
    hydroshare: Url,
    osf: Url,
    osf_files: Url,
    swh: Url,
    images: Vec<String>,
}

/// A record at one version.
#[derive(Debug)]
struct Record {
    version: String,
    /// What a link to this version calls it.
    name: String,
    /// The same for every version and spelling.
    identity: String,
    /// Where people find it.
    url: String,
}

/// The files of a version.
#[derive(Debug)]
struct Listing {
    content: Content,
    published: Option<Timestamp>,
    notes: Vec<String>,
}

#[derive(Debug)]
enum Content {
    /// Files, each with the path it will have.
    Files(Vec<Listed>),
    /// Files, or, where there is but one and it is an archive of files, what is in it.
    FilesOrOneArchive(Vec<Listed>),
    /// What is in this archive.
    Archive(Listed),
    /// A file that is written here.
    Written { path: &'static str, text: String },
}

#[derive(Debug)]
struct Listed {
    path: String,
    url: Url,
    /// As far as it is known before.
    size: Option<u64>,
}

/// What a fetch gave beside the tree.
pub(crate) struct Fetched {
    pub(crate) tree: SpoolTree,
    pub(crate) received: u64,
    pub(crate) published: Option<Timestamp>,
    pub(crate) notes: Vec<String>,
}

impl Archives {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let base = |address: &str, setting: &'static str| {
            let invalid = |reason: String| Error::Config { setting, reason: format!("{address:?}: {reason}") };
            let url = Url::parse(&format!("{}/", address.trim_end_matches('/')));
            let url = url.map_err(|error| invalid(error.to_string()))?;
            if matches!(url.scheme(), "https" | "http") {
                Ok(url)
            } else {
                Err(invalid("not an https address".to_owned()))
            }
        };
        Ok(Self {
            doi: base(&config.doi_url, "doi_url")?,
            zenodo: base(&config.zenodo_url, "zenodo_url")?,
            figshare: base(&config.figshare_url, "figshare_url")?,
            hydroshare: base(&config.hydroshare_url, "hydroshare_url")?,
            osf: base(&config.osf_url, "osf_url")?,
            osf_files: base(&config.osf_files_url, "osf_files_url")?,
            swh: base(&config.swh_url, "swh_url")?,
            images: image::allowed(&config.images)?,
        })
    }

    /// Which host would be asked about `spec` first.
    pub(crate) fn host(&self, spec: &RepoSpec) -> String {
        let own = match spec.provider {
            Provider::Image => image::address(&spec.repository),
            _ => Url::parse(&spec.repository).ok(),
        };
        let url = match spec.provider {
            Provider::Zenodo => &self.zenodo,
            Provider::Figshare => &self.figshare,
            Provider::Hydroshare => &self.hydroshare,
            Provider::Osf => &self.osf,
            Provider::Swh => &self.swh,
            Provider::Ckan | Provider::Image => own.as_ref().unwrap_or(&self.doi),
            _ => &self.doi,
        };
        url.host_str().unwrap_or_default().to_owned()
    }

    /// The version `spec` stands for now.
    pub(crate) fn resolve(&self, session: &mut Session, spec: &RepoSpec) -> Result<ResolvedRef, Error> {
        let name = spec.repository.as_str();
        let record = match spec.provider {
            Provider::Zenodo => zenodo::resolve(self, session, name),
            Provider::Figshare => figshare::resolve(self, session, name),
            Provider::Dataverse => dataverse::resolve(self, session, name),
            Provider::Hydroshare => hydroshare::resolve(self, session, name),
            Provider::Ckan => ckan::resolve(session, name),
            Provider::Osf => osf::resolve(self, session, name),
            Provider::Swh => swh::resolve(self, session, name),
            Provider::Image => image::resolve(self, session, name),
            Provider::Gh | Provider::Gl | Provider::Cb | Provider::Bb | Provider::Gist | Provider::Git => {
                Err(Error::Address("it is no record of an archive".to_owned()))
            }
        }?;
        let odd = |reason| Error::BadAnswer { host: self.host(spec), reason };
        let version: Version = record.version.parse().map_err(|_| odd("its version is not one"))?;
        let repo_url: RepoUrl = record.url.parse().map_err(|_| odd("its address is not one"))?;
        Ok(ResolvedRef {
            spec: spec.clone(),
            ref_url: repo_url.to_string(),
            repo_url,
            revision: Revision::Version(version),
            identity: record.identity,
            pinned: Some(RepoSpec { repository: record.name, ..spec.clone() }),
            private: false,
            notes: Vec::new(),
        })
    }

    /// The files of the version that was resolved.
    pub(crate) fn fetch(
        &self,
        session: &mut Session,
        resolved: &ResolvedRef,
        version: &Version,
        spool: Spool,
        scratch: &std::path::Path,
    ) -> Result<Fetched, Error> {
        let name = resolved.pinned.as_ref().map_or(resolved.spec.repository.as_str(), |pinned| &pinned.repository);
        let version = version.as_str();
        let listing = match resolved.spec.provider {
            Provider::Zenodo => zenodo::list(self, session, name, version),
            Provider::Figshare => figshare::list(self, session, version),
            Provider::Dataverse => dataverse::list(self, session, name, version),
            Provider::Hydroshare => hydroshare::list(self, session, name, version),
            Provider::Ckan => ckan::list(session, name, version),
            Provider::Osf => osf::list(self, session, name, version),
            Provider::Swh => swh::list(self, session, version),
            Provider::Image => image::list(self, name),
            Provider::Gh | Provider::Gl | Provider::Cb | Provider::Bb | Provider::Gist | Provider::Git => {
                Err(Error::Address("it is no record of an archive".to_owned()))
            }
        }?;
        files::receive(session, listing, spool, scratch)
    }
}

/// `base` and then `tail`, whose query, if it has one, is already escaped.
fn below(base: &Url, tail: &str) -> Result<Url, Error> {
    base.join(tail).map_err(|error| Error::Address(error.to_string()))
}
