//! RStudio and Shiny. The site names what is installed and the repository only asks for R, so whatever goes wrong is the site's.

use bindery_buildpacks::Action;
use bindery_core::FaultBy;

use super::{Diagnosis, Evidence};

pub(super) fn diagnose(evidence: &Evidence<'_>) -> Option<Diagnosis> {
    let (Action::InstallRServer { server, .. } | Action::InstallRServerProxy { server }) =
        &evidence.failure.step?.action
    else {
        return None;
    };
    let title = server.title();
    let message = format!("This site has {title} in its R notebooks, and it could not be installed.");
    let hint = format!(
        "Nothing is wrong with the repository. Whoever runs this site should read the end of the step's output and look at build.r.{}.",
        server.id()
    );
    Some(Diagnosis { by: FaultBy::Us, ..Diagnosis::user("r-server-not-installed", message, hint) })
}
