//! Each archive, asked through a server of ours that answers in its form.

use crate::support::archive::Archive;
use crate::support::packed::{member, tar_entry, tar_gz, zip};
use crate::support::{fault, paths};
use bindery_core::seams::ContentProvider;
use bindery_core::{EntryKind, FaultBy};
use serde_json::{Value, json};

const HEX: &str = "0123456789abcdef0123456789abcdef";

/// A record of Zenodo.
fn zenodo(archive: &Archive, id: u64, files: &[(&str, &[u8])]) {
    let entry = |(name, content): &(&str, &[u8])| {
        let path = format!("/api/records/{id}/files/{name}/content");
        archive.file(&path, *content);
        json!({"id": "f", "key": name, "size": content.len(), "checksum": "md5:x", "links": {"self": format!("{}{path}", archive.url())}})
    };
    let files: Vec<Value> = files.iter().map(entry).collect();
    archive.json(
        &format!("/api/records/{id}"),
        json!({"id": id, "conceptrecid": "100", "metadata": {"title": "t", "publication_date": "2019-06-12"}, "files": files}),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn zenodo_gives_the_files_of_a_record() {
    let archive = Archive::new();
    zenodo(&archive, 101, &[("requirements.txt", b"numpy\n"), ("data/a.csv", b"1,2\n")]);
    let resolved = archive.resolve("zenodo", "10.5281/zenodo.101").await.unwrap();
    assert_eq!(resolved.revision.as_str(), "101");
    assert_eq!(resolved.repo_url.as_str(), "https://doi.org/10.5281/zenodo.101");
    assert_eq!(resolved.persistent_request(), "v2/zenodo/10.5281/zenodo.101");
    let (tree, report) = archive.fetch("zenodo", "10.5281/zenodo.101").await.unwrap();
    assert_eq!(paths(&*tree), ["data/a.csv", "requirements.txt"]);
    assert_eq!(tree.read("data/a.csv", 100).unwrap(), b"1,2\n");
    assert_eq!((report.received, report.bytes, report.entries), (10, 10, 2));
    assert_eq!(report.committed.unwrap().as_seconds(), 1_560_297_600);
    // Nothing of it has a name on disk.
    assert_eq!(archive.left_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn zenodo_leads_from_the_doi_of_all_versions_to_the_newest() {
    let archive = Archive::new();
    zenodo(&archive, 102, &[("a", b"new")]);
    archive.redirect("/records/100", "/records/102");
    archive.file("/records/102", "<html>");
    let all = archive.resolve("zenodo", "10.5281/zenodo.100").await.unwrap();
    let one = archive.resolve("zenodo", "10.5281/zenodo.102").await.unwrap();
    assert_eq!((all.revision.as_str(), &all.identity), ("102", &one.identity));
    assert_eq!(all.persistent_request(), "v2/zenodo/10.5281/zenodo.102");
    assert_eq!(all.revision, one.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_servers_of_zenodos_kind_are_found_by_their_dois() {
    let archive = Archive::new();
    archive.doi("10.22002/D1.1096", &format!("{}/records/ab1-cd", archive.url()));
    let content = format!("{}/files/x", archive.url());
    archive.json(
        "/api/records/ab1-cd",
        json!({"id": "ab1-cd", "parent": {"id": "zz9"}, "files": {"enabled": true, "entries": {"x": {"key": "x", "size": 3, "links": {"content": content}}}}}),
    );
    archive.file("/files/x", "abc");
    let resolved = archive.resolve("zenodo", "10.22002/D1.1096").await.unwrap();
    assert_eq!(resolved.revision.as_str(), "ab1-cd");
    assert_eq!(resolved.identity, format!("{}/records/zz9", archive.url()));
    let (tree, _) = archive.content.fetch(&resolved).await.unwrap();
    assert_eq!(tree.read("x", 10).unwrap(), b"abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_one_zip_file_is_what_is_in_it() {
    let archive = Archive::new();
    let members = [
        member("owner-repo-1a2b/", ""),
        member("owner-repo-1a2b/README.md", "read me"),
        member("owner-repo-1a2b/.git/config", "not ours"),
        member("__MACOSX/._README.md", "junk"),
        crate::support::packed::Member {
            mode: 0o100_755,
            deflate: false,
            ..member("owner-repo-1a2b/bin/run", "#!/bin/sh\n")
        },
        crate::support::packed::Member { mode: 0o120_777, ..member("owner-repo-1a2b/link", "README.md") },
    ];
    zenodo(&archive, 103, &[("owner/repo-v1.zip", &zip(&members))]);
    let (tree, report) = archive.fetch("zenodo", "10.5281/zenodo.103").await.unwrap();
    assert_eq!(paths(&*tree), ["README.md", "bin/run", "link"]);
    assert_eq!(tree.entry("bin/run").unwrap().kind, EntryKind::Executable);
    assert_eq!(tree.link_target("link").unwrap(), b"README.md");
    assert!(tree.read("link", 100).is_err());
    assert!(tree.read("README.md", 6).is_err());
    assert!(report.notes[0].contains(".git"), "{:?}", report.notes);
    // What only has such a name is a file.
    zenodo(&archive, 104, &[("data.zip", b"no zip at all")]);
    let (tree, _) = archive.fetch("zenodo", "10.5281/zenodo.104").await.unwrap();
    assert_eq!(tree.read("data.zip", 100).unwrap(), b"no zip at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn figshare_has_versions() {
    let archive = Archive::new();
    archive.json(
        "/v2/articles/9782777/versions",
        json!([{"version": 1, "url": "x"}, {"version": 3, "url": "x"}, {"version": 2, "url": "x"}]),
    );
    for version in [1, 3] {
        let file = format!("{}/dl/{version}", archive.url());
        archive.json(
            &format!("/v2/articles/9782777/versions/{version}"),
            json!({"id": 9_782_777, "published_date": "2019-09-05T01:02:03Z", "files": [
                {"id": 1, "name": "notes.txt", "size": 2, "is_link_only": false, "download_url": file},
                {"id": 2, "name": "elsewhere", "size": 0, "is_link_only": true, "download_url": "https://example.org/x"},
            ]}),
        );
        archive.redirect(&format!("/dl/{version}"), &format!("/store/{version}?sig=1"));
        archive.file(&format!("/store/{version}?sig=1"), format!("v{version}"));
    }
    let newest = archive.resolve("figshare", "10.6084/m9.figshare.9782777").await.unwrap();
    assert_eq!(
        (newest.revision.as_str(), newest.ref_url.as_str()),
        ("9782777.v3", "https://doi.org/10.6084/m9.figshare.9782777.v3")
    );
    assert_eq!(newest.persistent_request(), "v2/figshare/10.6084/m9.figshare.9782777.v3");
    let first = archive.resolve("figshare", "10.6084/m9.figshare.9782777.v1").await.unwrap();
    assert_eq!((first.revision.as_str(), &first.identity), ("9782777.v1", &newest.identity));
    let (tree, report) = archive.content.fetch(&first).await.unwrap();
    assert_eq!((paths(&*tree), tree.read("notes.txt", 10).unwrap()), (vec!["notes.txt"], b"v1".to_vec()));
    assert_eq!(report.notes, ["elsewhere is a link to somewhere else and was not fetched."]);
    assert_eq!(report.committed.unwrap().as_seconds(), 1_567_645_323);
    let missing = fault(archive.resolve("figshare", "10.6084/m9.figshare.9782777.v9").await);
    assert_eq!(missing.code, "repository-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn dataverse_has_versions_and_directories() {
    let archive = Archive::new();
    archive.doi("10.7910/DVN/TJCLKP", &format!("{}/citation?persistentId=doi:10.7910/DVN/TJCLKP", archive.url()));
    let dataset = |major: u64| {
        json!({"status": "OK", "data": {"id": 9, "datasetId": 3_035_124, "versionNumber": major, "versionMinorNumber": 0, "releaseTime": "2017-03-04T00:00:00Z", "files": [
            {"label": "main.py", "directoryLabel": "code/lib", "restricted": false, "dataFile": {"id": 5, "filesize": 5}},
            {"label": "table.tab", "restricted": false, "dataFile": {"id": 6, "filesize": 9999, "originalFileName": "table.csv", "originalFileFormat": "text/csv"}},
            {"label": "secret.csv", "restricted": true, "dataFile": {"id": 7, "filesize": 5}},
        ]}})
    };
    let asked =
        |version: &str| format!("/api/datasets/:persistentId/versions/{version}?persistentId=doi:10.7910/DVN/TJCLKP");
    archive.json(&asked(":latest-published"), dataset(2));
    archive.json(&asked("2.0"), dataset(2));
    archive.json(&asked("1.0"), dataset(1));
    archive.file("/api/access/datafile/5?format=original", "print");
    archive.file("/api/access/datafile/6?format=original", "a,b");
    let newest = archive.resolve("dataverse", "10.7910/DVN/TJCLKP").await.unwrap();
    assert_eq!(newest.revision.as_str(), "3035124.v2.0");
    assert_eq!(newest.persistent_request(), "v2/dataverse/10.7910/DVN/TJCLKP/v2.0");
    let first = archive.resolve("dataverse", "10.7910/DVN/TJCLKP/v1.0").await.unwrap();
    assert_eq!((first.revision.as_str(), &first.identity), ("3035124.v1.0", &newest.identity));
    let (tree, report) = archive.content.fetch(&newest).await.unwrap();
    assert_eq!(paths(&*tree), ["code/lib/main.py", "table.csv"]);
    assert_eq!(tree.read("table.csv", 10).unwrap(), b"a,b");
    assert_eq!(report.notes, ["secret.csv is not public and was not fetched."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hydroshare_is_the_resource_as_it_is_now() {
    let archive = Archive::new();
    let modified = |time: &str| json!({"title": "t", "dates": [{"type": "created", "start_date": "2018-01-01T00:00:00Z"}, {"type": "modified", "start_date": time}]});
    let elements = format!("/hsapi/resource/{HEX}/scimeta/elements/");
    archive.json(&elements, modified("2019-09-25T16:09:17.006152Z"));
    let url = |name: &str| format!("{}/resource/{HEX}/data/contents/{name}", archive.url());
    let list = format!("/hsapi/resource/{HEX}/files/");
    archive.json(&list, json!({"count": 2, "next": format!("{}{list}?page=2", archive.url()), "results": [{"file_name": "a b.csv", "url": url("a%20b.csv"), "size": 3}]}));
    archive.json(
        &format!("{list}?page=2"),
        json!({"count": 2, "next": null, "results": [{"file_name": "x.py", "url": url("src/x.py"), "size": 1}]}),
    );
    archive.file(&format!("/resource/{HEX}/data/contents/a%20b.csv"), "1,2");
    archive.redirect(&format!("/resource/{HEX}/data/contents/src/x.py"), "/store/x");
    archive.file("/store/x", "x");
    let resolved = archive
        .resolve("hydroshare", &format!("https%3A%2F%2Fwww.hydroshare.org%2Fresource%2F{HEX}%2F"))
        .await
        .unwrap();
    assert_eq!(resolved.revision.as_str(), format!("{HEX}.v1569427757"));
    assert_eq!(resolved.persistent_request(), format!("v2/hydroshare/{HEX}"));
    let (tree, report) = archive.content.fetch(&resolved).await.unwrap();
    assert_eq!((paths(&*tree), report.received), (vec!["a b.csv", "src/x.py"], 4));
    // A build that comes too late does not pass another state off as this one.
    archive.json(&elements, modified("2020-01-01T00:00:00Z"));
    let changed = fault(archive.content.fetch(&resolved).await);
    assert_eq!((changed.by, changed.code.as_str(), changed.retry), (FaultBy::Upstream, "record-changed", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn ckan_is_any_server_with_a_dataset() {
    let archive = Archive::new();
    let dataset = |time: &str, url: &str| {
        json!({"id": "1d2e-3f", "name": "rivers", "metadata_modified": time, "resources": [
            {"id": "r1", "url": format!("{}{url}", archive.url()), "size": 3},
            {"id": "r2", "url": format!("{}/other{url}", archive.url()), "size": null},
            {"id": "r3", "url": format!("{}/page/", archive.url()), "size": "12 MB"},
            {"id": "r4", "url": ""},
        ]})
    };
    archive.json(
        "/de/api/3/action/package_show?id=rivers",
        json!({"success": true, "result": dataset("2021-06-01T00:00:00.5", "/now%20a.csv")}),
    );
    archive.json(
        "/de/api/3/action/activity_data_show?id=ac-1",
        json!({"success": true, "result": {"package": dataset("2020-06-01T00:00:00", "/then.csv")}}),
    );
    for (path, content) in
        [("/now%20a.csv", "now"), ("/other/now%20a.csv", "NOW"), ("/then.csv", "old"), ("/other/then.csv", "OLD")]
    {
        archive.file(path, content);
    }
    let escaped = archive.url().replace(':', "%3A").replace('/', "%2F");
    let now = archive.resolve("ckan", &format!("{escaped}%2Fde%2Fdataset%2Frivers")).await.unwrap();
    assert_eq!(now.revision.as_str(), "1d2e-3f.v1622505600");
    assert_eq!(now.persistent_request(), format!("v2/ckan/{escaped}%2Fde%2Fdataset%2Frivers"));
    let (tree, report) = archive.content.fetch(&now).await.unwrap();
    assert_eq!(paths(&*tree), ["1/now a.csv", "now a.csv"]);
    assert_eq!(tree.read("1/now a.csv", 10).unwrap(), b"NOW");
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    let then = archive.resolve("ckan", &format!("{escaped}%2Fde%2Fdataset%2Frivers%2Fhistory%2Fac-1")).await.unwrap();
    assert_eq!((then.revision.as_str(), &then.identity), ("1d2e-3f.v1590969600", &now.identity));
    assert_eq!(archive.content.fetch(&then).await.unwrap().0.read("then.csv", 10).unwrap(), b"old");
}

#[tokio::test(flavor = "multi_thread")]
async fn osf_has_projects_and_registrations() {
    let archive = Archive::new();
    let node = json!({"data": {"id": "ab1c2", "type": "nodes", "attributes": {"title": "t", "date_modified": "2017-06-08T20:42:29.863000"}}});
    archive.json("/v2/nodes/ab1c2/", node.clone());
    archive.json("/v2/registrations/zz9yy/", node);
    let files = zip(&[member("notebook.ipynb", "{}"), member("data/a.csv", "1")]);
    archive.file("/v1/resources/ab1c2/providers/osfstorage/?zip=", files.clone());
    archive.file("/v1/resources/zz9yy/providers/osfstorage/?zip=", files);
    for id in ["ab1c2", "zz9yy"] {
        let resolved = archive.resolve("osf", &format!("https%3A%2F%2Fosf.io%2F{id}%2F")).await.unwrap();
        assert_eq!(resolved.revision.as_str(), format!("{id}.v1496954549"));
        assert_eq!(resolved.persistent_request(), format!("v2/osf/{id}"));
        let (tree, _) = archive.content.fetch(&resolved).await.unwrap();
        assert_eq!(paths(&*tree), ["data/a.csv", "notebook.ipynb"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn software_heritage_leads_from_every_kind_of_name_to_a_directory() {
    let archive = Archive::new();
    let id = |digit: char| digit.to_string().repeat(40);
    let (dir, rev, rel, snp) = (id('d'), id('a'), id('e'), id('5'));
    archive.json(
        &format!("/api/1/snapshot/{snp}/"),
        json!({"branches": {
            "HEAD": {"target": "refs/heads/main", "target_type": "alias"},
            "refs/heads/main": {"target": rel, "target_type": "release"},
            "refs/heads/gone": null,
        }}),
    );
    archive.json(&format!("/api/1/release/{rel}/"), json!({"target": rev, "target_type": "revision"}));
    archive.json(&format!("/api/1/revision/{rev}/"), json!({"directory": dir}));
    archive.json(&format!("/api/1/directory/{dir}/"), json!([{"name": "a"}]));
    let vault = format!("/api/1/vault/flat/swh:1:dir:{dir}/");
    archive.turns(&vault, vec![json!({"status": "new"}), json!({"status": "done"})]);
    archive.redirect(&format!("{vault}raw/"), "/bundle");
    let root = format!("swh:1:dir:{dir}");
    archive.file(
        "/bundle",
        tar_gz(&[
            tar_entry(&format!("{root}/"), tar::EntryType::Directory, "", b""),
            tar_entry(&format!("{root}/a"), tar::EntryType::Regular, "", b"content"),
            tar_entry(&format!("{root}/l"), tar::EntryType::Symlink, "a", b""),
        ]),
    );
    for name in
        [format!("snp:{snp}"), format!("rel:{rel}"), format!("rev:{rev}"), format!("dir:{dir};origin=https%3A%2F%2Fx")]
    {
        let resolved = archive.resolve("swh", &format!("swh:1:{name}")).await.unwrap();
        assert_eq!(resolved.revision.as_str(), format!("dir.{dir}"), "{name}");
        assert_eq!(resolved.identity, root);
        assert_eq!(resolved.persistent_request(), format!("v2/swh/{}", root.replace(':', "%3A")));
    }
    let (tree, _) = archive.fetch("swh", &root).await.unwrap();
    assert_eq!(paths(&*tree), ["a", "l"]);
    assert_eq!(tree.link_target("l").unwrap(), b"a");
    assert!(archive.asked().contains(&format!("POST {vault}")));
}

/// A spec of each archive, and where it is asked about first.
fn everywhere(archive: &Archive) -> Vec<(&'static str, String, String)> {
    let escaped = archive.url().replace(':', "%3A").replace('/', "%2F");
    let dir = "d".repeat(40);
    vec![
        ("zenodo", "10.5281/zenodo.1".to_owned(), "/api/records/1".to_owned()),
        ("figshare", "10.6084/m9.figshare.1".to_owned(), "/v2/articles/1/versions".to_owned()),
        ("dataverse", "10.7910/DVN/X".to_owned(), "/api/handles/10.7910/DVN/X".to_owned()),
        ("hydroshare", HEX.to_owned(), format!("/hsapi/resource/{HEX}/scimeta/elements/")),
        ("ckan", format!("{escaped}%2Fdataset%2Fx"), "/api/3/action/package_show?id=x".to_owned()),
        ("osf", "abcde".to_owned(), "/v2/nodes/abcde/".to_owned()),
        ("swh", format!("swh:1:dir:{dir}"), format!("/api/1/directory/{dir}/")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_does_not_have_is_told_from_an_archive_that_fails() {
    let archive = Archive::with(|config| config.ref_cache_seconds = 0);
    for (provider, raw, path) in everywhere(&archive) {
        let missing = fault(archive.resolve(provider, &raw).await);
        assert_eq!((missing.by, missing.code.as_str()), (FaultBy::User, "repository-not-found"), "{provider}");
        assert!(missing.message.starts_with(&format!("Could not resolve ref for {provider}:")), "{}", missing.message);
        archive.status(&path, 503);
        let down = fault(archive.resolve(provider, &raw).await);
        assert_eq!((down.by, down.code.as_str(), down.retry), (FaultBy::Upstream, "host-failed", true), "{provider}");
        archive.status(&path, 429);
        assert_eq!(fault(archive.resolve(provider, &raw).await).code, "host-failed", "{provider}");
        for nonsense in ["", "<html>", "[1", "{\"id\": {}, \"data\": 7, \"values\": \"x\", \"dates\": 3}", "null"] {
            archive.file(&path, nonsense);
            // A directory of Software Heritage is only asked for to see that it is there.
            if provider == "swh"
                && ["null", "{\"id\": {}, \"data\": 7, \"values\": \"x\", \"dates\": 3}"].contains(&nonsense)
            {
                continue;
            }
            let odd = fault(archive.resolve(provider, &raw).await);
            assert_eq!(
                (odd.by, odd.code.as_str()),
                (FaultBy::Upstream, "host-answer-unreadable"),
                "{provider} {nonsense}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_not_there_is_upstreams_fault() {
    let gone = Archive::new().url();
    let authority = gone.trim_start_matches("http://").to_owned();
    let archive = Archive::with(|config| {
        config.allow_hosts.push(authority);
        config.zenodo_url.clone_from(&gone);
    });
    let down = fault(archive.resolve("zenodo", "10.5281/zenodo.1").await);
    assert_eq!((down.by, down.code.as_str()), (FaultBy::Upstream, "host-unreachable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_over_a_limit_is_refused_before_it_is_fetched_or_while_it_is() {
    let archive = Archive::with(|config| (config.max_bytes, config.max_blob, config.max_entries) = (1000, 600, 3));
    let code = async |id: u64| {
        let refused = fault(archive.fetch("zenodo", &format!("10.5281/zenodo.{id}")).await);
        (refused.code.clone(), refused.message)
    };
    zenodo(&archive, 1, &[("a", &[0; 500]), ("b", &[0; 501])]);
    assert_eq!(code(1).await.0, "repository-too-large");
    assert!(!archive.asked().iter().any(|asked| asked.contains("/files/")), "{:?}", archive.asked());
    zenodo(&archive, 2, &[("a", b""), ("b", b""), ("c", b""), ("d", b"")]);
    assert!(code(2).await.1.contains("the number of files"));
    zenodo(&archive, 3, &[("a", &[0; 601])]);
    assert!(code(3).await.1.contains("one file"));
    // One that says it is small.
    zenodo(&archive, 4, &[("a", &[0; 10]), ("b", b"x")]);
    archive.file("/api/records/4/files/a/content", vec![0; 5000]);
    assert_eq!(code(4).await.0, "repository-too-large");
    // A zip file of a few bytes.
    zenodo(&archive, 5, &[("a.zip", &zip(&[member("zeros", vec![0; 100_000])]))]);
    assert_eq!(code(5).await.0, "repository-too-large");
    zenodo(&archive, 6, &[("a.zip", &zip(&[member("a", ""), member("b", ""), member("c", ""), member("d", "")]))]);
    assert_eq!(code(6).await.0, "repository-too-large");
    zenodo(&archive, 7, &[("a.tar.gz", &tar_gz(&[tar_entry("zeros", tar::EntryType::Regular, "", &[0; 100_000])]))]);
    assert_eq!(code(7).await.0, "repository-too-large");
    assert_eq!(archive.left_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_record_names_and_its_host_keeps_is_named() {
    let archive = Archive::new();
    zenodo(&archive, 1, &[("a", b"1"), ("b", b"2")]);
    archive.status("/api/records/1/files/b/content", 403);
    let missing = fault(archive.fetch("zenodo", "10.5281/zenodo.1").await);
    assert_eq!((missing.by, missing.code.as_str()), (FaultBy::Upstream, "record-file-missing"));
    assert!(missing.message.ends_with("does not hand out the file b of the record."), "{}", missing.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_points_at_passes_the_gate_like_everything_else() {
    let private = crate::support::hostile::Hostile::listener();
    let archive = Archive::with(|config| config.ref_cache_seconds = 0);
    let refused = ["host-not-allowed", "scheme-not-allowed", "bad-address"];
    // Where a DOI leads.
    archive.doi("10.7910/DVN/X", &format!("{}/citation?persistentId=doi:10.7910/DVN/X", private.url()));
    let code = fault(archive.resolve("dataverse", "10.7910/DVN/X").await).code;
    assert!(refused.contains(&code.as_str()), "{code}");
    // Where a file is said to be, and where it is redirected to.
    for (id, to) in [
        (1, format!("{}/x", private.url())),
        (2, "http://169.254.169.254/x".to_owned()),
        (3, "https://10.0.0.1/x".to_owned()),
        (4, "file:///etc/passwd".to_owned()),
    ] {
        zenodo(&archive, id, &[("a", b"1"), ("b", b"2")]);
        archive.redirect(&format!("/api/records/{id}/files/a/content"), &to);
        let code = fault(archive.fetch("zenodo", &format!("10.5281/zenodo.{id}")).await).code;
        assert!(refused.contains(&code.as_str()) || code == "bad-redirect", "{to}: {code}");
        archive.json(
            &format!("/api/records/{id}"),
            json!({"id": id, "files": [{"key": "a", "size": 1, "links": {"self": to}}]}),
        );
        let code = fault(archive.fetch("zenodo", &format!("10.5281/zenodo.{id}")).await).code;
        assert!(refused.contains(&code.as_str()), "{to}: {code}");
    }
    // A dataset of a host that may not be asked.
    let escaped = private.url().replace(':', "%3A").replace('/', "%2F");
    let code = fault(archive.resolve("ckan", &format!("{escaped}%2Fdataset%2Fx")).await).code;
    assert!(refused.contains(&code.as_str()), "{code}");
    assert_eq!(private.connections(), 0);
}
