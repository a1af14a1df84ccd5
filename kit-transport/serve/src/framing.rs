//! Where in its messages an HTTP/1 connection is (RFC 9112, sections 2 to 7).
//!
//! hyper parses; this only keeps count, so that a head too long is told what
//! it is before hyper holds it, and so that a peer that owes a body is told
//! apart from a service that takes its time. What it cannot follow, most of
//! which hyper refuses, it takes for a body that is owed.

use crate::Refusal;

/// How much of a line is kept that comes in pieces: enough for a length of 20
/// digits, or for `chunked`, and the name before it.
const KEPT: usize = 64;

/// How much a head may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadLimits {
    /// Bytes of the request line.
    pub(crate) line: usize,
    /// Bytes in all.
    pub(crate) head: usize,
    /// Fields.
    pub(crate) fields: usize,
}

#[derive(Debug)]
pub(crate) struct Framing {
    limits: HeadLimits,
    at: At,
    /// Bytes of this head, or of this line of a chunked body, so far.
    length: usize,
    fields: usize,
    line: Line,
    body: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a request: empty lines are passed over.
    Start,
    RequestLine,
    Fields,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// How long the body is can't be told: it is owed for good.
    Unclear,
    /// What follows is not HTTP/1.
    Lost,
}

/// What the fields say of the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Length {
    content: Option<u64>,
    /// Whether the last coding is `chunked`, if there is one.
    chunked: Option<bool>,
    is_unclear: bool,
}

/// The begin of a line that is not there yet.
#[derive(Debug)]
struct Line {
    kept: [u8; KEPT],
    length: usize,
}

/// Something in a read is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch {
    /// What came before it in the same read, and may be passed on.
    pub(crate) before: usize,
    pub(crate) refusal: Refusal,
}

// ===== impl Framing =====

impl Framing {
    pub(crate) const fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            at: At::Start,
            length: 0,
            fields: 0,
            line: Line { kept: [0; KEPT], length: 0 },
            body: Length { content: None, chunked: None, is_unclear: false },
        }
    }

    /// Stops counting: what follows is not HTTP/1.
    pub(crate) const fn lose(&mut self) {
        self.at = At::Lost;
    }

    /// A part of a head came, and more is to come.
    pub(crate) const fn is_in_head(&self) -> bool {
        matches!(self.at, At::RequestLine | At::Fields)
    }

    /// The head came, and not the whole body.
    pub(crate) const fn is_in_body(&self) -> bool {
        use At::{Body, ChunkData, ChunkEnd, ChunkSize, Trailers, Unclear};
        matches!(self.at, Body(_) | ChunkSize | ChunkData(_) | ChunkEnd | Trailers | Unclear)
    }

    /// Counts what was read.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        let (mut rest, mut before) = (bytes, 0);
        while !rest.is_empty() {
            match &mut self.at {
                At::Lost | At::Unclear => return Ok(()),
                At::Body(left) => {
                    let taken = skip(left, &mut rest);
                    if taken {
                        self.at = At::Start;
                    }
                }
                At::ChunkData(left) => {
                    if skip(left, &mut rest) {
                        self.at = At::ChunkEnd;
                    }
                }
                At::Start => {
                    before = bytes.len() - rest.len();
                    match rest {
                        [b'\r' | b'\n', after @ ..] => rest = after,
                        // Most heads come whole, and are far from any limit.
                        _ if rest.len() <= self.limits.line.min(self.limits.head) => {
                            match self.whole_head(rest) {
                                Some(end) => rest = &rest[end..],
                                None => self.begin(),
                            }
                        }
                        _ => self.begin(),
                    }
                }
                At::RequestLine | At::Fields | At::ChunkSize | At::ChunkEnd | At::Trailers => {
                    rest = self.line(rest).map_err(|refusal| TooMuch { before, refusal })?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.at = At::RequestLine;
        (self.length, self.fields, self.body) = (0, 0, Length::default());
    }

    /// Takes a head that is there to its end, and returns where that is. It is
    /// shorter than a request line, and than a head, may be.
    fn whole_head(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut body = Length::default();
        let mut fields = 0;
        let mut ends = memchr::memchr_iter(b'\n', bytes);
        let mut start = ends.next()? + 1;
        loop {
            match bytes.get(start)? {
                b'\n' => start += 1,
                b'\r' if bytes.get(start + 1)? == &b'\n' => start += 2,
                first => {
                    let end = ends.next()?;
                    if matters(*first) {
                        body.field(bytes[start..end].trim_ascii_end());
                    }
                    start = end + 1;
                    fields += 1;
                    continue;
                }
            }
            if fields > self.limits.fields {
                return None;
            }
            self.at = body.next();
            return Some(start);
        }
    }

    /// Takes a line, or what there is of it, and returns what comes after it.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Refusal> {
        let end = memchr::memchr(b'\n', bytes);
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        if matches!(self.at, At::RequestLine | At::Fields) {
            self.length += part.len();
            if self.at == At::RequestLine && self.length > self.limits.line.saturating_add(2) {
                return Err(Refusal::UriTooLong);
            }
            if self.length > self.limits.head {
                return Err(Refusal::HeadTooLarge);
            }
        }
        let is_cut = self.line.length > 0 && self.line.length.saturating_add(part.len()) > KEPT;
        let line = match (end, self.line.length) {
            (Some(_), 0) => part,
            (Some(_), _) => self.line.whole(part),
            (None, _) => {
                self.line.keep(part);
                return Ok(rest);
            }
        };
        // hyper takes anything else for the begin of one more trailer.
        let is_end = line == b"\r\n";
        let line = line.trim_ascii_end();
        let next = match self.at {
            At::RequestLine => At::Fields,
            At::Fields if line.is_empty() => self.body.next(),
            At::Fields => {
                self.fields += 1;
                if self.fields > self.limits.fields {
                    return Err(Refusal::HeadTooLarge);
                }
                self.body.field(line);
                self.body.is_unclear |= is_cut && says_length(line);
                At::Fields
            }
            At::ChunkSize => match chunk_size(line, is_cut) {
                Some(0) => At::Trailers,
                Some(size) => At::ChunkData(size),
                None => At::Unclear,
            },
            At::ChunkEnd => At::ChunkSize,
            At::Trailers if is_end => At::Start,
            at => at,
        };
        self.line.length = 0;
        self.at = next;
        Ok(rest)
    }
}

