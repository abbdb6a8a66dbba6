//! Typed identifiers, each with a prefix so that a value in a log says what it names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a string is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} identifier")]
pub struct IdError {
    kind: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $new:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier that nobody has used before.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default identifier would hide that each call differs")]
            pub fn new() -> Self {
                Self(Uuid::$new())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .filter(|rest| rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or(IdError { kind: stringify!($name) })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id!(
    /// One build attempt series for one image, and the address of its log. Sortable by creation time.
    BuildId, "b-", now_v7
);
id!(
    /// One visitor's launch, and the address of its events. Unguessable: whoever knows it may read its `ready` event.
    LaunchId, "l-", new_v4
);
id!(
    /// One session: its container, its route, its URL path. 122 random bits, never reused, never derived from user text.
    SessionId, "s-", new_v4
);

#[cfg(test)]
mod tests {
    use super::{BuildId, LaunchId, SessionId};

    #[test]
    fn identifiers_round_trip_through_text() {
        let id = SessionId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn one_kind_is_not_read_as_another() {
        assert!(LaunchId::new().to_string().parse::<BuildId>().is_err());
        assert!("s-".parse::<SessionId>().is_err());
        assert!("s-00000000-0000-0000-0000-000000000000".parse::<SessionId>().is_err());
        assert!("s-../../../../../../../../etc/pass".parse::<SessionId>().is_err());
    }

    #[test]
    fn build_identifiers_sort_by_creation() {
        let earlier = BuildId::new();
        let later = BuildId::new();
        assert!(earlier < later);
    }
}
