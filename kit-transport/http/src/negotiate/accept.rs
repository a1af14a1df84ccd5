use http::{HeaderMap, header};

/// Returns the place among `offers`, media types, of the one that `Accept`
/// likes best; among equals the first. None, if it likes none of them.
///
/// The rules are those of RFC 9110, section 12.5.1: of the ranges that match a
/// type the most specific counts, and `q=0` refuses. Without the header, or if
/// no range in it can be read, the first is taken. Two things are taken more
/// lightly: parameters other than `q` are not looked at (`;charset=utf-8`
/// should refuse nobody), and `*` and `q=.2` are understood, as Java's client
/// writes them.
///
/// ```
/// use http::{HeaderMap, header};
/// use kit_transport_http::negotiate::accepted;
///
/// let mut headers = HeaderMap::new();
/// let offers = ["application/json", "application/msgpack"];
/// assert_eq!(accepted(&headers, offers), Some(0));
/// headers.insert(header::ACCEPT, "application/*;q=0.5, application/msgpack".parse()?);
/// assert_eq!(accepted(&headers, offers), Some(1));
/// headers.insert(header::ACCEPT, "text/html".parse()?);
/// assert_eq!(accepted(&headers, offers), None);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn accepted(headers: &HeaderMap, offers: impl IntoIterator<Item: AsRef<str>>) -> Option<usize> {
    let ranges = || {
        let values = headers.get_all(header::ACCEPT).iter();
        values.flat_map(|value| split(value.as_bytes(), b',')).filter_map(Range::parse)
    };
    let mut best = None;
    let any = ranges().next().is_none();
    for (index, offer) in offers.into_iter().enumerate() {
        let matching =
            ranges().filter_map(|range| Some((range.matches(offer.as_ref())?, range.weight)));
        let weight = if any { 1000 } else { matching.max().map_or(0, |(_, weight)| weight) };
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((index, weight));
        }
    }
    best.map(|(index, _)| index)
}

/// Returns a media type without its parameters.
pub(super) fn essence(value: &[u8]) -> &[u8] {
    split(value, b';').next().unwrap_or_default()
}

struct Range<'a> {
    main: &'a [u8],
    sub: &'a [u8],
    /// In thousandths.
    weight: u16,
}

// ===== impl Range =====

impl<'a> Range<'a> {
    fn parse(element: &'a [u8]) -> Option<Self> {
        let mut parts = split(element, b';');
        let (main, sub) = match parts.next()? {
            b"*" => (&b"*"[..], &b"*"[..]),
            range => {
                let slash = range.iter().position(|byte| *byte == b'/')?;
                (&range[..slash], &range[slash + 1..])
            }
        };
        if !is_token(main) || !is_token(sub) || (main == b"*" && sub != b"*") {
            return None;
        }
        let q = parts.find_map(|part| match part {
            [b'q' | b'Q', b'=', q @ ..] => Some(q),
            _ => None,
        });
        let weight = q.map_or(Some(1000), weight)?;
        Some(Self { main, sub, weight })
    }

    /// Returns how specific the range is, if `offer` is in it.
    fn matches(&self, offer: &str) -> Option<u8> {
        let (main, sub) = offer.split_once('/')?;
        match (self.main, self.sub) {
            (b"*", b"*") => Some(0),
            (known, _) if !known.eq_ignore_ascii_case(main.as_bytes()) => None,
            (_, b"*") => Some(1),
            (_, known) => known.eq_ignore_ascii_case(sub.as_bytes()).then_some(2),
        }
    }
}

/// Reads a `qvalue`, in thousandths: what is finer is cut off.
fn weight(q: &[u8]) -> Option<u16> {
    let (whole, fraction) = match q.iter().position(|byte| *byte == b'.') {
        Some(point) => (&q[..point], &q[point + 1..]),
        None => (q, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let digit = |place: usize| fraction.get(place).map_or(0, |digit| u16::from(digit - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    match whole {
        b"0" | b"" => Some(thousandths),
        b"1" if fraction.iter().all(|digit| *digit == b'0') => Some(1000),
        _ => None,
    }
}

/// Returns the parts between separators that no quotes hold, trimmed.
fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => return *byte == separator && !quoted,
            }
            false
        })
        .map(<[u8]>::trim_ascii)
}

fn is_token(text: &[u8]) -> bool {
    let is_mark = |byte: &u8| b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}
