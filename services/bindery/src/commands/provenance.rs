//! `bindery provenance`: what an image says it was made of.

use std::io::Write as _;
use std::process::ExitCode;

use bindery_buildpacks::{BILL_OF_MATERIALS, PROVENANCE};
use bindery_core::{Fault, Provenance};
use serde::de::DeserializeOwned;

use crate::config::Config;
use crate::wire;

/// The largest record that is read.
const LIMIT: usize = 16 * 1024 * 1024;

/// Prints the provenance of an image in the engine as JSON, its bill of materials included.
pub(crate) async fn provenance(config: &Config, image: &str) -> anyhow::Result<ExitCode> {
    let images = wire::images(config);
    let Some(found) = images.find(&image.parse()?).await? else {
        let fault = Fault::user("no-image", format!("The engine has no image {image}."));
        return Err(fault.hint("`docker images` lists what it has.").into());
    };
    let read = async |path: &str| images.read_file(&found.id, path, LIMIT).await;
    let Some(record) = read(PROVENANCE).await? else {
        let fault = Fault::user("no-provenance", format!("The image {image} has no provenance."));
        return Err(fault
            .hint("Session images of this program have one, unless a Dockerfile is built as it stands.")
            .into());
    };
    let mut provenance: Provenance = parsed(&record)?;
    provenance.bill_of_materials = match read(BILL_OF_MATERIALS).await? {
        Some(bill) => Some(parsed(&bill)?),
        None => None,
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&provenance)?)?;
    Ok(ExitCode::SUCCESS)
}

fn parsed<T: DeserializeOwned>(content: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(content).map_err(|error| {
        Fault::user("bad-provenance", format!("The record in the image cannot be understood: {error}."))
    })
}
