//! Runs the greeter, or calls one.

use greeter::{
    call,
    flags::{self, Command, Serve},
    listen::{self, Ports},
    log,
};
use kit_transport::Report;
use std::{
    env,
    io::{Write, stderr, stdout},
    process::ExitCode,
};
use tower::BoxError;

/// What was asked for did not work.
const FAILED: u8 = 1;
/// The flags or the environment are wrong.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match flags::parse(env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(Command::Print(text)) => say(&text),
        Ok(Command::Serve(flags)) => {
            log::install(&flags.log, flags.log_format);
            serve(&flags).await
        }
        Ok(Command::Call(flags)) => match call::call(flags).await {
            Ok(greeting) => say(&format!("{greeting}\n")),
            Err(error) => Err(error),
        },
        Err(mistakes) => {
            // The exit code tells it too, if nobody reads this.
            let _ = write!(stderr(), "{mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::failed(Report(&*error), stderr());
            ExitCode::from(FAILED)
        }
    }
}

/// Opens what serving needs of the system, and serves.
async fn serve(flags: &Serve) -> Result<(), BoxError> {
    let signals = kit_run::signals()?;
    let ports = Ports::bind(flags).await?;
    let registry = listen::registry(flags).await?;
    greeter::serve::serve(flags, ports, registry, signals, |at| say(&at.to_string())).await
}

/// Writes to standard output; a reader that is gone is no reason to panic.
fn say(text: &str) -> Result<(), BoxError> {
    Ok(stdout().lock().write_all(text.as_bytes())?)
}
