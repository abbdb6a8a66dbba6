//! What a README holds that launches its repository. The front end's `launch-link.ts` makes the same of a form.

use bindery_frontend::BadgeCode;

/// Link and badges for a launch link of this site, in every form a README may want.
pub(crate) fn badges(public_url: &str, link: &str) -> BadgeCode {
    let url = format!("{public_url}{}", plain(link));
    let image = format!("{public_url}badge_logo.svg");
    BadgeCode {
        markdown: format!("[![Bindery]({image})]({url})"),
        rst: format!(".. image:: {image}\n   :alt: Bindery\n   :target: {url}"),
        html: format!("<a href=\"{}\"><img src=\"{}\" alt=\"Bindery\"></a>", escape(&url), escape(&image)),
        link: url,
    }
}

/// Brackets and quotes would end a link in Markdown, a final underscore would be a reference in reStructuredText.
fn plain(link: &str) -> String {
    let mut text = String::with_capacity(link.len());
    for character in link.chars() {
        match character {
            '!' | '\'' | '(' | ')' | '*' => text.push_str(&format!("%{:02X}", u32::from(character))),
            other => text.push(other),
        }
    }
    match text.strip_suffix('_') {
        Some(rest) => format!("{rest}%5F"),
        None => text,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::badges;

    #[test]
    fn each_form_names_the_link_and_the_picture() {
        let made = badges("https://hub.example/", "v2/gl/g%2Fs%2Fp/HEAD");
        assert_eq!(made.link, "https://hub.example/v2/gl/g%2Fs%2Fp/HEAD");
        assert_eq!(
            made.markdown,
            "[![Bindery](https://hub.example/badge_logo.svg)](https://hub.example/v2/gl/g%2Fs%2Fp/HEAD)"
        );
        assert_eq!(
            made.rst,
            ".. image:: https://hub.example/badge_logo.svg\n   :alt: Bindery\n   :target: https://hub.example/v2/gl/g%2Fs%2Fp/HEAD"
        );
        assert_eq!(
            made.html,
            "<a href=\"https://hub.example/v2/gl/g%2Fs%2Fp/HEAD\"><img src=\"https://hub.example/badge_logo.svg\" alt=\"Bindery\"></a>"
        );
    }

    #[test]
    fn no_character_of_a_link_ends_it_early() {
        let made = badges("https://hub.example/", "v2/gh/a/b/x(y)*'_");
        assert_eq!(made.link, "https://hub.example/v2/gh/a/b/x%28y%29%2A%27%5F");
    }
}
