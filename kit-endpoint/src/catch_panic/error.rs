use crate::{Fault, Kind};
use std::{
    any::Any,
    error, fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The service panicked.
#[derive(Debug)]
pub struct Panicked {
    message: Option<Box<str>>,
}

// ===== impl Panicked =====

impl Panicked {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<String>() {
            Ok(message) => Some(message.into_boxed_str()),
            Err(payload) => match payload.downcast::<&'static str>() {
                Ok(message) => Some((*message).into()),
                Err(payload) => {
                    catch_drop(|| drop(payload));
                    None
                }
            },
        };
        Self { message }
    }

    /// Returns what the panic said, if it was text, as `panic!` makes it. It
    /// is for logs: callers are not shown it.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

/// Runs a `drop` that may panic, as any drop of a stranger's value may.
pub(super) fn catch_drop(drop: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) {
        // To drop this one may panic as well, and so on without end: leak it.
        let _ = ManuallyDrop::new(payload);
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "the service panicked: {message}"),
            None => f.write_str("the service panicked"),
        }
    }
}

impl error::Error for Panicked {}

impl Fault for Panicked {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}
