//! `bindery check-config`: every value with its origin.

use toml::{Table, Value};

use super::layers::{Loaded, Origin};

/// One line per setting: `section.key = value  # origin`. Secrets are not among them.
///
/// # Errors
/// The settings cannot be written as TOML, which their own tests exclude.
pub(crate) fn show(loaded: &Loaded) -> Result<String, toml::ser::Error> {
    let table = Table::try_from(&loaded.config)?;
    let mut lines = Vec::new();
    collect(&table, "", &mut |path, value| {
        let origin = loaded.origins.get(path).unwrap_or(&Origin::Default);
        lines.push(format!("{path} = {value}  # {origin}"));
    });
    let secrets = [
        ("redis.url", &loaded.config.redis.url),
        ("build.python_mirror", &loaded.config.build.python_mirror),
        ("web.build_token_secret", &loaded.config.web.build_token_secret),
        ("web.api_token", &loaded.config.web.api_token),
    ];
    for (path, _) in secrets.iter().filter(|(_, secret)| secret.is_some()) {
        let origin = loaded.origins.get(*path).unwrap_or(&Origin::Default);
        lines.push(format!("{path} = (set, not shown)  # {origin}"));
    }
    let hosts: Vec<&str> = loaded.config.content.credentials.iter().map(|one| one.host.as_str()).collect();
    if !hosts.is_empty() {
        let origin = loaded.origins.get("content.credentials").unwrap_or(&Origin::Default);
        lines.push(format!("content.credentials = (for {}, not shown)  # {origin}", hosts.join(", ")));
    }
    lines.sort();
    Ok(lines.join("\n") + "\n")
}

fn collect(table: &Table, prefix: &str, line: &mut dyn FnMut(&str, &Value)) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => collect(inner, &path, line),
            value => line(&path, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::show;
    use crate::config::Layers;

    #[test]
    fn every_value_is_shown_with_its_origin_and_no_secret() {
        let environment = vec![
            ("BINDERY__WEB__LISTEN".to_owned(), "127.0.0.1:1".to_owned()),
            ("BINDERY__REDIS__URL".to_owned(), "redis://:hunter2@h/0".to_owned()),
            ("BINDERY__BUILD__PYTHON_MIRROR".to_owned(), "https://me:hunter2@h/".to_owned()),
            ("BINDERY__WEB__API_TOKEN".to_owned(), "hunter2".to_owned()),
            ("BINDERY__WEB__BUILD_TOKEN_SECRET".to_owned(), "hunter2".to_owned()),
            (
                "BINDERY__CONTENT__CREDENTIALS".to_owned(),
                "[{host = \"git.example\", password = \"hunter2\"}]".to_owned(),
            ),
            ("BINDERY__BUILD__PYTHONS".to_owned(), "3.12,3.10".to_owned()),
        ];
        let shown = show(&Layers { environment, ..Layers::default() }.load().unwrap()).unwrap();
        assert!(shown.contains("web.listen = \"127.0.0.1:1\"  # BINDERY__WEB__LISTEN"), "{shown}");
        assert!(shown.contains("launcher.idle_seconds = 600  # default"), "{shown}");
        assert!(shown.contains("build.pythons = [\"3.12\", \"3.10\"]  # BINDERY__BUILD__PYTHONS"), "{shown}");
        assert!(shown.contains("build.python_mirror = (set, not shown)"), "{shown}");
        for secret in ["web.api_token", "web.build_token_secret"] {
            assert!(shown.contains(&format!("{secret} = (set, not shown)")), "{shown}");
        }
        assert!(
            shown.contains("content.credentials = (for git.example, not shown)  # BINDERY__CONTENT__CREDENTIALS"),
            "{shown}"
        );
        assert!(shown.contains("redis.url = (set, not shown)"), "{shown}");
        assert!(!shown.contains("hunter2"));
    }
}
