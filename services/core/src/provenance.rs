//! What an image was made of and how, as recorded when it was made.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::EnvironmentKey;

/// The record of one session image. The same object in the image, the API and on the command line.
///
/// It is a record, not a proof: code that a repository runs while its image is built can change what is found in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// The version of this program.
    pub bindery: String,
    /// The version of what plans are rendered to.
    pub recipe: String,
    /// The repository's address, or `local`.
    pub repository: String,
    /// The ref that was asked for.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The base image.
    pub base: BaseRecord,
    /// The environment image's key; none for a repository with its own Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub environment: Option<EnvironmentKey>,
    /// The plan, as `buildpacks/plan.schema.json` describes it.
    #[schema(value_type = Object)]
    pub plan: Value,
    /// What is installed, in `CycloneDX`'s JSON form: every package of Python, conda, R, Julia and the distribution, with its version.
    /// None where an image has no Python to list it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub bill_of_materials: Option<Value>,
}

/// The base image that was built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseRecord {
    /// Its name.
    pub name: String,
    /// The digest of its configuration, which names each of its layers.
    pub digest: String,
}
