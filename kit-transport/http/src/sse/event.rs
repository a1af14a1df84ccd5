use crate::EncodeError;
use bytes::BytesMut;
use memchr::{memchr2, memchr3};
use serde::{Serialize, de::DeserializeOwned};
use std::{convert::Infallible, error, fmt, time::Duration};

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its id: what a reader that comes back sends as `Last-Event-ID`. Of an
    /// event that was read, the last id that came with it or before it.
    pub id: Option<String>,
    /// Its type; `message` if it says none. `error` is a fault's.
    pub event: Option<String>,
    /// What it says. Without data a reader takes note of `id` and `retry`, and
    /// has no event.
    pub data: Option<String>,
    /// How long a reader that lost the connection waits until it comes back.
    pub retry: Option<Duration>,
}

/// A field of an event cannot be written.
#[derive(Debug)]
struct Unwritable {
    field: &'static str,
    why: &'static str,
}

// ===== impl Event =====

impl Event {
    /// Makes an event of some text.
    ///
    /// A reader gets each line break in it, CR, LF or both, as LF.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: Some(data.into()), ..Self::default() }
    }

    /// Makes an event of a message, as JSON.
    ///
    /// # Errors
    ///
    /// Fails if `message` cannot be written as JSON: a map whose keys are no strings.
    pub fn json<T: Serialize + ?Sized>(message: &T) -> Result<Self, EncodeError> {
        serde_json::to_string(message).map(Self::new).map_err(EncodeError::new)
    }

    /// Sets the id: one line, without NUL.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the type: one line, and not `error`.
    #[must_use]
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// Sets how long a reader that lost the connection waits until it comes
    /// back. It goes out in whole milliseconds.
    #[must_use]
    pub const fn retry(mut self, wait: Duration) -> Self {
        self.retry = Some(wait);
        self
    }

    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let unwritable = |field, why| Err(EncodeError::new(Unwritable { field, why }));
        if let Some(event) = &self.event {
            if memchr2(b'\n', b'\r', event.as_bytes()).is_some() {
                return unwritable("event", "it has more than one line");
            }
            if event == super::FAULT {
                return unwritable("event", "`error` is a fault's: end the stream with one");
            }
            field(out, "event", event);
        }
        if let Some(id) = &self.id {
            if memchr3(b'\n', b'\r', 0, id.as_bytes()).is_some() {
                return unwritable("id", "it has more than one line, or a NUL");
            }
            field(out, "id", id);
        }
        if let Some(wait) = self.retry {
            retry(out, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        }
        if let Some(data) = &self.data {
            let mut rest = data.as_str();
            while let Some(end) = memchr2(b'\n', b'\r', rest.as_bytes()) {
                field(out, "data", &rest[..end]);
                let crlf = rest[end..].starts_with("\r\n");
                rest = &rest[end + 1 + usize::from(crlf)..];
            }
            field(out, "data", rest);
        }
        out.extend_from_slice(b"\n");
        Ok(())
    }
}

/// Writes an item as the JSON of an event's data, for
/// [`Writer::new`](super::Writer::new).
///
/// # Errors
///
/// Fails if `item` cannot be written as JSON.
pub fn json<T: Serialize>(item: T) -> Result<Event, EncodeError> {
    Event::json(&item)
}

/// Reads an item from the JSON of an event's data, for
/// [`Reader::new`](super::Reader::new).
///
/// # Errors
///
/// Fails if the data is not a `T`.
pub fn from_json<T: DeserializeOwned>(event: Event) -> Result<T, crate::DecodeError> {
    let body = event.data.unwrap_or_default();
    crate::json::reply(&http::Response::new(body.into()))
}

/// Passes an event on as it is, for [`Writer::new`](super::Writer::new) and
/// [`Reader::new`](super::Reader::new).
///
/// # Errors
///
/// Never.
#[must_use = "it passes the event on"]
pub const fn event(event: Event) -> Result<Event, Infallible> {
    Ok(event)
}

/// The space is dropped by readers: what follows it may begin with one.
pub(super) fn field(out: &mut BytesMut, name: &str, value: &str) {
    out.reserve(name.len() + value.len() + 3);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\n");
}

pub(super) fn retry(out: &mut BytesMut, millis: u64) {
    field(out, "retry", &millis.to_string());
}

// ===== impl Unwritable =====

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write `{}` of an event: {}", self.field, self.why)
    }
}

impl error::Error for Unwritable {}
