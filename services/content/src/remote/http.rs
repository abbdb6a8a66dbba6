//! The smart HTTP protocol, redirects followed by ourselves.

use std::io::Read;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, RequestBuilder};
use url::Url;

use super::host_of;
use crate::Error;
use crate::credentials::Ticket;
use crate::egress::Gate;
use crate::task::Task;
use crate::wire::{Packet, PacketReader};

/// Redirects followed for one question.
pub(super) const MAX_REDIRECTS: usize = 3;

/// What is asked of a repository's address.
const REFS: &str = "info/refs?service=git-upload-pack";

/// Until a connection stands, per host.
const CONNECT: Duration = Duration::from_secs(10);

/// An HTTP client that lives as long as one task and stops with it.
pub(super) struct Client {
    pub(super) agent: Agent,
    pub(super) gate: Gate,
    task: Task,
    patience: Duration,
}

pub(super) type Stream = Box<dyn Read + Send>;

impl Client {
    pub(super) fn new(gate: Gate, tls: ureq::tls::TlsConfig, task: &Task, patience: Duration) -> Self {
        let config = Agent::config_builder()
            .tls_config(tls)
            // Not even from the environment: a proxy would look names up for us, past the gate.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent("git/bindery")
            .accept("*/*")
            // Packs are compressed already.
            .accept_encoding(ureq::config::AutoHeaderValue::None)
            .timeout_global(Some(task.left()))
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), gate.clone());
        let stop = agent.clone();
        task.on_cancel(move || stop.shutdown());
        Self { agent, gate, task: task.clone(), patience }
    }

    /// What a failed request means.
    pub(super) fn explain(&self, error: ureq::Error, host: &str) -> Error {
        if let Err(stopped) = self.task.check(host) {
            return stopped;
        }
        let down = |reason: &str| Error::HostDown { host: host.to_owned(), reason: reason.to_owned() };
        match error {
            ureq::Error::Other(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(_) => down("the connection failed"),
            },
            ureq::Error::HostNotFound => Error::HostUnknown(host.to_owned()),
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                Error::Timeout { host: host.to_owned(), seconds: CONNECT.as_secs() }
            }
            ureq::Error::Timeout(_) => Error::Timeout { host: host.to_owned(), seconds: self.patience.as_secs() },
            ureq::Error::Tls(reason) => Error::Tls { host: host.to_owned(), reason: reason.to_owned() },
            ureq::Error::Rustls(reason) => Error::Tls { host: host.to_owned(), reason: reason.to_string() },
            ureq::Error::Io(error) => match tls_reason(&error) {
                Some(reason) => Error::Tls { host: host.to_owned(), reason },
                None if error.kind() == std::io::ErrorKind::ConnectionRefused => down("it refuses the connection"),
                None => down("the connection failed"),
            },
            ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) | ureq::Error::Http(_) => {
                Error::NotGit { host: host.to_owned(), reason: "it does not speak HTTP".to_owned() }
            }
            _ => down("the connection failed"),
        }
    }
}

/// A client, and what it may show to one origin.
pub(super) struct Asking<'c> {
    pub(super) client: &'c Client,
    pub(super) ticket: Option<Ticket>,
}

