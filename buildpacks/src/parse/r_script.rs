//! `install.R`: which packages it will ask for, as far as that can be read without running it.
//!
//! What is found is fetched ahead, so that a package that is already there need not be fetched for every commit. Nothing depends on
//! it being complete: the script itself is run as it is.

use std::collections::BTreeMap;

use crate::PlanError;
use crate::parse::r_package::{MANY, is_name};
use crate::parse::text;

/// Functions that install the packages they are given by name.
const INSTALLERS: [&str; 7] =
    ["install.packages", "install_cran", "pkg_install", "pak", "install", "install_if_missing", "p_load"];
/// Packages whose functions install others, and which must be there first.
const HELPERS: [&str; 6] = ["remotes", "devtools", "BiocManager", "pak", "renv", "pacman"];
/// Functions that pass the names they are given on.
const PASSING: [&str; 9] =
    ["c", "setdiff", "unique", "as.character", "rownames", "installed.packages", "paste0", "if", "new"];
/// How many tokens and names all expressions of a script may have together; those of one that lies in another count again. What goes
/// beyond is not read.
const READS: usize = 200_000;

/// What a script asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    /// Packages it names, in order, each once.
    pub(crate) packages: Vec<String>,
    /// Whether it installs anything that cannot be read from its text, or from elsewhere than CRAN or Bioconductor.
    pub(crate) opaque: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Sign(char),
    Assign,
}

impl Token {
    /// By how much more brackets are open behind it than in front of it.
    fn opens(&self) -> i64 {
        match self {
            Self::Sign('(' | '{' | '[') => 1,
            Self::Sign(')' | '}' | ']') => -1,
            _ => 0,
        }
    }
}

/// Reads a script. Only what is no text at all is an error.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Script, PlanError> {
    let tokens = tokens(&text::decode(file, bytes)?);
    let mut script = Script::default();
    let mut reader = Reader { known: BTreeMap::new(), left: READS };
    for (at, token) in tokens.iter().enumerate() {
        let Token::Name(name) = token else { continue };
        let rest = tokens.get(at + 1..).unwrap_or_default();
        match rest {
            // pkgs <- c("a", "b")
            [Token::Assign, expression @ ..] => {
                let expression = reader.until_end(expression);
                let (found, _) = reader.names(expression);
                reader.known.insert(name, found);
            }
            // for (name in c("a", "b"))
            [Token::Name(word), expression @ ..] if word == "in" => {
                let expression = reader.until_closed(expression);
                let (found, _) = reader.names(expression);
                reader.known.insert(name, found);
            }
            [Token::Sign(':'), Token::Sign(':'), ..] if HELPERS.contains(&name.as_str()) => add(&mut script, name),
            [Token::Sign('('), arguments @ ..] if INSTALLERS.contains(&name.as_str()) => {
                let arguments = reader.until_closed(arguments);
                let (found, complete) = reader.names(packages_of(arguments));
                script.opaque |= !complete || found.is_empty();
                for name in found {
                    if is_name(name) { add(&mut script, name) } else { script.opaque = true }
                }
            }
            [Token::Sign('('), ..] => {
                script.opaque |=
                    name.starts_with("install_") || matches!(name.as_str(), "source" | "restore" | "system");
            }
            _ => {}
        }
        if reader.left == 0 {
            script.opaque = true;
            break;
        }
    }
    Ok(script)
}

fn add(script: &mut Script, name: &str) {
    if script.packages.len() >= MANY {
        script.opaque = true;
    } else if !script.packages.iter().any(|known| known == name) {
        script.packages.push(name.to_owned());
    }
}

/// What is known so far, and how much may still be read.
struct Reader<'a> {
    /// The strings that variables hold.
    known: BTreeMap<&'a str, Vec<&'a str>>,
    left: usize,
}

impl<'a> Reader<'a> {
    /// The strings an expression holds, through variables that are known; whether every part of it is understood.
    fn names(&mut self, expression: &'a [Token]) -> (Vec<&'a str>, bool) {
        let (mut out, mut complete) = (Vec::new(), true);
        for token in expression {
            match token {
                Token::Text(text) => out.push(text.as_str()),
                Token::Name(name) => match self.known.get(name.as_str()) {
                    Some(strings) => out.extend(strings),
                    None => complete &= PASSING.contains(&name.as_str()),
                },
                Token::Sign(_) | Token::Assign => {}
            }
            if out.len() > MANY {
                complete = false;
                break;
            }
        }
        self.left = self.left.saturating_sub(out.len());
        (out, complete)
    }

