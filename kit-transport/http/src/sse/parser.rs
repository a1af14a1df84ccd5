use super::Event;
use crate::stream::ReadError;
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};
use std::{mem, time::Duration};

/// Reads events out of chunks of bytes, as a browser does (WHATWG HTML,
/// section 9.2.6).
///
/// What is not UTF-8 is replaced, fields that are not known are left out, and
/// so is an event that the end of the bytes cuts: only an empty line ends one.
#[derive(Debug, Clone)]
pub struct Parser {
    chunk: Bytes,
    // What came of the line before this chunk.
    partial: BytesMut,
    limit: usize,
    // Lines that ended.
    number: u64,
    // A CR ended the last line: an LF that follows belongs to it.
    carriage: bool,
    over: bool,
    last_id: Option<String>,
    next: Event,
}

// ===== impl Parser =====

impl Parser {
    /// Reads events whose data and lines have up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            limit,
            number: 0,
            carriage: false,
            over: false,
            last_id: None,
            next: Event::default(),
        }
    }

    /// Takes a chunk. After an error it is dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if self.over {
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            // Not by who asks for all events of a chunk before the next.
            self.chunk = [&self.chunk[..], &chunk[..]].concat().into();
        }
    }

    /// Returns the number of lines so far.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next event, if all of it has come.
    ///
    /// # Errors
    ///
    /// Fails if the event is longer than the limit, also if its end has not
    /// come; there are no more events then, and nothing is held any more.
    pub fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        while !self.over && !self.chunk.is_empty() {
            if mem::take(&mut self.carriage) && self.chunk[0] == b'\n' {
                self.chunk.advance(1);
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', &self.chunk) else {
                let chunk = mem::take(&mut self.chunk);
                if self.partial.len() + chunk.len() > self.limit {
                    self.number += 1;
                    return Err(self.too_long());
                }
                self.partial.extend_from_slice(&chunk);
                break;
            };
            let mut line = self.chunk.split_to(end + 1);
            self.carriage = line[end] == b'\r';
            line.truncate(end);
            self.number += 1;
            if self.partial.len() + line.len() > self.limit {
                return Err(self.too_long());
            }
            if !self.partial.is_empty() {
                self.partial.extend_from_slice(&line);
                line = self.partial.split().freeze();
            }
            if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") {
                line.advance(3);
            }
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), ReadError> {
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value);
        match name {
            b"event" => self.next.event = Some(text().into_owned()),
            b"data" => {
                let text = text();
                let so_far = self.next.data.as_ref().map_or(0, |data| data.len() + 1);
                if so_far + text.len() > self.limit {
                    return Err(self.too_long());
                }
                match &mut self.next.data {
                    Some(data) => data.extend(["\n", &*text]),
                    None => self.next.data = Some(text.into_owned()),
                }
            }
            b"id" if memchr(0, value).is_none() => self.last_id = Some(text().into_owned()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.next.retry = text().parse().ok().map(Duration::from_millis);
            }
            // A comment, or what a later version knows.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Event> {
        if self.next.data.is_none() {
            // Its type is forgotten; how long to wait is not.
            self.next.event = None;
            return None;
        }
        let mut event = mem::take(&mut self.next);
        event.event = event.event.filter(|event| !event.is_empty());
        event.id = self.last_id.clone().filter(|id| !id.is_empty());
        Some(event)
    }

    /// Drops what is left and what comes: there are no more events.
    pub(super) fn stop(&mut self) {
        self.over = true;
        (self.chunk, self.partial) = (Bytes::new(), BytesMut::new());
        (self.last_id, self.next) = (None, Event::default());
    }

    #[cold]
    fn too_long(&mut self) -> ReadError {
        self.stop();
        ReadError::TooLong { line: self.number, limit: self.limit }
    }
}
