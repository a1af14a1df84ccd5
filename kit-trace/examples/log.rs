//! A log in one of three formats, without secrets, whose level changes while it runs:
//!
//! ```sh
//! cargo run -p kit-trace --features log --example log -- pretty
//! ```
//!
//! or `logfmt`, which it is if nothing is said, or `json`.

use kit_trace::log::{Filter, Format, Lines, Redacted};
use std::{env, io, time::Duration};
use tower::BoxError;
use tracing_subscriber::{fmt::MakeWriter, prelude::*};

#[derive(Debug)]
struct Database {
    url: &'static str,
    password: Redacted<String>,
}

fn main() -> Result<(), BoxError> {
    let format = env::args().nth(1).map_or(Ok(Format::Logfmt), |name| name.parse())?;
    shown(format, io::stdout)
}

/// Logs to `writer`.
fn shown<W>(format: Format, writer: W) -> Result<(), BoxError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = Filter::new("info")?;
    let lines = Lines::new(format, writer).field("service", "greeter").spans(true);
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter.clone()));
    // A program installs it for all its threads: `subscriber.try_init()?`.
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(port = 9110, "listening");

        // By its type, wherever it is formatted, and by the name of a field.
        let database = Database { url: "db:5432", password: "hunter2".to_owned().into() };
        tracing::info!(?database, url = database.url, token = "hunter2", "connecting");
        // Who needs it, takes it out.
        let password = database.password.into_inner();
        tracing::info!(authenticated = !password.is_empty(), "connected");

        // One event is one line, whatever is in it.
        let asked = tracing::info_span!("asked", who = "Ada\nlevel=error");
        asked.in_scope(|| tracing::warn!(error = "out of \"words\"", "no greeting"));

        tracing::debug!(cached = 7, "nobody sees this");
        // What `PUT /debug/log` does by `LogService`. A program runs `filter.expiring()`.
        filter.set_for("debug", Duration::from_mins(1))?;
        tracing::debug!(cached = 7, "seen, since the level changed");
        filter.reset();
        tracing::debug!(cached = 7, "and nobody sees this");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::Error::other("poisoned"))?.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn shows_what_it_says() -> Result<(), BoxError> {
        for format in [Format::Logfmt, Format::Json, Format::Pretty] {
            let written = Written::default();
            let writer = written.clone();
            shown(format, move || writer.clone())?;
            let text = String::from_utf8(std::mem::take(&mut *written.0.lock().expect("whole")))?;
            assert_eq!(text.lines().count(), 5, "{text}");
            assert!(!text.contains("hunter2") && text.contains("[redacted]"), "{text}");
            assert!(text.contains("since the level changed") && !text.contains("nobody"), "{text}");
            for line in text.lines().filter(|_| format == Format::Json) {
                serde_json::from_str::<serde_json::Value>(line)?;
            }
        }
        Ok(())
    }
}
