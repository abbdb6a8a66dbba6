//! Large files that a host keeps beside git: where they are, and one of them. The basic transfer of Git LFS.

use std::collections::BTreeMap;
use std::io::Read;

use ureq::http::header;
use url::Url;

use super::http::{Asking, Client, MAX_REDIRECTS, Stream, check_status};
use super::{Metered, Session, host_of};
use crate::Error;

/// What questions and answers are written in.
const KIND: &str = "application/vnd.git-lfs+json";

impl Session {
    /// Asks the host of `repository`, or the server `own` that it names for this, where files are; the answer, of at most `limit`
    /// bytes.
    pub(crate) fn large_files(
        &mut self,
        repository: &Url,
        own: Option<&Url>,
        body: &str,
        limit: u64,
    ) -> Result<impl Read + use<>, Error> {
        let address = own.map_or_else(|| batch_address(repository), own_batch_address)?;
        let stream = self.asking().batch(&address, body)?;
        Ok(self.metered(stream, &address, limit))
    }

    /// A file of `size` bytes at an address the host gave, asked for with the headers it gave.
    pub(crate) fn large_file(
        &mut self,
        address: &Url,
        headers: &BTreeMap<String, String>,
        size: u64,
    ) -> Result<impl Read, Error> {
        let stream = self.client().file(address, headers)?;
        Ok(self.metered(stream, address, size))
    }

    fn metered(&self, stream: Stream, address: &Url, limit: u64) -> Metered<Stream> {
        let mut meter = self.meter(&host_of(address), limit);
        meter.what = "a large file";
        meter.low_speed_bytes = self.remotes.low_speed_bytes;
        Metered::new(stream, meter)
    }
}

impl Asking<'_> {
    fn batch(&self, address: &Url, body: &str) -> Result<Stream, Error> {
        self.client.gate.admit(address)?;
        let host = host_of(address);
        let request = self.client.agent.post(address.as_str());
        let request = request.header(header::CONTENT_TYPE, KIND).header(header::ACCEPT, KIND);
        let answer = self.shown(request, address)?.send(body).map_err(|error| self.client.explain(error, &host))?;
        check_status(answer.status(), address)?;
        Ok(Box::new(answer.into_body().into_reader()))
    }
}

impl Client {
    fn file(&self, address: &Url, headers: &BTreeMap<String, String>) -> Result<Stream, Error> {
        let mut at = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.gate.admit(&at)?;
            let host = host_of(&at);
            let mut request = self.agent.get(at.as_str());
            // What is meant for one host is told to no other.
            for (name, value) in headers.iter().filter(|(name, _)| at.host() == address.host() && is_passed_on(name)) {
                request = request.header(name, value);
            }
            let answer = request.call().map_err(|error| self.explain(error, &host))?;
            if !answer.status().is_redirection() {
                check_status(answer.status(), &at)?;
                return Ok(Box::new(answer.into_body().into_reader()));
            }
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let to = location.and_then(|location| at.join(location).ok());
            let refuse = |reason| Error::Redirect { host: host.clone(), reason };
            let to = to.ok_or_else(|| refuse("to no address"))?;
            if to.scheme() != at.scheme() && to.scheme() != "https" {
                return Err(refuse("to another scheme"));
            }
            at = to;
        }
        Err(Error::Redirect { host: host_of(address), reason: "more than three times" })
    }
}

/// Headers by which hosts admit a request; not those that would change what it is.
fn is_passed_on(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "authorization" | "accept") || name.starts_with("x-")
}

/// Where a repository's host is asked, by the specification: below its address with `.git`.
fn batch_address(repository: &Url) -> Result<Url, Error> {
    let base = repository.as_str().trim_end_matches('/');
    let dot_git = if base.ends_with(".git") { "" } else { ".git" };
    Url::parse(&format!("{base}{dot_git}/info/lfs/objects/batch")).map_err(|error| Error::Address(error.to_string()))
}

/// Where a server is asked whose address was given in full.
fn own_batch_address(server: &Url) -> Result<Url, Error> {
    let base = server.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/objects/batch")).map_err(|error| Error::Address(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{batch_address, is_passed_on, own_batch_address};

    #[test]
    fn a_host_is_asked_below_the_repositorys_address() {
        for given in ["https://h/o/r", "https://h/o/r/", "https://h/o/r.git"] {
            let asked = batch_address(&given.parse().unwrap()).unwrap();
            assert_eq!(asked.as_str(), "https://h/o/r.git/info/lfs/objects/batch", "{given}");
        }
        let own = own_batch_address(&"https://lfs.h/o/r/".parse().unwrap()).unwrap();
        assert_eq!(own.as_str(), "https://lfs.h/o/r/objects/batch");
    }

    #[test]
    fn only_headers_that_admit_are_passed_on() {
        assert!(is_passed_on("Authorization") && is_passed_on("X-Amz-Date"));
        for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "Range"] {
            assert!(!is_passed_on(name), "{name}");
        }
    }
}
