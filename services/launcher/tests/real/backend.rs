//! The backend alone.

use std::collections::HashMap;
use std::time::Duration;

use bindery_core::seams::SessionBackend;
use bindery_core::{ImageRef, Secret};
use bindery_launcher::{Config, DockerBackend};
use bollard::models::{ContainerConfig, NetworkCreateRequest};

use super::house::visit;
use crate::support::contract::{Images, keeps_the_contract, spec};

const LONG: Duration = Duration::from_secs(60);

fn missing() -> ImageRef {
    let id = format!("sha256:{}", "0".repeat(64));
    ImageRef { name: "bindery-test/missing:1".parse().unwrap(), id, registry_digest: None }
}

#[tokio::test]
async fn the_engine_keeps_the_contract() {
    visit(|house| async move {
        let images = Images {
            well: house.base.clone(),
            exits: house.image(&["sh", "-c", "echo one; echo two; echo three; exit 3"]).await,
            stubborn: house.image(&["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]).await,
            missing: missing(),
        };
        keeps_the_contract(house.backend().as_ref(), &images).await;
    })
    .await;
}

#[tokio::test]
async fn a_container_is_confined_as_the_engine_sees_it() {
    visit(|house| async move {
        let backend = house.backend();
        let spec = spec(&house.base);
        let handle = backend.start(&spec).await.unwrap();
        let seen = house.docker.inspect_container(&handle.container, None).await.unwrap();
        assert_eq!(seen.name.as_deref(), Some(format!("/bindery-{}", spec.id).as_str()));
        assert_eq!(seen.image.as_deref(), Some(house.base.id.as_str()));
        let host = seen.host_config.unwrap();
        assert_eq!(host.cap_drop.as_deref(), Some(["ALL".to_owned()].as_slice()));
        assert_eq!(host.cap_add.unwrap_or_default(), Vec::<String>::new());
        assert!(host.security_opt.unwrap().contains(&"no-new-privileges".to_owned()));
        assert_eq!(host.privileged, Some(false));
        assert_eq!(host.pids_limit, Some(512));
        assert_eq!((host.memory, host.memory_swap), (Some(2 << 30), Some(2 << 30)));
        assert_eq!(host.nano_cpus, Some(1_000_000_000));
        assert_eq!(host.init, Some(true));
        assert_eq!(host.oom_score_adj, Some(500));
        assert_eq!(host.port_bindings.unwrap_or_default().len(), 0);
        assert_eq!(host.binds.unwrap_or_default(), Vec::<String>::new());
        let nofile = host.ulimits.unwrap().remove(0);
        assert_eq!((nofile.name.as_deref(), nofile.hard), (Some("nofile"), Some(4096)));
        let log = host.log_config.unwrap();
        assert_eq!(log.typ.as_deref(), Some("json-file"));
        assert!(log.config.unwrap().contains_key("max-size"));
        assert!(matches!(host.restart_policy.unwrap().name.map(|name| name.to_string()).as_deref(), Some("no" | "")));
        let config = seen.config.unwrap();
        assert_eq!(config.healthcheck.unwrap().test.as_deref(), Some(["NONE".to_owned()].as_slice()));
        assert_eq!(config.labels.unwrap()["io.bindery.session"], spec.id.to_string());
        assert!(!format!("{:?} {:?}", config.cmd, seen.args).contains(spec.token.expose()), "no token in argv");
        let network = house.docker.inspect_network(&house.config.network, None).await.unwrap();
        assert_eq!(network.options.unwrap()["com.docker.network.bridge.enable_icc"], "false");
        assert_eq!(network.enable_ipv6, Some(false));
        backend.stop(spec.id, LONG).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_runs_inside_has_no_privileges_even_when_the_image_says_root() {
    visit(|house| async move {
        let backend = house.backend();
        let facts = "id -u; id -g; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; \
                     echo oom:$(cat /proc/self/oom_score_adj); ulimit -n";
        let entrypoint = ["sh", "-c", facts].map(str::to_owned).to_vec();
        let config = ContainerConfig {
            entrypoint: Some(entrypoint),
            user: Some("root".to_owned()),
            ..ContainerConfig::default()
        };
        let spec = spec(&house.variant(config).await);
        backend.start(&spec).await.unwrap();
        assert_eq!(backend.wait(spec.id, LONG).await.unwrap().unwrap().exited, Some((0, false)));
        let none = "0".repeat(16);
        assert_eq!(
            backend.last_lines(spec.id, 20).await.unwrap(),
            [
                "1000",
                "100",
                &format!("CapEff:{none}"),
                &format!("CapBnd:{none}"),
                "NoNewPrivs:1",
                "Seccomp:2",
                "oom:500",
                "4096",
            ]
        );
        backend.stop(spec.id, LONG).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn two_sessions_cannot_reach_each_other() {
    visit(|house| async move {
        let backend = house.backend();
        let listen = "import socketserver; socketserver.TCPServer(('', 8888), socketserver.BaseRequestHandler).serve_forever()";
        let listener = spec(&house.image(&["tini", "--", "python3", "-c", listen]).await);
        let target = backend.start(&listener).await.unwrap().upstream;
        // From here it can be reached, so it is there to be reached.
        while tokio::net::TcpStream::connect(target).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let dial = "import os, socket\ntry:\n  socket.create_connection((os.environ['TARGET'], 8888), 3)\nexcept TimeoutError:\n  \
                    print('timed out')\nelse:\n  print('connected')";
        let mut dialler = spec(&house.image(&["python3", "-c", dial]).await);
        let mut tried = |address: String| {
            dialler = spec(&dialler.image);
            dialler.env.push(("TARGET".to_owned(), address));
            let (backend, dialler) = (backend.clone(), dialler.clone());
            async move {
                backend.start(&dialler).await.unwrap();
                backend.wait(dialler.id, LONG).await.unwrap().unwrap();
                let said = backend.last_lines(dialler.id, 1).await.unwrap();
                backend.stop(dialler.id, LONG).await.unwrap();
                said
            }
        };
        assert_eq!(tried(target.ip().to_string()).await, ["timed out"]);
        backend.stop(listener.id, LONG).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_network_that_does_not_keep_sessions_apart_is_refused() {
    visit(|house| async move {
        let name = format!("bindery-test-open-{}", std::process::id());
        let request = NetworkCreateRequest { name: name.clone(), ..NetworkCreateRequest::default() };
        house.docker.create_network(request).await.unwrap();
        let config = Config { network: name.clone(), ..house.config.clone() };
        let fault = DockerBackend::new(config).unwrap().start(&spec(&house.base)).await.unwrap_err();
        house.docker.remove_network(&name).await.unwrap();
        assert_eq!(fault.code, "network-unsafe");
    })
    .await;
}

#[tokio::test]
async fn a_missing_network_is_made_and_one_that_vanishes_made_again() {
    visit(|house| async move {
        let name = format!("bindery-test-own-{}", std::process::id());
        let backend = DockerBackend::new(Config { network: name.clone(), ..house.config.clone() }).unwrap();
        let image = house.image(&["true"]).await;
        for attempt in 0..2 {
            let spec = spec(&image);
            backend.start(&spec).await.unwrap();
            backend.stop(spec.id, LONG).await.unwrap();
            if attempt == 0 {
                house.docker.remove_network(&name).await.unwrap();
            }
        }
        house.docker.remove_network(&name).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn launchers_that_start_at_the_same_moment_agree_on_one_network() {
    visit(|house| async move {
        let image = house.image(&["true"]).await;
        for round in 0..4 {
            let name = format!("bindery-test-race-{round}-{}", std::process::id());
            let config = Config { network: name.clone(), ..house.config.clone() };
            let starts = (0..3).map(|_| {
                let (backend, spec) = (DockerBackend::new(config.clone()).unwrap(), spec(&image));
                async move {
                    backend.start(&spec).await.unwrap();
                    backend.stop(spec.id, LONG).await.unwrap();
                }
            });
            futures::future::join_all(starts).await;
            // By its name: the engine refuses where two have it.
            house.docker.remove_network(&name).await.unwrap();
            assert!(house.docker.inspect_network(&name, None).await.is_err(), "round {round}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_networks_left_by_others_one_is_used_and_the_other_goes() {
    visit(|house| async move {
        let name = format!("bindery-test-twice-{}", std::process::id());
        let backend = DockerBackend::new(Config { network: name.clone(), ..house.config.clone() }).unwrap();
        let spec = spec(&house.image(&["true"]).await);
        for _ in 0..2 {
            let request = NetworkCreateRequest {
                name: name.clone(),
                driver: Some("bridge".to_owned()),
                options: Some(HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())])),
                ..NetworkCreateRequest::default()
            };
            // Newer engines refuse the second.
            let _ = house.docker.create_network(request).await;
        }
        backend.start(&spec).await.unwrap();
        backend.stop(spec.id, LONG).await.unwrap();
        house.docker.remove_network(&name).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn certificate_authorities_of_the_host_reach_a_session() {
    visit(|house| async move {
        let bundle = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), "PEM of the site\n").unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(bundle.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let config = Config { ca_bundle: Some(bundle.path().to_owned()), ..house.config.clone() };
        let backend = DockerBackend::new(config).unwrap();
        let look = "cat $SSL_CERT_FILE $PIP_CERT; echo x >> $SSL_CERT_FILE || echo read-only";
        let spec = spec(&house.image(&["sh", "-c", look]).await);
        backend.start(&spec).await.unwrap();
        backend.wait(spec.id, LONG).await.unwrap().unwrap();
        let lines = backend.last_lines(spec.id, 10).await.unwrap();
        assert_eq!(lines.iter().filter(|line| *line == "PEM of the site").count(), 2, "{lines:?}");
        assert!(lines.contains(&"read-only".to_owned()), "{lines:?}");
        backend.stop(spec.id, LONG).await.unwrap();

        let config = Config { ca_bundle: Some("/nowhere/ca.pem".into()), ..house.config.clone() };
        let fault = DockerBackend::new(config).unwrap().start(&spec).await.unwrap_err();
        assert_eq!(fault.code, "engine-refused");
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_cannot_start_the_container_leaves_nothing() {
    visit(|house| async move {
        let config = Config { runtime: "no-such-runtime".to_owned(), ..house.config.clone() };
        let fault = DockerBackend::new(config).unwrap().start(&spec(&house.base)).await.unwrap_err();
        assert_eq!(fault.code, "engine-refused");
        let stranger = ContainerConfig { user: Some("nobody-here".to_owned()), ..ContainerConfig::default() };
        let unrunnable = spec(&house.variant(stranger).await);
        assert_eq!(house.backend().start(&unrunnable).await.unwrap_err().code, "image-unrunnable");
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_our_fault_and_said_at_once() {
    let config = Config { docker_host: "unix:///nowhere/docker.sock".to_owned(), ..Config::default() };
    let backend = DockerBackend::new(config).unwrap();
    assert_eq!(backend.reachable().await.unwrap_err().code, "engine-unreachable");
    let mut spec = spec(&missing());
    spec.token = Secret::new("t");
    assert_eq!(backend.start(&spec).await.unwrap_err().code, "engine-unreachable");
}
