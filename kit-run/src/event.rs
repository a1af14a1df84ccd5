use crate::Signal;
use std::fmt;

/// What happens to a group, for a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The shutdown begins.
    Stopping(Reason<'a>),
    /// A phase of the shutdown begins.
    Phase(&'a str),
    /// A second signal ends the shutdown here: what still runs is dropped next.
    /// It is the time to say what that is.
    Forced(Signal),
    /// The reload hook begins.
    Reloading,
    /// The reload hook ended well.
    Reloaded,
    /// The reload hook failed, or panicked, with this message; the group runs
    /// on.
    NotReloaded(&'a str),
}

/// Why a group stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason<'a> {
    /// A signal came.
    Signal(Signal),
    /// This actor ended.
    Ended(&'a str),
    /// The future given to [`until`](crate::Group::until) ended.
    Asked,
    /// Nothing is left that could end it.
    Idle,
}

// ===== impl Event =====

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping(reason) => write!(f, "stopping: {reason}"),
            Self::Phase(name) => write!(f, "stopping: {name}"),
            Self::Forced(signal) => write!(f, "stopping now: a second signal, {signal}"),
            Self::Reloading => f.write_str("reloading"),
            Self::Reloaded => f.write_str("reloaded"),
            Self::NotReloaded(why) => write!(f, "not reloaded: {why}"),
        }
    }
}

// ===== impl Reason =====

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => signal.fmt(f),
            Self::Ended(name) => write!(f, "{name} ended"),
            Self::Asked => f.write_str("asked to"),
            Self::Idle => f.write_str("nothing runs"),
        }
    }
}
