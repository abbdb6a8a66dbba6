//! Any repository at all is planned or refused, and never brings the planner down.

use bindery_core::{EntryKind, MemoryTree};
use proptest::prelude::*;

use crate::base::tests::stack;
use crate::{CATALOGUE, PlanOptions, plan, render_dockerfile_repo, render_environment, render_session};

/// A place in a repository, most often of a file that some pack reads.
fn path() -> impl Strategy<Value = String> {
    let names: Vec<&str> = CATALOGUE.iter().flat_map(|pack| pack.files().iter().copied()).collect();
    let directory = prop::sample::select(vec!["", "", "", "binder/", ".binder/", "sub/", ".devcontainer/"]);
    let name = prop_oneof![
        6 => prop::sample::select(names).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["environment.yml", "pixi.toml", ".dockerignore", ".cache", "binder"]).prop_map(str::to_owned),
        1 => "[a-z.]{1,12}",
    ];
    (directory, name).prop_map(|(directory, name)| format!("{directory}{name}"))
}

/// Text that looks like one of the formats, or any bytes.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "([a-z][a-z0-9]{0,8}([=<>~!]{1,2}[0-9.]{1,6})?\n){0,5}".prop_map(String::into_bytes),
        2 => "(\\[[a-z.]{1,10}\\]\n([a-z-]{1,10} = (\"[^\"\n]{0,12}\"|\\[\\]|[0-9.]{1,5})\n){0,3}){0,3}".prop_map(String::into_bytes),
        2 => "([a-z]{1,12}:\n( {0,4}- ?[a-z:=0-9.{}\\[\\]\"*&!|>]{0,12}\n){0,4}){0,3}".prop_map(String::into_bytes),
        2 => "\\{(\"[a-z_]{1,10}\": ?(\"[^\"\\\\]{0,8}\"|[0-9]{1,3}|\\{\\}|\\[\\]),?){0,4}\\}".prop_map(String::into_bytes),
        1 => "(FROM|RUN|COPY|ADD|-r|-e|-c|--[a-z-]{1,9}|#!/bin/sh|python-|r-|julia-)[ a-z0-9./:@$-]{0,20}\n".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_repository_of_small_files_is_planned_or_refused(files in prop::collection::vec((path(), content(), 0..12_u8), 0..6)) {
        let mut tree = MemoryTree::default();
        for (path, content, kind) in &files {
            let kind = match kind {
                0 => EntryKind::Symlink,
                1 => EntryKind::Submodule,
                2..=4 => EntryKind::Executable,
                _ => EntryKind::File,
            };
            // A path that no repository can have is not in one.
            let _ = tree.insert(path, kind, content);
        }
        let options = PlanOptions { platform: "linux/amd64".to_owned(), ..PlanOptions::default() };
        let Ok(planned) = plan(&tree, &stack(), &options) else { return Ok(()) };
        prop_assert_eq!(&planned, &plan(&tree, &stack(), &options).unwrap());
        prop_assert!(!planned.buildpacks.is_empty());
        if planned.is_dockerfile() {
            prop_assert!(render_dockerfile_repo(&planned, &tree).is_ok());
        } else {
            prop_assert!(render_environment(&planned).dockerfile.starts_with("FROM "));
            prop_assert!(render_session(&planned, "x").dockerfile.starts_with("FROM "));
        }
    }
}