/// Passes over as much as is left, and says whether that was all.
fn skip(left: &mut u64, rest: &mut &[u8]) -> bool {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
    *rest = &rest[taken..];
    *left -= taken as u64;
    *left == 0
}

/// The size at the begin of a chunk's line, before its extensions; of a line
/// that is cut it may be cut too.
fn chunk_size(line: &[u8], is_cut: bool) -> Option<u64> {
    let all = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next()?;
    let zeros = all.iter().take_while(|digit| **digit == b'0').count();
    let digits = &all[zeros..];
    if all.is_empty() || digits.len() > 16 || is_cut && all.len() == line.len() {
        return None;
    }
    digits.iter().try_fold(0, |size, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(size << 4 | u64::from(digit))
    })
}

/// Whether a field that begins so may say something of the body: most do not.
const fn matters(first: u8) -> bool {
    matches!(first, b'c' | b'C' | b't' | b'T')
}

// ===== impl Length =====

impl Length {
    /// Takes notice of a field, if it is one that matters.
    fn field(&mut self, line: &[u8]) {
        if !line.first().copied().is_some_and(matters) {
            return;
        }
        if let Some(value) = value(line, b"content-length:") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            let (length, known) = (length.filter(|_| digits), self.content);
            self.is_unclear |= length.is_none() || known.is_some() && known != length;
            self.content = length;
        } else if let Some(value) = value(line, b"transfer-encoding:") {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or(value);
            self.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        }
    }

    /// What follows the head.
    const fn next(self) -> At {
        match self {
            Self { is_unclear: true, .. } | Self { chunked: Some(false), .. } => At::Unclear,
            Self { chunked: Some(true), .. } => At::ChunkSize,
            Self { content: None | Some(0), .. } => At::Start,
            Self { content: Some(length), .. } => At::Body(length),
        }
    }
}

/// Whether a field says how long the body is.
fn says_length(line: &[u8]) -> bool {
    value(line, b"content-length:").is_some() || value(line, b"transfer-encoding:").is_some()
}

