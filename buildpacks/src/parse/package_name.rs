//! Names of Python packages, compared as Python compares them.

/// The one spelling of a name: case, and runs of `-`, `_` and `.`, do not matter.
#[must_use]
pub fn normal_package_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if matches!(c, '-' | '_' | '.') { '-' } else { c.to_ascii_lowercase() };
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::normal_package_name;

    #[test]
    fn case_and_runs_of_separators_do_not_matter() {
        for (name, normal) in [
            ("six", "six"),
            ("Foo.Bar", "foo-bar"),
            ("foo-_.bar", "foo-bar"),
            ("A--b__c", "a-b-c"),
            ("", ""),
            ("É", "É"),
        ] {
            assert_eq!(normal_package_name(name), normal, "{name}");
        }
    }
}
