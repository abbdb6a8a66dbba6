//! Shell for conda: an environment of the kernel's own, solved and installed without conda itself.

use super::super::context::LENT;
use super::python::{bytecode, uv};
use crate::plan::BuildPlan;
use crate::shell::word;

/// The solver. Its interface changes between versions, so it is exactly this one; it is lent to the step and stays out of the image.
const SOLVER: &str = "py-rattler==0.28.0";

/// Makes the environment the step is lent the description of, and its kernels.
pub(super) fn install(plan: &BuildPlan) -> Vec<String> {
    let (prefix, base, content) = (plan.contract.kernel_prefix(), &plan.contract.prefix, word(&plan.contract.home));
    let program = format!("{LENT}/conda.py");
    let request = format!("{LENT}/conda.json");
    let mut lines = uv(plan, "never");
    lines.extend([
        // In the notebook user's cache and not in the image; a project in the home directory is none of its business.
        format!(
            "\"$uv\" run -q --no-project --no-config --isolated --python {base}/bin/python --with {SOLVER} -- \\\n        \
             python -I {program} install {request} {prefix} {LENT}/conda {content}"
        ),
        // Packages come with the rights their makers' machines gave them; the prefix is writable by its group.
        format!("chmod -R g=u {prefix}"),
        format!(
            "if [ -x {prefix}/bin/python ] && ! {prefix}/bin/python -I -c 'import ipykernel' 2>/dev/null; then \\\n        \
             \"$uv\" pip install --python {prefix}/bin/python ipykernel; fi"
        ),
        format!("{base}/bin/python -I {program} activate {request} {prefix} {base}"),
        // Terminals are shells of the notebook user's.
        format!("printf '\\n. %s/activate.sh\\n' {prefix} >> \"$HOME\"/.bashrc"),
        "rm -rf /tmp/bindery-uv".to_owned(),
        format!("if [ -x {prefix}/bin/python ]; then {}; fi", bytecode(&prefix)),
    ]);
    lines
}
