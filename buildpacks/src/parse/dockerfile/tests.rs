//! Dockerfiles this site builds, and those it does not.

use bindery_core::Fault;

use super::check;

fn judge(text: &str) -> Result<(), Fault> {
    check("Dockerfile", text.as_bytes(), &[]).map(|_| ()).map_err(Fault::from)
}

#[test]
fn ordinary_dockerfiles_are_accepted() {
    for text in [
        "FROM a\n",
        "\u{feff}# a comment\n\nFROM a AS b\r\nFROM b\r\nRUN x\r\n",
        "# escape=`\nFROM a\nRUN dir `\n  c\n",
        "# Author = someone\nFROM a\n",
        "ARG TAG=1\nFROM a:${TAG}\nENV HOME=/home/${NB_USER} A=/usr/proc B=/procedure\nWORKDIR ${HOME}\nUSER ${NB_UID}\n",
        "FROM --platform=linux/amd64 a\nRUN --mount=type=cache,target=/root/.cache,sharing=locked,uid=1 x\n",
        "FROM a\nRUN --mount=type=bind,source=x,target=/x,rw --mount=type=tmpfs,target=/t --network=none --security=sandbox x\n",
        "FROM a\nCOPY --from=ghcr.io/astral-sh/uv --chown=1:2 --chmod=755 --link /uv /bin/\nADD x.tar.gz /x\n",
        "FROM a\nRUN <<EOF\nset -e\nfrom x import y\nEOF\nRUN x\n",
        "FROM a\nLABEL org.opencontainers.image.title=\"x\" maintainer=me\n",
        "FROM a\nHEALTHCHECK --interval=3s CMD x\nENTRYPOINT [\"a\"]\nCMD b\nSHELL [\"/bin/bash\", \"-c\"]\nVOLUME /x\nEXPOSE 1\nSTOPSIGNAL 9\n",
        "FROM a\nRUN a \\\n  # comment\n\n  b \\\n  && c\n",
        "FROM a\nRUN x --security=insecure\n",
        "FROM a\nRUN echo \"<<\" && cat <<< x\n",
    ] {
        if let Err(fault) = judge(text) {
            panic!("{text:?}: {fault}");
        }
    }
}

#[test]
fn what_could_reach_beyond_the_build_is_refused_with_its_line() {
    for (text, line) in [
        ("# syntax=evil/frontend\nFROM a\n", 1),
        ("#syntax = evil\nFROM a\n", 1),
        ("# x\n\n  #  SYNTAX=evil\nFROM a\n", 3),
        ("\u{feff}# syntax=evil\nFROM a\n", 1),
        ("// syntax=evil\nFROM a\n", 1),
        ("# check=skip=all\nFROM a\n", 1),
        ("# x\n# escape=`\nFROM a\n", 2),
        ("# escape=x\nFROM a\n", 1),
        ("FROM a\nRUN --security=insecure x\n", 2),
        ("FROM a\nRUN \\\n --security=insecure x\n", 3),
        ("FROM a\nRUN --network=host x\n", 2),
        ("FROM a\nRUN --device=x y\n", 2),
        ("FROM a\nRUN --mount=type=secret,id=x y\n", 2),
        ("FROM a\nRUN --mount=type=ssh y\n", 2),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/x y\n", 2),
        ("FROM a\nRUN --mount=type=cache,from=b,target=/x y\n", 2),
        ("FROM a\nRUN --mount=type=cache,source=b,target=/x y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=/x,type=secret y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=/x,dst=/proc y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=/proc/self y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=/x/../proc y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=//dev/shm y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=$X y\n", 2),
        ("FROM a\nRUN --mount=type=cache,target=x y\n", 2),
        ("FROM a\nRUN --mount=type=cache y\n", 2),
        ("FROM a\nRUN --mount=source=../x,target=/x y\n", 2),
        ("FROM a\nRUN --mount=\"type=cache,target=/x\" y\n", 2),
        ("FROM a\nRUN --mount=type=ca\\\nche,target=/x y\n", 2),
        ("FROM a\nADD http://169.254.169.254/latest /x\n", 2),
        ("FROM a\nADD https://example.org/x /x\n", 2),
        ("FROM a\nADD git@example.org:a/b /x\n", 2),
        ("FROM a\nADD github.com/a/b /x\n", 2),
        ("FROM a\nADD example.org/a.git#main /x\n", 2),
        ("FROM a\nENV U=http://x\nADD ${U} /x\n", 3),
        ("FROM a\nADD --checksum=sha256:0 x /x\n", 2),
        ("FROM a\nADD --keep-git-dir=true x /x\n", 2),
        ("FROM a\nCOPY ../x /x\n", 2),
        ("FROM a\nADD [\"a/../../x\", \"/x\"]\n", 2),
        ("FROM a\nONBUILD RUN x\n", 2),
        ("FROM a\nWORKDIR /proc/self/fd/8\n", 2),
        ("FROM a\nWORKDIR \"/proc/self/fd/8\"\n", 2),
        ("FROM a\nWORKDIR //proc\n", 2),
        ("FROM a\nENV X=/proc/self/fd/8\nWORKDIR $X\n", 2),
        ("ARG X=/sys\nFROM a\nWORKDIR ${X:-/}\n", 1),
        ("FROM a\nLABEL io.bindery.session=x\n", 2),
        ("FROM a\nLABEL \"io.bin\\dery.session\"=x\n", 2),
        ("FROM a\nLABEL $K=x\n", 2),
        ("FROM a\nRUN x\u{a0}y\n", 2),
        ("FROM a\nRUN x\u{2028}y\n", 2),
        ("FROM a\nRUN x \\\\\nUSER 0\n", 2),
        ("FROM a\nRUN <<RUN\nx\nRUN\n", 2),
        ("FROM a\nRUN echo \"<<X\"\nRUN --security=insecure y \\\nX\n", 2),
        ("FROM a\nNONSENSE x\n", 2),
        ("RUN x\n", 1),
    ] {
        let fault = judge(text).expect_err(text);
        assert_eq!(fault.line, Some(line), "{text:?}: {fault}");
        assert!(fault.hint.is_some());
    }
}

