//! Feeds what strangers write to the parsers of it, and checks what those promise.
//!
//! Run by hand with a nightly compiler; see `README.md`. It must hold no parser of its own, and is no part of the service.
//!
//! | folder | what it holds |
//! |---|---|
//! | `fuzz_targets/` | one target for each grammar |
//! | `seeds/` | a few ordinary and a few nasty inputs for each |

use bindery_buildpacks::{PlanOptions, assumed_base, render_dockerfile_repo, render_environment, render_session};
use bindery_core::{BaseImage, EntryKind, MemoryTree};
use parse_dockerfile::{Command, Instruction};

/// A base image that keeps the docker-stacks contract.
fn base() -> BaseImage {
    let labels = vec![("io.bindery.python".to_owned(), "3.11.2".to_owned())];
    BaseImage { labels, ..assumed_base("bindery/stack:fuzz") }
}

/// Plans a repository that holds `content` as its environment file `name`, and a few files it may refer to.
pub fn environment_file(name: &str, content: &[u8]) {
    // What the file may refer to.
    let others = ["other.txt", "sub/requirements.txt", "setup.py", "sub/pyproject.toml"].map(|other| (other, b"six\n".as_slice()));
    repository(&[others.as_slice(), &[(name, content)]].concat());
}

/// Plans a repository of these files alone, likewise.
pub fn repository(files: &[(&str, &[u8])]) {
    let mut tree = MemoryTree::default();
    for (path, content) in files {
        tree.insert(path, EntryKind::File, content).expect("a plain path");
    }
    any_repository(&tree);
}

/// Plans a repository. It may be refused; if not, the same tree gives the same plan, and what is rendered reads back as instructions of
/// ours alone.
pub fn any_repository(tree: &MemoryTree) {
    let options = PlanOptions { platform: "linux/amd64".to_owned(), ..PlanOptions::default() };
    let planned = || bindery_buildpacks::plan(tree, &base(), &options);
    let Ok(plan) = planned() else { return };
    assert_eq!(Some(&plan), planned().ok().as_ref(), "the same tree gives the same plan");
    serde_json::to_string(&plan).expect("a plan can be shown");
    if plan.is_dockerfile() {
        if let Ok(rendered) = render_dockerfile_repo(&plan, tree) {
            parse_dockerfile::parse(&rendered.dockerfile).expect("what is rendered reads back");
        }
        return;
    }
    let environment = render_environment(&plan);
    let session = render_session(&plan, "env:key");
    for rendered in [&environment, &session] {
        let parsed = parse_dockerfile::parse(&rendered.dockerfile).expect("what is rendered reads back");
        let mut froms = 0;
        for instruction in &parsed.instructions {
            match instruction {
                Instruction::From(_) => froms += 1,
                Instruction::Run(run) => {
                    assert!(matches!(&run.arguments, Command::Shell(_)) && run.here_docs.is_empty());
                }
                Instruction::User(user) => assert!(["root", "1000"].contains(&&*user.arguments.value)),
                Instruction::Copy(_) | Instruction::Env(_) | Instruction::Entrypoint(_) | Instruction::Cmd(_) => {}
                other => panic!("an instruction that no plan has: {other:?}"),
            }
        }
        assert_eq!(froms, 1);
        assert!(parsed.instructions.len() <= 3 * plan.steps.len() + 6, "{}", rendered.dockerfile);
    }
    assert_eq!(environment, render_environment(&plan), "the same plan gives the same bytes");
}
