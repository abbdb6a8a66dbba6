//! Which certificates builds and sessions must trust beside their image's own.
//!
//! On a site behind a TLS-inspecting proxy the host trusts a certificate that no image does. Images are never given it; builds and
//! sessions are, for as long as they run.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Where distributions keep the bundle that programs read.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
/// Where Debian keeps the certificates its own package ships, one per file.
const SHIPPED: &str = "/usr/share/ca-certificates/mozilla";

/// The bundle for a value of `build.ca_bundle`.
pub(super) fn choose(setting: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<PathBuf>, String> {
    match setting {
        "none" | "" => Ok(None),
        "auto" => Ok(host_bundle(variable)),
        path => match Path::new(path).canonicalize() {
            Ok(path) => Ok(Some(path)),
            Err(error) => Err(format!("build.ca_bundle: cannot read {path}: {error}")),
        },
    }
}

/// The host's bundle, when it trusts more than the distribution's own certificates.
fn host_bundle(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = variable("SSL_CERT_FILE");
    let path = named.iter().map(String::as_str).chain(BUNDLES).map(Path::new).find(|path| path.is_file())?;
    let bundle = certificates(&std::fs::read_to_string(path).ok()?);
    let shipped = shipped_certificates();
    // Without the distribution's own to compare with, only a bundle that was named on purpose is taken for the site's.
    let differs = if shipped.is_empty() { named.is_some() } else { !bundle.is_subset(&shipped) };
    if differs { path.canonicalize().ok() } else { None }
}

fn shipped_certificates() -> HashSet<String> {
    let Ok(files) = std::fs::read_dir(SHIPPED) else { return HashSet::new() };
    files
        .flatten()
        .filter_map(|file| std::fs::read_to_string(file.path()).ok())
        .flat_map(|text| certificates(&text))
        .collect()
}

/// The base64 bodies of a PEM file's certificates, without white space.
fn certificates(pem: &str) -> HashSet<String> {
    pem.split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .filter_map(|rest| rest.split("-----END CERTIFICATE-----").next())
        .map(|body| body.split_whitespace().collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{certificates, choose};

    #[test]
    fn certificates_compare_whatever_their_line_breaks() {
        let one = "x\n-----BEGIN CERTIFICATE-----\nAB\nCD\n-----END CERTIFICATE-----\n";
        let two = "-----BEGIN CERTIFICATE-----\r\nABCD\r\n-----END CERTIFICATE-----";
        assert_eq!(certificates(one), certificates(two));
        assert_eq!(certificates(one).len(), 1);
    }

    #[test]
    fn a_named_bundle_must_exist() {
        let error = choose("/nowhere/ca.pem", &|_| None).unwrap_err();
        assert!(error.contains("build.ca_bundle") && error.contains("/nowhere/ca.pem"), "{error}");
        assert_eq!(choose("none", &|_| None).unwrap(), None);
    }
}
