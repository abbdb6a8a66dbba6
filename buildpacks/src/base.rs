//! What a base image must offer: the docker-stacks contract.

use bindery_core::BaseImage;
use serde::Serialize;

use crate::PlanError;
use crate::parse::runtime::PythonVersion;

/// What a plan relies on, read from the base image's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// `USER` of the base, to return to after a step as root.
    pub user: String,
    /// The notebook user's id.
    pub uid: u32,
    /// The notebook user's group.
    pub gid: u32,
    /// The notebook user's home, which is also where the repository's content goes.
    pub home: String,
    /// The Python environment's prefix.
    pub prefix: String,
    /// The base's entry point, kept in front of everything.
    pub entrypoint: Vec<String>,
    /// Its Python, where its labels or environment say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// The R it brings with its kernel: a version, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<String>,
    /// The R its distribution has, where its labels say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apt_r: Option<String>,
    /// Whether the base already sets `REPO_DIR`.
    #[serde(skip)]
    pub(crate) has_repo_dir: bool,
}

/// Checks that a base keeps the docker-stacks contract as far as its configuration shows.
///
/// # Errors
/// [`PlanError::Base`] naming everything that is missing.
pub fn check_base(base: &BaseImage) -> Result<(), PlanError> {
    contract(base).map(|_| ())
}

/// The label by which a base says that it brings R and its kernel.
const R_LABEL: &str = "io.bindery.r";

/// A base that is known to bring R and its kernel, whatever its labels say.
#[must_use]
pub fn bringing_r(mut base: BaseImage) -> BaseImage {
    if base.label(R_LABEL).is_none() {
        base.labels.push((R_LABEL.to_owned(), "unknown".to_owned()));
    }
    base
}

/// A base of which only the name is known: what the contract says of every base, and nothing of what it brings.
#[must_use]
pub fn assumed_base(name: &str) -> BaseImage {
    let env = [
        ("CONDA_DIR", "/opt/conda"),
        ("NB_USER", "jovyan"),
        ("NB_UID", "1000"),
        ("NB_GID", "100"),
        ("HOME", "/home/jovyan"),
        ("PATH", "/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ];
    BaseImage {
        name: name.to_owned(),
        id: format!("assumed:{name}"),
        user: "1000".to_owned(),
        env: env.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        entrypoint: ["tini", "-g", "--", "start.sh"].map(str::to_owned).to_vec(),
        workdir: "/home/jovyan".to_owned(),
        labels: Vec::new(),
    }
}

pub(crate) fn contract(base: &BaseImage) -> Result<Contract, PlanError> {
    let mut missing: Vec<String> = Vec::new();
    let mut need = |ok: bool, what: &str| {
        if !ok {
            missing.push(what.to_owned());
        }
    };
    let user_name = base.env("NB_USER").unwrap_or_default();
    let number = |name: &str| base.env(name).and_then(|value| value.parse::<u32>().ok());
    let uid = number("NB_UID").filter(|uid| *uid > 0);
    let prefix = base.env("CONDA_DIR").unwrap_or_default();
    let home = base.env("HOME").map_or_else(|| format!("/home/{user_name}"), str::to_owned);
    let on_path = base.env("PATH").is_some_and(|path| path.split(':').any(|part| part == format!("{prefix}/bin")));

    need(is_image_name(&base.name), "a usable image name");
    need(is_word(user_name), "NB_USER");
    need(uid.is_some(), "NB_UID");
    need(is_path(prefix), "CONDA_DIR");
    need(on_path, "CONDA_DIR/bin on PATH");
    need(is_path(&home), "a home directory");
    let own_user = uid.is_some_and(|uid| base.user.split(':').next() == Some(uid.to_string().as_str()));
    need(is_word(&base.user) && (own_user || base.user == user_name), "USER set to the notebook user");
    let words: Vec<&str> = base.entrypoint.iter().map(|word| word.rsplit('/').next().unwrap_or(word)).collect();
    need(words.contains(&"start.sh"), "start.sh in its ENTRYPOINT");
    need(words.first() == Some(&"tini"), "tini as its ENTRYPOINT");
    need(!base.entrypoint.iter().any(|word| word.chars().any(char::is_control)), "a printable ENTRYPOINT");

    match uid {
        Some(uid) if missing.is_empty() => Ok(Contract {
            user: base.user.clone(),
            uid,
            gid: number("NB_GID").unwrap_or(100),
            home,
            prefix: prefix.to_owned(),
            entrypoint: base.entrypoint.clone(),
            python: python(base),
            r: base.label(R_LABEL).filter(|stated| is_word(stated)).map(str::to_owned),
            apt_r: version(base.label("io.bindery.apt.r")),
            has_repo_dir: base.env("REPO_DIR").is_some(),
        }),
        _ => Err(PlanError::Base {
            name: crate::error::shown(&base.name),
            missing: format!("it lacks {}", missing.join(", ")),
        }),
    }
}

impl Contract {
    /// Where an environment of the kernel's own goes.
    pub(crate) fn kernel_prefix(&self) -> String {
        format!("{}/envs/kernel", self.prefix)
    }
}

fn python(base: &BaseImage) -> Option<String> {
    version(base.label("io.bindery.python").or_else(|| base.env("PYTHON_VERSION")))
}

/// A version as it is stated, where it is one.
fn version(stated: Option<&str>) -> Option<String> {
    stated.filter(|stated| PythonVersion::parse(stated).is_some()).map(str::to_owned)
}

/// A name as an engine takes it in `FROM`: nothing that could end the word or the line.
pub(crate) fn is_image_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 512
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@'))
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'))
}

pub(crate) fn is_path(path: &str) -> bool {
    path.len() > 1
        && path.starts_with('/')
        && !path.ends_with('/')
        && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))
}

#[cfg(test)]
pub(crate) mod tests {
    use bindery_core::{BaseImage, Fault, FaultBy};

    use super::{assumed_base, check_base, contract};

    pub(crate) fn stack() -> BaseImage {
        let labels = vec![("io.bindery.python".to_owned(), "3.11.2".to_owned())];
        BaseImage { id: "sha256:0123".to_owned(), labels, ..assumed_base("bindery/stack:test") }
    }

    #[test]
    fn a_docker_stacks_image_passes() {
        let contract = contract(&stack()).unwrap();
        assert_eq!((contract.uid, contract.gid, contract.home.as_str()), (1000, 100, "/home/jovyan"));
        assert_eq!(contract.python.as_deref(), Some("3.11.2"));
    }

    #[test]
    fn an_image_without_the_contract_is_our_fault_and_says_what_is_missing() {
        let mut base = stack();
        base.env.retain(|(key, _)| key != "CONDA_DIR");
        base.entrypoint.clear();
        "root".clone_into(&mut base.user);
        let fault: Fault = check_base(&base).unwrap_err().into();
        assert_eq!(fault.by, FaultBy::Us);
        for what in ["CONDA_DIR", "start.sh", "tini", "USER"] {
            assert!(fault.message.contains(what), "{fault}");
        }
    }

    #[test]
    fn a_base_name_cannot_carry_another_instruction() {
        let mut base = stack();
        "x\nRUN id".clone_into(&mut base.name);
        assert!(check_base(&base).is_err());
    }
}
