//! What a site shows to hosts that do not give their repositories to everybody: one credential for each host.
//!
//! It goes to the origin of the repository that was asked for, in a header, over TLS or within this machine, and nowhere else: not to where
//! that origin redirects, and not to an origin that something else leads to.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use bindery_core::Secret;
use serde::{Deserialize, Deserializer};
use ureq::http::HeaderValue;
use url::{Host, Origin, Url};

use crate::Error;

/// The longest password read from a file, in bytes.
const MAX_PASSWORD: u64 = 16 << 10;

/// What is shown to one host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// `host`, for its usual ports, or `host:port`.
    pub host: String,
    /// The account. Hosts that take a token for a password take most any name with it.
    #[serde(default = "usual_name")]
    pub username: String,
    /// Its password or token.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds it, read at every use.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

fn usual_name() -> String {
    "oauth2".to_owned()
}

/// Reads the list from a file of settings, or from the text of an environment variable. What cannot be read is not repeated: there may be
/// a password in it.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Credential>, D::Error> {
    struct Listed;
    impl<'de> serde::de::Visitor<'de> for Listed {
        type Value = Vec<Credential>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of tables with host, username and password or password_file")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = items.next_element()? {
                all.push(one);
            }
            Ok(all)
        }

        fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::custom(format!("not {}", Expected)))
        }
    }
    struct Expected;
    impl fmt::Display for Expected {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            serde::de::Visitor::expecting(&Listed, f)
        }
    }
    deserializer.deserialize_any(Listed)
}

/// The credentials of a site.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    all: Arc<[Credential]>,
}

/// Leave to show a credential to one origin.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    credential: Credential,
    origin: Origin,
}

impl Credentials {
    pub(crate) fn new(all: &[Credential]) -> Result<Self, Error> {
        for (number, credential) in all.iter().enumerate() {
            let Credential { host, username, password, password_file } = credential;
            let wrong = |reason: &str| Error::Config { setting: "credentials", reason: format!("{host:?}: {reason}") };
            let is_host = Url::parse(&format!("https://{host}/")).is_ok_and(|url| {
                url.path() == "/" && url.username().is_empty() && url.query().is_none() && url.fragment().is_none()
            });
            if !is_host || host.contains(['/', '@', ' ', '*']) {
                return Err(wrong("not a host or host:port"));
            }
            if password.is_some() == password_file.is_some() {
                return Err(wrong("there must be a password or a password_file"));
            }
            if username.contains(|c: char| c == ':' || c.is_control()) {
                return Err(wrong("no user name has a colon or control character"));
            }
            if all.iter().take(number).any(|other| other.host.eq_ignore_ascii_case(host)) {
                return Err(wrong("there are two for this host"));
            }
        }
        Ok(Self { all: all.into() })
    }

    /// Leave to show the origin of `url` what the site has for it; none where it has nothing, or where others could listen.
    pub(crate) fn ticket(&self, url: &Url) -> Option<Ticket> {
        let private = url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url);
        let host = url.host_str().filter(|_| private)?;
        let exact = url.port_or_known_default().map(|port| format!("{host}:{port}")).unwrap_or_default();
        let usual = url.port().is_none();
        let found = self.all.iter().find(|one| one.host.eq_ignore_ascii_case(&exact));
        let found = found.or_else(|| self.all.iter().find(|one| usual && one.host.eq_ignore_ascii_case(host)));
        found.map(|credential| Ticket { credential: credential.clone(), origin: url.origin() })
    }
}

impl Ticket {
    /// Whether `url` is at the origin this is for.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        url.origin() == self.origin
    }

    /// The header that shows it.
    pub(crate) fn header(&self) -> Result<HeaderValue, Error> {
        let Credential { host, username, password, password_file } = &self.credential;
        let unusable = |reason: String| Error::Machine(format!("the credential for {host} cannot be used: {reason}"));
        let password = match (password, password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(path)) => {
                let mut text = String::new();
                let file = std::fs::File::open(path).map_err(|error| unusable(error.to_string()))?;
                file.take(MAX_PASSWORD).read_to_string(&mut text).map_err(|error| unusable(error.to_string()))?;
                Secret::new(text.trim())
            }
            (None, None) => return Err(unusable("it has no password".to_owned())),
        };
        let shown = base64(format!("{username}:{}", password.expose()).as_bytes());
        let mut header =
            HeaderValue::from_str(&format!("Basic {shown}")).map_err(|error| unusable(error.to_string()))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// As HTTP wants a name and password written.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |chunk: &[u8]| -> String {
        let number = chunk.iter().chain(&[0; 2]).take(3).fold(0, |number, byte| number << 8 | usize::from(*byte));
        let digit = |place: usize| DIGITS.get(number >> (18 - 6 * place) & 63).map_or('=', |digit| char::from(*digit));
        (0..4).map(|place| if place <= chunk.len() { digit(place) } else { '=' }).collect()
    };
    bytes.chunks(3).map(four).collect()
}

