//! The binary `millrace`: composes the services, subcommands, configuration.

mod access;
mod cli;
mod commands;
mod config;
mod failure;
mod logging;
mod notify;
mod reload;
mod signals;
mod turn;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
