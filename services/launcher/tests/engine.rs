//! Sessions on a real Docker engine, with a real Jupyter in them.
//!
//! `BINDERY_TEST_DOCKER_HOST` is the engine's address and `BINDERY_TEST_BASE_IMAGE` an image with a notebook server that keeps the
//! docker-stacks contract. Without them these tests do nothing, and say so.

#[cfg(test)]
mod real;
#[cfg(test)]
mod support;
