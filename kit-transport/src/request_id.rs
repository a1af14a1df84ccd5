use crate::{Call, Hook, Observer};
use bytes::Bytes;
use fastrand::Rng;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use std::{
    cell::RefCell,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};
use uuid::{Builder, Uuid};

/// The header that carries the id of a request, there and back.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, among its extensions: what ties the log lines of every
/// hop together.
///
/// An id from outside is taken if it has 1 to 128 bytes, each a letter or a
/// digit of ASCII or one of `._:/+=-`: nothing that could break a log line or
/// a header. Any other is replaced.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

/// The [`Hook`] that gives every request a [`RequestId`]: the one it came
/// with, if that is valid, else the one among its extensions, as a client's has
/// that is made on behalf of another, else a new UUID of version 7; and that
/// echoes it in the reply's headers, also in those of a failure.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestIds;

thread_local! {
    // A system call for each id is half a microsecond; this asks once a thread.
    static RANDOM: RefCell<Rng> = RefCell::new(Rng::with_seed(Uuid::now_v7().as_u64_pair().1));
}

/// Echoes the id of one request.
#[derive(Debug)]
pub struct Echo(HeaderValue);

// ===== impl RequestId =====

impl RequestId {
    /// Takes `id`, if it is valid.
    #[must_use]
    pub fn new(id: &HeaderValue) -> Option<Self> {
        let valid =
            matches!(id.len(), 1..=128) && id.as_bytes().iter().all(|byte| is_allowed(*byte));
        valid.then(|| Self(id.clone()))
    }

    /// Makes a new one: a UUID of version 7 (RFC 9562), which sorts by time, to the
    /// millisecond.
    ///
    /// Its other 74 bits are of a generator that the system seeds once a thread: no two
    /// are alike, and whoever sees one may work out the next. It is a name, and no secret.
    ///
    /// # Panics
    ///
    /// Panics if the system has no randomness, on the first of a thread.
    #[must_use]
    pub fn generate() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = now.as_secs() * 1000 + u64::from(now.subsec_millis());
        let mut random = [0; 10];
        RANDOM.with_borrow_mut(|source| source.fill(&mut random));
        let mut text = [0; 36];
        Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .hyphenated()
            .encode_lower(&mut text);
        // A UUID is hex digits and hyphens, so it is always a header value. Its owner is
        // shared as it is: a copy that is made of it would be shared by one more box.
        let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
        Self(value.unwrap_or(HeaderValue::from_static("none")))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Checked when it was made: all of it is ASCII.
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the id as the value of a header.
    #[must_use]
    pub const fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'+' | b'=' | b'-')
}

// ===== impl RequestIds =====

impl Hook for RequestIds {
    type Observer = Echo;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Echo {
        let id = call.headers.get(REQUEST_ID).and_then(RequestId::new);
        let id = id.or_else(|| extensions.get().cloned()).unwrap_or_else(RequestId::generate);
        let echo = Echo(id.0.clone());
        extensions.insert(id);
        echo
    }
}

impl Observer for Echo {
    fn after(&mut self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.0.clone());
    }
}
