//! What a session's container is: its command, environment, limits and confinement. Pure.

use std::collections::HashMap;

use bindery_core::seams::SessionSpec;
use bindery_core::{SessionId, Timestamp};
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use super::{LABEL_CREATED, LABEL_IMAGE, LABEL_INSTANCE, LABEL_SESSION, PORT};
use crate::Config;

/// Who a session runs as when its image would run as root: the user of the docker-stacks contract.
const PLAIN_USER: &str = "1000:100";
/// Where the certificate authorities are inside a session.
const CA_PATH: &str = "/etc/bindery/ca-bundle.pem";
/// The variables by which OpenSSL, requests, pip, curl, git and Node find certificate authorities.
pub(super) const CA_VARIABLES: [&str; 6] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"];
/// The variable by which every version of the server reads its token.
pub(super) const TOKEN_VARIABLE: &str = "JUPYTER_TOKEN";

/// Chooses the server the image has and becomes it, so that it gets the signals. Runs as the image's entry point runs any command.
/// A server that is not built on `jupyter_server` knows its settings by their older name.
const CHOOSE_SERVER: &str = r#"has() { command -v "$1" >/dev/null 2>&1; }
if has jupyter-server && has jupyter-lab; then exec jupyter-lab "$@"; fi
if has jupyter-notebook || has jupyter-lab; then
  for flag; do case $flag in --ServerApp.*) set -- "$@" "--NotebookApp.${flag#--ServerApp.}";; esac; done
  if has jupyter-notebook; then exec jupyter-notebook "$@"; fi
  exec jupyter-lab "$@"
fi
if has jupyter-server; then exec jupyter-server "$@"; fi
echo "This image has none of jupyter-lab, jupyter-notebook and jupyter-server on its PATH." >&2
exit 127
"#;

/// The container's name.
pub(super) fn name(id: SessionId) -> String {
    format!("bindery-{id}")
}

/// The container to create, on the network with the id `network`. `image_user` is the user the image names.
pub(super) fn body(
    config: &Config,
    seccomp: Option<&str>,
    spec: &SessionSpec,
    image_user: &str,
    network: &str,
) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(spec.image.id.clone()),
        // The entry point stays the image's: it loads the environment and runs the repository's `start`.
        cmd: Some(command(config, &spec.base_path)),
        env: Some(environment(config, spec)),
        labels: Some(labels(config, spec)),
        user: runs_as_root(image_user).then(|| PLAIN_USER.to_owned()),
        // An image's health check would start a process every few seconds for nobody to look at.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        stop_signal: Some("SIGTERM".to_owned()),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        host_config: Some(host_config(config, seccomp, network)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.to_owned(), EndpointSettings::default())])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Whether a `USER` of an image is root, or nobody in particular, which is root.
fn runs_as_root(user: &str) -> bool {
    let user = user.split(':').next().unwrap_or_default().trim();
    user.is_empty() || user == "root" || user.parse::<u64>() == Ok(0)
}

fn command(config: &Config, base_path: &str) -> Vec<String> {
    let mut command: Vec<String> = ["sh", "-c", CHOOSE_SERVER, "bindery-session"].map(str::to_owned).into();
    command.extend([
        "--ip=0.0.0.0".to_owned(),
        format!("--port={PORT}"),
        "--no-browser".to_owned(),
        format!("--ServerApp.base_url={base_path}"),
        "--ServerApp.port_retries=0".to_owned(),
        "--ServerApp.quit_button=False".to_owned(),
        "--ServerApp.trust_xheaders=True".to_owned(),
        "--ServerApp.allow_remote_access=True".to_owned(),
    ]);
    if !config.allow_origin.is_empty() {
        // The server sends no credentials header for a bare `*`; a pattern that matches everything is taken as each origin itself.
        command.push(match config.allow_origin.as_str() {
            "*" => "--ServerApp.allow_origin_pat=.*".to_owned(),
            origin => format!("--ServerApp.allow_origin={origin}"),
        });
    }
    command
}

fn environment(config: &Config, spec: &SessionSpec) -> Vec<String> {
    let mut environment: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    environment.push(format!("{TOKEN_VARIABLE}={}", spec.token.expose()));
    if config.ca_bundle.is_some() {
        environment.extend(CA_VARIABLES.map(|name| format!("{name}={CA_PATH}")));
    }
    environment
}

fn labels(config: &Config, spec: &SessionSpec) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_SESSION.to_owned(), spec.id.to_string()),
        (LABEL_INSTANCE.to_owned(), config.instance.clone()),
        (LABEL_IMAGE.to_owned(), spec.image.name.to_string()),
        (LABEL_CREATED.to_owned(), Timestamp::now().as_millis().to_string()),
    ])
}

