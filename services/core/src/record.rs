//! How archives and registries name what they keep: DOIs, SWHIDs, addresses, ids and image references, each in one canonical form.

use url::Url;

use crate::{ImageReference, Provider, RepoUrl};

/// The canonical name of a record of `provider`, given what a link or a person calls it; `None` when it is no such name.
pub(crate) fn canonical(provider: Provider, text: &str) -> Option<String> {
    match provider {
        Provider::Zenodo | Provider::Figshare | Provider::Dataverse => doi(text),
        Provider::Hydroshare => hydroshare(text),
        Provider::Ckan => ckan(text),
        Provider::Osf => osf(text),
        Provider::Swh => swhid(text),
        Provider::Image => text.parse::<ImageReference>().ok().map(|reference| reference.to_string()),
        Provider::Gh | Provider::Gl | Provider::Cb | Provider::Bb | Provider::Gist | Provider::Git => None,
    }
}

/// `10.<registrant>/<suffix>`, with or without what people write before it. Of the characters a suffix may have, those that no
/// archive uses and that a message or an address could be misread by are left out.
fn doi(text: &str) -> Option<String> {
    const BEFORE: [&str; 5] =
        ["https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/", "doi:"];
    let text = text.trim_matches('/');
    let bare =
        BEFORE.into_iter().find_map(|before| text.get(..before.len()).filter(|head| head.eq_ignore_ascii_case(before)));
    let doi = text.get(bare.map_or(0, str::len)..)?;
    let (registrant, suffix) = doi.strip_prefix("10.")?.split_once('/')?;
    let registered = !registrant.is_empty()
        && registrant.len() <= 20
        && registrant.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '(' | ')' | ';' | ':');
    let named = suffix.len() <= 200
        && suffix.split('/').all(|part| !part.is_empty() && !matches!(part, "." | "..") && part.chars().all(plain));
    (registered && named).then(|| doi.to_owned())
}

/// The 32 digits of a resource, wherever in the text they are.
fn hydroshare(text: &str) -> Option<String> {
    let is_hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let found = text.as_bytes().windows(32).find(|window| window.iter().all(is_hex))?;
    std::str::from_utf8(found).ok().map(str::to_owned)
}

