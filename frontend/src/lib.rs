//! What a browser sees: the HTML shells, and the built scripts, styles and badges.
//!
//! For the `web` crate, which serves both. It must not do I/O beyond reading its own embedded files, know a request,
//! or decide a status code; and no page may hold an inline script other than the configuration, an inline style, or an
//! event handler, since the content security policy of `web` refuses them.
//!
//! - [`assets`]: the files of `dist/`, embedded in release builds and read from disk in debug ones, with strong ETags.
//! - [`context`]: what each page must be told, one struct for each.
//! - [`pages`]: the templates of `templates/`, compiled in, strict about missing values, escaping everything.
//! - `escape`: text made safe to stand in a page.

pub mod assets;
pub mod context;
mod escape;
pub mod pages;

pub use assets::{Asset, asset};
pub use context::{
    AboutPage, BadgeCode, BuildRow, EnvironmentRows, ErrorPage, FormValues, HomePage, LoadingPage, Provider,
    RepositoryPage, Row, Shell,
};
pub use pages::{Error, Pages};