    /// Up to the bracket that closes one opened before.
    fn until_closed(&mut self, tokens: &'a [Token]) -> &'a [Token] {
        self.until(tokens, |depth, _| depth < 0)
    }

    /// Up to the end of a statement: a line's end outside brackets.
    fn until_end(&mut self, tokens: &'a [Token]) -> &'a [Token] {
        self.until(tokens, |depth, token| depth < 0 || (depth == 0 && matches!(token, Token::Sign('\n' | ';'))))
    }

    /// Up to the token that ends it, given how many brackets are open behind that token.
    fn until(&mut self, tokens: &'a [Token], ends: impl Fn(i64, &Token) -> bool) -> &'a [Token] {
        let tokens = tokens.get(..self.left.min(tokens.len())).unwrap_or_default();
        let mut depth = 0;
        let end = tokens.iter().position(|token| {
            depth += token.opens();
            ends(depth, token)
        });
        let end = end.unwrap_or(tokens.len());
        self.left = self.left.saturating_sub(end);
        tokens.get(..end).unwrap_or_default()
    }
}

/// The argument that names packages: the first that has no name, or `pkgs`.
fn packages_of(arguments: &[Token]) -> &[Token] {
    let mut depth = 0;
    let mut parts = arguments.split(|token| {
        depth += token.opens();
        depth == 0 && *token == Token::Sign(',')
    });
    let named = |part: &[Token]| match part {
        [Token::Name(name), Token::Assign, ..] => !matches!(name.as_str(), "pkgs" | "pkg" | "packages"),
        _ => false,
    };
    match parts.find(|part| !named(part)) {
        Some([Token::Name(_), Token::Assign, rest @ ..]) => rest,
        Some(part) => part,
        None => &[],
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' | '`' => {
                let mut value = String::new();
                while let Some(inner) = rest.next() {
                    match inner {
                        '\\' => match rest.next() {
                            Some(quote) if quote == c => value.push(quote),
                            // No name of a package has one.
                            other => value.extend(['\\'].into_iter().chain(other)),
                        },
                        inner if inner == c => break,
                        inner => value.push(inner),
                    }
                }
                out.push(if c == '`' { Token::Name(value) } else { Token::Text(value) });
            }
            '<' => {
                rest.next_if_eq(&'<');
                out.push(if rest.next_if_eq(&'-').is_some() { Token::Assign } else { Token::Sign('<') });
            }
            '=' => out.push(if rest.next_if_eq(&'=').is_some() { Token::Sign('=') } else { Token::Assign }),
            c if c.is_alphanumeric() || matches!(c, '.' | '_') => {
                let mut name = String::from(c);
                while let Some(more) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '.' | '_')) {
                    name.push(more);
                }
                out.push(Token::Name(name));
            }
            c if c.is_whitespace() && c != '\n' => {}
            c => out.push(Token::Sign(c)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    fn read(text: &str) -> (Vec<String>, bool) {
        let script = parse("install.R", text.as_bytes()).unwrap();
        (script.packages, script.opaque)
    }

    #[test]
    fn packages_are_read_from_the_ways_people_write_them() {
        for (text, packages) in [
            ("install.packages(\"digest\")", vec!["digest"]),
            ("install.packages('digest', repos = \"https://cloud.r-project.org\")", vec!["digest"]),
            ("utils::install.packages(c(\"a2\",\n  'b.c'), dependencies=TRUE)\n", vec!["a2", "b.c"]),
            ("install.packages(repos='https://x', pkgs=c('a2'))", vec!["a2"]),
            ("pkgs <- c(\"a2\", \"b2\") # all\ninstall.packages(pkgs)", vec!["a2", "b2"]),
            ("pkgs = c(\n 'a2',\n 'b2'\n)\nfor (p in pkgs) {\n install.packages(p)\n}", vec!["a2", "b2"]),
            ("for (p in c('a2')) if (!require(p)) install.packages(p)", vec!["a2"]),
            ("new <- c('a2')\ninstall.packages(setdiff(new, rownames(installed.packages())))", vec!["a2"]),
            ("remotes::install_cran('a2')", vec!["remotes", "a2"]),
            ("BiocManager::install(c('limma'), update = FALSE)", vec!["BiocManager", "limma"]),
            ("pak::pkg_install('a2')", vec!["pak", "a2"]),
            ("# install.packages('no')\nlibrary(digest)\nx <- read.csv('data.csv')", vec![]),
        ] {
            assert_eq!(read(text), (packages.into_iter().map(str::to_owned).collect(), false), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_known_not_to_be_read() {
        for text in [
            "install.packages(readLines('list.txt'))",
            "install.packages(unknown)",
            "install.packages()",
            "install.packages('./pkg_1.0.tar.gz', repos = NULL)",
            "remotes::install_github('r-lib/pkg')",
            "devtools::install_version('a2', '1.0')",
            "source('more.R')",
            "renv::restore()",
        ] {
            assert!(read(text).1, "{text}");
        }
    }

    #[test]
    fn a_script_of_nothing_but_nesting_is_read_only_so_far() {
        const MANY: usize = 250_000;
        for part in ["a<-", "install.packages(", "for(a in ", "p_load(x=("] {
            assert_eq!(read(&part.repeat(MANY)), (vec![], true), "{part}");
        }
        // What one variable holds is not copied into as many others as there are lines.
        let names: Vec<String> = (0..900).map(|number| format!("'p{number}'")).collect();
        let lines: String = (0..MANY).map(|number| format!("b{number}<-a\n")).collect();
        assert_eq!(read(&format!("a<-c({})\n{lines}", names.join(","))), (vec![], true));
    }

    #[test]
    fn a_long_script_is_read_to_its_end() {
        let lines: String = (0..900).map(|number| format!("if (TRUE) {{ install.packages('p{number}') }}\n")).collect();
        let (packages, opaque) = read(&format!("all <- function() {{\n{lines}}}\nall()\n"));
        assert_eq!((packages.len(), opaque), (900, false));
    }

    #[test]
    fn only_names_of_packages_leave_the_parser() {
        for text in ["install.packages('a; touch /pwned')", "install.packages('-y')", "install.packages(\"a\\nb\")"] {
            assert_eq!(read(text), (vec![], true), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("install.R", &bytes);
        }

        #[test]
        fn any_text_of_its_own_words_is_survived(
            words in proptest::collection::vec(
                prop_oneof![Just("install.packages"), Just("("), Just(")"), Just("c"), Just("'a2'"), Just(","), Just("<-"), Just("="),
                    Just("pkgs"), Just("for"), Just("in"), Just("::"), Just("\""), Just("#"), Just("\n"), Just("remotes")], 0..30)
        ) {
            let _ = parse("install.R", words.concat().as_bytes());
        }
    }
}
