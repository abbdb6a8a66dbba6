//! Version requirements as Julia's package manager writes them, in `[compat]`.

/// A release of Julia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JuliaVersion(pub(crate) u32, pub(crate) u32, pub(crate) u32);

impl std::fmt::Display for JuliaVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl JuliaVersion {
    /// A full `1.9.4`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Written { major, minor: Some(minor), patch: Some(patch) } = Written::parse(text)? else { return None };
        Some(Self(major, minor, patch))
    }
}

/// A version as far as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    major: u32,
    minor: Option<u32>,
    patch: Option<u32>,
}

impl Written {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = Vec::new();
        for part in text.split('.') {
            let digits = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || (part.len() > 1 && part.starts_with('0')) {
                return None;
            }
            numbers.push(part.parse().ok()?);
        }
        match numbers.as_slice() {
            [major] => Some(Self { major: *major, minor: None, patch: None }),
            [major, minor] => Some(Self { major: *major, minor: Some(*minor), patch: None }),
            [major, minor, patch] => Some(Self { major: *major, minor: Some(*minor), patch: Some(*patch) }),
            _ => None,
        }
    }

    /// What is not written is zero.
    fn floor(self) -> JuliaVersion {
        JuliaVersion(self.major, self.minor.unwrap_or(0), self.patch.unwrap_or(0))
    }

    /// The first version that does not begin with what is written.
    fn after(self) -> JuliaVersion {
        match (self.minor, self.patch) {
            (None, _) => JuliaVersion(self.major + 1, 0, 0),
            (Some(minor), None) => JuliaVersion(self.major, minor + 1, 0),
            (Some(minor), Some(patch)) => JuliaVersion(self.major, minor, patch + 1),
        }
    }

    /// Versions that change nothing left of, or at, the first number that is not zero.
    fn caret(self) -> Range {
        let end = match (self.major, self.minor, self.patch) {
            (0, None, _) => JuliaVersion(1, 0, 0),
            (0, Some(0), None) => JuliaVersion(0, 1, 0),
            (0, Some(0), Some(patch)) => JuliaVersion(0, 0, patch + 1),
            (0, Some(minor), _) => JuliaVersion(0, minor + 1, 0),
            (major, ..) => JuliaVersion(major + 1, 0, 0),
        };
        Range { from: self.floor(), before: Some(end) }
    }

    /// Versions that change the last number at most, or what is not written.
    fn tilde(self) -> Range {
        let end = match (self.major, self.minor, self.patch) {
            (0, Some(0), Some(patch)) => JuliaVersion(0, 0, patch + 1),
            (major, Some(minor), _) => JuliaVersion(major, minor + 1, 0),
            (major, None, _) => JuliaVersion(major + 1, 0, 0),
        };
        Range { from: self.floor(), before: Some(end) }
    }
}

/// From one version up to and without another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    from: JuliaVersion,
    before: Option<JuliaVersion>,
}

/// A requirement: any of its ranges will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compat(Vec<Range>);

impl Compat {
    /// Reads `1.6`, `^1.6`, `~1.6.2`, `=1.6.7`, `>=1.6`, `≥1.6`, `>1.6`, `<2`, `<=1.9`, `≤1.9`, `1.6 - 1.9` and lists of these with
    /// commas between them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > 400 {
            return None;
        }
        text.split(',').map(|part| range(part.trim())).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether a version will do.
    pub(crate) fn allows(&self, version: JuliaVersion) -> bool {
        self.0.iter().any(|range| range.from <= version && range.before.is_none_or(|end| version < end))
    }

    /// `1`, `1.9` or `1.9.4` as `runtime.txt` means it: every version that begins like that.
    pub(crate) fn series(text: &str) -> Option<Self> {
        // No `v` here.
        let written = text.starts_with(|c: char| c.is_ascii_digit()).then(|| Written::parse(text)).flatten()?;
        Some(Self(vec![Range { from: written.floor(), before: Some(written.after()) }]))
    }
}

