//! How the process says that it could not do what it was asked to.

use crate::config::ConfigError;
use std::process::ExitCode;

/// The exit code of an error that the operator mends in the configuration or the environment.
const CONFIGURATION: u8 = 2;

/// Prints one line that names the error and its fix; the exit code that belongs to it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("millrace: {line}");
    let is_configuration = error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || cause.is::<signalling_server::StartError>()
            || cause.is::<relay_server::StartError>()
            || cause.is::<relay_server::control::ControlError>()
    });

    if is_configuration { ExitCode::from(CONFIGURATION) } else { ExitCode::FAILURE }
}
