//! `requirements.txt`: logical lines, includes, and which of them point into the repository.
//!
//! The installer does the real parsing. This one answers what a plan needs: which files belong together, whether the repository's
//! content must be there first, and which lines no installer would take, with file and line.

use crate::PlanError;
use crate::error::shown;
use crate::parse::text;

/// What one file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The file's text, with lines blanked that only pip reads; line numbers are kept.
    pub(crate) text: String,
    /// Lines that install something or include something.
    pub(crate) entries: usize,
    /// Files it includes: as written, and the line.
    pub(crate) includes: Vec<(String, u32)>,
    /// Addresses it includes from elsewhere: the line of each.
    pub(crate) remote_includes: Vec<u32>,
    /// Paths it installs from: as written, and the line.
    pub(crate) local: Vec<(String, u32)>,
    /// `--pre`.
    pub(crate) prerelease: bool,
    /// `--require-hashes`.
    pub(crate) require_hashes: bool,
    /// Options that have no effect here: name and line.
    pub(crate) dropped: Vec<(String, u32)>,
}

const HINT: &str = "Write one requirement per line, e.g. numpy==2.1.0; comments start with #.";

/// Options without an argument that change nothing here.
const DROPPED: [&str; 6] = [
    "--prefer-binary",
    "--use-pep517",
    "--no-use-pep517",
    "--use-wheel",
    "--no-use-wheel",
    "--process-dependency-links",
];
/// The same, with one argument.
const DROPPED_WITH_VALUE: [&str; 5] =
    ["--trusted-host", "--use-feature", "--allow-external", "--allow-unverified", "--allow-insecure"];
/// Options the installer reads itself.
const INSTALLER: [&str; 6] = ["-i", "--index-url", "--extra-index-url", "--no-index", "--no-binary", "--only-binary"];

/// Reads one file.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Parsed, PlanError> {
    let source = text::decode(file, bytes)?;
    let mut lines: Vec<&str> = source.lines().collect();
    let mut out = Parsed::default();
    for Logical { first, last, text } in logical_lines(&source) {
        let number = text::number(first);
        let kind = kind(&text);
        // Lines that only pip reads are blanked; the others keep their numbers.
        if matches!(kind, Kind::Prerelease | Kind::RequireHashes | Kind::Dropped(_)) {
            for line in lines.iter_mut().take(last + 1).skip(first) {
                *line = "";
            }
        }
        match kind {
            Kind::Include(path) if is_remote(&path) => out.remote_includes.push(number),
            Kind::Include(path) => out.includes.push((path, number)),
            Kind::Local(path) => {
                out.local.push((path, number));
                out.entries += 1;
            }
            Kind::Requirement => out.entries += 1,
            Kind::FindLinks(path) => {
                if !is_remote(&path) {
                    out.local.push((path, number));
                }
            }
            Kind::Installer => {}
            Kind::Prerelease => out.prerelease = true,
            Kind::RequireHashes => out.require_hashes = true,
            Kind::Dropped(option) => out.dropped.push((option, number)),
            Kind::Bad(message, hint) => return Err(PlanError::line(file, number, message, hint)),
        }
    }
    out.text = lines.join("\n");
    out.text.push('\n');
    Ok(out)
}

struct Logical {
    first: usize,
    last: usize,
    text: String,
}

/// Joins continued lines and drops comments, as pip does: a comment line ends a continuation.
fn logical_lines(source: &str) -> Vec<Logical> {
    let mut out = Vec::new();
    let mut open: Option<Logical> = None;
    for (index, line) in source.lines().enumerate() {
        let comment = line.trim_start().starts_with('#');
        let mut logical = open.take().unwrap_or_else(|| Logical { first: index, last: index, text: String::new() });
        logical.last = index;
        let body = if comment { "" } else { line };
        match body.strip_suffix('\\') {
            Some(body) => {
                logical.text.push_str(body);
                open = Some(logical);
            }
            None => {
                logical.text.push_str(body);
                out.push(logical);
            }
        }
    }
    out.extend(open);
    for logical in &mut out {
        logical.text = without_comment(&logical.text).trim().to_owned();
    }
    out.retain(|logical| !logical.text.is_empty());
    out
}

/// Cuts a comment: `#` at the start or after white space. `#egg=` inside an address stays.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return line.get(..at).unwrap_or_default();
        }
        before = c;
    }
    line
}

enum Kind {
    Include(String),
    Local(String),
    Requirement,
    FindLinks(String),
    Installer,
    Prerelease,
    RequireHashes,
    Dropped(String),
    Bad(String, &'static str),
}

fn kind(line: &str) -> Kind {
    if line.starts_with('-') { option(line) } else { requirement(line) }
}

/// `-r x`, `-rx`, `--requirement x`, `--requirement=x`: the value after one of the names.
fn value<'a>(line: &'a str, short: &str, long: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix(long) {
        return match rest.chars().next() {
            Some('=') => rest.get(1..).map(str::trim),
            Some(c) if c.is_whitespace() => Some(rest.trim()),
            None => Some(""),
            Some(_) => None,
        };
    }
    let rest = line.strip_prefix(short).filter(|_| !short.is_empty())?;
    // A second dash would be another long option that begins alike.
    (!rest.starts_with('-')).then(|| rest.trim_start_matches('=').trim())
}