#[test]
fn a_dockerfile_may_be_long_but_not_without_end() {
    let of = |lines: usize| format!("FROM x:1\n{}", "RUN echo 0123456789abcdef\n".repeat(lines));
    assert_eq!(judge(&of(4000)).map_err(|fault| fault.message), Ok(()));
    let fault = judge(&of(6000)).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.file.is_some()), ("environment-file-too-large", true), "{fault}");
}

#[test]
fn a_file_that_is_no_dockerfile_is_refused() {
    for text in
        ["", "# only\n", "{\"syntax\": \"evil\"}\n", "FROM\n", "FROM a\nRUN x\0y\n", "FROM a AS b\nFROM c AS b\n"]
    {
        assert!(judge(text).is_err(), "{text:?}");
    }
}

#[test]
fn a40_an_unpinned_base_root_and_no_jupyter_are_each_worth_a_warning() {
    let warnings = |text: &str| check("Dockerfile", text.as_bytes(), &[]).unwrap().warnings;
    let pinned = "FROM jupyter/a@sha256:00";
    assert!(warnings(&format!("{pinned}\n")).is_empty());
    for (text, word) in [
        ("FROM jupyter/a:1\n".to_owned(), "Dockerfile:1: jupyter/a:1 is not pinned"),
        (format!("{pinned}\nUSER root\n"), "Dockerfile:2: the image's user is root"),
        (format!("{pinned}\nUSER 0:0\n"), "Dockerfile:2: the image's user is root"),
        ("FROM a@sha256:00\nUSER 1000\n".to_owned(), "does not mention Jupyter"),
    ] {
        let said = warnings(&text);
        assert!(said.len() == 1 && said[0].contains(word), "{text:?}: {said:?}");
    }
    assert_eq!(warnings("FROM a\n").len(), 3);
    assert!(
        warnings("FROM a@sha256:00 AS b\nFROM b\nUSER root\nUSER ${NB_UID}\nRUN pip install notebook\n").is_empty()
    );
}

#[test]
fn a_site_may_say_which_images_are_built_from() {
    let bases = ["quay.io/jupyter/*", "debian", "python:3.12"].map(str::to_owned);
    let judge = |text: &str| check("Dockerfile", text.as_bytes(), &bases).map(|_| ()).map_err(Fault::from);
    for text in [
        "FROM quay.io/jupyter/x:1 AS one\nFROM debian:12 AS two\nCOPY --from=one /a /a\nCOPY --from=0 /a /a\nFROM One\n",
        "FROM debian@sha256:00\nFROM scratch\nFROM python:3.12@sha256:00\nCOPY a b\nCOPY --from=quay.io/jupyter/x /a /a\n",
    ] {
        judge(text).unwrap();
    }
    for (text, line) in [
        ("FROM debian2\n", 1),
        ("FROM python\n", 1),
        ("FROM python:3.13\n", 1),
        ("FROM debian:5000/x\n", 1),
        ("FROM quay.io/jupyterx/y\n", 1),
        ("ARG A=1\nFROM debian:$A\n", 2),
        ("FROM debian\nCOPY --from=other /a /a\n", 2),
        ("FROM debian\nCOPY --from=1 /a /a\n", 2),
        ("FROM debian AS a\nFROM b\n", 2),
    ] {
        let fault = judge(text).unwrap_err();
        assert_eq!((fault.line, fault.code.as_str()), (Some(line), "dockerfile-refused"), "{text:?}: {fault}");
        assert!(fault.hint.unwrap().contains("quay.io/jupyter/*"));
    }
}
