//! `RUN --mount`: which mounts a repository may use.

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
    Ok(options)
}

/// The name a repository's cache gets, so that no repository can reach the service's caches or those of another scope.
pub(crate) fn cache_id(options: &[(String, Option<String>)], scope: &str) -> Option<String> {
    if find(options, "type") != Some("cache") {
        return None;
    }
    let own = find(options, "id").or_else(|| find(options, "target")).unwrap_or_default();
    let mut rendered = format!("--mount=type=cache,id=repository-{scope}-{own}");
    for (key, value) in options.iter().filter(|(key, _)| !matches!(key.as_str(), "type" | "id")) {
        rendered.push(',');
        rendered.push_str(key);
        if let Some(value) = value {
            rendered.push('=');
            rendered.push_str(value);
        }
    }
    Some(rendered)
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
