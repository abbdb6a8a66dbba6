//! The binary: reads configuration, builds the objects, starts and stops them. The only crate that names all others, and the only
//! reader of configuration and environment.
//!
//! | file | what it does |
//! |---|---|
//! | `cli.rs` | the command line |
//! | `config/` | settings, their layers and origins |
//! | `wire.rs` | settings become adapters |
//! | `roles.rs` | adapters become roles; read this to know what runs |
//! | `checks.rs` | what `/health` asks |
//! | `commands/` | plan, dockerfile, build, check-config, healthcheck |
//! | `telemetry.rs`, `shutdown.rs`, `limits.rs` | logs; signals; open files |

mod checks;
mod cli;
mod commands;
mod config;
mod limits;
mod roles;
mod shutdown;
mod telemetry;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // One TLS provider for the whole process, chosen before anything can ask for one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            // Nowhere is left to report to when standard error is closed.
            let _ = writeln!(std::io::stderr(), "bindery: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    let mut loaded = cli.layers().load()?;
    if cli.json_logs {
        loaded.config.log.json = true;
    }
    if let cli::Command::CheckConfig = cli.command {
        commands::check_config(&loaded)?;
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::start(&loaded.config.log, cli.command.is_role())?;
    limits::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(dispatch(cli, loaded.config))
}

async fn dispatch(cli: cli::Cli, config: config::Config) -> anyhow::Result<ExitCode> {
    let output = commands::Output::choose(cli.json_logs);
    match cli.command {
        cli::Command::Serve => roles::run(config, roles::Roles::ALL).await,
        cli::Command::Web => roles::run(config, roles::Roles::WEB).await,
        cli::Command::Builder => roles::run(config, roles::Roles::BUILDER).await,
        cli::Command::Launcher => roles::run(config, roles::Roles::LAUNCHER).await,
        cli::Command::Proxy => roles::run(config, roles::Roles::PROXY).await,
        cli::Command::Plan { target, json } => commands::plan(&config, &target, json).await,
        cli::Command::Dockerfile { target } => commands::dockerfile(&config, &target).await,
        cli::Command::Build { target, push, image } => commands::build(&config, &target, push, image, output).await,
        cli::Command::Healthcheck { url } => commands::healthcheck(&config, url).await,
        cli::Command::CheckConfig => Ok(ExitCode::SUCCESS),
    }
}