fn option(line: &str) -> Kind {
    let name = line.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
    let unquote = |value: &str| value.trim_matches(['"', '\'']).to_owned();
    if let Some(path) = value(line, "-r", "--requirement").or_else(|| value(line, "-c", "--constraint")) {
        return if path.is_empty() {
            Kind::Bad(format!("{name} needs a file."), HINT)
        } else {
            Kind::Include(unquote(path))
        };
    }
    if let Some(target) = value(line, "-e", "--editable") {
        let target = unquote(target);
        return match location(&target) {
            Location::Remote => Kind::Requirement,
            Location::Local(path) => Kind::Local(path),
            // pip takes any word after -e for a path.
            Location::None if target.is_empty() => Kind::Bad("-e needs a path or an address.".to_owned(), HINT),
            Location::None => Kind::Local(path_part(&target).to_owned()),
        };
    }
    if let Some(path) = value(line, "-f", "--find-links") {
        return Kind::FindLinks(unquote(path));
    }
    match name {
        "--pre" => Kind::Prerelease,
        "--require-hashes" => Kind::RequireHashes,
        _ if DROPPED.contains(&name) || DROPPED_WITH_VALUE.contains(&name) => Kind::Dropped(name.to_owned()),
        _ if INSTALLER.contains(&name) || line.starts_with("-i") => Kind::Installer,
        _ => Kind::Bad(
            format!("The option {:?} is not one of a requirements file.", shown(name)),
            "Remove the option, or move the command into postBuild.",
        ),
    }
}

enum Location {
    Remote,
    Local(String),
    None,
}

/// Whether a word is an address, a path, or neither.
fn location(target: &str) -> Location {
    let scheme = target.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    if let Some(scheme) = scheme {
        if scheme == "file" || scheme.ends_with("+file") {
            let path = target.split_once(':').map_or("", |(_, path)| path);
            return Location::Local(path_part(path.strip_prefix("//").unwrap_or(path)).to_owned());
        }
        if target.contains("://") || scheme.contains('+') {
            return Location::Remote;
        }
    }
    let path = path_part(target);
    let archive = [".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2"].iter().any(|end| path.ends_with(end));
    if archive || path.starts_with(['.', '/', '~']) || path.contains('/') {
        return Location::Local(path.to_owned());
    }
    Location::None
}

/// A path without extras, marker, fragment, version or anything after white space.
fn path_part(target: &str) -> &str {
    let end =
        target.find(|c: char| c.is_whitespace() || matches!(c, '[' | ';' | '#' | '@' | '<' | '>' | '=' | '!' | '('));
    target.get(..end.unwrap_or(target.len())).unwrap_or(target)
}

fn is_remote(path: &str) -> bool {
    matches!(location(path), Location::Remote)
}

fn requirement(line: &str) -> Kind {
    if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
        return Kind::Bad(
            "The line is left over from a merge conflict.".to_owned(),
            "Resolve the conflict and commit again.",
        );
    }
    if line.starts_with("pip install ") || line.starts_with("pip3 install ") || line.starts_with("conda install ") {
        return Kind::Bad(
            "The line is a command, not a requirement.".to_owned(),
            "Write only the package's name and version.",
        );
    }
    let mut parts = line.split(" --");
    let body = parts.next().unwrap_or_default().trim();
    if let Some(option) = parts.find(|option| !option.starts_with("hash")) {
        let name = option.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        return Kind::Bad(
            format!("The option {:?} on a requirement is not supported.", shown(&format!("--{name}"))),
            HINT,
        );
    }
    // `name @ address` first: the address may look like anything.
    if let Some((name, address)) = body.split_once('@') {
        let name = name.split('[').next().unwrap_or_default().trim();
        if is_name(name) {
            return match location(address.trim()) {
                Location::Local(path) => Kind::Local(path),
                Location::Remote => Kind::Requirement,
                Location::None => Kind::Bad("There is no address after the @.".to_owned(), HINT),
            };
        }
    }
    match location(body) {
        Location::Remote => return Kind::Requirement,
        Location::Local(path) => return Kind::Local(path),
        Location::None => {}
    }
    let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))).unwrap_or(body.len());
    let (name, rest) = body.split_at_checked(end).unwrap_or((body, ""));
    if !is_name(name) {
        return Kind::Bad(format!("{:?} is not a requirement.", shown(line)), HINT);
    }
    let mut after = rest.trim_start().chars();
    match (after.next(), after.next()) {
        (None | Some('[' | '(' | ';' | ','), _) => Kind::Requirement,
        (Some('<' | '>'), _) | (Some('=' | '!' | '~'), Some('=')) => Kind::Requirement,
        (Some('='), _) => Kind::Bad(
            format!("{name} is pinned with one =, which is conda's way of writing."),
            "Write == between the name and the version.",
        ),
        _ => Kind::Bad(format!("{:?} is not a requirement.", shown(line)), HINT),
    }
}

