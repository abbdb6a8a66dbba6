//! A git server, behind the gate, metered.
//!
//! | file | concern |
//! |---|---|
//! | `metered.rs` | a stream whose every byte counts against limits of size, time and speed |
//! | `http.rs` | the smart HTTP protocol, redirects followed by ourselves |
//! | `large.rs` | large files that a host keeps beside git |
//! | `git_scheme.rs` | the `git://` protocol, for sites that allow it |
//! | `web.rs` | archives: what they answer, and the files they give |
//! | `registry.rs` | registries: which image a tag means |
//! | `trust.rs` | which certificates are believed |

mod git_scheme;
mod http;
mod large;
mod metered;
mod registry;
mod trust;
mod web;

use std::time::Duration;

use url::Url;

pub(crate) use metered::{Meter, Metered};
pub(crate) use trust::tls;

use crate::config::MAX_ADVERTISEMENT;
use crate::credentials::{Credentials, Ticket};
use crate::egress::Gate;
use crate::task::Task;
use crate::wire::{Advertisement, PacketReader, WantRequest, receive_pack};
use crate::{Config, Error};

/// How servers are spoken to.
#[derive(Clone)]
pub(crate) struct Remotes {
    gate: Gate,
    tls: ureq::tls::TlsConfig,
    credentials: Credentials,
    patience: Duration,
    low_speed_bytes: u64,
    max_bytes: u64,
}

impl Remotes {
    pub(crate) fn new(config: &Config, gate: Gate) -> Result<Self, Error> {
        Ok(Self {
            gate,
            tls: tls(config.ca_bundle.as_deref())?,
            credentials: Credentials::new(&config.credentials)?,
            patience: Duration::from_secs(config.low_speed_seconds.max(1)),
            low_speed_bytes: config.low_speed_bytes,
            max_bytes: config.max_bytes,
        })
    }

    /// Whether `url` may be contacted, as far as its text tells.
    pub(crate) fn admit(&self, url: &Url) -> Result<(), Error> {
        self.gate.admit(url)
    }

    /// For the time of one task.
    pub(crate) fn session(&self, task: &Task) -> Session {
        Session { remotes: self.clone(), task: task.clone(), client: None, ticket: None, received: 0 }
    }

    /// Whether the site has a credential for the host of `url`.
    pub(crate) fn knows(&self, url: &Url) -> bool {
        self.credentials.ticket(url).is_some()
    }
}

/// Talks to servers for the time of one task.
pub(crate) struct Session {
    remotes: Remotes,
    task: Task,
    client: Option<http::Client>,
    /// Leave to show a credential, for a repository that needs it.
    ticket: Option<Ticket>,
    received: u64,
}

/// A repository's refs and where they were found: after redirects, under the spelling the host knows.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) base: Url,
    pub(crate) refs: Advertisement,
    /// Whether its host showed it only to the site's credential.
    pub(crate) private: bool,
}

impl Session {
    /// Bytes received so far.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// Whether `url` may be contacted, as far as its text tells.
    pub(crate) fn admit(&self, url: &Url) -> Result<(), Error> {
        self.remotes.admit(url)
    }

    /// Waits before a host is asked again. Ends early, with an error, when the work should stop.
    pub(crate) fn pause(&self, time: Duration, url: &Url) -> Result<(), Error> {
        self.task.pause(time);
        self.task.check(&host_of(url))
    }

    /// Shows the host of `url`, from now on, what the site has for it. Whether there is anything.
    pub(crate) fn show_credential(&mut self, url: &Url) -> bool {
        self.ticket = self.remotes.credentials.ticket(url);
        self.ticket.is_some()
    }

    /// Asks for refs as everybody would, and only where that is in vain with what the site has for the host.
    pub(crate) fn refs_or_private(&mut self, spellings: &[Url]) -> Result<Found, Error> {
        match self.refs(spellings) {
            Err(absent) if absent.is_absence() => match spellings.first() {
                Some(url) if self.show_credential(url) => Ok(Found { private: true, ..self.refs(spellings)? }),
                _ => Err(absent),
            },
            result => result,
        }
    }

    /// Asks for refs under each spelling in turn, until one is known to the host.
    pub(crate) fn refs(&mut self, spellings: &[Url]) -> Result<Found, Error> {
        let mut absent = Error::Address("it is empty".to_owned());
        for url in spellings {
            match self.refs_at(url) {
                Err(error) if error.is_absence() => absent = error,
                result => return result,
            }
        }
        Err(absent)
    }

    fn refs_at(&mut self, url: &Url) -> Result<Found, Error> {
        self.remotes.admit(url)?;
        let host = host_of(url);
        let (stream, base) = if url.scheme() == "git" {
            (git_scheme::connect(&self.remotes.gate, &self.task, self.remotes.patience, url)?.boxed(), url.clone())
        } else {
            self.asking().refs(url)?
        };
        let mut meter = self.meter(&host, MAX_ADVERTISEMENT);
        meter.what = "the list of refs";
        let mut packets = PacketReader::new(Metered::new(stream, meter), &host);
        if url.scheme() != "git" {
            http::skip_service_header(&mut packets, &host)?;
        }
        let refs = Advertisement::read(&mut packets, &host)?;
        self.received += packets.into_inner().received();
        Ok(Found { base, refs, private: false })
    }

    /// Asks for objects at `base` and hands the bytes of the pack to `sink` as they come.
    pub(crate) fn pack(
        &mut self,
        base: &Url,
        request: &WantRequest<'_>,
        wanted: &str,
        sink: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.remotes.admit(base)?;
        let host = host_of(base);
        let body = request.encode();
        let stream = if base.scheme() == "git" {
            let connection = git_scheme::connect(&self.remotes.gate, &self.task, self.remotes.patience, base)?;
            let meter = self.meter(&host, MAX_ADVERTISEMENT);
            connection.request(meter, &body)?
        } else {
            self.asking().upload_pack(base, &body)?
        };
        let mut meter = self.meter(&host, self.remotes.max_bytes);
        meter.setting = "max_bytes";
        meter.low_speed_bytes = self.remotes.low_speed_bytes;
        let mut packets = PacketReader::new(Metered::new(stream, meter), &host);
        let result = receive_pack(&mut packets, &host, wanted, sink);
        self.received += packets.into_inner().received();
        result
    }

    fn meter(&self, host: &str, max_bytes: u64) -> Meter {
        Meter {
            task: self.task.clone(),
            host: host.to_owned(),
            what: "the transfer",
            max_bytes,
            setting: "",
            low_speed_bytes: 0,
            low_speed_time: self.remotes.patience,
        }
    }

    /// A client that shows the credential there is leave to show.
    fn asking(&mut self) -> http::Asking<'_> {
        let ticket = self.ticket.clone();
        http::Asking { client: self.client(), ticket }
    }

    fn client(&mut self) -> &http::Client {
        let (remotes, task) = (&self.remotes, &self.task);
        self.client
            .get_or_insert_with(|| http::Client::new(remotes.gate.clone(), remotes.tls.clone(), task, remotes.patience))
    }
}

/// The host as shown to people.
pub(crate) fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
