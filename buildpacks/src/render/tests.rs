//! Every rendered Dockerfile, read back with a Dockerfile parser, says what its plan says and nothing else.

use bindery_core::{EntryKind, MemoryTree};
use parse_dockerfile::{Command, Instruction, Source};
use proptest::prelude::*;

use super::{render_dockerfile_repo, render_environment, render_session};
use crate::base::tests::stack;
use crate::plan::Action;
use crate::{BuildPlan, PlanOptions, plan, step_of_vertex};

/// A shell line as the shell sees it, with the engine's continuations joined.
fn joined(shell: &str) -> String {
    shell.replace("\\\n", "")
}

/// Reads a Dockerfile back: the keyword of each instruction, and for a RUN the id of its step.
fn read_back(plan: &BuildPlan, text: &str) -> Vec<String> {
    let parsed = parse_dockerfile::parse(text).unwrap();
    parsed
        .instructions
        .iter()
        .map(|instruction| match instruction {
            Instruction::From(from) => format!("FROM {}", from.image.value),
            Instruction::User(user) => format!("USER {}", user.arguments.value),
            Instruction::Env(env) => format!("ENV {}", env.arguments.value),
            Instruction::Copy(copy) => {
                let Source::Path(source) = &copy.src[0] else { panic!("a here-document") };
                format!("COPY {} {} {}", copy.options[0].value.as_ref().unwrap().value, source.value, copy.dest.value)
            }
            Instruction::Entrypoint(entrypoint) => {
                let Command::Exec(words) = &entrypoint.arguments else { panic!("not in exec form") };
                format!("ENTRYPOINT {}", words.value.last().unwrap().value)
            }
            Instruction::Cmd(_) => "CMD".to_owned(),
            Instruction::Run(run) => {
                let Command::Shell(shell) = &run.arguments else { panic!("not in shell form") };
                assert!(run.here_docs.is_empty());
                let mounts = run.options.iter().filter(|flag| flag.name.value == "mount").count();
                assert_eq!(mounts, run.options.len());
                let ca = run.options.iter().any(|flag| flag.value.as_ref().unwrap().value.contains("ca-bundle.pem"));
                assert_eq!(ca, plan.ca_bundle);
                let name = format!("[stage-0 2/3] RUN {}", joined(shell.value));
                format!("RUN {}", step_of_vertex(plan, &name).unwrap().id)
            }
            other => panic!("unexpected {other:?}"),
        })
        .collect()
}

/// What the plan says the Dockerfiles must be.
fn expected(plan: &BuildPlan, content: bool) -> Vec<String> {
    let mut out = vec![if content { "FROM env:key".to_owned() } else { format!("FROM {}", plan.base) }];
    if content {
        out.push("ENV REPO_DIR=/home/jovyan".to_owned());
    }
    for step in plan.steps.iter().filter(|step| step.needs_content == content) {
        match &step.action {
            action if action.as_root() => {
                // Steps as root that follow each other need no change of user.
                if out.last().is_some_and(|last| last == "USER 1000") {
                    out.pop();
                } else {
                    out.push("USER root".to_owned());
                }
                out.push(format!("RUN {}", step.id));
                if step.id == "r" {
                    out.push("ENV R_LIBS_USER=/opt/rlibs".to_owned());
                }
                out.push("USER 1000".to_owned());
            }
            Action::AddJuliaKernel { directory, .. } => {
                let project = format!("/home/jovyan/{directory}");
                out.push(format!("RUN {}", step.id));
                out.push("ENV JULIA_DEPOT_PATH=/opt/julia".to_owned());
                out.push(format!("ENV JULIA_PROJECT={}", project.trim_end_matches('/')));
            }
            Action::CopyContent { make_way } => {
                if !make_way.is_empty() {
                    out.push("RUN content".to_owned());
                }
                out.push("COPY 1000:100 content/ /home/jovyan/".to_owned());
            }
            Action::CreateKernelEnvironment { .. } | Action::InstallConda(_) => {
                out.push(format!("RUN {}", step.id));
                out.push("ENV KERNEL_PYTHON_PREFIX=/opt/conda/envs/kernel JUPYTER_PATH=/opt/conda/envs/kernel/kernelspec/share/jupyter:/opt/conda/envs/kernel/share/jupyter${JUPYTER_PATH:+:$JUPYTER_PATH}".to_owned());
            }
            _ => out.push(format!("RUN {}", step.id)),
        }
    }
    if let Some(start) = plan.start.as_ref().filter(|_| content) {
        out.extend([format!("ENTRYPOINT /home/jovyan/{start}"), "CMD".to_owned()]);
    }
    out
}