fn range(text: &str) -> Option<Range> {
    const ZERO: JuliaVersion = JuliaVersion(0, 0, 0);
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [from, "-", to] = words.as_slice() {
        return Some(Range { from: Written::parse(from)?.floor(), before: Some(Written::parse(to)?.after()) });
    }
    // Longer signs first, since one begins like another.
    for sign in [">=", "≥", "<=", "≤", ">", "<", "=", "^", "~"] {
        let Some(rest) = text.strip_prefix(sign) else { continue };
        let version = Written::parse(rest.trim_start())?;
        let floor = version.floor();
        let next = JuliaVersion(floor.0, floor.1, floor.2 + 1);
        return Some(match sign {
            ">=" | "≥" => Range { from: floor, before: None },
            "<=" | "≤" => Range { from: ZERO, before: Some(next) },
            ">" => Range { from: next, before: None },
            "<" => Range { from: ZERO, before: Some(floor) },
            "=" => Range { from: floor, before: Some(next) },
            "~" => version.tilde(),
            _ => version.caret(),
        });
    }
    Written::parse(text).map(Written::caret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Compat, JuliaVersion};

    /// Two series of Julia's past and what a registry might hold before 1.0, oldest first.
    const FIXED: [&str; 18] = [
        "0.0.3", "0.0.4", "0.2.3", "0.2.9", "0.3.0", "0.7.0", "1.0.5", "1.2.0", "1.3.0", "1.3.1", "1.3.5", "1.4.2",
        "1.6.7", "1.8.5", "1.9.0", "1.9.4", "1.10.2", "2.0.1",
    ];

    fn newest(compat: &str) -> Option<String> {
        let compat = Compat::parse(compat)?;
        let version = |text: &&str| JuliaVersion::parse(text).unwrap();
        FIXED.iter().map(version).rev().find(|version| compat.allows(*version)).map(|v| v.to_string())
    }

    #[test]
    fn a36_each_form_of_a_julia_requirement_picks_the_newest_release_it_allows() {
        for (compat, picked) in [
            ("1.6", Some("1.10.2")),
            ("v1.6", Some("1.10.2")),
            ("^1.6", Some("1.10.2")),
            ("1", Some("1.10.2")),
            ("^0.2.3", Some("0.2.9")),
            ("0.2", Some("0.2.9")),
            ("^0.0.3", Some("0.0.3")),
            ("^0.0", Some("0.0.4")),
            ("^0", Some("0.7.0")),
            ("~1.3.5", Some("1.3.5")),
            ("~1.3", Some("1.3.5")),
            ("~1", Some("1.10.2")),
            ("~0.2.3", Some("0.2.9")),
            ("~0.0.3", Some("0.0.3")),
            ("~0.0", Some("0.0.4")),
            ("=1.3", Some("1.3.0")),
            ("= 1.3.1", Some("1.3.1")),
            (">= 1.2", Some("2.0.1")),
            (">=1.2", Some("2.0.1")),
            ("≥1.3", Some("2.0.1")),
            ("≥ 1.3", Some("2.0.1")),
            ("> 2", Some("2.0.1")),
            ("> 2.0.1", None),
            ("< 1.9", Some("1.8.5")),
            ("<1", Some("0.7.0")),
            ("<= 1.9", Some("1.9.0")),
            ("≤1.9.3", Some("1.9.0")),
            ("1.6, 1.9", Some("1.10.2")),
            ("~1.3, ~1.9", Some("1.9.4")),
            ("=1.3.0, =1.3.5", Some("1.3.5")),
            ("0.7,1", Some("1.10.2")),
            ("1.2 - 1.3", Some("1.3.5")),
            ("1.2.0 - 1.3.1", Some("1.3.1")),
            ("0.2 - 1", Some("1.10.2")),
            ("1.6.7 - 1.6.7", Some("1.6.7")),
            ("3", None),
        ] {
            assert_eq!(newest(compat).as_deref(), picked, "{compat}");
        }
    }

    #[test]
    fn what_is_not_a_requirement_is_refused() {
        for text in [
            "", " ", ",", "1.6,", "1.6;1.7", "1.x", "*", "1.6.7.8", "1.6-rc1", "-1", "==1.6", "~=1.6", "!=1", "1 2",
            "1.6 -1.9", "01.2", "1.99999", "^ ^1", "$(id)", "1.6 - ", "≥", "nightly",
        ] {
            assert_eq!(Compat::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_series_means_every_version_that_begins_like_it() {
        let allows =
            |series: &str, version: &str| Compat::series(series).unwrap().allows(JuliaVersion::parse(version).unwrap());
        assert!(allows("1", "1.9.4") && allows("1.9", "1.9.4") && allows("1.9.4", "1.9.4"));
        assert!(!allows("1.9", "1.10.0") && !allows("1.9.4", "1.9.3") && !allows("1", "2.0.0"));
        assert_eq!(Compat::series("v1"), None);
        assert_eq!(Compat::series("1.x"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}") {
            let _ = Compat::parse(&text);
        }

        #[test]
        fn a_plain_requirement_allows_what_it_names(a in 0u32..9, b in 0u32..99, c in 0u32..99) {
            let version = JuliaVersion(a, b, c);
            for sign in ["", "^", "~", "=", ">=", "<="] {
                let allowed = Compat::parse(&format!("{sign}{version}")).unwrap().allows(version);
                prop_assert!(allowed, "{}", sign);
            }
            let below = Compat::parse(&format!("<{version}")).unwrap();
            prop_assert!(!below.allows(version));
        }
    }
}
