//! Which hosts and addresses may be contacted, and how.
//!
//! | file | concern |
//! |---|---|
//! | `addresses.rs` | is an address public? one predicate, from the IANA special-purpose registries |
//! | `lookup.rs` | host names to addresses, injectable |
//! | `gate.rs` | the policy: schemes, hosts, and addresses checked at the moment of connecting |

mod addresses;
mod gate;
mod lookup;

pub use addresses::is_public;
pub use gate::Gate;
pub(crate) use gate::port_of;
pub use lookup::{Lookup, SystemLookup};
