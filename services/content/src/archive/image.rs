//! Images that are built already. What is built of one is a Dockerfile of one line, which begins with it: so it is pulled, tried,
//! named and kept as any other.

use bindery_core::ImageReference;
use url::Url;

use super::{Archives, Content, Listing, Record};
use crate::Error;
use crate::remote::Session;

/// The images of the settings, once each is one.
pub(super) fn allowed(images: &[String]) -> Result<Vec<String>, Error> {
    let wrong = |image: &String| {
        let reason = format!("{image:?} is neither registry/name, without tag or digest, nor beginning*");
        Error::Config { setting: "images", reason }
    };
    let is_name = |image: &String| image.parse::<ImageReference>().is_ok_and(|reference| reference.name() == *image);
    match images.iter().find(|image| !image.ends_with('*') && !is_name(image)) {
        Some(image) => Err(wrong(image)),
        None => Ok(images.to_vec()),
    }
}

/// Where the registry of an image answers. As engines do it: without TLS on this machine, and only there.
pub(super) fn address(reference: &str) -> Option<Url> {
    let reference: ImageReference = reference.parse().ok()?;
    let host = match reference.registry() {
        "docker.io" => "registry-1.docker.io",
        host => host,
    };
    let url = Url::parse(&format!("https://{host}/")).ok()?;
    let is_here = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    // The scheme of such an address cannot be changed in place with its port kept.
    if is_here { Url::parse(&format!("http://{host}/")).ok() } else { Some(url) }
}

/// The image that `name` means now.
pub(super) fn resolve(archives: &Archives, session: &mut Session, name: &str) -> Result<Record, Error> {
    let unusable = || Error::Address("it is no image reference".to_owned());
    let reference: ImageReference = name.parse().map_err(|_| unusable())?;
    if !is_allowed(&archives.images, &reference.name()) {
        return Err(Error::ImageNotAllowed(reference.name()));
    }
    let digest = session.manifest(&address(name).ok_or_else(unusable)?, &reference)?;
    let fixed = reference.at(&digest).ok_or_else(unusable)?;
    let url = format!("https://{}", reference.name());
    Ok(Record { version: digest.replace(':', "-"), name: fixed.to_string(), identity: url.clone(), url })
}

/// What is built of the image with that digest.
pub(super) fn list(archives: &Archives, name: &str) -> Result<Listing, Error> {
    let reference: ImageReference = name.parse().map_err(|_| Error::Address("it is no image reference".to_owned()))?;
    // It was asked for while the site launched such.
    if !is_allowed(&archives.images, &reference.name()) {
        return Err(Error::ImageNotAllowed(reference.name()));
    }
    // Nothing in a reference can end the line or the word.
    let text = format!("# A link names this image, which is to have a Jupyter server in it.\nFROM {reference}\n");
    Ok(Listing { content: Content::Written { path: "Dockerfile", text }, published: None, notes: Vec::new() })
}

fn is_allowed(images: &[String], name: &str) -> bool {
    images.iter().any(|image| match image.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == image,
    })
}

#[cfg(test)]
mod tests {
    use super::{address, allowed, is_allowed};

    #[test]
    fn an_image_is_allowed_by_its_name_or_how_that_begins() {
        let images = ["quay.io/a/b".to_owned(), "h:5000/team/*".to_owned()];
        for (name, expected) in [
            ("quay.io/a/b", true),
            ("quay.io/a/bc", false),
            ("quay.io/a", false),
            ("h:5000/team/x/y", true),
            ("h:5000/teams/x", false),
            ("evil.example/h:5000/team/x", false),
        ] {
            assert_eq!(is_allowed(&images, name), expected, "{name}");
        }
        assert!(!is_allowed(&[], "quay.io/a/b"), "none unless the site says so");
    }

    #[test]
    fn what_names_no_image_is_a_settings_error() {
        let list = |image: &str| allowed(&[image.to_owned()]);
        for image in ["quay.io/a/b", "quay.io/*", "127.0.0.1:5000/x", "*"] {
            assert!(list(image).is_ok(), "{image}");
        }
        for image in ["", "quay.io/a:1", "ubuntu", "https://quay.io/a", "quay.io/A"] {
            assert!(list(image).is_err(), "{image}");
        }
    }

    #[test]
    fn registries_are_asked_over_tls_except_on_this_machine() {
        for (reference, expected) in [
            ("quay.io/a/b:1", "https://quay.io/"),
            ("ubuntu", "https://registry-1.docker.io/"),
            ("registry.example.org:5000/a", "https://registry.example.org:5000/"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/"),
            ("localhost:443/a", "http://localhost:443/"),
            ("localhost.example/a", "https://localhost.example/"),
            ("10.0.0.1:5000/a", "https://10.0.0.1:5000/"),
        ] {
            assert_eq!(address(reference).unwrap().as_str(), expected, "{reference}");
        }
    }
}
