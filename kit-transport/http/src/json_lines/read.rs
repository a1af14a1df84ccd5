use super::{FAULT, Lines};
use crate::{
    DecodeError, Rejection, field,
    stream::{ReadError, ReadItems, fault::rejection},
};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, marker::PhantomData, time::Duration};

/// The most a line may have, unless said otherwise: it is held whole while it
/// comes. Items are parts of a message, so half of what a whole one may have.
const LIMIT: usize = 1 << 20;

/// What is read, as `Accept` and a fault say it.
const TYPES: &str = "application/jsonl, application/x-ndjson";

/// Reads a stream of requests as JSON lines: each line is a `T`.
///
/// The last one needs no LF: a request whose body was cut is told from a whole
/// one by HTTP, always. See the [module](super) for the format.
pub struct Reader<T> {
    lines: Lines,
    typed: bool,
    item: PhantomData<fn() -> T>,
}

/// Reads a stream of replies as JSON lines, for a client: each line is a `T`,
/// or the fault that ends the stream.
///
/// Each line ends in LF, the last one too: a body that ends within a line was
/// cut, which is [`ReadError::BrokeOff`]. See the [module](super) for the format.
pub struct Replies<T> {
    lines: Lines,
    item: PhantomData<fn() -> T>,
}

/// The line of a fault.
#[derive(Deserialize)]
struct Fault {
    error: Value,
    #[serde(rename = "retryAfterMs")]
    retry_after: Option<u64>,
}

// ===== impl Reader =====

impl<T> Reader<T> {
    /// Reads lines of up to 1 MiB, whatever the `Content-Type` of the request.
    #[must_use]
    pub fn new() -> Self {
        Self { lines: Lines::new(LIMIT), typed: false, item: PhantomData }
    }

    /// Takes lines of up to `bytes`; a longer one ends the stream with
    /// [`ReadError::TooLong`]. 1 MiB by default: a line is held whole while it
    /// comes. The stream itself has no limit.
    #[must_use]
    pub fn line_limit(mut self, bytes: usize) -> Self {
        self.lines = Lines::new(bytes);
        self
    }

    /// Refuses a request whose `Content-Type` is neither `application/jsonl`
    /// nor `application/x-ndjson`, with 415.
    #[must_use]
    pub const fn typed(mut self) -> Self {
        self.typed = true;
        self
    }
}

impl<T: DeserializeOwned> Reader<T> {
    fn item(&mut self, line: Result<Option<Bytes>, ReadError>) -> Option<Result<T, ReadError>> {
        let item = line.transpose()?.and_then(|line| item(&line, self.lines.number()));
        if item.is_err() {
            self.lines.stop();
        }
        Some(item)
    }
}

impl<T: DeserializeOwned> ReadItems for Reader<T> {
    type Item = T;

    fn check(&self, headers: &HeaderMap) -> Result<(), DecodeError> {
        if self.typed { check(headers) } else { Ok(()) }
    }

    fn accept(&self) -> &'static str {
        TYPES
    }

    fn push(&mut self, chunk: Bytes) {
        self.lines.push(chunk);
    }

    fn next_item(&mut self) -> Option<Result<T, ReadError>> {
        let line = self.lines.next_line();
        self.item(line)
    }

    fn finish(&mut self) -> Option<Result<T, ReadError>> {
        let line = self.lines.finish();
        self.item(line)
    }
}

// By hand: a reader is one whatever it reads.
impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { lines: self.lines.clone(), typed: self.typed, item: PhantomData }
    }
}

impl<T> Default for Reader<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("lines", &self.lines)
            .field("typed", &self.typed)
            .finish_non_exhaustive()
    }
}

// ===== impl Replies =====

impl<T> Replies<T> {
    /// Reads lines of up to 1 MiB, of a reply of either media type.
    #[must_use]
    pub fn new() -> Self {
        Self { lines: Lines::new(LIMIT), item: PhantomData }
    }

    /// Takes lines of up to `bytes`, as [`Reader::line_limit`].
    #[must_use]
    pub fn line_limit(mut self, bytes: usize) -> Self {
        self.lines = Lines::new(bytes);
        self
    }
}

impl<T: DeserializeOwned> Replies<T> {
    fn item(
        &mut self,
        line: Result<Option<Bytes>, ReadError>,
    ) -> Option<Result<Result<T, Rejection>, ReadError>> {
        let item = line.transpose()?.and_then(|line| match fault(&line) {
            Some(rejection) => Ok(Err(rejection)),
            None => item(&line, self.lines.number()).map(Ok),
        });
        if !matches!(item, Ok(Ok(_))) {
            self.lines.stop();
        }
        Some(item)
    }
}

impl<T: DeserializeOwned> ReadItems for Replies<T> {
    type Item = Result<T, Rejection>;

    fn check(&self, headers: &HeaderMap) -> Result<(), DecodeError> {
        check(headers)
    }

    fn accept(&self) -> &'static str {
        TYPES
    }

    fn push(&mut self, chunk: Bytes) {
        self.lines.push(chunk);
    }

    fn next_item(&mut self) -> Option<Result<Self::Item, ReadError>> {
        let line = self.lines.next_line();
        self.item(line)
    }

    /// There is none: a line that has no end is not whole, even if it can be read.
    fn finish(&mut self) -> Option<Result<Self::Item, ReadError>> {
        let line = match self.lines.next_line() {
            Ok(None) if self.lines.has_begun() => {
                Err(ReadError::BrokeOff("the last line has no end".into()))
            }
            line => line,
        };
        self.item(line)
    }
}

impl<T> Clone for Replies<T> {
    fn clone(&self) -> Self {
        Self { lines: self.lines.clone(), item: PhantomData }
    }
}

impl<T> Default for Replies<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Replies<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").field("lines", &self.lines).finish_non_exhaustive()
    }
}

// ===== functions =====

fn check(headers: &HeaderMap) -> Result<(), DecodeError> {
    let read = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let read = read.and_then(|media| media.split(';').next()).unwrap_or_default().trim();
    if TYPES.split(", ").any(|media| media.eq_ignore_ascii_case(read)) {
        return Ok(());
    }
    Err(DecodeError::UnsupportedMediaType { read: TYPES.to_owned() })
}

fn item<T: DeserializeOwned>(line: &[u8], number: u64) -> Result<T, ReadError> {
    serde_json::from_slice(line).map_err(|error| malformed::<T>(line, number, &error))
}

/// Reads again, to find the field, as for a whole body.
#[cold]
fn malformed<T: DeserializeOwned>(bytes: &[u8], line: u64, error: &serde_json::Error) -> ReadError {
    let mut again = serde_json::Deserializer::from_slice(bytes);
    let field = if error.is_data() { field::find::<T, _>(&mut again) } else { None };
    // To serde_json there is but one line.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let message = match message.strip_suffix(&place) {
        Some(what) => format!("{what} at column {}", error.column()),
        None => message,
    };
    ReadError::Malformed { line, field, message: message.into() }
}

/// Reads the line of a fault, if it is one.
fn fault(line: &[u8]) -> Option<Rejection> {
    if !line.starts_with(FAULT) {
        return None;
    }
    let fault: Fault = serde_json::from_slice(line).ok()?;
    Some(rejection(fault.error, fault.retry_after.map(Duration::from_millis)))
}
