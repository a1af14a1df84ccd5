//! A line while it is made.

use super::{
    encode::Encode,
    escape::{self, Written},
};
use crate::log::{REDACTED, Sensitive};
use std::{
    error::Error,
    fmt::{self, Write},
};
use tracing::field::{Field, Visit};

/// What is kept free for the end of a line, and for what says that it was cut.
const TAIL: usize = 64;
/// The most that a number takes, or a cut text beyond its end.
const SHORT: usize = 48;
/// Which share of a line one value may have, so that one that is long leaves room
/// for the others.
const SHARE: usize = 4;

/// A line, which never gets longer than it may.
#[derive(Debug)]
pub(super) struct Line {
    bytes: Vec<u8>,
    longest: usize,
    /// Whether something was left out of it.
    pub(super) cut: bool,
}

/// Writes the fields of an event, or of a span.
pub(super) struct Fields<'a, E> {
    pub(super) line: &'a mut Line,
    pub(super) encode: E,
    pub(super) sensitive: &'a Sensitive,
    /// The span whose fields they are.
    pub(super) span: Option<&'a str>,
    /// Whether a name may be [odd](is_odd).
    pub(super) odd: bool,
}

/// Escapes what is formatted.
struct Escaping<'a> {
    line: &'a mut Line,
    end: usize,
    written: Written,
}

// ===== impl Line =====

impl Line {
    pub(super) const fn new(bytes: Vec<u8>, longest: usize) -> Self {
        Self { bytes, longest, cut: false }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a finite number: with an exponent where it is long, as JSON has it too.
    fn float(&mut self, value: f64) {
        let mut text = Escaping { end: usize::MAX, line: self, written: Written::default() };
        // It takes whatever comes.
        let _ = write!(text, "{value:?}");
    }

    /// Marks the end of a text that was cut.
    #[inline]
    pub(super) fn end_text(&mut self, written: Written) {
        if written.cut {
            self.cut = true;
            self.push("\u{2026}".as_bytes());
        }
    }

    /// Says whether `more` bytes have room; else the line is cut.
    pub(super) const fn has_room(&mut self, more: usize) -> bool {
        let has = self.bytes.len() + more + TAIL <= self.longest;
        if !has {
            self.cut = true;
        }
        has
    }

    /// Returns how long the line may get by the value that begins here.
    pub(super) const fn end_of_value(&self) -> usize {
        let value = self.bytes.len() + self.longest / SHARE;
        let line = self.longest.saturating_sub(TAIL);
        if value < line { value } else { line }
    }
}

// ===== impl Escaping =====

impl Write for Escaping<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Written { quoted, cut } = escape::push(self.line.bytes(), text, self.end);
        self.written.quoted |= quoted;
        self.written.cut |= cut;
        // Whoever formats stops with it.
        if cut { Err(fmt::Error) } else { Ok(()) }
    }
}

// ===== impl Fields =====

/// What a line has itself: a field of that name is written as `field.NAME`.
const fn is_taken(name: &str) -> bool {
    matches!(
        name.as_bytes(),
        b"ts" | b"timestamp" | b"level" | b"target" | b"caller" | b"span" | b"spans" | b"truncated"
    )
}

/// Says whether a name is written as another, somewhere.
pub(super) fn is_odd(name: &str) -> bool {
    name.starts_with("r#") || name == "name" || is_taken(name) || !escape::is_name(name)
}

impl<E: Encode> Fields<'_, E> {
    /// Begins a field; false if that is all of it: there is no room, or it is secret.
    #[inline]
    fn begin(&mut self, field: &Field) -> bool {
        let name = field.name();
        let span = self.span.unwrap_or_default();
        if !self.line.has_room(name.len() + span.len() + SHORT) {
            return false;
        }
        if self.is_bare(field) {
            self.line.push(b" ");
            return true;
        }
        if self.odd || !span.is_empty() {
            self.key(name);
        } else {
            self.encode.key(self.line, name);
        }
        if self.sensitive.contains(name) {
            self.encode.text(self.line, REDACTED);
            return false;
        }
        true
    }

    #[inline(never)]
    fn key(&mut self, name: &str) {
        // A keyword of Rust that is a name.
        let name = name.strip_prefix("r#").unwrap_or(name);
        let prefix = match self.span {
            None if is_taken(name) => "field",
            Some(span) if !E::JSON => span,
            Some(_) if name == "name" => "field",
            _ => "",
        };
        let mut whole = Vec::new();
        if !prefix.is_empty() {
            escape::push_name(&mut whole, prefix);
            whole.push(b'.');
        }
        escape::push_name(&mut whole, name);
        self.encode.key(self.line, &String::from_utf8_lossy(&whole));
    }

    /// Says whether it is a message that stands there without name and quotes.
    #[inline]
    fn is_bare(&self, field: &Field) -> bool {
        E::BARE && self.span.is_none() && field.name() == "message"
    }

    /// Writes a text piece by piece.
    fn format(&mut self, field: &Field, pieces: impl FnOnce(&mut Escaping<'_>) -> fmt::Result) {
        let bare = self.is_bare(field);
        let (start, end) = (self.line.len(), self.line.end_of_value());
        if !bare {
            self.encode.quote(self.line);
        }
        let mut out = Escaping { line: self.line, end, written: Written::default() };
        // That it was cut, or an error of whoever formats itself: what is there stays.
        let _ = pieces(&mut out);
        let written = out.written;
        self.line.end_text(written);
        if !bare {
            self.encode.unquote(self.line, start, written);
        }
    }

    fn number(&mut self, field: &Field, number: impl itoa::Integer) {
        if self.begin(field) {
            self.line.push(itoa::Buffer::new().format(number).as_bytes());
        }
    }
}

impl<E: Encode> Visit for Fields<'_, E> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !self.begin(field) {
            return;
        }
        if self.is_bare(field) {
            self.format(field, |out| out.write_str(value));
        } else {
            self.encode.text(self.line, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if self.begin(field) {
            self.line.push(if value { b"true" } else { b"false" });
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers (RFC 8259, section 6).
        if value.is_finite() {
            if self.begin(field) {
                self.line.float(value);
            }
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if self.begin(field) {
            self.format(field, |out| report(out, value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.begin(field) {
            self.format(field, |out| write!(out, "{value:?}"));
        }
    }
}

/// Writes an error with all its sources; one that its wrapper repeats is written once.
fn report(out: &mut Escaping<'_>, error: &dyn Error) -> fmt::Result {
    let mut last = out.line.len();
    write!(out, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        let before = out.line.len();
        out.write_str(": ")?;
        let start = out.line.len();
        write!(out, "{error}")?;
        let (outer, inner) = (&out.line.bytes[last..before], &out.line.bytes[start..]);
        if outer.ends_with(inner) {
            last = before - inner.len();
            out.line.bytes.truncate(before);
        } else {
            last = start;
        }
        source = error.source();
    }
    Ok(())
}
