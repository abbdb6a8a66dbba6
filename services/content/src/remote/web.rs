//! Archives over plain HTTP: their answers in JSON, the files they give, and where an address leads. Through the same gate, under
//! the same limits.

use std::io::Read;

use serde::de::DeserializeOwned;
use ureq::http::{StatusCode, header};
use url::Url;

use super::http::{Client, Stream};
use super::{Metered, Session, host_of};
use crate::Error;

/// The largest answer about a record. A dataset of ten thousand files is a few megabytes.
const MAX_ANSWER: u64 = 32 << 20;
/// Archives hand downloads over to stores, and DOIs to landing pages, in several steps.
const MAX_REDIRECTS: usize = 5;

impl Session {
    /// What the archive answers at `url`.
    pub(crate) fn json<T: DeserializeOwned>(&mut self, url: &Url) -> Result<T, Error> {
        let (stream, at) = self.client().get(url, "application/json")?;
        self.read_json(stream, &at)
    }

    /// What the archive answers when asked to do something.
    pub(crate) fn post_json<T: DeserializeOwned>(&mut self, url: &Url) -> Result<T, Error> {
        let stream = self.client().post(url)?;
        self.read_json(stream, url)
    }

    /// A file, of at most `limit` bytes.
    pub(crate) fn download(&mut self, url: &Url, limit: u64) -> Result<impl Read + use<>, Error> {
        let (stream, at) = self.client().get(url, "*/*")?;
        let mut meter = self.meter(&host_of(&at), limit);
        meter.what = "its files";
        meter.setting = "max_bytes";
        meter.low_speed_bytes = self.remotes.low_speed_bytes;
        Ok(Metered::new(stream, meter))
    }

    /// Where `url` leads, after redirects.
    pub(crate) fn landing(&mut self, url: &Url) -> Result<Url, Error> {
        Ok(self.client().get(url, "text/html")?.1)
    }

    fn read_json<T: DeserializeOwned>(&self, stream: Stream, at: &Url) -> Result<T, Error> {
        let host = host_of(at);
        let mut meter = self.meter(&host, MAX_ANSWER);
        meter.what = "its description";
        let mut text = Vec::new();
        Metered::new(stream, meter).read_to_end(&mut text).map_err(Error::from_stream)?;
        serde_json::from_slice(&text).map_err(|error| {
            tracing::debug!(%host, %error, "an answer cannot be read");
            Error::BadAnswer { host, reason: "its description of the record cannot be read" }
        })
    }
}

impl Client {
    /// The answer at `address`, and where it came from after redirects.
    fn get(&self, address: &Url, accept: &str) -> Result<(Stream, Url), Error> {
        let mut at = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.gate.admit(&at)?;
            let host = host_of(&at);
            let request = self.agent.get(at.as_str()).header(header::ACCEPT, accept);
            let answer = request.header(header::USER_AGENT, "bindery").call();
            let answer = answer.map_err(|error| archive(self.explain(error, &host)))?;
            if !answer.status().is_redirection() {
                check_status(answer.status(), &at)?;
                return Ok((Box::new(answer.into_body().into_reader()), at));
            }
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let refuse = |reason| Error::Redirect { host: host.clone(), reason };
            let to = location.and_then(|location| at.join(location).ok()).ok_or_else(|| refuse("to no address"))?;
            if to.scheme() != at.scheme() && to.scheme() != "https" {
                return Err(refuse("to another scheme"));
            }
            at = to;
        }
        Err(Error::Redirect { host: host_of(address), reason: "more than five times" })
    }

    fn post(&self, address: &Url) -> Result<Stream, Error> {
        self.gate.admit(address)?;
        let host = host_of(address);
        let request = self.agent.post(address.as_str()).header(header::ACCEPT, "application/json");
        let answer = request.header(header::USER_AGENT, "bindery").send_empty();
        let answer = answer.map_err(|error| archive(self.explain(error, &host)))?;
        check_status(answer.status(), address)?;
        Ok(Box::new(answer.into_body().into_reader()))
    }
}

/// What is said of a git server, said of an archive.
pub(super) fn archive(error: Error) -> Error {
    match error {
        Error::NotGit { host, .. } => Error::BadAnswer { host, reason: "it does not speak HTTP" },
        other => other,
    }
}

pub(super) fn check_status(status: StatusCode, url: &Url) -> Result<(), Error> {
    let host = host_of(url);
    match status.as_u16() {
        200..=299 => Ok(()),
        // What it does not have, what it does not take for a name, and what it keeps for some.
        400 | 401 | 403 | 404 | 410 | 422 => Err(Error::RepositoryNotFound(host)),
        other => Err(Error::HostFailed { host, status: other }),
    }
}
