//! The shell around Julia.

use crate::plan::{Action, BuildPlan};
use crate::render::context::LENT;
use crate::shell::word;

/// Where packages go: the depot.
pub(in crate::render) const DEPOT: &str = "/opt/julia";
/// Where the environment image keeps the project as it was resolved.
const RESOLVED: &str = "/opt/julia/environments/repository";

/// The directory of a project among the repository's content.
pub(in crate::render) fn project_directory(plan: &BuildPlan, directory: &str) -> String {
    if directory.is_empty() { plan.contract.home.clone() } else { format!("{}/{directory}", plan.contract.home) }
}

/// Fetches Julia and makes the depot, as root.
pub(super) fn install(plan: &BuildPlan, version: &str, mirror: &str) -> Vec<String> {
    let (uid, gid, prefix) = (plan.contract.uid, plan.contract.gid, &plan.contract.prefix);
    vec![
        format!("{prefix}/bin/python -I {LENT}/julia-system/fetch.py {} {version} /opt", word(mirror)),
        format!("ln -sf /opt/julia-{version}/bin/julia /usr/local/bin/julia"),
        format!("install -d -o {uid} -g {gid} -m 2775 {DEPOT}"),
    ]
}

/// Adds the kernel, and the packages of a project that needs nothing of the repository's content; as the notebook user.
pub(super) fn kernel(plan: &BuildPlan, action: &Action) -> Vec<String> {
    let Action::AddJuliaKernel { directory, files, is_package } = action else { return vec![] };
    let project = project_directory(plan, directory);
    let program =
        "import Pkg; Pkg.add(\"IJulia\"); import IJulia; IJulia.installkernel(\"Julia\", \"--project=\" * ARGS[1])";
    let mut lines = vec![
        "umask 0002".to_owned(),
        format!("export JUPYTER_DATA_DIR={}/share/jupyter JULIA_DEPOT_PATH={DEPOT}", plan.contract.prefix),
        format!("JULIA_PROJECT= julia --startup-file=no -e {} {}", word(program), word(&project)),
    ];
    if !files.is_empty() {
        if *is_package {
            // Its own code is not here yet.
            lines.push("export JULIA_PKG_PRECOMPILE_AUTO=0".to_owned());
        }
        lines.push(format!("mkdir -p {RESOLVED}"));
        lines.push(format!("cp {LENT}/julia-project/*.toml {RESOLVED}/"));
        lines.push(format!("julia --startup-file=no --project={RESOLVED} -e 'import Pkg; Pkg.instantiate()'"));
    }
    lines
}

/// Makes the project ready where the repository has it. What the environment image resolved is taken as it is.
pub(super) fn project(plan: &BuildPlan, directory: &str, manifest: &str, resolved: bool) -> Vec<String> {
    let mut lines = vec![
        "umask 0002".to_owned(),
        format!("export JULIA_DEPOT_PATH={DEPOT}"),
        format!("cd {}", word(&project_directory(plan, directory))),
    ];
    if resolved {
        lines.push(format!("[ -e {manifest} ] || cp {RESOLVED}/{manifest} {manifest}"));
    }
    lines.push("julia --startup-file=no --project=. -e 'import Pkg; Pkg.instantiate(); Pkg.precompile()'".to_owned());
    lines
}