fn check(tree: &MemoryTree, ca_bundle: bool) -> Result<(), TestCaseError> {
    let options = PlanOptions {
        platform: "linux/amd64".to_owned(),
        ca_bundle,
        pythons: vec!["3.12".to_owned()],
        ..PlanOptions::default()
    };
    let Ok(plan) = plan(tree, &stack(), &options) else { return Ok(()) };
    if plan.is_dockerfile() {
        if let Ok(rendered) = render_dockerfile_repo(&plan, tree) {
            prop_assert!(parse_dockerfile::parse(&rendered.dockerfile).is_ok());
        }
        return Ok(());
    }
    let (environment, session) = (render_environment(&plan), render_session(&plan, "env:key"));
    prop_assert_eq!(read_back(&plan, &environment.dockerfile), expected(&plan, false));
    prop_assert_eq!(read_back(&plan, &session.dockerfile), expected(&plan, true));
    prop_assert!(!environment.needs_tree);
    // The same again, on any host, at any time.
    prop_assert_eq!(environment, render_environment(&plan));
    Ok(())
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("numpy".to_owned()),
        Just("curl".to_owned()),
        Just("python-3.11".to_owned()),
        Just("python-3.12".to_owned()),
        Just("3.12\n".to_owned()),
        Just("r-4.2-2024-01-31".to_owned()),
        Just("julia-1.9".to_owned()),
        Just("install.packages(c('digest', \"x'; touch /pwned\"))\n".to_owned()),
        Just("Package: waves\nVersion: 1\nImports: digest\n".to_owned()),
        Just("[compat]\njulia = \"1.6\"\n".to_owned()),
        Just("{\"Packages\": {\"digest\": {\"Version\": \"1\"}}}".to_owned()),
        Just("#!/bin/sh\n".to_owned()),
        Just("-e .".to_owned()),
        Just("dependencies:\n- numpy\n- python=3.12\n- pip: [six, -e .]\n".to_owned()),
        Just("channels: [a]\ndependencies: ['a b', $(touch /pwned)]\n".to_owned()),
        Just("\\\n".to_owned()),
        Just("\nRUN touch /pwned\n".to_owned()),
        Just("\r\nUSER root\r\n".to_owned()),
        Just("<<EOF\n".to_owned()),
        Just("$(touch /pwned)".to_owned()),
        Just("'; touch /pwned; '".to_owned()),
        Just("FROM a\nRUN --mount=type=cache,target=/x y\nCOPY a b\n".to_owned()),
        "[ -~\n]{0,12}",
        "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_rendered_reads_back_as_the_plan(
        files in proptest::collection::vec(
            (prop_oneof![
                Just("requirements.txt"), Just("environment.yml"), Just("apt.txt"), Just("runtime.txt"), Just(".python-version"), Just("postBuild"), Just("start"),
                Just("binder/requirements.txt"), Just("binder/apt.txt"), Just("binder/start"), Just("setup.py"), Just("work"),
                Just(".cache"), Just("install.R"), Just("DESCRIPTION"), Just("NAMESPACE"), Just("renv.lock"), Just("Project.toml"),
                Just("Manifest.toml"), Just("binder/install.R"), Just("binder/Project.toml"),
            ], hostile(), any::<bool>()), 0..5),
        ca_bundle: bool,
    ) {
        let mut tree = MemoryTree::default();
        for (path, content, executable) in files {
            let kind = if executable { EntryKind::Executable } else { EntryKind::File };
            tree.insert(path, kind, content.as_bytes()).unwrap();
        }
        check(&tree, ca_bundle)?;
    }

    #[test]
    fn a_dockerfile_of_any_text_is_refused_or_reads_back(text in hostile(), more in hostile(), ca_bundle: bool) {
        let tree = MemoryTree::new([("Dockerfile", format!("FROM x\n{text}\n{more}"))]).unwrap();
        check(&tree, ca_bundle)?;
    }
}

#[test]
fn names_of_packages_travel_as_a_file_and_not_as_text() {
    let tree = MemoryTree::new([("apt.txt", "canary-one\n"), ("requirements.txt", "canary-two\n")]).unwrap();
    let plan = plan(&tree, &stack(), &PlanOptions::default()).unwrap();
    let rendered = render_environment(&plan);
    assert!(!rendered.dockerfile.contains("canary"), "{}", rendered.dockerfile);
    let repository = rendered.files.iter().filter(|file| !file.path.ends_with(".py"));
    let files: Vec<_> = repository.map(|file| (file.path.as_str(), file.content.as_slice())).collect();
    assert_eq!(
        files,
        [
            (".bindery/apt.txt", b"canary-one\n".as_slice()),
            (".bindery/requirements/requirements.txt", b"canary-two\n".as_slice())
        ]
    );
}

#[test]
fn nothing_of_the_ca_bundle_becomes_part_of_an_image() {
    let tree =
        MemoryTree::new([("requirements.txt", "numpy"), ("apt.txt", "curl"), ("postBuild", "#!/bin/sh\n")]).unwrap();
    let plan = plan(&tree, &stack(), &PlanOptions { ca_bundle: true, ..PlanOptions::default() }).unwrap();
    for rendered in [render_environment(&plan), render_session(&plan, "x")] {
        for instruction in parse_dockerfile::parse(&rendered.dockerfile).unwrap().instructions {
            match instruction {
                Instruction::Env(env) => assert!(!env.arguments.value.contains("CERT")),
                Instruction::Run(run) => {
                    let lent = |flag: &parse_dockerfile::Flag<'_>| {
                        let value = &flag.value.as_ref().unwrap().value;
                        !value.contains("ca-bundle") || value.contains("target=/dev/shm/")
                    };
                    assert!(run.options.iter().all(lent));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_session_image_without_content_steps_is_one_layer() {
    let tree = MemoryTree::new([("requirements.txt", "numpy"), ("README.md", "x")]).unwrap();
    let plan = plan(&tree, &stack(), &PlanOptions::default()).unwrap();
    let session = render_session(&plan, "env:key");
    assert_eq!(
        session.dockerfile,
        "FROM env:key\nENV REPO_DIR=/home/jovyan\nCOPY --chown=1000:100 content/ /home/jovyan/\n"
    );
    assert!(session.files.is_empty());
}

#[test]
fn a_name_of_an_image_cannot_carry_an_instruction() {
    let tree = MemoryTree::new([("README.md", "x")]).unwrap();
    let plan = plan(&tree, &stack(), &PlanOptions::default()).unwrap();
    assert!(render_session(&plan, "x\nRUN id").dockerfile.starts_with("FROM invalid\n"));
    assert!(render_session(&plan, "sha256:0123").dockerfile.starts_with("FROM sha256:0123\n"));
}
