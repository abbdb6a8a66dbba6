//! The built files of `dist/`, by name.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// `dist/` is committed, so that `cargo build` alone gives the whole product. The manifest's folder is named in full
/// because debug builds would otherwise look for it under the current directory.
#[derive(rust_embed::RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/dist"]
struct Dist;

/// A built file, ready to be a response.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The file itself; borrowed from the program in release builds.
    pub bytes: Cow<'static, [u8]>,
    /// A full `Content-Type` value, with the character set where there is one.
    pub content_type: &'static str,
    /// A strong entity tag with its quotes, made of the content: same bytes, same tag, on every machine.
    pub etag: String,
}

/// The file of this name, such as `app.js`; `None` when there is none. Names are flat: no folders, and no way out.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    if path.contains(['/', '\\']) {
        return None;
    }
    let content_type = content_type(path)?;
    let file = Dist::get(path)?;
    let hash = Sha256::digest(&file.data);
    let etag = format!("\"{}\"", hex::encode(hash.get(..16)?));
    Some(Asset { bytes: file.data, content_type, etag })
}

/// The names of all files, for a test or a listing.
pub fn names() -> impl Iterator<Item = Cow<'static, str>> {
    Dist::iter()
}

/// By name, for the kinds we have; a file of another kind is not served at all.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promised_file_is_there_with_its_type() {
        for (name, kind) in [
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.css", "text/css; charset=utf-8"),
            ("badge_logo.svg", "image/svg+xml"),
            ("badge.svg", "image/svg+xml"),
            ("logo.svg", "image/svg+xml"),
            ("favicon.svg", "image/svg+xml"),
            ("logo_social.png", "image/png"),
        ] {
            let found = asset(name).unwrap_or_else(|| panic!("{name} is missing from dist/"));
            assert_eq!(found.content_type, kind, "{name}");
            assert!(found.bytes.len() > 100, "{name} is nearly empty");
        }
    }

    #[test]
    fn every_embedded_file_has_a_type_so_none_is_dead_weight() {
        for name in names() {
            assert!(asset(&name).is_some(), "{name} would never be served");
        }
    }

    #[test]
    fn etags_are_strong_stable_and_differ_by_content() {
        let one = asset("app.js").unwrap().etag;
        assert!(one.starts_with('"') && one.ends_with('"') && one.len() == 34, "{one}");
        assert_eq!(one, asset("app.js").unwrap().etag);
        assert_ne!(one, asset("app.css").unwrap().etag);
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_found() {
        for name in ["../Cargo.toml", "/app.js", "..\\Cargo.toml", "", ".", "..", "app.js/", "none.js", "Cargo.toml"] {
            assert!(asset(name).is_none(), "{name:?} was served");
        }
    }

    #[test]
    fn social_picture_has_the_size_its_tags_promise() {
        let png = asset("logo_social.png").unwrap().bytes;
        assert_eq!(&png[16..24], &[0, 0, 0x05, 0x36, 0, 0, 0x02, 0xbc], "1334x700 in the PNG header");
    }
}
