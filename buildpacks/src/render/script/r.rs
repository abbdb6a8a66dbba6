//! The shell around R.

use crate::plan::{Action, BuildPlan};
use crate::r_server::{DebianPackage, RServer};
use crate::render::context::LENT;
use crate::shell::word;

/// Where the notebook user's R packages go, so that they can add more.
pub(in crate::render) const LIBRARY: &str = "/opt/rlibs";

/// Installs R, its kernel, and what the distribution has of the packages asked for; as root.
pub(super) fn install(plan: &BuildPlan, action: &Action, apt: Vec<String>) -> Vec<String> {
    let Action::InstallR { in_base, version, asked_by, packages, compilers, .. } = action else { return vec![] };
    let (uid, gid, prefix) = (plan.contract.uid, plan.contract.gid, &plan.contract.prefix);
    let mut lines = Vec::new();
    if !in_base {
        lines.extend(apt);
    }
    if let Some(version) = version {
        let ask = if *in_base {
            "R --slave --vanilla -e 'cat(as.character(getRversion()))'"
        } else {
            "apt-cache policy r-base-core | sed -n 's/^ *Candidate: //p'"
        };
        lines.push(format!("have=$({ask})"));
        let message = word(&format!("{asked_by} asks for R {version}; this site has R"));
        lines.push(format!(
            "case \"$have\" in {version}|{version}.*) ;; *) echo {message} \"$have\" >&2; exit 1 ;; esac"
        ));
    }
    if !in_base {
        // Names of packages are compared with the distribution's own; what goes into the command line is the distribution's.
        lines.push(format!(
            "known=$(apt-cache pkgnames r- | LC_ALL=C sort | LC_ALL=C comm -12 - {LENT}/r-system/names.txt)"
        ));
        let compile = if *compilers {
            "set -- \"$@\" r-base-dev".to_owned()
        } else {
            let count = "$(printf '%s\\n' $known | sed 's/^r-[a-z]*-//' | sort -u | grep -c . || true)";
            format!("if [ \"{count}\" -lt {} ]; then set -- \"$@\" r-base-dev; fi", packages.len())
        };
        lines.push("options=\"$*\"; set -- r-base-core r-cran-irkernel".to_owned());
        lines.push(compile);
        lines.push("apt-get $options -qy --no-install-recommends install -- \"$@\" $known".to_owned());
        lines.push(format!("install -d -o {uid} -g {gid} -m 2775 {LIBRARY} {prefix}/share/jupyter/kernels/ir"));
        lines.push(format!(
            "install -o {uid} -g {gid} -m 664 /usr/lib/R/site-library/IRkernel/kernelspec/* {prefix}/share/jupyter/kernels/ir/"
        ));
        lines.push(super::REMOVE_LOGS.to_owned());
    }
    lines.push("codename=$(. /etc/os-release; echo \"${VERSION_CODENAME:-}\")".to_owned());
    lines.push(format!(
        "sed \"s/{{codename}}/$codename/g\" {LENT}/r-system/Rprofile.site >> \"$(R RHOME)/etc/Rprofile.site\""
    ));
    lines.push(super::SETTLE.to_owned());
    lines
}

/// The directory of what installing a server is lent.
pub(in crate::render) fn server_files(server: RServer) -> String {
    format!("{}-server", server.id())
}

/// Installs a server that this site names, as root.
pub(super) fn server(plan: &BuildPlan, server: RServer, package: &DebianPackage, apt: Vec<String>) -> Vec<String> {
    let lent = format!("{LENT}/{}", server_files(server));
    let target = format!("/tmp/{}.deb", server_files(server));
    let fetch = format!("{lent}/fetch.py {lent}/address {} {target}", package.sha256());
    let mut lines = vec![format!("{}/bin/python -I {fetch}", plan.contract.prefix)];
    lines.extend(apt);
    lines.push(format!("apt-get \"$@\" -qy --no-install-recommends install {target}"));
    lines.push(format!("rm -f {target}"));
    lines.push(super::REMOVE_LOGS.to_owned());
    lines.push(super::SETTLE.to_owned());
    lines
}

/// Installs what the distribution does not have, as the notebook user.
pub(super) fn packages() -> Vec<String> {
    vec!["umask 0002".to_owned(), rscript(&format!("{LENT}/r-packages/packages.R {LENT}/r-packages/packages.tsv"))]
}

/// Installs the repository's own package.
pub(super) fn project(plan: &BuildPlan, directory: &str) -> Vec<String> {
    vec![
        "umask 0002".to_owned(),
        format!("cd {}", plan.contract.home),
        format!("R CMD INSTALL --preclean --clean {}", word(&format!("./{directory}"))),
    ]
}

/// Runs the repository's `install.R`, in its directory for content.
pub(super) fn script(plan: &BuildPlan, path: &str) -> Vec<String> {
    vec![
        "umask 0002".to_owned(),
        format!("cd {}", plan.contract.home),
        rscript(&format!("{LENT}/r-script/run.R {}", word(path))),
    ]
}

/// The repository's `.Rprofile` is for its notebooks and not for the build.
fn rscript(arguments: &str) -> String {
    format!("Rscript --no-init-file {arguments}")
}
