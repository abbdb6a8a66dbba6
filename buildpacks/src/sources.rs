//! Where what is not Python comes from.

use crate::r_server::{DebianPackage, RServer};

/// Where this site takes R packages and Julia from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The repository of R packages. `{date}` in it becomes the day whose packages are asked for, or `latest`; `{codename}` the name of
    /// the base's distribution. Without `{date}`, packages are always what it has.
    pub cran: String,
    /// A mirror of Julia's releases.
    pub julia: String,
    /// RStudio Server, where R repositories are to have it.
    pub rstudio: Option<DebianPackage>,
    /// Shiny Server, likewise.
    pub shiny: Option<DebianPackage>,
}

impl Sources {
    /// The servers for R that this site has.
    pub(crate) fn r_servers(&self) -> Vec<(RServer, DebianPackage)> {
        let package = |server| match server {
            RServer::RStudio => self.rstudio.clone(),
            RServer::Shiny => self.shiny.clone(),
        };
        RServer::ALL.into_iter().filter_map(|server| Some((server, package(server)?))).collect()
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            cran: "https://packagemanager.posit.co/cran/__linux__/{codename}/{date}".to_owned(),
            julia: "https://julialang-s3.julialang.org/bin".to_owned(),
            rstudio: None,
            shiny: None,
        }
    }
}
