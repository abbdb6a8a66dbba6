//! t
use crate::{Config, Error};
use bindery_core::Secret;
