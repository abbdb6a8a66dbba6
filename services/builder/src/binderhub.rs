//! Images that a BinderHub has built: found in the registry by the names it gives them, so that a site that comes from one builds
//! nothing anew that it has.

use std::sync::Arc;

use bindery_core::{
    BaseRecord, BuildRequest, EventBody, Fault, FaultBy, ImageName, ImageRef, Phase, Provenance, Provider, ResolvedRef,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::Report;
use crate::pipeline::{Finished, Pipeline};
use crate::progress::StepReporter;

/// The longest name of an image, without its tag.
const NAME: usize = 255;
/// What the end of a slug takes that tells it from others that are cut alike.
const ENDING: usize = 7;
/// Where its images have the repository.
const DIRECTORY: &str = "/home/jovyan";

impl Pipeline {
    /// The image that a BinderHub has built of what is asked for, under this site's own name for it; `None` where there is none, or
    /// none that works here.
    ///
    /// # Errors
    /// The registry or the engine cannot be asked.
    pub(crate) async fn built_by_binderhub(
        &self,
        request: &BuildRequest,
        image: &ImageName,
        report: &Arc<dyn Report>,
    ) -> Result<Option<Finished>, Fault> {
        let (Some(prefix), Some(registry)) = (&self.binderhub_prefix, &self.registry) else { return Ok(None) };
        // It knows no days.
        if request.as_of.is_some() {
            return Ok(None);
        }
        let mut found = None;
        for name in names(prefix, &request.resolved) {
            if let Some(digest) = registry.find(&name).await? {
                found = Some((name, digest));
                break;
            }
        }
        let Some((name, digest)) = found else { return Ok(None) };
        let say = |text: String| report.event(EventBody::message(Phase::Building, text));
        say(format!("Using {name}: the registry has it under the name BinderHub gives this repository at this commit"));
        let pulled = registry.pull(&name).await?;
        let mut session = ImageRef { name: image.clone(), id: pulled.id.clone(), registry_digest: None };
        if let Some(probe) = &self.probe {
            let progress = StepReporter::new(Arc::clone(report), None, Phase::Building, "repo");
            match probe.probe(&session, progress).await {
                Err(fault) if fault.by == FaultBy::User => {
                    say(format!("It does not work here, so another is built: {}", fault.message));
                    return Ok(None);
                }
                tried => tried?,
            }
        }
        self.images.tag(&pulled.id, image).await?;
        session.registry_digest = self.push(image, report).await?;
        let resolved = &request.resolved;
        let provenance = Provenance {
            bindery: env!("CARGO_PKG_VERSION").to_owned(),
            recipe: bindery_buildpacks::VERSION.to_owned(),
            repository: resolved.repo_url.to_string(),
            reference: resolved.spec.reference.to_string(),
            commit: Some(resolved.revision.to_string()),
            base: BaseRecord { name: name.to_string(), digest },
            environment: None,
            plan: json!({"notes": ["The image is one that a BinderHub has built."]}),
            bill_of_materials: None,
        };
        Ok(Some(Finished { image: session, environment: None, provenance, directory: DIRECTORY.to_owned() }))
    }
}

/// What a BinderHub whose `image_prefix` is `prefix` may call its image of this, the likeliest first.
fn names(prefix: &str, resolved: &ResolvedRef) -> Vec<ImageName> {
    let names = slugs(resolved).into_iter().map(|(slug, reference)| name(prefix, &slug, &reference));
    // One that no registry takes is one that no registry has.
    names.filter_map(|name| name.parse().ok()).collect()
}

/// The name of the image of `slug` at `reference`.
fn name(prefix: &str, slug: &str, reference: &str) -> String {
    let hash = hex::encode(Sha256::digest(slug));
    let mut escaped = escape(slug);
    escaped.truncate(NAME.saturating_sub(prefix.len()).saturating_sub(ENDING));
    let hash = hash.get(..6).unwrap_or(&hash);
    let slug = format!("{escaped}-{hash}").to_lowercase();
    format!("{prefix}{slug}:{reference}").replace('_', "-").to_lowercase()
}

/// Every byte but letters and digits as `-` and two digits.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("-{byte:02x}") })
        .collect()
}

