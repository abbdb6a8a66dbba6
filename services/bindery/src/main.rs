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
//! | `commands/` | plan, dockerfile, build, provenance, repo2docker, check-config, healthcheck |
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
    let cli = cli::Cli::parse_from(commands::mark(std::env::args_os().collect()));
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
    let repo2docker = match &cli.command {
        cli::Command::Repo2docker { arguments } => match commands::Flags::read(arguments) {
            Ok(flags) if flags.version => {
                writeln!(std::io::stdout(), "{}", env!("CARGO_PKG_VERSION"))?;
                return Ok(ExitCode::SUCCESS);
            }
            Ok(flags) => Some(flags),
            Err(error) => {
                error.print()?;
                return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1)));
            }
        },
        _ => None,
    };
    let layers = cli.layers();
    let mut loaded = layers.load()?;
    if cli.json_logs || repo2docker.as_ref().is_some_and(|flags| flags.json_logs) {
        loaded.config.log.json = true;
    }
    if let cli::Command::CheckConfig = cli.command {
        commands::check_config(&loaded)?;
        return Ok(ExitCode::SUCCESS);
    }
    if repo2docker.as_ref().is_some_and(|flags| flags.debug) {
        "debug,hyper=info,hyper_util=info".clone_into(&mut loaded.config.log.filter);
    }
    let logs = cli.command.is_role() || repo2docker.as_ref().is_some_and(|flags| flags.debug);
    telemetry::start(&loaded.config.log, logs)?;
    limits::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match repo2docker {
        Some(flags) => runtime.block_on(commands::repo2docker(flags, loaded.config, &layers.environment)),
        None => runtime.block_on(dispatch(cli, loaded.config)),
    }
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
        cli::Command::Build { what, reference, as_of, locked, push, image } => {
            let target = what.map(|what| cli::Target { what, reference, as_of, subdir: None });
            let order = commands::BuildOrder { target, locked, push, image };
            commands::build(&config, order, output).await
        }
        cli::Command::Provenance { image } => commands::provenance(&config, &image).await,
        cli::Command::Healthcheck { url } => commands::healthcheck(&config, url).await,
        // Seen to before.
        cli::Command::CheckConfig | cli::Command::Repo2docker { .. } => Ok(ExitCode::SUCCESS),
    }
}
