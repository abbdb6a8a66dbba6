//! `.dockerignore`: what a repository with its own Dockerfile leaves out of its context.
//!
//! BuildKit reads this file only from contexts that a client serves file by file; one that arrives as a tar is taken whole,
//! so the patterns are applied here. Rules as in Docker's documentation: one pattern a line, `#` comments, `!` takes back,
//! the last pattern that matches decides, and a directory that matches takes everything below it along.

/// More lines than this are not read; matching stays bounded whatever a repository holds.
const MAX_PATTERNS: usize = 1000;

/// The patterns of one file.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    takes_back: bool,
    /// Parts between slashes; `**` stands for any number of them.
    parts: Vec<String>,
}

impl Ignore {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { patterns: text.lines().filter_map(Pattern::parse).take(MAX_PATTERNS).collect() }
    }

    /// Whether `path` is left out.
    pub(crate) fn ignores(&self, path: &str) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let parts: Vec<&str> = path.split('/').collect();
        self.patterns.iter().fold(false, |ignored, pattern| {
            // A pattern that would change nothing need not be tried.
            if ignored == pattern.takes_back && pattern.matches_path_or_parent(&parts) {
                !pattern.takes_back
            } else {
                ignored
            }
        })
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (takes_back, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let mut parts: Vec<String> = Vec::new();
        for part in pattern.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                "**" => parts.push("**".to_owned()),
                // `**.pyc` reaches into directories as well.
                part if part.starts_with("**") => {
                    parts.push("**".to_owned());
                    parts.push(part.trim_start_matches('*').to_owned());
                    if let Some(last) = parts.last_mut() {
                        last.insert(0, '*');
                    }
                }
                part => parts.push(part.to_owned()),
            }
        }
        (!parts.is_empty()).then_some(Self { takes_back, parts })
    }

    /// Whether the pattern is used up at the end of some leading parts of the path.
    fn matches_path_or_parent(&self, path: &[&str]) -> bool {
        // `reachable[i]`: the pattern's first `i` parts match the path's parts so far.
        let mut reachable = vec![false; self.parts.len() + 1];
        if let Some(start) = reachable.first_mut() {
            *start = true;
        }
        self.skip_stars(&mut reachable);
        for part in path {
            let mut next = vec![false; reachable.len()];
            for (index, pattern) in self.parts.iter().enumerate() {
                if !reachable.get(index).copied().unwrap_or(false) {
                    continue;
                }
                let target = if pattern == "**" { index } else { index + 1 };
                if (pattern == "**" || part_matches(pattern.as_bytes(), part.as_bytes()))
                    && let Some(slot) = next.get_mut(target)
                {
                    *slot = true;
                }
            }
            self.skip_stars(&mut next);
            reachable = next;
            if reachable.last().copied().unwrap_or(false) {
                return true;
            }
        }
        false
    }

    /// `**` also stands for no part at all.
    fn skip_stars(&self, reachable: &mut [bool]) {
        for (index, pattern) in self.parts.iter().enumerate() {
            if pattern == "**"
                && reachable.get(index).copied().unwrap_or(false)
                && let Some(slot) = reachable.get_mut(index + 1)
            {
                *slot = true;
            }
        }
    }
}

/// `*`, `?`, `[a-z]` and `\` within one part. Goes back to the last star only, so its cost is the product of the lengths.
fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let matched = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(_) => one(pattern, p, text, t),
            None => None,
        };
        if let Some((next, width)) = matched {
            p = next;
            t += width;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Matches one element of the pattern; the pattern's next element and how many bytes of text it took.
fn one(pattern: &[u8], p: usize, text: &[u8], t: usize) -> Option<(usize, usize)> {
    let byte = *text.get(t)?;
    match *pattern.get(p)? {
        b'?' => {
            let rest = text.get(t + 1..).unwrap_or_default();
            let tail = rest.iter().take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
            Some((p + 1, 1 + tail))
        }
        b'[' => {
            let rest = pattern.get(p + 1..)?;
            let end = rest.iter().skip(1).position(|byte| *byte == b']')? + 1;
            let class = rest.get(..end)?;
            let (negated, class) = match class.split_first() {
                Some((b'^', rest)) => (true, rest),
                _ => (false, class),
            };
            (in_class(class, byte) != negated).then_some((p + end + 2, 1))
        }
        b'\\' => (*pattern.get(p + 1)? == byte).then_some((p + 2, 1)),
        literal => (literal == byte).then_some((p + 1, 1)),
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let mut rest = class;
    loop {
        match rest {
            [low, b'-', high, tail @ ..] => {
                if (*low..=*high).contains(&byte) {
                    return true;
                }
                rest = tail;
            }
            [single, tail @ ..] => {
                if *single == byte {
                    return true;
                }
                rest = tail;
            }
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ignore;
    use proptest::prelude::*;

    fn ignored(patterns: &str, path: &str) -> bool {
        Ignore::parse(patterns).ignores(path)
    }

    #[test]
    fn dockers_own_examples_hold() {
        for (patterns, path, expected) in [
            ("*/temp*", "some/temporary.txt", true),
            ("*/temp*", "some/temp/x", true),
            ("*/temp*", "temp", false),
            ("*/*/temp*", "a/b/temporary.txt", true),
            ("temp?", "tempa", true),
            ("temp?", "tempab", false),
            ("**/*.go", "a.go", true),
            ("**/*.go", "x/y/a.go", true),
            ("**.pyc", "x/y/a.pyc", true),
            ("*.md", "docs/a.md", false),
            ("# a\n\n/data/", "data/x/y", true),
            ("./data/../b", "b", true),
            ("[ab].txt", "b.txt", true),
            ("[^ab].txt", "b.txt", false),
            ("[a-c]x", "bx", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            (".git", ".gitignore", false),
            ("data", "database", false),
            ("temp?", "tempé", true),
        ] {
            assert_eq!(ignored(patterns, path), expected, "{patterns:?} {path:?}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert!(!ignored("*.md\n!README.md", "README.md"));
        assert!(ignored("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
        assert!(!ignored("*.md\nREADME-secret.md\n!README*.md", "README-secret.md"));
        assert!(!ignored("data\n!data/keep", "data/keep/x"));
    }

    proptest! {
        #[test]
        fn matching_any_pattern_ends(pattern in "[*?a\\[\\]/!\\\\-]{0,60}", path in "[a/]{1,60}") {
            let _ = ignored(&pattern, &path);
        }
    }
}