/// The address of a dataset, which ends in `/dataset/<id>`, or in `/dataset/<id>/history/<activity>` for one version of it.
fn ckan(text: &str) -> Option<String> {
    let mut url = Url::parse(text.trim()).ok()?;
    let activity = url.query_pairs().find(|(key, _)| key == "activity_id").map(|(_, value)| value.into_owned());
    url.set_query(None);
    url.set_fragment(None);
    let url: RepoUrl = url.as_str().parse().ok()?;
    if url.as_url().scheme() == "git" {
        return None;
    }
    let steps: Vec<&str> = url.as_url().path().split('/').skip(1).collect();
    let at = steps.iter().rposition(|step| *step == "dataset")?;
    let is_id = |id: &str| {
        !id.is_empty() && id.len() <= 100 && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let id = steps.get(at + 1).filter(|id| is_id(id))?;
    let activity = activity.or_else(|| match steps.get(at + 2..) {
        Some(["history", activity, ..]) => Some((*activity).to_owned()),
        _ => None,
    });
    if activity.as_deref().is_some_and(|activity| !is_id(activity)) {
        return None;
    }
    let mut canonical = url.as_url().clone();
    let above = steps.get(..at)?.iter().map(|step| format!("/{step}")).collect::<String>();
    let version = activity.map(|activity| format!("/history/{activity}")).unwrap_or_default();
    canonical.set_path(&format!("{above}/dataset/{id}{version}"));
    Some(canonical.into())
}

/// The five and more letters and digits of a project or registration.
fn osf(text: &str) -> Option<String> {
    let text = text.trim();
    let bare =
        ["https://osf.io/", "http://osf.io/", "osf.io/"].into_iter().find_map(|before| text.strip_prefix(before));
    let id = bare.unwrap_or(text).split('/').next()?.to_ascii_lowercase();
    ((5..=12).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(id)
}

/// `swh:1:<kind>:<40 digits>`, of a directory, or of what holds one. Qualifiers say where it was seen, not what it is.
fn swhid(text: &str) -> Option<String> {
    let at = text.find("swh:1:")?;
    let core = text.get(at..)?.split([';', '/']).next()?;
    let mut parts = core.split(':').skip(2);
    let (kind, id) = (parts.next()?, parts.next()?);
    let known = matches!(kind, "dir" | "rev" | "rel" | "snp") && parts.next().is_none();
    let digest = id.len() == 40 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (known && digest).then(|| core.to_owned())
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use crate::Provider::{self, Ckan, Dataverse, Figshare, Hydroshare, Osf, Swh, Zenodo};
    use proptest::prelude::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn names_are_read_as_people_write_them() {
        let id = &HEX[..32];
        for (provider, text, expected) in [
            (Zenodo, "10.5281/zenodo.3242074", "10.5281/zenodo.3242074"),
            (Zenodo, "https://doi.org/10.5281/zenodo.3242074/", "10.5281/zenodo.3242074"),
            (Zenodo, "DOI:10.5281/zenodo.3242074", "10.5281/zenodo.3242074"),
            (Figshare, "10.6084/m9.figshare.9782777.v3", "10.6084/m9.figshare.9782777.v3"),
            (Dataverse, "10.7910/DVN/TJCLKP", "10.7910/DVN/TJCLKP"),
            (Dataverse, "10.7910/DVN/TJCLKP/v1.0", "10.7910/DVN/TJCLKP/v1.0"),
            (Hydroshare, &format!("https://www.hydroshare.org/resource/{id}/"), id),
            (Hydroshare, id, id),
            (Ckan, "https://Data.example.org/dataset/rivers", "https://data.example.org/dataset/rivers"),
            (Ckan, "https://h/de/dataset/r/resource/x?y=1", "https://h/de/dataset/r"),
            (Ckan, "https://h/dataset/r?activity_id=a-1", "https://h/dataset/r/history/a-1"),
            (Ckan, "https://h/dataset/r/history/a-1", "https://h/dataset/r/history/a-1"),
            (Osf, "https://osf.io/Ab12C/files", "ab12c"),
            (
                Swh,
                &format!("https://archive.softwareheritage.org/swh:1:rev:{HEX};origin=https://x/y/"),
                &format!("swh:1:rev:{HEX}"),
            ),
            (Swh, &format!("swh:1:dir:{HEX}"), &format!("swh:1:dir:{HEX}")),
        ] {
            assert_eq!(canonical(provider, text).as_deref(), Some(expected), "{provider} {text}");
            assert_eq!(canonical(provider, expected).as_deref(), Some(expected), "{provider} {expected}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (provider, text) in [
            (Zenodo, ""),
            (Zenodo, "3242074"),
            (Zenodo, "10./x"),
            (Zenodo, "10.5281/"),
            (Zenodo, "10.5281/../../x"),
            (Zenodo, "10.5281//x"),
            (Zenodo, "10.5281/x?y=1"),
            (Zenodo, "10.5281/x#y"),
            (Zenodo, "10.5281/x y"),
            (Zenodo, "10.5281/<x>"),
            (Zenodo, "10.5281/%2e%2e"),
            (Zenodo, "https://evil.example/10.5281/x"),
            (Hydroshare, &HEX[..31]),
            (Ckan, "rivers"),
            (Ckan, "file:///dataset/x"),
            (Ckan, "git://h/dataset/x"),
            (Ckan, "https://u:p@h/dataset/x"),
            (Ckan, "https://h/dataset/"),
            (Ckan, "https://h/dataset/a%2Fb"),
            (Ckan, "https://h/dataset/a?activity_id=../x"),
            (Osf, "abcd"),
            (Osf, "../abcde"),
            (Swh, &format!("swh:1:cnt:{HEX}")),
            (Swh, &format!("swh:2:dir:{HEX}")),
            (Swh, "swh:1:dir:0123"),
        ] {
            assert_eq!(canonical(provider, text), None, "{provider} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_name_is_its_own_canonical_name(text in "(https://h/)?(10\\.|swh:1:dir:|dataset/)?[a-f0-9./:?=%_-]{0,60}") {
            for provider in Provider::ALL {
                if let Some(name) = canonical(provider, &text) {
                    prop_assert_eq!(canonical(provider, &name), Some(name.clone()));
                }
            }
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,80}") {
            for provider in Provider::ALL {
                let _ = canonical(provider, &text);
            }
        }
    }
}
