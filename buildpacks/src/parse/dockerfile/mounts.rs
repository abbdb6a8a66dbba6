//! `RUN --mount`: which mounts a repository may use.

use bindery_core::seams::OWN_DOCKERFILE_PREFIX;

use super::At;
use crate::PlanError;

/// Checks the value of one `--mount`; its options in order.
pub(crate) fn parse(at: &At<'_>, offset: usize, value: &str) -> Result<Vec<(String, Option<String>)>, PlanError> {
    let refuse = |message: String, hint: &str| Err(at.refuse(offset, message, hint));
    let options: Vec<(String, Option<String>)> = value
        .split(',')
        .map(|option| match option.split_once('=') {
            Some((key, value)) => (key.trim().to_lowercase(), Some(value.trim().to_owned())),
            None => (option.trim().to_lowercase(), None),
        })
        .collect();
    for (index, (key, _)) in options.iter().enumerate() {
        if options.iter().take(index).any(|(earlier, _)| canonical(earlier) == canonical(key)) {
            return refuse(format!("The mount names {key} twice."), "Name each option once.");
        }
    }
    let kind = find(&options, "type").unwrap_or("bind");
    let allowed: &[&str] = match kind {
        "bind" => &["type", "target", "source", "ro", "rw"],
        "cache" => &["type", "id", "target", "ro", "sharing", "mode", "uid", "gid"],
        "tmpfs" => &["type", "target", "size"],
        _ => {
            let message = "Only mounts of type bind, cache and tmpfs are allowed.".to_owned();
            return refuse(message, "Remove the mount; secrets and ssh keys are not available to builds.");
        }
    };
    for (key, _) in &options {
        if !allowed.contains(&canonical(key)) {
            let message = if canonical(key) == "from" {
                "A mount may only come from the repository, not from another image.".to_owned()
            } else {
                format!("The option {:?} is not allowed in a mount of type {kind}.", crate::error::shown(key))
            };
            return refuse(message, "Remove the option.");
        }
    }
    let target = find(&options, "target").unwrap_or_default();
    let parts: Vec<&str> = target.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let kernel = matches!(parts.first(), None | Some(&("proc" | "sys" | "dev")));
    if !target.starts_with('/') || kernel || parts.contains(&"..") || target.contains('$') {
        let message = "A mount needs a plain absolute target outside /proc, /sys and /dev.".to_owned();
        return refuse(message, "Write target=/some/directory.");
    }
    if find(&options, "source").is_some_and(|source| source.split('/').any(|part| part == "..") || source.contains('$'))
    {
        let message = "The source of the mount is not a plain path of the repository.".to_owned();
        return refuse(message, "Name it from the top of the repository.");
    }
    Ok(options)
}

/// A checked mount as it is built: a cache gets a name by which no repository can reach the service's caches or those of another
/// scope, and a source lies in the repository's content.
pub(crate) fn in_build(options: &[(String, Option<String>)], scope: &str) -> String {
    let kind = find(options, "type").unwrap_or("bind");
    let mut out = format!("--mount=type={kind}");
    match kind {
        "cache" => {
            let own = find(options, "id").or_else(|| find(options, "target")).unwrap_or_default();
            out.push_str(&format!(",id=repository-{scope}-{own}"));
        }
        "bind" => {
            let source = find(options, "source").unwrap_or_default();
            out.push_str(&format!(",source={OWN_DOCKERFILE_PREFIX}/{}", source.trim_start_matches('/')));
        }
        _ => {}
    }
    for (key, value) in options.iter().filter(|(key, _)| !matches!(canonical(key), "type" | "id" | "source")) {
        out.push(',');
        out.push_str(key);
        if let Some(value) = value {
            out.push('=');
            out.push_str(value);
        }
    }
    out
}

fn find<'a>(options: &'a [(String, Option<String>)], name: &str) -> Option<&'a str> {
    options.iter().find(|(key, _)| canonical(key) == name).and_then(|(_, value)| value.as_deref())
}

fn canonical(key: &str) -> &str {
    match key {
        "dst" | "destination" => "target",
        "src" => "source",
        "readonly" => "ro",
        "readwrite" => "rw",
        key => key,
    }
}
