//! What goes on from hop to hop, unasked: the deadline, the request id,
//! `x-md-global-*` metadata and the criticality. Nothing else does.
//!
//! At a server the hook [`Propagation`] reads metadata and criticality into the
//! request's extensions (the transport reads the deadline,
//! [`RequestIds`](crate::RequestIds) the id). `kit_endpoint::Request::with`
//! hands them to the requests that an endpoint makes on behalf of its own, and
//! each client transport calls [`propagate`], which merges them into the
//! headers that the call has already and overwrites none.
//!
//! ```
//! use http::{Extensions, HeaderMap, HeaderValue};
//! use kit_transport::{
//!     Call, Hook, Protocol,
//!     deadline::REQUEST_TIMEOUT_MS,
//!     propagation::{Criticality, Propagation, propagate},
//! };
//!
//! // What comes in:
//! let mut headers = HeaderMap::new();
//! headers.insert("x-md-global-tenant", HeaderValue::from_static("blue"));
//! headers.insert("x-request-criticality", HeaderValue::from_static("sheddable"));
//! headers.insert("x-md-local-shard", HeaderValue::from_static("7"));
//! let mut extensions = Extensions::new();
//! let call = Call::new(Protocol::Http, "GET", &headers);
//! Propagation::new().before(&call, &mut extensions);
//! assert_eq!(extensions.get(), Some(&Criticality::Sheddable));
//!
//! // What goes out:
//! let mut headers = HeaderMap::new();
//! propagate(&extensions, None, &REQUEST_TIMEOUT_MS, &mut headers);
//! assert_eq!(headers["x-md-global-tenant"], "blue");
//! assert_eq!(headers["x-request-criticality"], "sheddable");
//! assert!(!headers.contains_key("x-md-local-shard"));
//! ```

use crate::{
    Call, Hook, REQUEST_ID, RequestId,
    deadline::{GRPC_TIMEOUT, encode_grpc, encode_millis, parse_grpc, parse_millis},
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
pub use kit_endpoint::{BadCriticality, Criticality};
use std::{error, fmt, sync::Arc};
use tokio::time::Instant;

/// How the names begin of the headers that go on from hop to hop (Kratos).
pub const GLOBAL_METADATA: &str = "x-md-global-";

/// The header that carries the [`Criticality`] of a request.
///
/// No standard names one; this is named as its siblings `x-request-id` and
/// `x-request-timeout-ms` are.
pub const CRITICALITY: HeaderName = HeaderName::from_static("x-request-criticality");

/// The constant in one place: a use of it would make it, and drop it, anew.
static CRITICAL: HeaderName = CRITICALITY;

/// The metadata of a request that goes on from hop to hop, among its
/// extensions: headers whose names begin with [`GLOBAL_METADATA`].
///
/// Values are printable ASCII, as gRPC asks, so that either transport can
/// carry on what came by the other. A key that ends in `-bin` keeps its base64
/// just as it came: it is encoded once, by who wrote it. A clone shares the
/// headers until one of the two is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    headers: Arc<HeaderMap>,
    dropped: usize,
}

/// A header that is no [`Metadata`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMetadata {
    name: HeaderName,
}

/// The [`Hook`] that reads what goes on from hop to hop into the extensions:
/// [`Metadata`] and [`Criticality`], each only if the request has some.
///
/// Other hops pay for what is read here, so there are limits: by default 64
/// entries (W3C Baggage's least), names of up to 128 bytes, values of up to
/// 1024 bytes, and 4096 bytes of names and values together (half of the 8 KiB
/// at which gRPC peers begin to refuse metadata). An entry that does not fit,
/// or is not printable ASCII, is left out, the rest stays, and
/// [`Metadata::dropped`] counts it. A criticality that cannot be read is as if
/// there were none: such a header must not fail the request.
///
/// It believes what the caller says. At the edge to strangers leave it out, or
/// everyone is critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    entries: usize,
    name_bytes: usize,
    value_bytes: usize,
    total_bytes: usize,
}

/// Merges what goes on from hop to hop into the headers of an outgoing call:
/// what every client transport does just before it sends.
///
/// [`RequestId`], [`Criticality`] and each name of the [`Metadata`] are written
/// unless `headers` has that name already. What is left until `deadline` goes
/// into `timeout`, in gRPC's grammar if that is [`GRPC_TIMEOUT`], else in whole
/// milliseconds; a timeout that is there stays if it is sooner, and gives way if
/// it is later or cannot be read, since a deadline only shrinks. One that has
/// passed is written as zero.
///
/// It never panics: what goes beyond the 32768 headers that a map holds is left
/// out.
pub fn propagate(
    extensions: &Extensions,
    deadline: Option<Instant>,
    timeout: &HeaderName,
    headers: &mut HeaderMap,
) {
    if let Some(deadline) = deadline {
        shrink(deadline, timeout, headers);
    }
    if let Some(id) = extensions.get::<RequestId>()
        && !headers.contains_key(REQUEST_ID)
    {
        let _ = headers.try_insert(REQUEST_ID, id.header().clone());
    }
    if let Some(criticality) = extensions.get::<Criticality>()
        && !headers.contains_key(&CRITICAL)
    {
        let value = HeaderValue::from_static(criticality.name());
        let _ = headers.try_insert(CRITICALITY, value);
    }
    let Some(metadata) = extensions.get::<Metadata>() else { return };
    for name in metadata.headers.keys() {
        if headers.contains_key(name) {
            continue;
        }
        for value in metadata.headers.get_all(name) {
            let _ = headers.try_append(name.clone(), value.clone());
        }
    }
}

