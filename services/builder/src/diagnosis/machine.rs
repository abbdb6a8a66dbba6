//! What the machine or the network did not give: memory, disk, an answer.

use bindery_core::FaultBy;

use super::text::{between, number, quoted, word};
use super::{Diagnosis, Evidence};

/// Killed, or refused, for want of memory.
pub(super) fn memory(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    const SIGNS: [&str; 6] = [
        "MemoryError",
        "std::bad_alloc",
        "Cannot allocate memory",
        "Killed signal terminated program",
        "JavaScript heap out of memory",
        "virtual memory exhausted",
    ];
    let refused = SIGNS.iter().any(|sign| evidence.has(sign));
    if !refused && !evidence.exited(&[137]) {
        return None;
    }
    let who = evidence.who();
    let message = if refused {
        format!("{who} needed more memory than the build has.")
    } else {
        format!("{who} was killed (exit code 137), most likely because it used more memory than the build has.")
    };
    let hint = "Make it do less at once, or prepare its result elsewhere and download it.";
    let line = evidence.last(|line| line.contains("Killed").then(|| script_line(evidence, line))?);
    Some(Diagnosis::user("out-of-memory", message, hint).line(line))
}

/// No room for what a step wrote. A full disk of the engine is known before this is asked, so this is one of the step's own places.
pub(super) fn disk(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let full =
        |line: &str| (line.contains("No space left on device") || line.contains("Disk quota exceeded")).then_some(());
    evidence.first(full)?;
    let mut diagnosis = Diagnosis::user(
        "step-disk-full",
        format!("{} ran out of disk space.", evidence.who()),
        "Write less, or ask whoever runs this site for more room.",
    );
    diagnosis.by = FaultBy::Us;
    Some(diagnosis)
}

/// A host that was not found, refused, or did not answer.
pub(super) fn network(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    const SIGNS: [&str; 17] = [
        "Could not resolve host",
        "Temporary failure resolving",
        "Temporary failure in name resolution",
        "Name or service not known",
        "failed to lookup address information",
        "unable to resolve host address",
        "Could not connect to ",
        "Failed to connect to ",
        "Failed to establish a new connection",
        "NameResolutionError",
        "tcp connect error",
        "Connection timed out",
        "Connection refused",
        "Connection reset by peer",
        "Read timed out",
        "operation timed out",
        "503 Service Unavailable",
    ];
    let line = evidence.last(|line| SIGNS.iter().any(|sign| line.contains(sign)).then_some(line))?;
    let host = host(line).or_else(|| evidence.last(|line| line.contains("://").then(|| host(line))?));
    // The host may be this machine: then it is the step's own.
    let message = match &host {
        Some(host) => format!("{} needs `{host}`, which could not be reached.", evidence.who()),
        None => format!("{} needs the network, and a download failed.", evidence.who()),
    };
    Some(Diagnosis {
        by: FaultBy::Upstream,
        code: "network-failure",
        message,
        hint: "Try again in a moment. If it stays so, check that the address is right and its server is up.".to_owned(),
        names: host.into_iter().collect(),
        line: evidence.last(|line| script_line(evidence, line)),
    })
}

/// The host a complaint is about.
fn host(line: &str) -> Option<String> {
    let named = ["Could not resolve host: ", "Failed to connect to ", "Could not connect to "];
    let found = named
        .iter()
        .find_map(|mark| line.split_once(mark).and_then(|(_, rest)| word(rest)))
        .or_else(|| between(line, "host='", "'"))
        .or_else(|| line.split_once("Temporary failure resolving ").and_then(|(_, rest)| quoted(rest)))
        .or_else(|| line.split_once("unable to resolve host address ").and_then(|(_, rest)| quoted(rest)))
        .or_else(|| line.split_once("Failed to resolve ").and_then(|(_, rest)| quoted(rest)))
        .or_else(|| {
            let rest = line.split_once("://")?.1;
            let authority = rest.split(|c: char| "/`'\") >".contains(c)).next()?;
            // Never the credentials that may stand before the host.
            authority.rsplit('@').next()
        })?;
    let host: String = found.trim_matches(['`', '\'', '"', '‘', '’']).to_owned();
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    (!host.is_empty() && host.len() <= 255 && host.chars().all(is_host)).then_some(host)
}

/// The line of the script that bash names before what it says.
fn script_line(evidence: &Evidence<'_>, line: &str) -> Option<u32> {
    number(line.split_once(&format!("{}: line ", evidence.who()))?.1)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_are_named_without_credentials() {
        for (line, expected) in [
            ("curl: (6) Could not resolve host: data.invalid", "data.invalid"),
            ("error sending request for url (https://user:pass@index.example/simple/six/)", "index.example"),
            ("HTTPConnectionPool(host='a.example', port=80): Read timed out.", "a.example"),
            ("Err:1 http://x/y\n  Temporary failure resolving 'deb.example'", "deb.example"),
            ("wget: unable to resolve host address ‘data.invalid’", "data.invalid"),
        ] {
            assert_eq!(host(line).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(host("no host here"), None);
    }
}