impl Asking<'_> {
    /// `request` to `at`, with the credential if that is where it is for.
    pub(super) fn shown<B>(&self, request: RequestBuilder<B>, at: &Url) -> Result<RequestBuilder<B>, Error> {
        match self.ticket.as_ref().filter(|ticket| ticket.is_for(at)) {
            Some(ticket) => Ok(request.header(header::AUTHORIZATION, ticket.header()?)),
            None => Ok(request),
        }
    }

    /// Says so, for the operator, when a host did not take what it was shown.
    fn note_refusal(&self, status: StatusCode, at: &Url) {
        if self.ticket.as_ref().is_some_and(|ticket| ticket.is_for(at)) && matches!(status.as_u16(), 401 | 403) {
            tracing::warn!(host = %host_of(at), status = status.as_u16(), "a host does not take the credential set for it");
        }
    }

    /// The advertisement of the repository at `url`, and the address it is at after redirects.
    pub(super) fn refs(&self, url: &Url) -> Result<(Stream, Url), Error> {
        let mut at = join(url, REFS)?;
        let mut asking = Asking { client: self.client, ticket: self.ticket.clone() };
        for _ in 0..=MAX_REDIRECTS {
            self.client.gate.admit(&at)?;
            let host = host_of(&at);
            let request = self.client.agent.get(at.as_str()).header("Pragma", "no-cache");
            let answer = asking.shown(request, &at)?.call();
            let answer = answer.map_err(|error| self.client.explain(error, &host))?;
            if answer.status().is_redirection() {
                at = redirected(&at, &answer)?;
                // Whoever was led away and back again is led by somebody else.
                asking.ticket = asking.ticket.filter(|ticket| ticket.is_for(&at));
                continue;
            }
            asking.note_refusal(answer.status(), &at);
            check_status(answer.status(), &at)?;
            check_type(&answer, "advertisement", &host)?;
            return Ok((Box::new(answer.into_body().into_reader()), base_of(&at)?));
        }
        Err(Error::Redirect { host: host_of(url), reason: "more than three times" })
    }

    /// The answer to a request for objects.
    pub(super) fn upload_pack(&self, base: &Url, body: &str) -> Result<Stream, Error> {
        let at = join(base, "git-upload-pack")?;
        self.client.gate.admit(&at)?;
        let host = host_of(&at);
        let request = self
            .client
            .agent
            .post(at.as_str())
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(header::ACCEPT, "application/x-git-upload-pack-result");
        let answer = self.shown(request, &at)?.send(body).map_err(|error| self.client.explain(error, &host))?;
        if answer.status().is_redirection() {
            // The repository has moved: whoever asks again for its refs will be told where.
            return Err(Error::RepositoryNotFound(base.to_string()));
        }
        check_status(answer.status(), base)?;
        check_type(&answer, "result", &host)?;
        Ok(Box::new(answer.into_body().into_reader()))
    }
}

/// What TLS said, when it is TLS that failed inside an I/O error.
fn tls_reason(error: &std::io::Error) -> Option<String> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(ToString::to_string)
}

fn join(base: &Url, tail: &str) -> Result<Url, Error> {
    let text = format!("{}/{tail}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).map_err(|error| Error::Address(error.to_string()))
}

/// The repository's address, given that of its refs.
fn base_of(refs: &Url) -> Result<Url, Error> {
    let base = refs.as_str().strip_suffix(REFS).and_then(|base| Url::parse(base.trim_end_matches('/')).ok());
    base.ok_or_else(|| Error::Redirect { host: host_of(refs), reason: "to something that is not a repository" })
}

/// Where `answer` sends us, if that is somewhere we go: the refs of a repository, by the same scheme or a safer one.
fn redirected<B>(from: &Url, answer: &Response<B>) -> Result<Url, Error> {
    let refuse = |reason| Error::Redirect { host: host_of(from), reason };
    let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok()).ok_or_else(|| refuse("to no address"))?;
    if to.scheme() != from.scheme() && (from.scheme(), to.scheme()) != ("http", "https") {
        return Err(refuse("to another scheme"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(refuse("to an address with a user name or password"));
    }
    base_of(&to).map_err(|_| refuse("to something that is not a repository"))?;
    Ok(to)
}

pub(super) fn check_status(status: StatusCode, url: &Url) -> Result<(), Error> {
    let host = host_of(url);
    match status.as_u16() {
        200 => Ok(()),
        // Hosts ask for a password where there is no repository, so as not to tell which private ones exist.
        401 | 403 | 404 | 410 => Err(Error::RepositoryNotFound(host)),
        429 | 500..=599 => Err(Error::HostFailed { host, status: status.as_u16() }),
        other => Err(Error::NotGit { host, reason: format!("it answered with status {other}") }),
    }
}

/// Only the smart protocol names its answers so; the dumb one, which would have us follow `alternates`, does not.
fn check_type<B>(answer: &Response<B>, kind: &str, host: &str) -> Result<(), Error> {
    let expected = format!("application/x-git-upload-pack-{kind}");
    let given = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(&expected)) {
        Ok(())
    } else {
        let reason = "it does not speak git's smart HTTP protocol at this address".to_owned();
        Err(Error::NotGit { host: host.to_owned(), reason })
    }
}

/// Over HTTP an advertisement begins with a packet that names the service, and a flush.
pub(super) fn skip_service_header<R: Read>(packets: &mut PacketReader<R>, host: &str) -> Result<(), Error> {
    let reason = "its list of refs does not name the service";
    let not_git = || Error::NotGit { host: host.to_owned(), reason: reason.to_owned() };
    match packets.next()? {
        Packet::Data(line) if line.starts_with(b"# service=git-upload-pack") => {}
        _ => return Err(not_git()),
    }
    match packets.next()? {
        Packet::Flush => Ok(()),
        _ => Err(not_git()),
    }
}
