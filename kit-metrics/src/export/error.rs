use std::{fmt, io, time::Duration};

/// Why metrics were not exported.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// It was not over in time.
    TimedOut(Duration),
    /// The server could not be reached, or not be written to.
    Io {
        /// The address, or the path of its socket.
        to: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The server answered, and did not take it.
    Refused {
        /// The status: of HTTP, or the code of gRPC.
        status: String,
        /// What it said, at most 512 bytes of it.
        message: String,
    },
    /// Anything else, as an exporter or a client of your own says it.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

// ===== impl Error =====

impl Error {
    /// Wraps what a client of your own says.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    #[cfg(any(
        feature = "statsd",
        feature = "dogstatsd",
        feature = "graphite",
        feature = "influx",
        feature = "cloudwatch"
    ))]
    pub(crate) fn io(to: &str) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::Io { to: to.to_owned(), source }
    }

    /// Writes the error and all that caused it on one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "the export was not over within {limit:?}"),
            Self::Io { to, .. } => write!(f, "{to} cannot be written to"),
            Self::Refused { status, message } if message.is_empty() => {
                write!(f, "the server refused: {status}")
            }
            Self::Refused { status, message } => {
                write!(f, "the server refused: {status}: {message}")
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            // Its own text is ours, so only what is behind it is a source.
            Self::Other(error) => error.source(),
            Self::TimedOut(_) | Self::Refused { .. } => None,
        }
    }
}
