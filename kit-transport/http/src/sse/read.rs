use super::{Event, FAULT, Parser};
use crate::{
    DecodeError, Rejection,
    stream::{ReadError, ReadItems, fault::rejection},
};
use bytes::Bytes;
use http::{HeaderMap, header};
use kit_endpoint::{Details, Fault};
use serde_json::Value;
use std::{any::type_name, fmt};

/// The most an event may have, unless said otherwise: as a line of JSON lines.
const LIMIT: usize = 1 << 20;

const TYPE: &str = "text/event-stream";

/// Reads a stream of replies as server-sent events, for a client.
///
/// See the [module](super) for the format.
#[derive(Clone)]
pub struct Reader<F> {
    parser: Parser,
    read: F,
}

// ===== impl Reader =====

impl<F> Reader<F> {
    /// Reads events, and from each of them an item, by `read`:
    /// [`from_json`](super::from_json), or [`event`](super::event()) for the events
    /// as they are. An event may have 1 MiB.
    #[must_use]
    pub fn new(read: F) -> Self {
        Self { parser: Parser::new(LIMIT), read }
    }

    /// Takes events of up to `bytes`; a longer one ends the stream with
    /// [`ReadError::TooLong`]. 1 MiB by default: an event is held whole while
    /// it comes. The stream itself has no limit.
    #[must_use]
    pub fn event_limit(mut self, bytes: usize) -> Self {
        self.parser = Parser::new(bytes);
        self
    }
}

impl<F, T, E> ReadItems for Reader<F>
where
    F: Fn(Event) -> Result<T, E> + Clone,
    E: Fault,
{
    type Item = Result<T, Rejection>;

    fn check(&self, headers: &HeaderMap) -> Result<(), DecodeError> {
        let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let media = media.and_then(|media| media.split(';').next()).unwrap_or_default();
        if media.trim().eq_ignore_ascii_case(TYPE) {
            return Ok(());
        }
        Err(DecodeError::UnsupportedMediaType { read: TYPE.to_owned() })
    }

    fn accept(&self) -> &'static str {
        TYPE
    }

    fn push(&mut self, chunk: Bytes) {
        self.parser.push(chunk);
    }

    fn next_item(&mut self) -> Option<Result<Self::Item, ReadError>> {
        let item = self.parser.next_event().transpose()?.and_then(|event| {
            if event.event.as_deref() == Some(FAULT) {
                return Ok(Err(fault(event)));
            }
            let line = self.parser.number();
            (self.read)(event).map(Ok).map_err(|fault| malformed(&fault, line))
        });
        if !matches!(item, Ok(Ok(_))) {
            self.parser.stop();
        }
        Some(item)
    }

    /// There is none: an event that no empty line ends is not whole.
    fn finish(&mut self) -> Option<Result<Self::Item, ReadError>> {
        None
    }
}

impl<F> fmt::Debug for Reader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("parser", &self.parser)
            .field("read", &format_args!("{}", type_name::<F>()))
            .finish_non_exhaustive()
    }
}

fn fault(event: Event) -> Rejection {
    let data = event.data.unwrap_or_default();
    let problem = serde_json::from_str(&data).unwrap_or(Value::String(data));
    rejection(problem, event.retry)
}

#[cold]
fn malformed(fault: &dyn Fault, line: u64) -> ReadError {
    let mut details = Details::default();
    fault.describe(&mut details);
    let violation = details.violations().first();
    let field = violation.map(|violation| violation.field.to_string());
    let message = violation.map_or_else(|| fault.to_string(), |v| v.description.to_string());
    ReadError::Malformed {
        line,
        field: field.filter(|field| field != "body"),
        message: message.into(),
    }
}
