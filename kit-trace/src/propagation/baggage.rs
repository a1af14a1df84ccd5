//! W3C Baggage: what is said of a request, beside its trace.

use super::trim;
use http::{HeaderMap, HeaderName};
use std::{error, fmt, sync::Arc};

/// The header of baggage.
pub const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// What is said of a request and goes on from hop to hop, in order: an extension of
/// the request (W3C Baggage).
///
/// Whoever is called can read it: put nothing there that is a secret, and believe
/// nothing of it that is not checked. It goes on only where a layer was told to carry
/// it. A clone shares the entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baggage {
    entries: Arc<Vec<Entry>>,
    dropped: usize,
}

/// One entry of [`Baggage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    key: Box<str>,
    value: Box<str>,
    properties: Box<str>,
}

/// How much [`Baggage`] is taken: 64 entries and 8192 bytes by default, as much as
/// W3C's section 3.3.2 asks everyone to carry (older texts allowed 180 entries, of
/// 4096 bytes each).
///
/// Entries that go beyond it are left out, whole, and counted; so are those that are
/// not as the grammar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaggageLimits {
    entries: usize,
    bytes: usize,
}

/// An entry that baggage cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBaggage {
    why: &'static str,
}

// ===== impl Baggage =====

impl Baggage {
    /// Creates baggage without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads all lines of `baggage`, within `limits`; `None` if there is none.
    #[must_use]
    pub fn extract(headers: &HeaderMap, limits: BaggageLimits) -> Option<Self> {
        let mut lines = headers.get_all(&BAGGAGE).iter().peekable();
        lines.peek()?;
        let (mut entries, mut dropped, mut bytes) = (Vec::<Entry>::new(), 0, 0);
        for part in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
            let part = trim(part);
            if part.is_empty() {
                continue;
            }
            let size = part.len() + usize::from(!entries.is_empty());
            let fits = entries.len() < limits.entries && bytes + size <= limits.bytes;
            // What does not fit is not even read.
            match fits.then(|| Entry::parse(part)).flatten() {
                Some(entry) => {
                    bytes += size;
                    entries.push(entry);
                }
                None => dropped += 1,
            }
        }
        Some(Self { entries: Arc::new(entries), dropped })
    }

    /// Writes the entries, unless the headers have baggage already, as far as they go
    /// into W3C's 8192 bytes.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if self.entries.is_empty() || headers.contains_key(&BAGGAGE) {
            return;
        }
        let mut text = String::new();
        for entry in self.entries.iter() {
            let before = text.len();
            if before > 0 {
                text.push(',');
            }
            entry.write(&mut text);
            if text.len() > BaggageLimits::default().bytes {
                text.truncate(before);
            }
        }
        // A list has one member at least.
        if !text.is_empty() {
            super::insert(headers, BAGGAGE, text.as_bytes());
        }
    }

    /// Returns the value of the first entry of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|entry| *entry.key == *key).map(|entry| &*entry.value)
    }

    /// Sets `key` to `value`, in place of what it had.
    ///
    /// # Errors
    ///
    /// Fails if the key is no token of HTTP (RFC 9110, section 5.6.2), or the entry
    /// goes beyond [`BaggageLimits`]' defaults; then nothing has changed.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), BadBaggage> {
        if !is_key(key.as_bytes()) {
            return Err(BadBaggage { why: "the key is no token" });
        }
        let entry = Entry { key: key.into(), value: value.into(), properties: "".into() };
        let limits = BaggageLimits::default();
        let others = self.entries.iter().filter(|other| other.key != entry.key);
        let count = others.clone().count() + 1;
        let mut text = String::new();
        others.chain([&entry]).for_each(|entry| {
            text.push(',');
            entry.write(&mut text);
        });
        if count > limits.entries || text.len() - 1 > limits.bytes {
            return Err(BadBaggage { why: "there is no more room" });
        }
        self.remove(key);
        Arc::make_mut(&mut self.entries).push(entry);
        Ok(())
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) {
        if self.entries.iter().any(|entry| *entry.key == *key) {
            Arc::make_mut(&mut self.entries).retain(|entry| *entry.key != *key);
        }
    }

    /// Returns the entries in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Says whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many entries came and were left out.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }
}

// ===== impl Entry =====

impl Entry {
    /// Returns the key.
    #[must_use]
    pub const fn key(&self) -> &str {
        &self.key
    }

    /// Returns the value, percent-decoded.
    #[must_use]
    pub const fn value(&self) -> &str {
        &self.value
    }

    /// Returns the properties, as they came: `;a=b;c`, without the first semicolon.
    #[must_use]
    pub const fn properties(&self) -> &str {
        &self.properties
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let semicolon = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (member, properties) = text.split_at(semicolon);
        let equals = member.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (trim(&member[..equals]), trim(&member[equals + 1..]));
        let properties = properties.strip_prefix(b";");
        let fits = is_key(key)
            && value.iter().copied().all(is_octet)
            && properties.is_none_or(|all| all.split(|byte| *byte == b';').all(is_property));
        let properties = trim(properties.unwrap_or_default());
        if !fits {
            return None;
        }
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Into::into);
        // What is not UTF-8 becomes U+FFFD, as the specification says.
        let value = String::from_utf8_lossy(&decode(value)).into();
        Some(Self { key: text(key)?, value, properties: text(properties)? })
    }

    fn write(&self, text: &mut String) {
        text.push_str(&self.key);
        text.push('=');
        encode(&self.value, text);
        if !self.properties.is_empty() {
            text.push(';');
            text.push_str(&self.properties);
        }
    }
}

/// `tchar` (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// `property`: a key alone, or with a value.
fn is_property(text: &[u8]) -> bool {
    let equals = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let value = text.get(equals + 1..).unwrap_or_default();
    is_key(trim(&text[..equals])) && trim(value).iter().copied().all(is_octet)
}

fn is_key(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token)
}

/// `baggage-octet`.
const fn is_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

/// Percent-decodes; a `%` that two digits do not follow stays.
pub(crate) fn decode(value: &[u8]) -> Vec<u8> {
    let digit = |at: usize| value.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(value.len()), 0);
    while let Some(byte) = value.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            bytes.push(u8::try_from(high << 4 | low).unwrap_or_default());
            at += 3;
        } else {
            bytes.push(*byte);
            at += 1;
        }
    }
    bytes
}

fn encode(value: &str, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if is_octet(byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

// ===== impl BaggageLimits =====

impl BaggageLimits {
    /// Takes up to `most` entries.
    #[must_use]
    pub const fn entries(mut self, most: usize) -> Self {
        self.entries = most;
        self
    }

    /// Takes entries of up to `most` bytes together, as they are written.
    #[must_use]
    pub const fn bytes(mut self, most: usize) -> Self {
        self.bytes = most;
        self
    }
}

impl Default for BaggageLimits {
    fn default() -> Self {
        Self { entries: 64, bytes: 8192 }
    }
}

// ===== impl BadBaggage =====

impl fmt::Display for BadBaggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the baggage cannot have the entry: {}", self.why)
    }
}

impl error::Error for BadBaggage {}
