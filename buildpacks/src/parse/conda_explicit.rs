//! Explicit specs, as `conda list --explicit` writes them: `@EXPLICIT`, then one package's address per line.

use crate::PlanError;
use crate::conda::CondaPackage;
use crate::error::shown;
use crate::parse::text;

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Explicit {
    /// The packages, addresses as written.
    pub(crate) packages: Vec<CondaPackage>,
    /// Requirements that tools put into comments for pip, and the line of each.
    pub(crate) pip: Vec<(String, u32)>,
}

const HINT: &str = "Write the file with `conda list --explicit --md5`.";

/// Whether the file is one of explicit specs, rather than a list of names.
pub(crate) fn is_explicit(file: &str, bytes: &[u8]) -> Result<bool, PlanError> {
    Ok(text::decode(file, bytes)?.lines().any(|line| line.trim() == "@EXPLICIT"))
}

/// Reads the file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Explicit, PlanError> {
    let source = text::decode(file, bytes)?;
    let mut out = Explicit::default();
    for (index, line) in source.lines().enumerate() {
        let (number, line) = (text::number(index), line.trim());
        if let Some(requirement) = line.strip_prefix("# pip ") {
            out.pip.push((requirement.trim().to_owned(), number));
            continue;
        }
        if line.is_empty() || line.starts_with('#') || line == "@EXPLICIT" {
            continue;
        }
        let (url, hash) = line.split_once('#').map_or((line, None), |(url, hash)| (url, Some(hash)));
        let (sha256, md5) = match hash {
            None => (None, None),
            Some(hash) => match hash.strip_prefix("sha256:").unwrap_or(hash) {
                digest if digest.len() == 64 => (Some(digest.to_owned()), None),
                digest => (None, Some(digest.to_owned())),
            },
        };
        out.packages.push(package(file, number, url, sha256, md5, HINT)?);
    }
    Ok(out)
}

/// A package of a lock file, checked.
pub(crate) fn package(
    file: &str,
    line: u32,
    url: &str,
    sha256: Option<String>,
    md5: Option<String>,
    hint: &str,
) -> Result<CondaPackage, PlanError> {
    let bad = |message: String| Err(PlanError::line(file, line, message, hint));
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let is_package = path.ends_with(".conda") || path.ends_with(".tar.bz2");
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '`' | '<' | '>' | '$');
    if !is_package || !url.chars().all(plain) || url.len() > 1000 {
        return bad("The line is not the address of a conda package.".to_owned());
    }
    let digits =
        |text: &String, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    for (hash, length) in [(&sha256, 64), (&md5, 32)] {
        if let Some(hash) = hash.as_ref().filter(|hash| !digits(hash, length)) {
            return bad(format!("{:?} is not a hash.", shown(hash)));
        }
    }
    Ok(CondaPackage { url: url.to_owned(), sha256, md5, line })
}

/// The platform that an address of a package says it is for.
pub(crate) fn platform_of(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next()?;
    let platform = path.rsplit('/').nth(1)?;
    let known = ["linux-", "osx-", "win-", "noarch", "emscripten-", "wasi-", "freebsd-"];
    known.iter().any(|known| platform.starts_with(known)).then_some(platform)
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{is_explicit, parse, platform_of};

    #[test]
    fn addresses_are_read_with_their_hashes_and_lines() {
        let (md5, sha) = ("0".repeat(32), "a".repeat(64));
        let text = format!(
            "# platform: linux-64\n@EXPLICIT\nhttps://example.org/c/linux-64/a-1-0.conda#{md5}\n\
             https://example.org/c/noarch/b-1-0.tar.bz2#sha256:{sha}\n# pip six @ https://example.org/six.whl --hash=sha256:{sha}\n\
             ./channel/noarch/c-1-0.conda\n"
        );
        let read = parse("spec-file.txt", text.as_bytes()).unwrap();
        let packages: Vec<_> =
            read.packages.iter().map(|one| (one.line, one.md5.is_some(), one.sha256.is_some())).collect();
        assert_eq!(packages, [(3, true, false), (4, false, true), (6, false, false)]);
        assert_eq!(read.packages[1].url, "https://example.org/c/noarch/b-1-0.tar.bz2");
        assert_eq!(read.pip[0].1, 5);
        assert!(is_explicit("x", text.as_bytes()).unwrap());
        assert!(!is_explicit("x", b"numpy=1.2=py_0\n").unwrap());
    }

    #[test]
    fn an_address_says_its_platform() {
        assert_eq!(platform_of("https://example.org/c/linux-64/a-1-0.conda"), Some("linux-64"));
        assert_eq!(platform_of("https://example.org/c/noarch/a-1-0.conda"), Some("noarch"));
        assert_eq!(platform_of("a-1-0.conda"), None);
    }

    #[test]
    fn what_is_no_package_is_refused_with_its_line() {
        for line in [
            "numpy=1.2",
            "https://example.org/c/a.whl",
            "https://e/a.conda#xyz",
            "https://e/a b.conda",
            "https://e/$(id).conda",
        ] {
            let error = parse("spec-file.txt", format!("@EXPLICIT\n{line}\n").as_bytes()).unwrap_err();
            assert_eq!(Fault::from(error).place().as_deref(), Some("spec-file.txt:2"), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse("spec-file.txt", &bytes);
        }

        #[test]
        fn near_addresses_are_read_without_panic(text in "(@EXPLICIT\n)?(https://[a-z/#:.0-9-]{0,20}(.conda)?(#[0-9a-g]{0,33})?\n){0,5}") {
            if let Ok(read) = parse("spec-file.txt", text.as_bytes()) {
                prop_assert!(read.packages.iter().all(|one| platform_of(&one.url) != Some("")));
            }
        }
    }
}
