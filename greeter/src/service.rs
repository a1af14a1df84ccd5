//! What the greeter does, in plain Rust: nothing here knows of the kit, of
//! HTTP or of gRPC.

use std::fmt;

/// The longest name that is greeted, in bytes.
pub const LONGEST_NAME: usize = 256;

/// The most names that are greeted at once: so many of the longest are the
/// query of a request over HTTP/2, whose whole head may have 16 KiB.
pub const MOST_NAMES: usize = 50;

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
    /// There are more names than [`MOST_NAMES`].
    ManyNames,
}

/// Greets everybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Greeter;

/// A middleware of the service, not of a transport: says each call, and what
/// came of it, by a function. Without one it is the service alone.
#[derive(Debug, Clone, Copy)]
pub struct Logging<S>(pub S, pub Option<fn(fmt::Arguments<'_>)>);

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

impl<S: Service> Service for Logging<S> {
    fn health(&self) -> bool {
        let healthy = self.0.health();
        if let Some(say) = self.1 {
            say(format_args!("health() = {healthy}"));
        }
        healthy
    }

    fn greeting(&self, name: &str) -> Result<String, Error> {
        let greeting = self.0.greeting(name);
        if let Some(say) = self.1 {
            say(format_args!("greeting({name:?}) = {greeting:?}"));
        }
        greeting
    }
}

// ===== impl Error =====

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyName => "the name is missing or empty: say whom to greet",
            Self::LongName => "the name is too long: give at most 256 bytes",
            Self::ManyNames => "there are too many names: give at most 50",
        })
    }
}

impl std::error::Error for Error {}
