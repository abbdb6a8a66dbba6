//! What images are called. Names are hashes; people read labels.

use bindery_core::{EnvironmentKey, Fault, ImageKey, ImageName};

/// The place images are named under: `bindery/`, or `registry.example.org/bindery/` when there is a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    prefix: String,
}

impl Naming {
    /// Names below `prefix`, which ends in `/` or is empty.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The environment image of that key.
    ///
    /// # Errors
    /// The configured prefix makes no image name.
    pub fn environment(&self, key: &EnvironmentKey) -> Result<ImageName, Fault> {
        self.name("env", key.as_str())
    }

    /// The session image of that key.
    ///
    /// # Errors
    /// The configured prefix makes no image name.
    pub fn session(&self, key: &ImageKey) -> Result<ImageName, Fault> {
        self.name("repo", key.as_str())
    }

    fn name(&self, kind: &str, tag: &str) -> Result<ImageName, Fault> {
        format!("{}{kind}:{tag}", self.prefix).parse().map_err(|error| {
            Fault::us("bad-image-prefix", format!("the configured image prefix makes no image name: {error}"))
                .hint("An operator must mend registry.url or registry.prefix.")
                .retry(false)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Naming;
    use bindery_core::EnvironmentKey;

    #[test]
    fn names_are_below_the_prefix() {
        let key = EnvironmentKey::of_parts([b"x".as_slice()]);
        let name = Naming::new("127.0.0.1:5000/bindery/").environment(&key).unwrap();
        assert_eq!(name.as_str(), format!("127.0.0.1:5000/bindery/env:{key}"));
        assert!(Naming::new("Bad Prefix/").environment(&key).is_err());
    }
}
