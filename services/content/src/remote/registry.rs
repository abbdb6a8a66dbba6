//! Registries: which image a tag means, asked as everybody may.
//!
//! The digest is our own of what the registry sends, so that what is pulled by it later is what was meant here.

use std::io::Read as _;

use bindery_core::{ImageReference, ImageVersion};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use ureq::http::{Response, StatusCode, header};
use url::Url;

use super::http::{Client, Stream};
use super::web::{archive, check_status};
use super::{Metered, Session, host_of};
use crate::Error;

/// The largest manifest; registries take none larger.
const MAX_MANIFEST: u64 = 4 << 20;
/// The largest answer to who asks for leave to read.
const MAX_LEAVE: u64 = 64 << 10;
/// The manifests that engines pull by: of one image, and lists of one for each platform.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Where leave to read is given.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
}

#[derive(Deserialize)]
struct Leave {
    token: Option<String>,
    access_token: Option<String>,
}

impl Session {
    /// The digest of the image that `reference` means now to the registry at `base`.
    pub(crate) fn manifest(&mut self, base: &Url, reference: &ImageReference) -> Result<String, Error> {
        let (ImageVersion::Tag(version) | ImageVersion::Digest(version)) = reference.version();
        let at = base.join(&format!("v2/{}/manifests/{version}", reference.path()));
        let at = at.map_err(|error| Error::Address(error.to_string()))?;
        let mut answer = self.client().manifest(&at, None)?;
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = challenge(&answer)
        {
            let leave = self.leave(&at, &challenge, reference)?;
            answer = self.client().manifest(&at, Some(&leave))?;
        }
        let host = host_of(&at);
        if answer.status().is_redirection() {
            return Err(Error::Redirect { host, reason: "a question about an image, which is not followed" });
        }
        check_status(answer.status(), &at)?;
        let text = self.whole(Box::new(answer.into_body().into_reader()), &host, MAX_MANIFEST)?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
        match reference.version() {
            ImageVersion::Digest(asked) if *asked != digest => {
                Err(Error::BadAnswer { host, reason: "it sends another image than the one with that digest" })
            }
            _ => Ok(digest),
        }
    }

    /// Asks for the leave to read that a registry gives everybody.
    fn leave(&mut self, at: &Url, challenge: &Challenge, reference: &ImageReference) -> Result<String, Error> {
        let host = host_of(at);
        let odd = || Error::BadAnswer { host: host.clone(), reason: "where it gives leave to read is no address" };
        let mut realm = Url::parse(&challenge.realm).map_err(|_| odd())?;
        // What is said there is worth nothing to others, and still nobody's to hear.
        if realm.scheme() != "https" && realm.origin() != at.origin() {
            return Err(odd());
        }
        let scope = format!("repository:{}:pull", reference.path());
        realm.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = &challenge.service {
            realm.query_pairs_mut().append_pair("service", service);
        }
        let stream = self.client().leave(&realm)?;
        let text = self.whole(stream, &host_of(&realm), MAX_LEAVE)?;
        let leave: Leave = serde_json::from_slice(&text).map_err(|_| odd())?;
        let token = leave.token.or(leave.access_token).filter(|token| !token.is_empty());
        token.ok_or_else(|| Error::RepositoryNotFound(host.clone()))
    }

    fn whole(&self, stream: Stream, host: &str, most: u64) -> Result<Vec<u8>, Error> {
        let mut meter = self.meter(host, most);
        meter.what = "its description";
        let mut text = Vec::new();
        Metered::new(stream, meter).read_to_end(&mut text).map_err(Error::from_stream)?;
        Ok(text)
    }
}

impl Client {
    fn manifest(&self, at: &Url, leave: Option<&str>) -> Result<Response<ureq::Body>, Error> {
        self.gate.admit(at)?;
        let mut request = self.agent.get(at.as_str()).header(header::ACCEPT, MANIFESTS);
        if let Some(leave) = leave {
            request = request.header(header::AUTHORIZATION, format!("Bearer {leave}"));
        }
        let answer = request.header(header::USER_AGENT, "bindery").call();
        answer.map_err(|error| archive(self.explain(error, &host_of(at))))
    }

    fn leave(&self, realm: &Url) -> Result<Stream, Error> {
        self.gate.admit(realm)?;
        let request = self.agent.get(realm.as_str()).header(header::ACCEPT, "application/json");
        let answer = request.header(header::USER_AGENT, "bindery").call();
        let answer = answer.map_err(|error| archive(self.explain(error, &host_of(realm))))?;
        check_status(answer.status(), realm)?;
        Ok(Box::new(answer.into_body().into_reader()))
    }
}

fn challenge<B>(answer: &Response<B>) -> Option<Challenge> {
    let values = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).find_map(parse)
}

/// `Bearer realm="https://auth.example/token",service="x",scope="y"`. The scope is ours to say.
fn parse(value: &str) -> Option<Challenge> {
    let (scheme, rest) = value.trim_start().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut rest) = (None, None, rest);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        match name.trim_matches([' ', ',']).to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value.to_owned()),
            "service" => service = Some(value.to_owned()),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge { realm: realm?, service })
}

#[cfg(test)]
mod tests {
    use super::{Challenge, parse};
    use proptest::prelude::*;

    #[test]
    fn where_leave_is_given_is_read_from_the_challenge() {
        let parsed = |value| parse(value).map(|Challenge { realm, service }| (realm, service));
        let found = |realm: &str, service: Option<&str>| Some((realm.to_owned(), service.map(str::to_owned)));
        for (value, expected) in [
            (
                "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"",
                found("https://auth.docker.io/token", Some("registry.docker.io")),
            ),
            ("bearer scope=\"x\", realm=\"https://h/t?a=b\"", found("https://h/t?a=b", None)),
            ("Bearer realm=https://h/t,service=s", found("https://h/t", Some("s"))),
            ("Basic realm=\"Registry\"", None),
            ("Bearer service=\"x\"", None),
            ("Bearer realm=\"unended", None),
            ("Bearer", None),
            ("", None),
        ] {
            assert_eq!(parsed(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_challenge_is_survived(value in "(Bearer )?\\PC{0,60}|Bearer [a-z=\", ]{0,60}") {
            let _ = parse(&value);
        }
    }
}
