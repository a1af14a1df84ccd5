use kit_sd::consul::Error;
use rustify::errors::ClientError;
use std::{error, fmt, io};

/// A name or an id that no path can have: it is empty, or steps of a path.
///
/// [`Error::Other`] holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName(pub(crate) String);

/// How much of what an agent says goes into an error, in characters.
const MESSAGE: usize = 256;

// ===== impl InvalidName =====

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be in a path: choose another name or id", self.0)
    }
}

impl error::Error for InvalidName {}

/// What a failure of rustify is to the kit; `address` is the agent's.
pub(crate) fn explain(error: ClientError, address: &str) -> Error {
    match error {
        ClientError::ServerResponseError { code, content } => {
            let content = content.unwrap_or_default();
            let message = content.trim().chars().take(MESSAGE).collect();
            Error::Refused { status: code, message }
        }
        ClientError::RequestError { source, .. } => {
            let is_connect = source.downcast_ref().is_some_and(reqwest::Error::is_connect);
            if is_connect {
                Error::Connect { address: address.to_owned(), source: io::Error::other(source) }
            } else {
                Error::Connection(source.into())
            }
        }
        ClientError::ResponseError { source } => Error::Connection(source.into()),
        other => Error::Other(other.into()),
    }
}
