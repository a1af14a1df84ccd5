//! Runs the greeter, or calls one.

use greeter::{
    call,
    flags::{self, Command},
    log, serve,
};
use kit_transport::Report;
use std::{io::Write, process::ExitCode};

/// What was asked for did not work.
const FAILED: u8 = 1;
/// The flags or the environment are wrong.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let done = match flags::parse(std::env::args().skip(1), variable) {
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
            eprint!("{mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("greeter: {}", Report(&*error));
            ExitCode::from(FAILED)
        }
    }
}

/// Writes to standard output; a reader that is gone is no reason to panic.
fn say(text: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