fn host_config(config: &Config, seccomp: Option<&str>, network: &str) -> HostConfig {
    let memory = (config.memory_bytes > 0).then(|| i64::try_from(config.memory_bytes).unwrap_or(i64::MAX));
    let mut security = vec!["no-new-privileges".to_owned()];
    security.extend(seccomp.map(|profile| format!("seccomp={profile}")));
    HostConfig {
        network_mode: Some(network.to_owned()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(security),
        privileged: Some(false),
        // An init forwards signals and reaps: a first process that ignores SIGTERM would cost the whole grace at every stop.
        init: Some(true),
        pids_limit: Some(i64::from(config.pids)),
        memory,
        // Equal to memory: no swap.
        memory_swap: memory,
        nano_cpus: nano_cpus(config.cpus),
        // When the machine runs out of memory, a session goes before the service does.
        oom_score_adj: Some(500),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(i64::from(config.open_files)),
            hard: Some(i64::from(config.open_files)),
        }]),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), config.log_bytes.max(65_536).to_string()),
                ("max-file".to_owned(), "1".to_owned()),
            ])),
        }),
        runtime: (!config.runtime.is_empty()).then(|| config.runtime.clone()),
        mounts: config.ca_bundle.as_ref().map(|bundle| {
            vec![Mount {
                typ: Some(MountType::BIND),
                source: Some(bundle.display().to_string()),
                target: Some(CA_PATH.to_owned()),
                read_only: Some(true),
                ..Mount::default()
            }]
        }),
        ..HostConfig::default()
    }
}

fn nano_cpus(cpus: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what an engine could mean")]
    (cpus > 0.0).then(|| (cpus.min(100_000.0) * 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use bindery_core::seams::SessionSpec;
    use bindery_core::{ImageRef, Secret, SessionId};

    use super::{CHOOSE_SERVER, body, runs_as_root};
    use crate::Config;

    fn spec() -> SessionSpec {
        let id = SessionId::new();
        SessionSpec {
            id,
            image: ImageRef { name: "bindery/x:1".parse().unwrap(), id: "sha256:ab".to_owned(), registry_digest: None },
            base_path: format!("/user/{id}/"),
            token: Secret::new("s3cret"),
            env: vec![("BINDER_REQUEST".to_owned(), "v2/git/x".to_owned())],
        }
    }

    #[test]
    fn the_token_is_in_the_environment_and_nowhere_else() {
        let body = body(&Config::default(), None, &spec(), "1000", "net");
        let env = body.env.clone().unwrap();
        assert!(env.contains(&"JUPYTER_TOKEN=s3cret".to_owned()));
        assert!(!format!("{:?} {:?}", body.cmd, body.labels).contains("s3cret"));
    }

    #[test]
    fn an_image_that_would_run_as_root_runs_as_a_plain_user() {
        for user in ["", "root", "0", "0:0", "root:root", "00", "0:100", ":100"] {
            assert!(runs_as_root(user), "{user:?}");
            assert_eq!(body(&Config::default(), None, &spec(), user, "net").user.as_deref(), Some("1000:100"));
        }
        for user in ["1000", "jovyan", "1000:100", "rstudio"] {
            assert_eq!(body(&Config::default(), None, &spec(), user, "net").user, None, "{user:?}");
        }
    }

    #[test]
    fn no_limit_is_said_as_none() {
        let config = Config { cpus: 0.0, memory_bytes: 0, ..Config::default() };
        let host = body(&config, None, &spec(), "1000", "net").host_config.unwrap();
        assert_eq!((host.nano_cpus, host.memory, host.memory_swap), (None, None, None));
    }

    #[test]
    fn certificate_authorities_are_mounted_read_only_and_named_to_every_tool() {
        let config = Config { ca_bundle: Some("/etc/ssl/site.pem".into()), ..Config::default() };
        let body = body(&config, None, &spec(), "1000", "net");
        let mount = body.host_config.unwrap().mounts.unwrap().remove(0);
        assert_eq!((mount.source.as_deref(), mount.read_only), (Some("/etc/ssl/site.pem"), Some(true)));
        let env = body.env.unwrap();
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"] {
            assert!(env.iter().any(|line| line.starts_with(&format!("{name}=/etc/bindery/"))), "{name}");
        }
    }

    /// Runs the choosing script with these programs on the PATH; what was started with which arguments.
    fn choose(programs: &[&str]) -> (String, Option<i32>) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        for program in programs {
            let path = dir.path().join(program);
            std::fs::write(&path, format!("#!/bin/sh\necho {program} \"$@\"\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", CHOOSE_SERVER, "x", "--port=1", "--ServerApp.base_url=/user/a b/"])
            .env("PATH", dir.path())
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap().trim().to_owned(), output.status.code())
    }

    #[test]
    fn the_best_server_of_the_image_is_chosen() {
        let plain = "--port=1 --ServerApp.base_url=/user/a b/";
        let both = format!("{plain} --NotebookApp.base_url=/user/a b/");
        let all = ["jupyter-lab", "jupyter-notebook", "jupyter-server"];
        assert_eq!(choose(&all).0, format!("jupyter-lab {plain}"));
        assert_eq!(choose(&["jupyter-notebook", "jupyter-server"]).0, format!("jupyter-notebook {both}"));
        assert_eq!(choose(&["jupyter-lab", "jupyter-notebook"]).0, format!("jupyter-notebook {both}"));
        assert_eq!(choose(&["jupyter-server"]).0, format!("jupyter-server {plain}"));
        assert_eq!(choose(&["jupyter-lab"]).0, format!("jupyter-lab {both}"));
        assert_eq!(choose(&[]), (String::new(), Some(127)));
    }
}
