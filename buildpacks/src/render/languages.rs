//! The files that steps of R, Julia and development containers are lent.

use std::collections::BTreeSet;

use super::context::FILES;
use super::script::r;
use crate::plan::{Action, RPackage};
use crate::shell::word;

/// Installs R packages that are not there yet.
const R_PACKAGES: &str = include_str!("r/packages.R");
/// Runs an `install.R`.
const R_SCRIPT: &str = include_str!("r/run.R");
/// Fetches a package that a site names.
const R_FETCH: &str = include_str!("r/fetch.py");
/// Fetches Julia.
const JULIA_FETCH: &str = include_str!("julia/fetch.py");

/// Paths in the context and contents of what an action is lent.
pub(super) fn files(action: &Action) -> Vec<(String, String)> {
    let lent = |name: &str, content: String| (format!("{FILES}/{name}"), content);
    match action {
        Action::InstallR { packages, repository, .. } => {
            vec![lent("r-system/Rprofile.site", profile(repository)), lent("r-system/names.txt", names(packages))]
        }
        Action::InstallRPackages { packages } => vec![
            lent("r-packages/packages.R", R_PACKAGES.to_owned()),
            lent("r-packages/packages.tsv", packages.iter().map(row).collect()),
        ],
        Action::InstallRServer { server, package } => {
            let file = |name: &str, content: String| lent(&format!("{}/{name}", r::server_files(*server)), content);
            vec![file("fetch.py", R_FETCH.to_owned()), file("address", format!("{}\n", package.address()))]
        }
        Action::RunInstallR { .. } => vec![lent("r-script/run.R", R_SCRIPT.to_owned())],
        Action::InstallJulia { .. } => vec![lent("julia-system/fetch.py", JULIA_FETCH.to_owned())],
        Action::AddJuliaKernel { files, .. } => {
            files.iter().map(|file| lent(&format!("julia-project/{}", file.path), file.content.clone())).collect()
        }
        Action::SetVariables { variables } => {
            let line = |(name, value): &(String, String)| format!("export {name}={}\n", word(value));
            vec![lent("variables.sh", variables.iter().map(line).collect())]
        }
        Action::RunCommands { scripts } => {
            let numbered = scripts.iter().zip(1..);
            numbered.map(|(script, number)| lent(&format!("commands/{number}.sh"), format!("{script}\n"))).collect()
        }
        _ => vec![],
    }
}

/// The names a distribution may have for R packages, sorted by their bytes.
fn names(packages: &[String]) -> String {
    let kinds = ["r-bioc", "r-cran"];
    let names = packages.iter().flat_map(|name| kinds.map(|kind| format!("{kind}-{}\n", name.to_ascii_lowercase())));
    names.collect::<BTreeSet<String>>().into_iter().collect()
}

fn row(package: &RPackage) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let need = if package.required { "required" } else { "wanted" };
    format!("{}\t{}\t{}\t{need}\n", package.name, text(&package.at_least), text(&package.locked))
}

/// What every R of the image reads when it starts.
fn profile(repository: &str) -> String {
    let address: String = repository
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    format!(
        r#"local({{
    options(repos = c(CRAN = "{address}"))
    # Repositories that have binaries choose them by this.
    machine <- paste(getRversion(), R.version[["platform"]], R.version[["arch"]], R.version[["os"]])
    options(HTTPUserAgent = sprintf("R/%s R (%s)", getRversion(), machine))
}})
# The image's packages are the project's; renv must not begin a library of its own.
if (!nzchar(Sys.getenv("RENV_CONFIG_AUTOLOADER_ENABLED"))) Sys.setenv(RENV_CONFIG_AUTOLOADER_ENABLED = "FALSE")
"#
    )
}
