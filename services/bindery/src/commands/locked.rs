//! `bindery build --locked`: the same image once more, from the provenance of one that was built before.

use std::path::Path;
use std::sync::Arc;

use bindery_builder::{Pipeline, Source, Wishes};
use bindery_buildpacks::Lock;
use bindery_core::{Date, Fault, Provenance, Tree};

use crate::cli::Target;

/// The largest file that is read.
const LIMIT: u64 = 64 * 1024 * 1024;
const HINT: &str = "Give the file as `bindery provenance` or /builds/…/provenance gave it.";

/// Reads a provenance that `bindery provenance` or the API gave.
pub(super) fn read(path: &Path) -> Result<Provenance, Fault> {
    let shown = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| {
        Fault::user("bad-provenance", format!("It cannot be read: {error}.")).at(shown.clone(), None).hint(HINT)
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > LIMIT {
        return Err(unreadable(&"it is too large"));
    }
    let content = std::fs::read(path).map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&content).map_err(|error| {
        let line = u32::try_from(error.line()).ok();
        Fault::user("bad-provenance", format!("It is no provenance: {error}.")).at(shown.clone(), line).hint(HINT)
    })
}

/// The repository and commit it names, and the day whose packages it has.
pub(super) fn target(provenance: &Provenance) -> Result<Target, Fault> {
    let Some(commit) = provenance.commit.clone() else {
        let fault = Fault::user("no-commit", "The provenance is of a directory, not of a commit.");
        return Err(fault.hint("Name the directory: bindery build --locked FILE PATH."));
    };
    Ok(Target { what: provenance.repository.clone(), reference: commit, as_of: None, subdir: None })
}

/// Holds `wishes` to the versions of `provenance`, once it is sure that base and environment files are those of then.
pub(super) async fn hold(
    pipeline: &Pipeline,
    tree: &Arc<dyn Tree>,
    source: &Source,
    wishes: &mut Wishes,
    path: &Path,
    provenance: &Provenance,
) -> Result<(), Fault> {
    let file = path.display().to_string();
    let other = |what: String, hint: &str| Fault::user("not-the-same", what).at(file.clone(), None).hint(hint);
    let today = bindery_buildpacks::VERSION;
    if provenance.recipe != today {
        let what = format!("The image was built by recipe {}; this program has recipe {today}.", provenance.recipe);
        return Err(other(what, "Use the version of this program that built it."));
    }
    let day = provenance.plan.pointer("/as_of/date").and_then(serde_json::Value::as_str);
    wishes.as_of = day.and_then(|day| day.parse::<Date>().ok());
    let (plan, base) = pipeline.plan_and_base(tree, source, wishes).await?;
    if base.id != provenance.base.digest {
        let what = format!("The base {} is {} here, and was {}.", base.name, base.id, provenance.base.digest);
        return Err(other(what, "Name the base of then in build.base_image, or build without --locked."));
    }
    if plan.environment_key != provenance.environment {
        return Err(other(
            "The environment files are not those the image was built from.".to_owned(),
            "Name the commit of then, or build without --locked.",
        ));
    }
    let bill = provenance.bill_of_materials.as_ref().unwrap_or(&serde_json::Value::Null);
    wishes.lock = Some(Arc::new(Lock::of_bill(&file, bill, &plan.contract.home)?));
    Ok(())
}
