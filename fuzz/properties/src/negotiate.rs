use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use kit_transport_http::negotiate::{self, Reads, accepted};

const OFFERS: [&str; 4] =
    ["application/json", "application/msgpack", "text/plain", "Text/Event-Stream"];

/// Content negotiation: `Content-Type`, and then, on lines of their own, values
/// of `Accept`.
pub fn negotiate(data: &[u8]) {
    let (content_type, accepts) = crate::halves(data, b'\n');
    if let Ok(value) = HeaderValue::from_bytes(content_type) {
        reads(content_type, value);
    }
    let mut headers = HeaderMap::new();
    let mut ranges = Vec::new();
    for line in accepts.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(header::ACCEPT, value);
        ranges.extend(outside_quotes(line, b',').iter().filter_map(|range| read(range)));
    }
    assert_eq!(accepted(&headers, OFFERS), best(&ranges));
}

fn reads(text: &[u8], value: HeaderValue) {
    let codecs = [
        Reads::new(&["application/json", "text/json"], |_| Ok(0)),
        Reads::new(&["application/x-www-form-urlencoded"], |_| Ok(1)),
    ];
    let mut request = Request::new(Bytes::new());
    request.headers_mut().insert(header::CONTENT_TYPE, value);
    let expected = match outside_quotes(text, b';')[0].to_ascii_lowercase().as_slice() {
        b"application/json" | b"text/json" => Some(0),
        b"application/x-www-form-urlencoded" => Some(1),
        _ => None,
    };
    assert_eq!(negotiate::decode(codecs)(&request).ok(), expected);
}

/// The media range, in lower case, and its weight in thousandths.
type Range = (String, u16);

fn best(ranges: &[Range]) -> Option<usize> {
    if ranges.is_empty() {
        return Some(0);
    }
    let weight = |offer: &str| {
        let offer = offer.to_ascii_lowercase();
        let kind = format!("{}/*", offer.split('/').next().expect("a part"));
        let of = |wanted: &str| {
            ranges.iter().filter(|(range, _)| range == wanted).map(|(_, weight)| *weight).max()
        };
        of(&offer).or_else(|| of(&kind)).or_else(|| of("*/*")).unwrap_or_default()
    };
    let weights = OFFERS.map(weight);
    let most = *weights.iter().max().expect("there are offers");
    (most > 0).then(|| weights.iter().position(|weight| *weight == most)).flatten()
}

fn read(text: &[u8]) -> Option<Range> {
    let parts = outside_quotes(text, b';');
    let range = String::from_utf8(parts[0].to_ascii_lowercase()).ok()?;
    let range = if range == "*" { "*/*".to_owned() } else { range };
    let (main, sub) = range.split_once('/')?;
    let sound = |text: &str| {
        let mark = |letter: char| "!#$%&'*+-.^_`|~".contains(letter);
        !text.is_empty()
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || mark(letter))
    };
    if !sound(main) || !sound(sub) || (main == "*" && sub != "*") {
        return None;
    }
    let q = parts[1..].iter().find(|part| part.to_ascii_lowercase().starts_with(b"q="));
    let weight = match q {
        Some(q) => thousandths(std::str::from_utf8(&q[2..]).ok()?)?,
        None => 1000,
    };
    Some((range, weight))
}

fn thousandths(q: &str) -> Option<u16> {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if q.is_empty() || q == "." || fraction.contains(|digit: char| !digit.is_ascii_digit()) {
        return None;
    }
    match whole {
        "" | "0" => format!("{fraction:0<3}")[..3].parse().ok(),
        "1" => fraction.trim_matches('0').is_empty().then_some(1000),
        _ => None,
    }
}

/// Splits at separators that are in no quotes, and trims.
fn outside_quotes(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut quoted = false;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == separator && !quoted {
            parts.push(Vec::new());
            continue;
        }
        let part = parts.last_mut().expect("there is one");
        part.push(byte);
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == b'\\' && quoted {
            part.extend(bytes.next());
        }
    }
    parts.iter().map(|part| part.trim_ascii().to_vec()).collect()
}
