//! The `ImageBuilder` contract.

use std::sync::Arc;

use bindery_core::seams::{BuildProgress, ContextFile, ImageBuilder as _};
use bindery_core::{EntryKind, FaultBy, MemoryTree, StepStatus};
use bindery_images::{Config, DockerImages};

use crate::support::{BASE, Told, fresh, images, job};

macro_rules! images {
    ($test:literal) => {
        images!($test, |_| {})
    };
    ($test:literal, $change:expr) => {
        match images($test, $change).await {
            Some(images) => images,
            None => return,
        }
    };
}

#[tokio::test]
async fn a_build_gives_an_image_with_its_content_labels_and_arguments() {
    let images = images!("a_build_gives_an_image");
    let mut tree = MemoryTree::new([("notebook.ipynb", "{}"), ("deep/er/file", "x")]).unwrap();
    tree.insert("run.sh", EntryKind::Executable, b"#!/bin/sh\n").unwrap();
    tree.insert("link", EntryKind::Symlink, b"deep/er/file").unwrap();
    tree.insert("absolute", EntryKind::Symlink, b"/etc/hosts").unwrap();
    tree.insert("outside", EntryKind::Symlink, b"../../../x").unwrap();
    tree.insert("module", EntryKind::Submodule, b"").unwrap();
    tree.insert(&format!("{}/{}", "d".repeat(150), "é".repeat(90)), EntryKind::File, b"long").unwrap();
    let name = fresh("bindery-test");
    let dockerfile = format!(
        "FROM {BASE}\nARG GREETING\nCOPY --chown=1000:100 content/ /home/\n\
         RUN --mount=type=bind,source=ca.pem,target=/tmp/ca.pem : {name}; cat /tmp/ca.pem\n\
         RUN echo \"$GREETING\"; cd /home; ls -n; cat link; cat ddd*/*\n"
    );
    let mut job = job(&name, &dockerfile, Some(tree));
    job.build_args = vec![("GREETING".into(), "hello 'there' $HOME".into())];
    job.labels = vec![("org.example.a".into(), "b \"c\"\nd".into())];
    job.files = vec![ContextFile { path: "ca.pem".into(), content: b"certificates\n".to_vec(), executable: false }];
    let told = Arc::new(Told::default());
    let built = images.build(job, told.clone()).await.unwrap();
    let lines = told.lines().join("\n");
    assert!(lines.contains("certificates") && lines.contains("hello 'there' $HOME"), "{lines}");
    let has = |pattern: [&str; 3]| lines.lines().any(|line| pattern.iter().all(|part| line.contains(part)));
    assert!(has(["-rwxr-xr-x", "1000 100", "run.sh"]), "{lines}");
    assert!(has(["-rw-r--r--", "1000 100", "notebook.ipynb"]), "{lines}");
    assert!(has(["drwxr-xr-x", "1000 100", "module"]), "{lines}");
    assert!(has(["lrwxrwxrwx", "1000 100", "absolute -> /etc/hosts"]), "{lines}");
    assert!(has(["lrwxrwxrwx", "1000 100", "outside -> ../../../x"]), "{lines}");
    let found = images.find(&name).await.unwrap().unwrap();
    assert_eq!(found, built);
    let base = images.base(name.as_str()).await.unwrap();
    assert_eq!(base.label("org.example.a"), Some("b \"c\"\nd"));
    assert!(base.id.starts_with("sha256:") && base.id == built.id && built.size > 0);
    images.remove(&name).await.unwrap();
    assert_eq!(images.find(&name).await.unwrap(), None);
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn steps_begin_and_end_once_and_nobodys_internals_are_shown() {
    let images = images!("steps_begin_and_end_once");
    let name = fresh("bindery-test");
    let dockerfile = format!("FROM {BASE}\nLABEL x={name}\nRUN echo {name}\nRUN echo two >&2\n");
    let told = Arc::new(Told::default());
    images.build(job(&name, &dockerfile, None), told.clone()).await.unwrap();
    let mut open: Vec<String> = Vec::new();
    let mut names = Vec::new();
    for progress in told.all() {
        match progress {
            BuildProgress::Step(mark) if mark.status == StepStatus::Running => {
                assert!(!open.contains(&mark.id), "{mark:?}");
                open.push(mark.id);
            }
            BuildProgress::Step(mark) => {
                open.retain(|id| *id != mark.id);
                names.push(mark.name);
            }
            BuildProgress::Line { step, .. } => assert!(open.contains(&step)),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("save image"), "{names:?}");
    assert!(names.contains(&format!("[2/3] RUN echo {name}")), "{names:?}");
    // Builds that run at once share equal steps, under the name that the first of them gave: its place is not certain.
    assert!(names.iter().any(|step| step.ends_with(&format!("] FROM {BASE}"))), "{names:?}");
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn an_empty_tree_can_be_copied() {
    let images = images!("an_empty_tree_can_be_copied");
    let name = fresh("bindery-test");
    let dockerfile = format!("FROM {BASE}\nCOPY content/ /home/\n");
    images.build(job(&name, &dockerfile, Some(MemoryTree::default())), Arc::new(Told::default())).await.unwrap();
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn a_dropped_build_told_its_lines_live_and_leaves_nothing() {
    let images = Arc::new(images!("a_dropped_build_leaves_nothing"));
    let name = fresh("bindery-test");
    let cache = name.repository().replace('/', "-");
    let mount = format!("--mount=type=cache,id={cache},target=/c,sharing=locked");
    let dockerfile = format!("FROM {BASE}\nRUN {mount} echo started {name}; sleep 20; echo ended > /c/flag\n");
    let told = Arc::new(Told::default());
    let building = tokio::spawn({
        let (images, told, job) = (images.clone(), told.clone(), job(&name, &dockerfile, None));
        async move { images.build(job, told).await }
    });
    told.line(&format!("started {name}")).await;
    assert!(!building.is_finished(), "the line came before the end");
    building.abort();
    assert!(building.await.unwrap_err().is_cancelled());
    // The lock makes this wait for the step above if it still runs; then there would be a flag.
    let after = fresh("bindery-test");
    let dockerfile = format!("FROM {BASE}\nRUN {mount} echo {after}; echo flags: $(ls /c)\n");
    let told = Arc::new(Told::default());
    images.build(job(&after, &dockerfile, None), told.clone()).await.unwrap();
    assert!(told.lines().contains(&"flags:".to_owned()), "{:?}", told.lines());
    assert_eq!(images.find(&name).await.unwrap(), None);
    images.remove(&after).await.unwrap();
}

#[tokio::test]
async fn cache_mounts_outlive_a_build() {
    let images = images!("cache_mounts_outlive_a_build");
    let cache = uuid::Uuid::new_v4();
    for round in 1..=2 {
        let name = fresh("bindery-test");
        let dockerfile = format!(
            "FROM {BASE}\nRUN --mount=type=cache,id={cache},target=/c echo {name} >> /c/n; echo held:; cat /c/n\n"
        );
        let told = Arc::new(Told::default());
        images.build(job(&name, &dockerfile, None), told.clone()).await.unwrap();
        let held = told.lines().iter().filter(|line| line.starts_with("bindery-test/")).count();
        assert_eq!(held, round, "{:?}", told.lines());
        images.remove(&name).await.unwrap();
    }
}

#[tokio::test]
async fn a_failing_step_is_the_authors_with_command_code_and_lines_and_no_image() {
    let images = images!("a_failing_step_is_the_authors");
    let name = fresh("bindery-test");
    let dockerfile = format!("FROM {BASE}\nRUN echo {name}; echo 'no such package: numpyy' >&2; exit 7\n");
    let told = Arc::new(Told::default());
    let fault = images.build(job(&name, &dockerfile, None), told.clone()).await.unwrap_err();
    assert_eq!((fault.by, fault.code.as_str(), fault.retry), (FaultBy::User, "build-step-failed", false));
    assert!(fault.message.contains("RUN echo") && fault.message.contains("exit code 7"), "{fault}");
    let wrote = |progress: &BuildProgress| matches!(progress, BuildProgress::Line { text, .. } if text == "no such package: numpyy");
    assert!(told.all().iter().any(wrote), "{:?}", told.all());
    let failed = |progress: &BuildProgress| matches!(progress, BuildProgress::Step(mark) if mark.status == StepStatus::Failed && mark.name.contains("exit 7"));
    assert!(told.all().iter().any(failed), "{:?}", told.all());
    assert_eq!(images.find(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_killed_step_is_said_to_have_run_out_of_memory() {
    let images = images!("a_killed_step");
    let dockerfile = format!("FROM {BASE}\nRUN exit 137\n");
    let fault =
        images.build(job(&fresh("bindery-test"), &dockerfile, None), Arc::new(Told::default())).await.unwrap_err();
    assert!(fault.code == "build-step-failed" && fault.message.contains("memory"), "{fault}");
}

#[tokio::test]
async fn dockerfiles_that_cannot_be_built_say_why() {
    let images = images!("dockerfiles_that_cannot_be_built");
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (dockerfile, code, says) in [
        (format!("FROM {BASE}\n\nFOO bar\n"), "dockerfile-invalid", "Dockerfile:3"),
        (format!("FROM {BASE}\nCOPY nosuch /\n"), "build-step-failed", "nosuch"),
        (format!("FROM 127.0.0.1:{refused}/a:b\n"), "from-image-unreachable", "/a:b"),
        ("RUN x\n".to_owned(), "dockerfile-invalid", "no build stage"),
    ] {
        let mut job = job(&fresh("bindery-test"), &dockerfile, Some(MemoryTree::default()));
        job.tree_prefix = String::new();
        let fault = images.build(job, Arc::new(Told::default())).await.unwrap_err();
        assert_eq!(fault.code, code, "{fault:?}");
        assert!(fault.to_string().contains(says), "{fault}");
        assert_ne!(fault.by, FaultBy::Us);
    }
}

#[tokio::test]
async fn a_build_over_its_time_is_ended_and_its_step_named() {
    let images = images!("a_build_over_its_time", |config| config.build_seconds = 4);
    let name = fresh("bindery-test");
    let dockerfile = format!("FROM {BASE}\nRUN while true; do echo {name}; sleep 1; done\n");
    let fault = images.build(job(&name, &dockerfile, None), Arc::new(Told::default())).await.unwrap_err();
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::User, "build-timeout"));
    assert!(fault.message.contains("longer than 4 s") && fault.message.contains("while true"), "{fault}");
    assert_eq!(images.find(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_build_that_says_nothing_is_ended() {
    let images = images!("a_build_that_says_nothing", |config| config.no_output_seconds = 3);
    let name = fresh("bindery-test");
    let dockerfile = format!("FROM {BASE}\nRUN sleep 60; echo {name}\n");
    let fault = images.build(job(&name, &dockerfile, None), Arc::new(Told::default())).await.unwrap_err();
    assert!(fault.code == "build-timeout" && fault.message.contains("nothing for 3 s"), "{fault}");
    assert!(fault.message.contains("sleep 60"), "{fault}");
}

#[tokio::test]
async fn a_nearly_full_disk_stops_builds_before_they_start() {
    let images = images!("a_nearly_full_disk", |config| config.min_free_bytes = u64::MAX);
    let told = Arc::new(Told::default());
    let dockerfile = format!("FROM {BASE}\n");
    let fault = images.build(job(&fresh("bindery-test"), &dockerfile, None), told.clone()).await.unwrap_err();
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::Us, "disk-full"));
    assert!(told.all().is_empty());
}

#[tokio::test]
async fn a_base_image_that_is_nowhere_is_the_operators_to_set() {
    let images = images!("a_base_image_that_is_nowhere");
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fault = images.base(&format!("127.0.0.1:{refused}/base:1")).await.unwrap_err();
    assert_eq!((fault.by, fault.code.as_str()), (FaultBy::Us, "base-image-missing"));
    let hint = fault.hint.unwrap();
    assert!(hint.contains("build.base_image") && hint.contains("deploy/stack"));
}

#[tokio::test]
async fn a_repositorys_dockerfile_sees_its_files_and_not_the_ignored_ones() {
    let images = images!("a_repositorys_dockerfile");
    let dockerfile = format!("FROM {BASE}\nCOPY . /r\nRUN echo $(ls -A /r) ${{X:-}}\n");
    let files =
        [("Dockerfile", dockerfile.as_str()), (".dockerignore", "secret\n.dockerignore"), ("a", ""), ("secret", "s")];
    let name = fresh("bindery-test");
    let mut job = job(&name, &dockerfile, Some(MemoryTree::new(files).unwrap()));
    job.tree_prefix = String::new();
    job.ignore_file = Some(".dockerignore".to_owned());
    let told = Arc::new(Told::default());
    images.build(job, told.clone()).await.unwrap();
    // Cached when the test ran before: then there are no lines, and the first run has shown them.
    if let Some(line) = told.lines().first() {
        assert_eq!(line, "Dockerfile a");
    }
    images.remove(&name).await.unwrap();
}

#[tokio::test]
async fn an_engine_lost_during_a_build_is_ours_and_not_the_steps() {
    let Some(host) = crate::support::docker_host("an_engine_lost_during_a_build") else { return };
    let _base = images!("an_engine_lost_during_a_build");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docker.sock");
    let relay = crate::support::relay(&path, host.trim_start_matches("unix://"));
    let config = Config {
        docker_host: Some(format!("unix://{}", path.display())),
        min_free_bytes: 0,
        min_free_percent: 0,
        ..Config::default()
    };
    let images = Arc::new(DockerImages::new(config));
    let name = fresh("bindery-test");
    let told = Arc::new(Told::default());
    let building = tokio::spawn({
        let job = job(&name, &format!("FROM {BASE}\nRUN echo {name}; sleep 20\n"), None);
        let (images, told) = (images.clone(), told.clone());
        async move { images.build(job, told).await }
    });
    told.line(name.as_str()).await;
    drop(relay);
    let fault = building.await.unwrap().unwrap_err();
    assert_eq!((fault.by, fault.code.as_str(), fault.retry), (FaultBy::Us, "engine-unreachable", true), "{fault}");
    let fault = images.find(&name).await.unwrap_err();
    assert_eq!(fault.code, "engine-unreachable", "{fault}");
}

#[tokio::test]
async fn more_builds_than_may_run_wait_and_say_so() {
    let images = Arc::new(images!("more_builds_than_may_run", |config| config.concurrent_builds = 1));
    let (first, second) = (fresh("bindery-test"), fresh("bindery-test"));
    let told = Arc::new(Told::default());
    let running = tokio::spawn({
        let job = job(&first, &format!("FROM {BASE}\nRUN echo {first}; sleep 20\n"), None);
        let (images, told) = (images.clone(), told.clone());
        async move { images.build(job, told).await }
    });
    told.line(first.as_str()).await;
    let waiting = Arc::new(Told::default());
    let after = tokio::spawn({
        let job = job(&second, &format!("FROM {BASE}\nRUN echo {second}\n"), None);
        let (images, waiting) = (images.clone(), waiting.clone());
        async move { images.build(job, waiting).await }
    });
    waiting.step("wait for other builds", StepStatus::Running).await;
    running.abort();
    after.await.unwrap().unwrap();
    assert!(waiting.lines().contains(&second.to_string()));
    images.remove(&second).await.unwrap();
}

#[tokio::test]
async fn a_file_of_an_image_is_read_without_running_it() {
    let images = images!("a_file_of_an_image_is_read_without_running_it");
    let name = fresh("file");
    let text = format!(
        "FROM {BASE}\nRUN echo hello >/note; exec 2>/dev/null; cat /bin/ls >/big; exit 0\nENTRYPOINT [\"/bin/no\"]\n"
    );
    let built = images.build(job(&name, &text, None), Arc::new(Told::default())).await.unwrap();
    assert_eq!(images.read_file(&built.id, "/note", 100).await.unwrap().as_deref(), Some(b"hello\n".as_slice()));
    assert_eq!(images.read_file(&built.id, "/none", 100).await.unwrap(), None);
    assert_eq!(images.read_file(&built.id, "/bin", 1 << 30).await.unwrap(), None, "a directory");
    let fault = images.read_file(&built.id, "/big", 100).await.unwrap_err();
    assert!(fault.message.contains("/big is larger than 100 bytes"), "{fault}");
    // A container that was left behind would keep the image.
    images.remove(&name).await.unwrap();
    assert_eq!(images.find(&name).await.unwrap(), None);
    assert!(images.read_file(&built.id, "/note", 100).await.is_err());
}
