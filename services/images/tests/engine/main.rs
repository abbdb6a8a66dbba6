//! The crate's contracts on a real engine and real registries. Set `BINDERY_TEST_DOCKER_HOST`; without it every test here
//! says on standard error that it was skipped.

#[cfg(test)]
mod builds;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod support;