/// A distribution name by PEP 508.
pub(crate) fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use bindery_core::Fault;
    use proptest::prelude::*;

    use super::{Parsed, parse};

    fn read(text: &str) -> Parsed {
        parse("requirements.txt", text.as_bytes()).unwrap()
    }

    fn locals(text: &str) -> Vec<String> {
        read(text).local.into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn plain_requirements_need_nothing_of_the_repository() {
        let parsed = read(
            "# a comment\nnumpy\npandas>=2 # why\nscipy==1.11.*; python_version > '3'\nrequests[socks]~=2.0\nfoo (>=1)\n\
             x @ https://example.org/x-1.0.zip\ngit+https://example.org/a/b@main#egg=b\n-e git+https://example.org/a/c#egg=c\n\
             https://example.org/pkg.tar.gz\n--index-url https://example.org/simple\n-i https://example.org\n-ihttps://example.org\n\
             --extra-index-url=https://example.org\n--no-binary :all:\nnumpy \\\n  ==1.2 \\\n  --hash=sha256:00\n",
        );
        assert_eq!((parsed.entries, parsed.local.len(), parsed.includes.len()), (10, 0, 0));
        assert!(read("# only\n\n   # comments\n").entries == 0);
    }

    #[test]
    fn every_form_of_local_reference_is_seen() {
        for (line, path) in [
            ("-e .", "."),
            ("-e.", "."),
            ("--editable=.", "."),
            ("-e .[dev]", "."),
            (".", "."),
            ("./pkg", "./pkg"),
            ("subdir/pkg", "subdir/pkg"),
            ("subdir/pkg[extra]; python_version > '3'", "subdir/pkg"),
            ("-e pkg", "pkg"),
            ("pkg @ file:pkg", "pkg"),
            ("pkg@file:./pkg", "./pkg"),
            ("pkg[x] @ file:///home/jovyan/pkg", "/home/jovyan/pkg"),
            ("file:pkg#egg=x", "pkg"),
            ("wheels/x-1.0-py3-none-any.whl", "wheels/x-1.0-py3-none-any.whl"),
            ("x-1.0-py3-none-any.whl", "x-1.0-py3-none-any.whl"),
            ("x-1.0.tar.gz", "x-1.0.tar.gz"),
            ("-f wheels", "wheels"),
            ("--find-links ./wheels", "./wheels"),
            ("git+file:///srv/x", "/srv/x"),
        ] {
            assert_eq!(locals(&format!("numpy\n{line}\n")), [path], "{line}");
        }
        assert!(locals("--find-links https://example.org/wheels\n").is_empty());
    }

    #[test]
    fn includes_are_collected_with_their_lines() {
        let parsed = read(
            "-r base.txt\n-rmore.txt\n--requirement=a/b.txt\n-c c.txt # pins\n--constraint https://example.org/c.txt\n",
        );
        let paths: Vec<_> = parsed.includes.iter().map(|(path, line)| (path.as_str(), *line)).collect();
        assert_eq!(paths, [("base.txt", 1), ("more.txt", 2), ("a/b.txt", 3), ("c.txt", 4)]);
        assert_eq!(parsed.remote_includes, [5]);
    }

    #[test]
    fn options_only_pip_reads_are_blanked_and_lines_keep_their_numbers() {
        let parsed =
            read("--pre\n--trusted-host example.org\nnumpy\n--pre\n--require-hashes\n--use-feature \\\n  x\nscipy\n");
        assert_eq!(parsed.text, "\n\nnumpy\n\n\n\n\nscipy\n");
        assert!(parsed.prerelease && parsed.require_hashes);
        assert_eq!(parsed.dropped.len(), 2);
    }

    #[test]
    fn lines_no_installer_takes_are_refused_with_their_place() {
        for line in [
            "numpy=1.2",
            "numpy pandas",
            "pip install numpy",
            "<<<<<<< HEAD",
            "=======",
            "$(id)",
            "; touch /pwned",
            "--config-settings x",
            "--install-option=x",
            "numpy --global-option=x",
            "-r",
            "-e",
            "numpy!",
            "-numpy",
            "name @ nothing",
        ] {
            let error = parse("binder/requirements.txt", format!("numpy\n{line}\n").as_bytes()).unwrap_err();
            assert_eq!(Fault::from(error).place().as_deref(), Some("binder/requirements.txt:2"), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic_and_lines_are_kept(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(parsed) = parse("requirements.txt", &bytes) {
                let source = crate::parse::text::decode("requirements.txt", &bytes).unwrap();
                prop_assert_eq!(parsed.text.lines().count(), source.lines().count().max(1));
            }
        }

        #[test]
        fn near_requirements_are_read_without_panic(text in "([a-z./@:#=<>\\[\\] \\\\-]{0,12}\n){0,6}") {
            let _ = parse("requirements.txt", text.as_bytes());
        }
    }
}
