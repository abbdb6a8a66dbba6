//! RStudio and Shiny where a site names their packages. Their makers' own are not in reach of test machines: `tests/r_servers.sh`
//! makes two that stand in their place, and everything around them is real.

use std::sync::Arc;

use bindery_tests::engine::Engine;
use bindery_tests::repos::{RepoFile, file};

use crate::support::{Server, Shared, Workshop};

/// Where the packages lie.
static PACKAGES: Shared<Server> = Shared::new();

/// A workshop of a site that names the packages, perhaps with other checksums; what keeps the packages there.
#[track_caller]
fn site(test: &str, checksum: Option<&str>) -> Option<(Arc<Workshop>, Arc<Server>)> {
    let packages = PACKAGES.get(|| {
        let engine = Engine::find(test)?;
        let options = ["--no-healthcheck", "--user", "root", "--entrypoint", "bash"];
        let script = include_str!("../../r_servers.sh");
        Some(Server::start(&engine, &options, &engine.base_image, &["-c", script]))
    })?;
    let sums = packages.until(&["curl", "-fsS", "http://127.0.0.1:8000/SHA256SUMS"]);
    let named = |name: &str| {
        let sum = sums.lines().find_map(|line| line.strip_suffix(name)).unwrap().trim();
        format!("http://{}:8000/{name}#sha256={}", packages.address(), checksum.unwrap_or(sum))
    };
    let (rstudio, shiny) = (named("rstudio-server.deb"), named("shiny-server.deb"));
    let settings = [("BUILD__R__RSTUDIO", rstudio.as_str()), ("BUILD__R__SHINY", shiny.as_str())];
    Some((Workshop::with(test, &settings)?, packages))
}

fn application() -> Vec<RepoFile> {
    vec![
        file("runtime.txt", "r-4.2\n"),
        file("app.R", "library(shiny)\nshinyApp(fluidPage('an application'), function(input, output) {})\n"),
    ]
}

#[test]
fn a32_rstudio_and_shiny_answer_below_the_sessions_address_where_the_site_has_them() {
    let Some((workshop, _packages)) = site("a32_rstudio_and_shiny", None) else { return };
    let image = workshop.build(&application());
    let session = image.start(&["--env", "JUPYTER_TOKEN=secret"]);
    let page = |path: &str| {
        let address = format!("http://127.0.0.1:8888/{path}/?token=secret");
        session.until(&["curl", "-fsSL", "--max-time", "60", &address])
    };
    assert_eq!(page("rstudio"), "the page of / for /rstudio/");
    assert!(page("shiny").contains("an application"));
}

#[test]
fn a32_a_server_for_r_with_another_checksum_than_the_sites_is_not_installed() {
    let Some((workshop, _packages)) = site("a32_a_server_for_r", Some(&"0".repeat(64))) else { return };
    let failure = workshop.try_build(&application()).expect_err("the checksum is wrong");
    assert_eq!((failure.code, failure.fault["by"].as_str()), (Some(1), Some("us")), "{failure:#?}");
    assert!(failure.told.contains("does not have the checksum this site names"), "{failure:#?}");
}
