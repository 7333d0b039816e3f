//! A Zeebe broker or gateway in a container, whose mind is in a sandbox: see [`c8_sandbox::shim`].

use std::process::ExitCode;

use c8_sandbox::shim::{self, Environment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(tracing::Level::INFO).init();
    let environment = match Environment::read(std::env::vars()) {
        Ok(environment) => environment,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(2);
        }
    };
    // a container's first process gets no signal that it does not ask for
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return ExitCode::FAILURE;
    };
    tokio::select! {
        _ = terminate.recv() => ExitCode::SUCCESS,
        end = shim::run(environment) => {
            if let Err(why) = end {
                tracing::error!("{why}");
            }
            ExitCode::FAILURE
        }
    }
}
