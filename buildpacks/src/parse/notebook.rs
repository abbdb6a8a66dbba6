//! Notebooks: the language of their kernel, and nothing else of them.

use serde::Deserialize;

/// A language that has a kernel here beside Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    R,
    Julia,
}

#[derive(Deserialize)]
struct Notebook {
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    kernelspec: Named,
    #[serde(default)]
    language_info: Named,
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    language: String,
}

/// The language, where it is one of these. A file that is no notebook has none.
pub(crate) fn language(bytes: &[u8]) -> Option<Language> {
    let Metadata { kernelspec, language_info } = serde_json::from_slice::<Notebook>(bytes).ok()?.metadata;
    let kernel = kernelspec.name.to_ascii_lowercase();
    let said = [kernelspec.language, language_info.name].into_iter().find(|name| !name.is_empty());
    match said.map(|name| name.to_ascii_lowercase()).as_deref() {
        Some("r") => Some(Language::R),
        Some("julia") => Some(Language::Julia),
        Some(_) => None,
        None if kernel == "ir" => Some(Language::R),
        None if kernel.starts_with("julia-") => Some(Language::Julia),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Language, language};

    #[test]
    fn the_language_is_read_from_what_a_notebook_says_of_itself() {
        for (metadata, expected) in [
            (r#"{"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}"#, Some(Language::R)),
            (r#"{"kernelspec": {"name": "ir"}}"#, Some(Language::R)),
            (r#"{"kernelspec": {"name": "x"}, "language_info": {"name": "R", "version": "4"}}"#, Some(Language::R)),
            (r#"{"kernelspec": {"name": "julia-1.9", "language": "julia"}}"#, Some(Language::Julia)),
            (r#"{"kernelspec": {"name": "julia-1.9"}}"#, Some(Language::Julia)),
            (r#"{"kernelspec": {"name": "ir", "language": "python"}}"#, None),
            (r#"{"kernelspec": {"name": "python3", "language": "python"}}"#, None),
            ("{}", None),
            ("[]", None),
            (r#"{"kernelspec": 1}"#, None),
        ] {
            let text = format!("{{\"cells\": [{{\"source\": []}}], \"metadata\": {metadata}, \"nbformat\": 4}}");
            assert_eq!(language(text.as_bytes()), expected, "{metadata}");
        }
        assert_eq!(language(b""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = language(&bytes);
        }
    }
}
