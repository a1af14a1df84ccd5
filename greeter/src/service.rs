//! What the greeter does, in plain Rust: nothing here knows of the kit, of
//! HTTP or of gRPC.

use std::{error, fmt};

/// The longest name that is greeted, in bytes.
pub const LONGEST_NAME: usize = 256;

/// The service.
pub trait Service {
    /// Says whether the service can do its work.
    fn health(&self) -> bool;

    /// Greets.
    ///
    /// # Errors
    ///
    /// Fails if the name is empty or longer than [`LONGEST_NAME`].
    fn greeting(&self, name: &str) -> Result<String, Error>;
}

/// Why there is no greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There is nobody to greet.
    EmptyName,
    /// The name is longer than [`LONGEST_NAME`].
    LongName,
}

/// Greets everybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Greeter;

/// A middleware of the service, not of a transport: says each call, and what
/// came of it, into `log`.
#[derive(Debug, Clone, Copy)]
pub struct Logging<S, F> {
    service: S,
    log: F,
}

// ===== impl Greeter =====

impl Service for Greeter {
    fn health(&self) -> bool {
        true
    }

    fn greeting(&self, name: &str) -> Result<String, Error> {
        match name.len() {
            0 => Err(Error::EmptyName),
            1..=LONGEST_NAME => Ok(format!("Hello, {name}!")),
            _ => Err(Error::LongName),
        }
    }
}

// ===== impl Logging =====

impl<S: Service, F: Fn(fmt::Arguments<'_>)> Logging<S, F> {
    /// Logs what `service` is asked into `log`.
    pub const fn new(service: S, log: F) -> Self {
        Self { service, log }
    }
}

impl<S: Service, F: Fn(fmt::Arguments<'_>)> Service for Logging<S, F> {
    fn health(&self) -> bool {
        let healthy = self.service.health();
        (self.log)(format_args!("health() = {healthy}"));
        healthy
    }

    fn greeting(&self, name: &str) -> Result<String, Error> {
        let greeting = self.service.greeting(name);
        (self.log)(format_args!("greeting({name:?}) = {greeting:?}"));
        greeting
    }
}

// ===== impl Error =====

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyName => f.write_str("the name is missing or empty: say whom to greet"),
            Self::LongName => {
                write!(f, "the name is too long: give at most {LONGEST_NAME} bytes")
            }
        }
    }
}

impl error::Error for Error {}
