//! The command line.

use std::path::PathBuf;

use bindery_core::{AsOf, ImageName};
use clap::{Args, Parser, Subcommand};

use crate::config::Layers;

/// Turns a Git repository into a running notebook.
#[derive(Debug, Parser)]
#[command(name = "bindery", version)]
pub(crate) struct Cli {
    /// A TOML file of settings; see deploy/config.example.toml.
    #[arg(long, short, global = true, env = "BINDERY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, over all others: --set web.listen=127.0.0.1:8000
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Logs and progress as lines of JSON.
    #[arg(long, global = true)]
    pub(crate) json_logs: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in this process.
    Serve,
    /// Run the pages and the API only; needs redis.url.
    Web,
    /// Run a build worker only; needs redis.url.
    Builder,
    /// Run the launcher only; needs redis.url.
    Launcher,
    /// Run the sessions' proxy only; needs redis.url.
    Proxy,
    /// Say what would be built from a repository, and why.
    Plan {
        #[command(flatten)]
        target: Target,
        /// The whole plan as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the Dockerfiles a repository becomes.
    Dockerfile {
        #[command(flatten)]
        target: Target,
    },
    /// Build a repository's image.
    Build {
        /// A directory, a repository's address, or gh/OWNER/NAME. Default with --locked: the repository and commit it names.
        #[arg(value_name = "PATH|URL", required_unless_present = "locked")]
        what: Option<String>,
        /// A branch, tag or commit.
        #[arg(long = "ref", default_value = "HEAD", value_name = "REF", requires = "what")]
        reference: String,
        /// Install the packages that could be had on this day, like 2021-03-01, or on the day of the `commit`.
        #[arg(long, value_name = "DATE|commit", conflicts_with = "locked")]
        as_of: Option<AsOf>,
        /// Install exactly what this provenance of an earlier image lists, and fail where that cannot be had any more.
        #[arg(long, value_name = "FILE")]
        locked: Option<PathBuf>,
        /// Push it to registry.url.
        #[arg(long)]
        push: bool,
        /// What to call it. Default: a name made of the repository and commit.
        #[arg(long, value_name = "NAME")]
        image: Option<ImageName>,
    },
    /// Print what an image was made of: its plan, its base, and a bill of every package in it.
    Provenance {
        /// The name or id of an image that this program built.
        #[arg(value_name = "IMAGE")]
        image: String,
    },
    /// Do what jupyter-repo2docker does, with its flags; `bindery repo2docker --help` lists them.
    #[command(disable_help_flag = true)]
    Repo2docker {
        /// Flags, a repository, and a command to run.
        #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Print every setting with its origin, or what is wrong with one.
    CheckConfig,
    /// Ask a running service whether it is well; the exit code is the answer.
    Healthcheck {
        /// Its address. Default: this configuration's.
        #[arg(long)]
        url: Option<String>,
    },
}

/// A directory, or a repository and a ref.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// A directory, a repository's address, or gh/OWNER/NAME.
    #[arg(value_name = "PATH|URL")]
    pub(crate) what: String,
    /// A branch, tag or commit.
    #[arg(long = "ref", default_value = "HEAD", value_name = "REF")]
    pub(crate) reference: String,
    /// Install the packages that could be had on this day, like 2021-03-01, or on the day of the `commit`.
    #[arg(long, value_name = "DATE|commit")]
    pub(crate) as_of: Option<AsOf>,
    /// A directory of the repository that is taken for the whole.
    #[arg(skip)]
    pub(crate) subdir: Option<String>,
}

impl Cli {
    /// Where settings come from.
    #[expect(clippy::disallowed_methods, reason = "the one door through which the environment is read")]
    pub(crate) fn layers(&self) -> Layers {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Layers { file: self.config.clone(), environment, flags: self.settings.clone() }
    }
}

impl Command {
    /// Whether this keeps running and logs, rather than printing a result.
    pub(crate) const fn is_role(&self) -> bool {
        matches!(self, Self::Serve | Self::Web | Self::Builder | Self::Launcher | Self::Proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