/// The value of a field, if it is this one.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

// ===== impl Line =====

impl Line {
    fn keep(&mut self, part: &[u8]) {
        let room = &mut self.kept[self.length.min(KEPT)..];
        let kept = room.len().min(part.len());
        room[..kept].copy_from_slice(&part[..kept]);
        // An empty part is no line that came in pieces.
        self.length = self.length.saturating_add(part.len());
    }

    /// The begin of the line whose last piece is `part`.
    fn whole(&mut self, part: &[u8]) -> &[u8] {
        self.keep(part);
        &self.kept[..self.length.min(KEPT)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { line: 32, head: 128, fields: 4 };
    /// So that heads are taken whole.
    const WIDE: HeadLimits = HeadLimits { line: 512, head: 1024, fields: 4 };

    fn read(bytes: &[u8], piece: usize) -> Result<Framing, (usize, Refusal)> {
        read_within(LIMITS, bytes, piece)
    }

    /// What is read in pieces of this size is as if it were read at once.
    fn read_within(
        limits: HeadLimits,
        bytes: &[u8],
        piece: usize,
    ) -> Result<Framing, (usize, Refusal)> {
        let mut framing = Framing::new(limits);
        for (at, piece) in bytes.chunks(piece).enumerate().map(|(n, bytes)| (n * piece, bytes)) {
            framing.read(piece).map_err(|much| (at + much.before, much.refusal))?;
        }
        Ok(framing)
    }

    fn ends(text: &str) -> At {
        let at = read(text.as_bytes(), usize::MAX).unwrap().at;
        for piece in 1..text.len() {
            assert_eq!(read(text.as_bytes(), piece).unwrap().at, at, "in pieces of {piece}");
        }
        let whole = read_within(WIDE, text.as_bytes(), usize::MAX).unwrap();
        assert_eq!(whole.at, at, "whole");
        at
    }

    #[test]
    fn a_request_ends_with_its_head_or_its_body() {
        assert_eq!(ends(""), At::Start);
        assert_eq!(ends("GET / HTTP/1.1\r\nhost: a\r\n\r\n"), At::Start);
        assert_eq!(ends("\r\n\nGET / HTTP/1.1\n\n"), At::Start);
        assert_eq!(ends("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"), At::Start);
        assert_eq!(ends("POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n"), At::Start);
        assert_eq!(ends("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc"), At::Body(2));
        assert_eq!(ends("POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\naGET"), At::RequestLine);
        assert_eq!(ends("GET / HTTP/1.1\r\nhost"), At::Fields);
    }

    #[test]
    fn a_chunked_body_ends_with_its_trailers() {
        let post =
            "POST / HTTP/1.1\r\ntransfer-encoding: gzip, Chunked\r\ncontent-length: 9\r\n\r\n";
        let ends = |body: &str| ends(&format!("{post}{body}"));
        assert_eq!(ends(""), At::ChunkSize);
        assert_eq!(ends("a;x=1\r\n0123"), At::ChunkData(6));
        assert_eq!(ends("3\r\nabc"), At::ChunkEnd);
        assert_eq!(ends("3\r\nabc\r\n"), At::ChunkSize);
        assert_eq!(ends("3\r\nabc\r\n0\r\n"), At::Trailers);
        assert_eq!(ends("3\r\nabc\r\n0\r\nx: y\r\n"), At::Trailers);
        assert_eq!(ends("3\r\nabc\r\n0\r\nx: y\r\n\r\n"), At::Start);
        assert_eq!(ends("3\r\nabc\r\n0\r\n\r\nG"), At::RequestLine);
    }

    #[test]
    fn what_is_not_clear_is_a_body_that_is_owed() {
        let post = |fields: &str| ends(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nrest"));
        assert_eq!(post("content-length: 1, 1"), At::Unclear);
        assert_eq!(post("content-length: +1"), At::Unclear);
        assert_eq!(post("content-length: 1\r\ncontent-length: 2"), At::Unclear);
        assert_eq!(post("content-length: 99999999999999999999"), At::Unclear);
        assert_eq!(post("transfer-encoding: gzip"), At::Unclear);
        assert_eq!(post("transfer-encoding: chunked\r\n\r\nx"), At::Unclear);
        assert_eq!(chunk_size(b"11111111111111111", false), None);
        assert_eq!(chunk_size(b"ffffffffffffffff", false), Some(u64::MAX));
        let blanks = " ".repeat(KEPT);
        for field in
            [format!("content-length:{blanks}1000"), format!("transfer-encoding:{blanks}chunked")]
        {
            let text = format!("POST / HTTP/1.1\r\n{field}\r\n\r\n");
            for piece in 1..text.len() {
                let framing = read_within(WIDE, text.as_bytes(), piece).unwrap();
                assert!(framing.is_in_body(), "{field} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_chunked_body_is_followed_as_hyper_reads_it() {
        let post = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(ends(&format!("{post}00000000000000005\r\nab")), At::ChunkData(3));
        assert_eq!(ends(&format!("{post}000\r\n")), At::Trailers);
        // A line feed alone, or behind a blank, begins a trailer.
        assert_eq!(ends(&format!("{post}0\r\n\n")), At::Trailers);
        assert_eq!(ends(&format!("{post}0\r\n \r\n")), At::Trailers);
        let zeros = "0".repeat(2 * KEPT);
        let text = format!("{post}{zeros}5\r\nab");
        for piece in 1..text.len() {
            assert!(read(text.as_bytes(), piece).unwrap().is_in_body(), "in pieces of {piece}");
        }
    }

    #[test]
    fn limits_may_be_none_and_the_head_may_have_the_lower_one() {
        let any = HeadLimits { line: usize::MAX, head: usize::MAX, fields: usize::MAX };
        let text = b"GET / HTTP/1.1\r\na: b\r\n\r\n";
        for piece in 1..text.len() {
            assert_eq!(read_within(any, text, piece).unwrap().at, At::Start);
        }
        let low = HeadLimits { line: 1000, head: 20, fields: 4 };
        assert_eq!(read_within(low, text, usize::MAX).unwrap_err().1, Refusal::HeadTooLarge);
    }

    #[test]
    fn a_long_request_line_is_refused_first_and_then_a_long_head() {
        let line = format!("GET /{} HTTP/1.1", "x".repeat(18));
        assert_eq!(line.len(), LIMITS.line);
        assert_eq!(ends(&format!("{line}\r\n\r\n")), At::Start);
        let refused = |text: &str| {
            let refused = read(text.as_bytes(), usize::MAX).unwrap_err();
            for piece in 1..text.len() {
                assert_eq!(read(text.as_bytes(), piece).unwrap_err().1, refused.1);
            }
            refused
        };
        assert_eq!(refused(&format!("{line}xyz{}", "x".repeat(200))), (0, Refusal::UriTooLong));
        let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(120));
        assert_eq!(refused(&long), (0, Refusal::HeadTooLarge));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5));
        assert_eq!(refused(&many), (0, Refusal::HeadTooLarge));
        let whole = read_within(WIDE, many.as_bytes(), usize::MAX).unwrap_err();
        assert_eq!(whole, (0, Refusal::HeadTooLarge));
        let four = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(4));
        assert_eq!(ends(&four), At::Start);
    }

    #[test]
    fn what_came_before_may_be_passed_on() {
        let first = "POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nab";
        let second = format!("GET /{} HTTP/1.1\r\n", "x".repeat(99));
        let refused = read(format!("{first}{second}").as_bytes(), usize::MAX).unwrap_err();
        assert_eq!(refused, (first.len(), Refusal::UriTooLong));
    }

    #[test]
    fn a_peer_owes_a_head_or_a_body_or_nothing() {
        let owes = |text: &str| {
            let framing = read(text.as_bytes(), usize::MAX).unwrap();
            (framing.is_in_head(), framing.is_in_body())
        };
        assert_eq!(owes("G"), (true, false));
        assert_eq!(owes("GET / HTTP/1.1\r\na"), (true, false));
        assert_eq!(owes("GET / HTTP/1.1\r\n\r\n"), (false, false));
        assert_eq!(owes("GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"), (false, true));
        assert_eq!(owes("GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx\r\n"), (false, false));
    }
}