/// Whether what is sent to `url` stays within this machine, whoever answers for names.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Credential, Credentials, base64};
    use bindery_core::Secret;
    use url::Url;

    fn credential(host: &str) -> Credential {
        Credential {
            host: host.to_owned(),
            username: "me".to_owned(),
            password: Some(Secret::new("hunter2")),
            password_file: None,
        }
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_credential_is_for_one_host_over_tls_or_within_this_machine() {
        let site =
            Credentials::new(&[credential("git.example"), credential("127.0.0.1:81"), credential("h:8443")]).unwrap();
        for (address, expected) in [
            ("https://git.example/a/b", true),
            ("https://GIT.example:443/a/b", true),
            ("https://git.example:8443/a/b", false),
            ("https://h:8443/a", true),
            ("https://h/a", false),
            ("http://git.example/a/b", false),
            ("git://git.example/a/b", false),
            ("https://git.example.evil/a/b", false),
            ("https://evil.git.example/a/b", false),
            ("http://127.0.0.1:81/a", true),
            ("http://127.0.0.1/a", false),
            ("http://localhost:81/a", false),
        ] {
            assert_eq!(site.ticket(&url(address)).is_some(), expected, "{address}");
        }
        let ticket = site.ticket(&url("https://git.example/a")).unwrap();
        assert!(ticket.is_for(&url("https://git.example:443/x")));
        for other in ["http://git.example/a", "https://git.example:444/a", "https://h/a"] {
            assert!(!ticket.is_for(&url(other)), "{other}");
        }
    }

    #[test]
    fn what_is_shown_is_never_printed() {
        let site = Credentials::new(&[credential("h")]).unwrap();
        let ticket = site.ticket(&url("https://h/a")).unwrap();
        let header = ticket.header().unwrap();
        assert_eq!(header, "Basic bWU6aHVudGVyMg==");
        for printed in [format!("{site:?}"), format!("{ticket:?}"), format!("{header:?}")] {
            assert!(!printed.contains("hunter2") && !printed.contains("bWU6"), "{printed}");
        }
    }

    #[test]
    fn names_and_passwords_are_written_as_the_standard_has_it() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn a_password_is_read_from_its_file_at_every_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let filed = Credential { password: None, password_file: Some(path.clone()), ..credential("h") };
        let ticket = Credentials::new(&[filed]).unwrap().ticket(&url("https://h/a")).unwrap();
        assert_eq!(ticket.header().unwrap(), "Basic bWU6aHVudGVyMg==");
        std::fs::write(&path, "other").unwrap();
        assert_eq!(ticket.header().unwrap(), "Basic bWU6b3RoZXI=");
        std::fs::remove_file(&path).unwrap();
        assert!(ticket.header().unwrap_err().to_string().contains("the credential for h"));
    }

    #[test]
    fn credentials_that_cannot_work_are_a_settings_error_without_their_password() {
        let twice = [credential("h"), credential("H")];
        let none = [Credential { password: None, ..credential("h") }];
        let both = [Credential { password_file: Some("/x".into()), ..credential("h") }];
        let colon = [Credential { username: "a:b".to_owned(), ..credential("h") }];
        let addresses = ["", "https://h", "u@h", "h/x", "*", "h:99999", "h?x", "h#x"].map(|host| [credential(host)]);
        let rows = addresses.iter().map(<[_; 1]>::as_slice);
        for row in rows.chain([twice.as_slice(), &none, &both, &colon]) {
            let error = Credentials::new(row).unwrap_err().to_string();
            assert!(error.starts_with("content.credentials: ") && !error.contains("hunter2"), "{error}");
        }
    }
}
