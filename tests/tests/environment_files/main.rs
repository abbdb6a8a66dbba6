//! Environment files on a real engine: each row of the table of required behaviour is a test, whose name begins with the row's
//! id. `tests/table.rs` has the table and prints it, with the tests of each row.
//!
//! | file | rows |
//! |---|---|
//! | `support.rs` | none: building a list of files with `bindery build`, and running commands in the image |
//! | `basics.rs` | the base image, the configuration directory, `runtime.txt`, what an image leaves behind |
//! | `conda.rs` | `environment.yml` and explicit specs, from a channel that `tests/channel.py` makes |
//! | `dates.rs` | none: packages of another day |
//! | `dockerfile.rs` | a Dockerfile of the repository, `.dockerignore` |
//! | `index.rs` | none: a package index that `tests/index.py` makes |
//! | `plans.rs` | what a plan alone shows: no engine |
//! | `python.rs` | projects and lock files |
//! | `pythons.rs` | a Python of the kernel's own, from a mirror that `tests/python_mirror.sh` makes |
//! | `provenance.rs` | none: the record of an image, and the image once more from it |
//! | `r.rs` | R: its kernel, `install.R`, `DESCRIPTION`, `renv.lock` |
//! | `r_servers.rs` | RStudio and Shiny, of which `tests/r_servers.sh` makes stand-ins |
//! | `requirements.rs` | `requirements.txt` |
//! | `scripts.rs` | `apt.txt`, `postBuild`, `start` |
//! | `sources.rs` | refs, submodules, large files |
//!
//! What needs something that no test machine has is a picture of a plan in `buildpacks`, under the same id.

mod basics;
mod conda;
mod dates;
mod dockerfile;
mod index;
mod plans;
mod provenance;
mod python;
mod pythons;
mod r;
mod r_servers;
mod requirements;
mod scripts;
mod sources;
mod support;
