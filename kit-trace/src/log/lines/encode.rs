//! The three ways to write a line.

use super::{
    escape::{self, Written},
    line::Line,
};
use tracing::Level;

/// A way to write a line: the punctuation around what [`Line`] writes.
pub(super) trait Encode: Copy {
    /// The name of the field that has the time, if it has one.
    const TIME: Option<&'static str>;
    /// Whether it is JSON: each text has quotes, and a span is an object that has its
    /// fields in it. Else these follow all spans.
    const JSON: bool = false;
    /// Whether a message stands there as it is.
    const BARE: bool = false;

    /// Begins a line.
    fn open(self, _: &mut Line) {}

    /// Writes the level, and where the event is from.
    fn head(self, line: &mut Line, level: Level, target: &str);

    /// Begins a field, whose name is one already.
    fn key(self, line: &mut Line, name: &str);

    /// Begins a text.
    fn quote(self, line: &mut Line);

    /// Ends the text that began at `start`, with its quote.
    fn unquote(self, line: &mut Line, start: usize, written: Written);

    /// Writes a text that is there as a whole.
    #[inline]
    fn text(self, line: &mut Line, value: &str) {
        let start = line.len();
        let end = line.end_of_value();
        self.quote(line);
        let written = escape::push(line.bytes(), value, end);
        line.end_text(written);
        self.unquote(line, start, written);
    }

    /// Begins the spans around an event.
    fn open_spans(self, line: &mut Line);

    /// Writes one of them, whose `fields` are written already.
    fn span(self, line: &mut Line, index: usize, name: &str, fields: &[u8]);

    /// Ends the spans.
    fn close_spans(self, _: &mut Line) {}

    /// Ends the line.
    fn close(self, line: &mut Line);
}

/// `key=value`, a value in quotes where it must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logfmt;

/// An object of JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json;

/// For a person, who sees colours or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pretty {
    pub(super) colours: bool,
}

// ===== impl Logfmt =====

