use super::{
    Event, FAULT, LastEventId,
    event::{field, retry},
};
use crate::{
    EncodeError,
    stream::{
        WriteItems,
        fault::{millis_rounded_up, problem, unbuffered},
    },
};
use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Response, header};
use kit_endpoint::{Details, Fault};
use std::{any::type_name, error, fmt, time::Duration};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Writes a stream of replies as server-sent events.
///
/// See the [module](super) for the format.
#[derive(Clone)]
pub struct Writer<F> {
    event: F,
    keep_alive: Option<Duration>,
}

/// Why an item is no event.
#[derive(Debug)]
pub enum WriteError<E> {
    /// The function that makes events of items says so.
    Item(E),
    /// The event cannot be written.
    Event(EncodeError),
}

// ===== impl Writer =====

impl<F> Writer<F> {
    /// Writes each item as the event that `event` makes of it:
    /// [`json`](super::json), or [`event`](super::event()) for items that are events.
    ///
    /// Whenever nothing was sent for 15 s, as by axum, a comment is, which
    /// readers leave out.
    #[must_use]
    pub const fn new(event: F) -> Self {
        Self { event, keep_alive: Some(Duration::from_secs(15)) }
    }

    /// Sends a comment whenever nothing was sent for so long; never for None.
    /// 15 s by default: half of what the most impatient proxies wait.
    #[must_use]
    pub fn keep_alive(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.keep_alive = after.into();
        self
    }
}

impl<T, F, E> WriteItems<T> for Writer<F>
where
    F: Fn(T) -> Result<Event, E> + Clone,
    E: Fault,
{
    type Error = WriteError<E>;

    fn before(&self, headers: &HeaderMap, extensions: &mut Extensions) {
        if let Some(id) = headers.get(&LAST_EVENT_ID)
            && let Ok(id) = str::from_utf8(id.as_bytes())
        {
            extensions.insert(LastEventId(id.into()));
        }
    }

    fn head(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        unbuffered(headers);
    }

    fn item(&self, item: T, out: &mut BytesMut) -> Result<(), Self::Error> {
        let event = (self.event)(item).map_err(WriteError::Item)?;
        event.write(out).map_err(WriteError::Event)
    }

    fn fault(&self, failure: &Response<Bytes>, wait: Option<Duration>, out: &mut BytesMut) {
        field(out, "event", FAULT);
        if let Some(wait) = wait {
            retry(out, millis_rounded_up(wait));
        }
        out.extend_from_slice(b"data: ");
        problem(failure, out);
        out.extend_from_slice(b"\n\n");
    }

    fn keep_alive(&self) -> Option<(Duration, Bytes)> {
        self.keep_alive.map(|after| (after, Bytes::from_static(b":\n\n")))
    }
}

impl<F> fmt::Debug for Writer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("event", &format_args!("{}", type_name::<F>()))
            .field("keep_alive", &self.keep_alive)
            .finish()
    }
}

// ===== impl WriteError =====

impl<E: fmt::Display> fmt::Display for WriteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(fault) => fault.fmt(f),
            Self::Event(fault) => fault.fmt(f),
        }
    }
}

impl<E: Fault> error::Error for WriteError<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Item(fault) => fault.source(),
            Self::Event(fault) => fault.source(),
        }
    }
}

impl<E: Fault> Fault for WriteError<E> {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::Item(fault) => Some(fault),
            Self::Event(fault) => Some(fault),
        }
    }

    fn describe(&self, details: &mut Details) {
        if let Some(inner) = self.inner() {
            inner.describe(details);
        }
    }
}
