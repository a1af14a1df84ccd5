use crate::stream::ReadError;
use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// Splits chunks of bytes into lines, without a copy where a line is whole
/// within a chunk.
///
/// A line ends in LF or CR LF, the last one also at the end of the bytes.
/// Lines of nothing but white space are left out. It holds no more than a chunk
/// and a line.
#[derive(Debug, Clone)]
pub struct Lines {
    chunk: Bytes,
    // What came of the line before this chunk.
    partial: BytesMut,
    limit: usize,
    number: u64,
    over: bool,
}

// ===== impl Lines =====

impl Lines {
    /// Splits into lines of up to `limit` bytes each, without their ends.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let (chunk, partial) = (Bytes::new(), BytesMut::new());
        Self { chunk, partial, limit, number: 0, over: false }
    }

    /// Takes a chunk. After an error it is dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if self.over {
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            // Not by who asks for all lines of a chunk before the next.
            self.chunk = [&self.chunk[..], &chunk[..]].concat().into();
        }
    }

    /// Returns the number of the line that was returned last, from 1 on: lines
    /// that are left out count.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next line, if all of it has come.
    ///
    /// # Errors
    ///
    /// Fails if the line is longer than the limit, also if its end has not come;
    /// there are no more lines then, and nothing is held any more.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, ReadError> {
        while !self.over {
            let Some(end) = memchr(b'\n', &self.chunk) else {
                let chunk = std::mem::take(&mut self.chunk);
                // A CR at the end may be that of the line's end.
                let carriage = chunk.last().or(self.partial.last()) == Some(&b'\r');
                let length = self.partial.len() + chunk.len() - usize::from(carriage);
                if length > self.limit {
                    self.number += 1;
                    return Err(self.too_long());
                }
                self.partial.extend_from_slice(&chunk);
                break;
            };
            let mut line = self.chunk.split_to(end + 1);
            line.truncate(end);
            if let Some(line) = self.ended(line)? {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Returns the last line, if it has no end of its own: no more chunks come.
    ///
    /// # Errors
    ///
    /// Fails if the line is longer than the limit.
    pub fn finish(&mut self) -> Result<Option<Bytes>, ReadError> {
        if let Some(line) = self.next_line()? {
            return Ok(Some(line));
        }
        if self.over || self.partial.is_empty() {
            return Ok(None);
        }
        self.ended(Bytes::new())
    }

    /// Joins the rest of a line to what came before. None is a line to leave out.
    fn ended(&mut self, rest: Bytes) -> Result<Option<Bytes>, ReadError> {
        self.number += 1;
        let length = self.partial.len() + rest.len();
        let carriage = rest.last().or(self.partial.last()) == Some(&b'\r');
        let length = length - usize::from(carriage);
        if length > self.limit {
            return Err(self.too_long());
        }
        let mut line = if self.partial.is_empty() {
            rest
        } else {
            self.partial.extend_from_slice(&rest);
            self.partial.split().freeze()
        };
        line.truncate(length);
        Ok((!line.trim_ascii().is_empty()).then_some(line))
    }

    /// Whether the line that is coming has begun, once
    /// [`next_line`](Self::next_line) has no other.
    pub(super) fn has_begun(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Drops what is left and what comes: there are no more lines.
    pub(super) fn stop(&mut self) {
        self.over = true;
        (self.chunk, self.partial) = (Bytes::new(), BytesMut::new());
    }

    #[cold]
    fn too_long(&mut self) -> ReadError {
        self.stop();
        ReadError::TooLong { line: self.number, limit: self.limit }
    }
}
