//! Which certificates are believed.

use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::Error;

/// TLS with the public roots, and those of `bundle` besides.
pub(crate) fn tls(bundle: Option<&Path>) -> Result<TlsConfig, Error> {
    let mut roots: Vec<Certificate<'static>> =
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| Certificate::from_der(root)).collect();
    if let Some(path) = bundle {
        let unreadable =
            |reason: String| Error::Config { setting: "ca_bundle", reason: format!("{} {reason}", path.display()) };
        let pem = std::fs::read(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
        let before = roots.len();
        roots.extend(parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        }));
        if roots.len() == before {
            return Err(unreadable("has no certificate in it".to_owned()));
        }
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}
