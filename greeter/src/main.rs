//! Runs the greeter, or calls one.

use greeter::{
    call,
    flags::{self, Command},
    log, serve,
};
use kit_transport::Report;
use std::{
    env,
    io::{Write, stderr, stdout},
    process::ExitCode,
};

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
            match kit_run::signals() {
                Ok(signals) => serve::serve(flags, signals, |ports| say(&ports.to_string())).await,
                Err(error) => Err(error.into()),
            }
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

/// Writes to standard output; a reader that is gone is no reason to panic.
fn say(text: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(stdout().lock().write_all(text.as_bytes())?)
}