/// What it makes its names of, each with the tag.
fn slugs(resolved: &ResolvedRef) -> Vec<(String, String)> {
    let (name, revision) = (resolved.spec.repository.as_str(), resolved.revision.as_str());
    let one = |slug: String| vec![(slug, revision.to_owned())];
    match resolved.spec.provider {
        Provider::Gh => one(name.replace('/', "-")),
        Provider::Gl => one(name.split('/').map(|part| part.replace('-', "_-")).collect::<Vec<_>>().join("-")),
        // As it was typed, which may have been with this ending.
        Provider::Git => [one(name.to_owned()), one(format!("{name}.git"))].concat(),
        Provider::Gist => one(name.rsplit('/').next().unwrap_or(name).to_owned()),
        Provider::Zenodo => one(format!("zenodo-{revision}")),
        Provider::Figshare => one(format!("figshare-{revision}")),
        Provider::Hydroshare => one(format!("hydroshare-{revision}")),
        Provider::Dataverse => {
            let doi = name.split("/v").next().unwrap_or(name);
            let identifier = doi.split_once('/').map_or(doi, |(_, identifier)| identifier);
            one(format!("dataverse-{}", escape(identifier).to_lowercase()))
        }
        Provider::Ckan => {
            let id = name.split("/dataset/").last().and_then(|rest| rest.split('/').next()).unwrap_or(name);
            let time = revision.rsplit(".v").next().unwrap_or(revision);
            vec![(format!("ckan-{id}"), format!("{id}.v{time}"))]
        }
        // Those it does not know.
        Provider::Cb | Provider::Bb | Provider::Osf | Provider::Swh | Provider::Image => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use bindery_core::{RepoSpec, ResolvedRef};

    use super::{name, names};

    const SHA: &str = "596b52f10efb0c9befc0c4ae850cc5175297d71c";

    /// Names that BinderHub itself was asked for.
    #[test]
    fn names_are_those_that_binderhub_gives() {
        for (prefix, slug, reference, expected) in [
            ("", "binder-examples-requirements", SHA, format!("binder-2dexamples-2drequirements-55ab5c:{SHA}")),
            ("", "Binder-Examples-Requirements", SHA, format!("binder-2dexamples-2drequirements-fb3a16:{SHA}")),
            ("", "a_b-c.d_", SHA, format!("a-5fb-2dc-2ed-5f-86845e:{SHA}")),
            ("", "g-sub_-g-r", SHA, format!("g-2dsub-5f-2dg-2dr-873a00:{SHA}")),
            (
                "",
                "https://github.com/binder-examples/conda",
                SHA,
                format!("https-3a-2f-2fgithub-2ecom-2fbinder-2dexamples-2fconda-3ffdf0:{SHA}"),
            ),
            ("reg/p-", "zenodo-3242074", "3242074", "reg/p-zenodo-2d3242074-b993d2:3242074".to_owned()),
            (
                "reg/p-",
                "dataverse-dvn-2ftjclkp",
                "3035124.v3.0",
                "reg/p-dataverse-2ddvn-2d2ftjclkp-a1371f:3035124.v3.0".to_owned(),
            ),
        ] {
            assert_eq!(name(prefix, slug, reference), expected, "{slug}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_told_from_others_by_its_end() {
        let (one, other) = (name("reg/p-", &"a-b/".repeat(100), "x"), name("reg/p-", &"a-b/".repeat(101), "x"));
        assert_eq!((one.len(), other.len()), (255 + 2, 255 + 2));
        assert_eq!(one[..255 - 6], other[..255 - 6]);
        assert_ne!(one, other);
    }

    fn resolved(provider: &str, raw: &str, revision: &str) -> ResolvedRef {
        ResolvedRef {
            spec: RepoSpec::parse(provider, raw).unwrap(),
            repo_url: "https://example.org/r".parse().unwrap(),
            revision: revision.parse().unwrap(),
            identity: String::new(),
            ref_url: String::new(),
            pinned: None,
            private: false,
            notes: Vec::new(),
        }
    }

    #[test]
    fn each_provider_has_its_slug() {
        let names = |provider, raw, revision| -> Vec<String> {
            names("reg/p-", &resolved(provider, raw, revision)).iter().map(ToString::to_string).collect()
        };
        for (provider, raw, revision, expected) in [
            (
                "gh",
                "binder-examples/requirements/HEAD",
                SHA,
                format!("reg/p-binder-2dexamples-2drequirements-55ab5c:{SHA}"),
            ),
            ("gl", "g%2Fsub-g%2Fr/main", SHA, format!("reg/p-g-2dsub-5f-2dg-2dr-873a00:{SHA}")),
            (
                "git",
                "https%3A%2F%2Fgithub.com%2Fbinder-examples%2Fconda/HEAD",
                SHA,
                format!("reg/p-https-3a-2f-2fgithub-2ecom-2fbinder-2dexamples-2fconda-3ffdf0:{SHA}"),
            ),
            ("zenodo", "10.5281/zenodo.3242074", "3242074", "reg/p-zenodo-2d3242074-b993d2:3242074".to_owned()),
            (
                "dataverse",
                "10.7910/DVN/TJCLKP",
                "3035124.v3.0",
                "reg/p-dataverse-2ddvn-2d2ftjclkp-a1371f:3035124.v3.0".to_owned(),
            ),
        ] {
            assert_eq!(names(provider, raw, revision).first(), Some(&expected), "{provider}");
        }
        // Written with its ending it is another.
        assert_eq!(names("git", "https%3A%2F%2Fh%2Fr/HEAD", SHA).len(), 2);
        assert!(names("gist", "user/0a1b2c", SHA)[0].starts_with("reg/p-0a1b2c-"));
        assert!(names("figshare", "10.6084/m9.figshare.7.v2", "7.v2")[0].starts_with("reg/p-figshare-2d7-2ev2-"));
        assert!(names("ckan", "https%3A%2F%2Fh%2Fdataset%2Frivers", "1d2e.v7")[0].ends_with(":rivers.v7"));
        for (provider, raw) in [("cb", "a/b/HEAD"), ("osf", "ab1c2")] {
            assert!(names(provider, raw, SHA).is_empty(), "{provider}");
        }
    }
}