/// Lets the timeout in `header` be no later than `deadline`.
fn shrink(deadline: Instant, header: &HeaderName, headers: &mut HeaderMap) {
    let left = deadline.saturating_duration_since(Instant::now());
    let grpc = *header == GRPC_TIMEOUT;
    let parse = if grpc { parse_grpc } else { parse_millis };
    let encode = if grpc { encode_grpc } else { encode_millis };
    // Every value: nobody knows which of several a server reads.
    let (mut soonest, mut stays) = (left, headers.contains_key(header));
    for set in headers.get_all(header) {
        match parse(set) {
            Some(set) if set <= left => soonest = soonest.min(set),
            _ => stays = false,
        }
    }
    if !stays {
        let _ = headers.try_insert(header.clone(), encode(soonest));
    }
}

// ===== impl Metadata =====

impl Metadata {
    /// Creates metadata without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the first value of `name`, the whole name, in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.headers.get(name)
    }

    /// Sets `name` to `value`, in place of what it had.
    ///
    /// # Errors
    ///
    /// Fails if the name does not begin with [`GLOBAL_METADATA`], the value is
    /// not printable ASCII, or the map is full; then nothing has changed.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), BadMetadata> {
        let fits = is_global(&name)
            && is_printable(&value)
            && Arc::make_mut(&mut self.headers).try_insert(name.clone(), value).is_ok();
        if fits { Ok(()) } else { Err(BadMetadata { name }) }
    }

    /// Takes `name` out, with all its values.
    pub fn remove(&mut self, name: &str) {
        if self.headers.contains_key(name) {
            Arc::make_mut(&mut self.headers).remove(name);
        }
    }

    /// Returns the entries: a name with several values has one for each.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter()
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Says whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Returns how many entries came and were left out, over the limits of
    /// [`Propagation`] or not printable.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }
}

fn is_global(name: &HeaderName) -> bool {
    name.as_str().starts_with(GLOBAL_METADATA)
}

fn is_printable(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'))
}

// ===== impl BadMetadata =====

impl fmt::Display for BadMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        write!(
            f,
            "{name} cannot go on: name it {GLOBAL_METADATA}..., with a value of printable ASCII"
        )
    }
}

impl error::Error for BadMetadata {}

// ===== impl Propagation =====

impl Propagation {
    /// Creates the hook with its default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: 64, name_bytes: 128, value_bytes: 1024, total_bytes: 4096 }
    }

    /// Takes up to `most` entries; a name with two values has two. 64 by
    /// default.
    #[must_use]
    pub const fn entries(mut self, most: usize) -> Self {
        self.entries = most;
        self
    }

    /// Takes names of up to `most` bytes, the prefix included. 128 by default.
    #[must_use]
    pub const fn name_bytes(mut self, most: usize) -> Self {
        self.name_bytes = most;
        self
    }

    /// Takes values of up to `most` bytes. 1024 by default.
    #[must_use]
    pub const fn value_bytes(mut self, most: usize) -> Self {
        self.value_bytes = most;
        self
    }

    /// Takes up to `most` bytes of names and values together. 4096 by default.
    #[must_use]
    pub const fn total_bytes(mut self, most: usize) -> Self {
        self.total_bytes = most;
        self
    }

    /// Reads the metadata among `headers`, if there is any.
    fn metadata(&self, headers: &HeaderMap) -> Option<Metadata> {
        // Most requests have none: then nothing is made.
        if !headers.keys().any(is_global) {
            return None;
        }
        let (mut global, mut dropped, mut bytes) = (HeaderMap::new(), 0, 0);
        for (name, value) in headers.iter().filter(|(name, _)| is_global(name)) {
            let size = name.as_str().len() + value.len();
            let fits = global.len() < self.entries
                && name.as_str().len() <= self.name_bytes
                && value.len() <= self.value_bytes
                && bytes + size <= self.total_bytes
                && is_printable(value);
            if fits && global.try_append(name.clone(), value.clone()).is_ok() {
                bytes += size;
            } else {
                dropped += 1;
            }
        }
        Some(Metadata { headers: Arc::new(global), dropped })
    }
}

impl Default for Propagation {
    fn default() -> Self {
        Self::new()
    }
}

impl Hook for Propagation {
    type Observer = ();

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) {
        let class = call.headers.get(&CRITICAL).and_then(|value| value.to_str().ok());
        if let Some(class) = class.and_then(|name| name.parse::<Criticality>().ok()) {
            extensions.insert(class);
        }
        if let Some(metadata) = self.metadata(call.headers) {
            extensions.insert(metadata);
        }
    }
}
