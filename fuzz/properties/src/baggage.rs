use http::{HeaderMap, HeaderValue};
use kit_trace::{
    Baggage,
    propagation::{BAGGAGE, BaggageLimits, Entry},
};
use std::fmt::Write;

/// Of an entry: its key, its value, and its properties.
type Parts = (String, String, String);

/// The bytes that are written at most (W3C Baggage, section 3.3.2).
const MOST: usize = 8192;

/// Baggage: how often each line is there in itself, up to 16 times if it makes no more
/// than 256 entries, and lines of `baggage`; also what they say as keys and values to
/// put in.
pub fn baggage(data: &[u8]) {
    let (times, lines) = crate::halves(data, b'\n');
    let times = std::str::from_utf8(times).ok().and_then(|times| times.parse().ok());
    let ends = lines.iter().filter(|byte| b",\n".contains(byte)).count();
    let times = times.filter(|times| *times <= 16 && (ends + 1) * times <= 256).unwrap_or(1);
    let lines: Vec<_> = lines.split(|byte| *byte == b'\n').map(|line| line.repeat(times)).collect();
    let mut headers = HeaderMap::new();
    for line in &lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(BAGGAGE, value);
        }
    }
    for limits in [(64, MOST), (3, 24), (usize::MAX, usize::MAX)] {
        reads(&headers, limits);
    }
    writes(&lines, Baggage::extract(&headers, BaggageLimits::default()).unwrap_or_default());
}

fn reads(headers: &HeaderMap, (entries, bytes): (usize, usize)) {
    let limits = BaggageLimits::default().entries(entries).bytes(bytes);
    let found = Baggage::extract(headers, limits);
    let lines = crate::values(headers, &BAGGAGE);
    assert_eq!(found.is_some(), !lines.is_empty());
    let Some(found) = found else { return };
    let (kept, dropped) = sorted_out(&lines, entries, bytes);
    assert_eq!(all(&found), kept);
    assert_eq!((found.dropped(), found.is_empty()), (dropped, kept.is_empty()));
    for (key, ..) in kept.iter().take(8) {
        let first = kept.iter().find(|(name, ..)| name == key);
        assert_eq!(found.get(key), first.map(|(_, value, _)| &**value));
    }
    goes_on(&found);
    // What a call has already stays as it is.
    let mut merged = headers.clone();
    found.inject(&mut merged);
    assert_eq!(&merged, headers);
}

/// What there is room for is written, and reads as it was.
fn goes_on(baggage: &Baggage) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for entry in all(baggage) {
        let comma = if text.is_empty() { "" } else { "," };
        let more = format!("{comma}{}", written(&entry));
        if text.len() + more.len() <= MOST {
            text.push_str(&more);
            expected.push(entry);
        }
    }
    let mut out = HeaderMap::new();
    baggage.inject(&mut out);
    // A list has one member at least.
    let expected_text: Vec<_> = [text].into_iter().filter(|text| !text.is_empty()).collect();
    assert_eq!(crate::values(&out, &BAGGAGE), expected_text);
    let read = Baggage::extract(&out, BaggageLimits::default().entries(usize::MAX));
    let read = read.unwrap_or_default();
    assert_eq!((all(&read), read.dropped()), (expected, 0));
}

/// What is put in, of up to 4 lines, is there, at the end, and the others as they were.
fn writes(lines: &[Vec<u8>], mut baggage: Baggage) {
    for line in lines.iter().take(4) {
        let (key, value) = crate::halves(line, b'=');
        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        let before = all(&baggage);
        let mut expected: Vec<_> =
            before.iter().filter(|(name, ..)| *name != *key).cloned().collect();
        let others = expected.clone();
        expected.push((key.to_string(), value.to_string(), String::new()));
        let bytes: usize = expected.iter().map(|entry| written(entry).len() + 1).sum();
        let fits = is_token(&key) && expected.len() <= 64 && bytes <= MOST + 1;
        let kept = baggage.clone();
        assert_eq!(baggage.insert(&key, &value).is_ok(), fits, "{key}={value}");
        assert_eq!(all(&baggage), if fits { expected } else { before.clone() });
        assert_eq!(all(&kept), before, "a clone stays as it was");
        if fits {
            goes_on(&baggage);
            let mut less = baggage.clone();
            less.remove(&key);
            assert_eq!(all(&less), others);
        }
    }
}

fn all(baggage: &Baggage) -> Vec<Parts> {
    let parts = |entry: &Entry| [entry.key(), entry.value(), entry.properties()].map(str::to_owned);
    baggage.entries().iter().map(parts).map(|[key, value, more]| (key, value, more)).collect()
}

/// Returns what there is room for, and the number of the others.
fn sorted_out(lines: &[String], entries: usize, bytes: usize) -> (Vec<Parts>, usize) {
    let (mut kept, mut dropped, mut used) = (Vec::new(), 0, 0);
    for member in lines.join(",").split(',').map(|member| member.trim_matches([' ', '\t'])) {
        // Lists may have empty members (RFC 9110, section 5.6.1.2).
        if member.is_empty() {
            continue;
        }
        let size = member.len() + usize::from(!kept.is_empty());
        let fits = kept.len() < entries && used + size <= bytes;
        match fits.then(|| parse(member)).flatten() {
            Some(entry) => {
                used += size;
                kept.push(entry);
            }
            None => dropped += 1,
        }
    }
    (kept, dropped)
}

/// W3C Baggage, section 3.3.1: `list-member`.
fn parse(member: &str) -> Option<Parts> {
    let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    let (pair, properties) = match member.split_once(';') {
        Some((pair, properties)) => (pair, Some(properties)),
        None => (member, None),
    };
    let (key, value) = pair.split_once('=')?;
    let (key, value) = (trim(key), trim(value));
    let sound = is_token(&key)
        && value.chars().all(is_octet)
        && properties.is_none_or(|properties| properties.split(';').all(is_property));
    let value = String::from_utf8_lossy(&crate::percent_decoded(value.as_bytes())).into_owned();
    sound.then(|| (key, value, trim(properties.unwrap_or_default())))
}

fn is_property(property: &str) -> bool {
    let (key, value) = property.split_once('=').unwrap_or((property, ""));
    let [key, value] = [key, value].map(|text| text.trim_matches([' ', '\t']));
    is_token(key) && value.chars().all(is_octet)
}

fn written((key, value, properties): &Parts) -> String {
    let mut text = format!("{key}=");
    for byte in value.bytes() {
        match char::from(byte) {
            letter if is_octet(letter) && letter != '%' => text.push(letter),
            _ => _ = write!(text, "%{byte:02X}"),
        }
    }
    let semicolon = if properties.is_empty() { "" } else { ";" };
    text + semicolon + properties
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let letter =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    !text.is_empty() && text.chars().all(letter)
}

/// `baggage-octet`: printable, but no space, quote, comma, semicolon, backslash.
fn is_octet(letter: char) -> bool {
    ('!'..='~').contains(&letter) && !"\",;\\".contains(letter)
}
