//! What the tests of this crate share: a store and a proxy in memory, and the contract every session backend keeps. Uses nothing of
//! this crate, so that tests inside it and beside it can both have it.

pub(crate) mod contract;
pub(crate) mod proxy;
pub(crate) mod store;
