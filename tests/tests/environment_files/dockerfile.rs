//! Repositories that bring their own Dockerfile, and files that stay out.

use bindery_tests::engine::unique;
use bindery_tests::repos::{executable, file};

use crate::support::{Workshop, build, refuse};

#[test]
fn a39_a_dockerfile_is_built_over_the_repository_with_the_users_name_and_id() {
    let Some(workshop) = Workshop::find("a39") else { return };
    let dockerfile = format!(
        "FROM {}\nARG NB_USER\nARG NB_UID\nADD sayhi.sh /usr/local/bin/sayhi.sh\nCOPY . /srv/all\n\
         RUN echo \"$NB_USER $NB_UID\" > /tmp/who\nUSER ${{NB_UID}}\nCMD [\"sayhi.sh\", \"by default\"]\n",
        workshop.engine.base_image
    );
    let files = [
        file("Dockerfile", dockerfile),
        executable("sayhi.sh", "#!/bin/sh\necho hi $*\n"),
        file("deep/data.txt", "data"),
    ];
    let image = workshop.build(&files);
    assert_eq!(image.run(&["/usr/local/bin/sayhi.sh"]).out, "hi");
    assert_eq!(image.run(&[]).out, "hi by default");
    assert_eq!(image.sh("cat /tmp/who; cat /srv/all/deep/data.txt; id -u"), "jovyan 1000\ndata1000");
    assert_eq!(image.sh("ls -A /srv/all"), "Dockerfile\ndeep\nsayhi.sh");
}

#[test]
fn a40_a_dockerfile_that_is_unpinned_or_ends_as_root_or_knows_no_jupyter_is_built_with_a_warning() {
    let Some(workshop) = Workshop::find("a40") else { return };
    let base = &workshop.engine.base_image;
    for (text, warning) in [
        (format!("FROM {base}\n# jupyter\nUSER 1000\n"), "is not pinned by digest"),
        (format!("FROM {base}\n# jupyter\nUSER root\n"), "Dockerfile:3: the image's user is root"),
        (format!("FROM {base}\nUSER 1000\n"), "does not mention Jupyter"),
    ] {
        match workshop.try_build(&[file("Dockerfile", &text)]) {
            Ok(image) => assert!(image.log.contains(warning), "{text}: {}", image.log),
            Err(failure) => assert!(failure.log.contains(warning), "{text}: {failure:#?}"),
        }
    }
}

#[test]
fn a40_a_dockerfile_whose_server_does_not_start_is_refused_with_its_last_lines() {
    let Some(workshop) = Workshop::with("a40", &[("BUILD__PROBE", "true")]) else { return };
    let dockerfile = format!(
        "FROM {}\n# jupyter\nENTRYPOINT [\"sh\", \"-c\", \"echo nothing is served here; exit 7\"]\n",
        workshop.engine.base_image
    );
    let failure = workshop.try_build(&[file("Dockerfile", dockerfile)]).expect_err("the image serves nothing");
    assert_eq!((failure.place().as_str(), failure.fault["by"].as_str()), ("Dockerfile", Some("user")), "{failure:#?}");
    assert_eq!(failure.fault["code"], "server-exited", "{failure:#?}");
    assert!(failure.log.contains("nothing is served here"), "{}", failure.log);
    assert_eq!(workshop.images(), Vec::<String>::new(), "what does not work has no name");
}

#[test]
fn a41_a_dockerfile_in_binder_is_built_and_the_one_at_the_top_is_not() {
    let Some(workshop) = Workshop::find("a41") else { return };
    let base = &workshop.engine.base_image;
    let files = [
        file("binder/Dockerfile", format!("FROM {base}\n# jupyter\nCOPY data.txt /srv/data.txt\n")),
        file("Dockerfile", format!("FROM {base}\nRUN exit 1\n")),
        file("data.txt", "at the top"),
    ];
    let image = workshop.build(&files);
    assert_eq!(image.sh("cat /srv/data.txt"), "at the top");
    assert!(image.log.contains("Not using Dockerfile: "), "{}", image.log);
}

#[test]
fn a44_a_dockerignore_in_the_configuration_directory_keeps_files_out_as_docker_does() {
    let patterns = "# what stays out\n*\n!keep.txt\n!deep\n\n**/x\n";
    let files = [
        file("binder/.dockerignore", patterns),
        executable(
            "binder/postBuild",
            "#!/bin/sh\ntouch seen.txt\nfind . -type f -not -path './.*' | sort > seen.txt\n",
        ),
        file("keep.txt", ""),
        file("lose.txt", ""),
        file("deep/x", ""),
        file("deep/kept/y", ""),
        file("deep/kept/x", ""),
        unique(),
    ];
    let Some(image) = build("a44", &files) else { return };
    let seen = "./binder/postBuild\n./deep/kept/y\n./keep.txt\n./seen.txt";
    assert_eq!(image.sh("cat seen.txt"), seen);
    assert!(image.log.contains("Using binder/.dockerignore"), "{}", image.log);
    // Of a Dockerfile's context, too.
    let base = &image.workshop.engine.base_image;
    let own = [
        file("binder/Dockerfile", format!("FROM {base}\n# jupyter\nCOPY . /srv/all\n")),
        file("binder/.dockerignore", patterns),
        file("keep.txt", ""),
        file("lose.txt", ""),
        file("deep/x", ""),
        file("deep/y", ""),
    ];
    let image = image.workshop.build(&own);
    assert_eq!(image.sh("cd /srv/all && find . -type f | sort"), "./deep/y\n./keep.txt");
}

#[test]
fn the_policy_of_the_site_decides_which_dockerfiles_are_built() {
    let Some(workshop) = Workshop::with("policy", &[("BUILD__DOCKERFILE_POLICY", "none")]) else { return };
    let base = workshop.engine.base_image.clone();
    let ordinary = [file("Dockerfile", format!("FROM {base}\n# jupyter\n"))];
    let failure = workshop.try_build(&ordinary).expect_err("no Dockerfile is built");
    assert_eq!(failure.fault["code"], "dockerfile-refused", "{failure:#?}");

    // A second escape line is more than both parsers are known to read alike.
    let unsafe_one = [
        file("Dockerfile", format!("# made by hand\n# escape=\\\nFROM {base}\n# jupyter\nCOPY data.txt /srv/\n")),
        file("data.txt", "x"),
    ];
    let Some(failure) = refuse("policy", &unsafe_one) else { return };
    assert_eq!(failure.place(), "Dockerfile:2", "{failure:#?}");
    let Some(workshop) = Workshop::with("policy", &[("BUILD__DOCKERFILE_POLICY", "full")]) else { return };
    let image = workshop.build(&unsafe_one);
    assert_eq!(image.sh("cat /srv/data.txt"), "x");
    assert!(image.log.contains("as it stands"), "{}", image.log);

    let Some(workshop) = Workshop::with("policy", &[("BUILD__DOCKERFILE_BASES", "quay.io/jupyter/*")]) else { return };
    let failure = workshop.try_build(&ordinary).expect_err("the base is not allowed");
    assert_eq!(failure.place(), "Dockerfile:1", "{failure:#?}");
}