const fn lower(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Ends a text of logfmt: without the quotes, if it needs none.
fn unquote_logfmt(line: &mut Line, start: usize, written: Written) {
    let bytes = line.bytes();
    if written.quoted || bytes.len() == start + 1 {
        bytes.push(b'"');
    } else {
        bytes.copy_within(start + 1.., start);
        bytes.truncate(bytes.len() - 1);
    }
}

/// Writes a text as logfmt does, which seldom needs its quotes.
#[inline]
fn text_of_logfmt(line: &mut Line, value: &str) {
    let (start, end) = (line.len(), line.end_of_value());
    let written = escape::push(line.bytes(), value, end);
    line.end_text(written);
    if written.quoted || value.is_empty() {
        line.bytes().insert(start, b'"');
        line.push(b"\"");
    }
}

impl Encode for Logfmt {
    const TIME: Option<&'static str> = Some("ts");

    fn head(self, line: &mut Line, level: Level, target: &str) {
        self.key(line, "level");
        line.push(lower(level).as_bytes());
        self.key(line, "target");
        self.text(line, target);
    }

    #[inline]
    fn key(self, line: &mut Line, name: &str) {
        let bytes = line.bytes();
        if !bytes.is_empty() {
            bytes.push(b' ');
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(b'=');
    }

    fn quote(self, line: &mut Line) {
        line.push(b"\"");
    }

    fn unquote(self, line: &mut Line, start: usize, written: Written) {
        unquote_logfmt(line, start, written);
    }

    #[inline]
    fn text(self, line: &mut Line, value: &str) {
        text_of_logfmt(line, value);
    }

    fn open_spans(self, line: &mut Line) {
        self.key(line, "span");
    }

    fn span(self, line: &mut Line, index: usize, name: &str, _: &[u8]) {
        if index > 0 {
            line.push(b":");
        }
        escape::push_name(line.bytes(), name);
    }

    fn close(self, line: &mut Line) {
        if line.cut {
            self.key(line, "truncated");
            line.push(b"true");
        }
        line.push(b"\n");
    }
}

// ===== impl Json =====

const fn upper(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

impl Encode for Json {
    const TIME: Option<&'static str> = Some("timestamp");
    const JSON: bool = true;

    fn open(self, line: &mut Line) {
        line.push(b"{");
    }

    fn head(self, line: &mut Line, level: Level, target: &str) {
        self.key(line, "level");
        self.quote(line);
        line.push(upper(level).as_bytes());
        line.push(b"\"");
        self.key(line, "target");
        self.text(line, target);
    }

    #[inline]
    fn key(self, line: &mut Line, name: &str) {
        let bytes = line.bytes();
        if bytes.last() == Some(&b'{') {
            bytes.push(b'"');
        } else {
            bytes.extend_from_slice(b",\"");
        }
        // What is a name in logfmt is one here.
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"\":");
    }

    #[inline]
    fn quote(self, line: &mut Line) {
        line.push(b"\"");
    }

    #[inline]
    fn unquote(self, line: &mut Line, _: usize, _: Written) {
        line.push(b"\"");
    }

    fn open_spans(self, line: &mut Line) {
        self.key(line, "spans");
        line.push(b"[");
    }

    fn span(self, line: &mut Line, index: usize, name: &str, fields: &[u8]) {
        line.push(if index == 0 { b"{\"name\":\"" } else { b",{\"name\":\"" });
        escape::push_name(line.bytes(), name);
        line.push(b"\"");
        line.push(fields);
        line.push(b"}");
    }

    fn close_spans(self, line: &mut Line) {
        line.push(b"]");
    }

    fn close(self, line: &mut Line) {
        if line.cut {
            self.key(line, "truncated");
            line.push(b"true");
        }
        line.push(b"}\n");
    }
}

// ===== impl Pretty =====

impl Pretty {
    /// Writes in a colour of ECMA-48 (SGR).
    fn coloured(self, line: &mut Line, colour: &str, text: &str) {
        if self.colours {
            line.push(colour.as_bytes());
        }
        line.push(text.as_bytes());
        if self.colours {
            line.push(b"\x1B[0m");
        }
    }
}

impl Encode for Pretty {
    const TIME: Option<&'static str> = None;
    const BARE: bool = true;

    fn head(self, line: &mut Line, level: Level, target: &str) {
        let (colour, name) = match level {
            Level::ERROR => ("\x1B[31m", "ERROR "),
            Level::WARN => ("\x1B[33m", " WARN "),
            Level::INFO => ("\x1B[32m", " INFO "),
            Level::DEBUG => ("\x1B[34m", "DEBUG "),
            Level::TRACE => ("\x1B[35m", "TRACE "),
        };
        if !line.is_empty() {
            line.push(b" ");
        }
        self.coloured(line, colour, name);
        let end = line.end_of_value();
        let written = escape::push(line.bytes(), target, end);
        line.end_text(written);
        line.push(b":");
    }

    fn key(self, line: &mut Line, name: &str) {
        if !line.is_empty() {
            line.push(b" ");
        }
        if self.colours {
            line.push(b"\x1B[2m");
        }
        line.push(name.as_bytes());
        line.push(b"=");
        if self.colours {
            line.push(b"\x1B[0m");
        }
    }

    fn quote(self, line: &mut Line) {
        line.push(b"\"");
    }

    fn unquote(self, line: &mut Line, start: usize, written: Written) {
        unquote_logfmt(line, start, written);
    }

    fn text(self, line: &mut Line, value: &str) {
        text_of_logfmt(line, value);
    }

    fn open_spans(self, line: &mut Line) {
        self.key(line, "span");
    }

    fn span(self, line: &mut Line, index: usize, name: &str, fields: &[u8]) {
        Logfmt.span(line, index, name, fields);
    }

    fn close(self, line: &mut Line) {
        if line.cut {
            self.key(line, "truncated");
            line.push(b"true");
        }
        line.push(b"\n");
    }
}
