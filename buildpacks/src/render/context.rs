//! What a step is lent: files, caches, the CA bundle. All below `/dev/shm`, a file system the engine makes for each step, so that
//! not even an empty directory stays behind in the image.

use crate::CA_BUNDLE_PATH;
use crate::plan::BuildPlan;

/// Where in the context this crate puts its files.
pub(super) const FILES: &str = ".bindery";
/// Where a step sees what it is lent.
pub(super) const LENT: &str = "/dev/shm/bindery";
/// Where a step sees the CA bundle.
pub(super) const CA_TARGET: &str = "/dev/shm/bindery/ca-bundle.pem";

/// What makes common programs trust the CA bundle: OpenSSL, Python's ssl and uv; requests; pip; curl; git; Node.
pub(super) const CA_VARIABLES: [&str; 6] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"];

/// The mount that lends the CA bundle.
pub(super) fn ca_mount() -> String {
    format!("--mount=type=bind,source={CA_BUNDLE_PATH},target={CA_TARGET}")
}

/// A file or directory of the context, lent under the same name.
pub(super) fn file_mount(name: &str) -> String {
    format!("--mount=type=bind,source={FILES}/{name},target={LENT}/{name}")
}

/// A cache of root's, used by one build at a time.
pub(super) fn root_cache(plan: &BuildPlan, name: &str, target: &str) -> String {
    format!("--mount=type=cache,id={},target={target},sharing=locked", cache_id(plan, name))
}

/// A cache of the notebook user's, at `/dev/shm/bindery/<name>`.
pub(super) fn user_cache(plan: &BuildPlan, name: &str) -> String {
    let (uid, gid) = (plan.contract.uid, plan.contract.gid);
    format!(
        "--mount=type=cache,id={},target={LENT}/{name},uid={uid},gid={gid}",
        cache_id(plan, &format!("{name}-{uid}"))
    )
}

fn cache_id(plan: &BuildPlan, name: &str) -> String {
    let scope = if plan.cache_scope.is_empty() { String::new() } else { format!("-{}", plan.cache_scope) };
    format!("bindery-{name}{scope}")
}
