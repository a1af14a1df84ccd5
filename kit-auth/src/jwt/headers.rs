//! The headers of tokens that were right, so that the next is not read.

use super::token::Header;
use std::{fmt, sync::OnceLock};

/// Headers that share a place.
const WAYS: usize = 4;
/// A longer one is none that many tokens have.
const LONGEST: usize = 512;

/// The headers that a set of keys has seen on tokens of its keys, and what they say.
///
/// Those who sign with one key write one header, or a few. Only one whose token was
/// right is remembered: nobody else can fill this. What it is remembered for, the
/// place of its key, holds as long as the set, which never changes and owns this.
/// Nothing gives way, so that nothing is locked: what finds no place is read anew.
#[derive(Clone)]
pub(super) struct Headers(Box<[[OnceLock<Known>; WAYS]]>);

/// What the same bytes said before.
#[derive(Clone)]
pub(super) struct Known {
    text: Box<str>,
    header: Header,
    key: usize,
}

// ===== impl Headers =====

impl Headers {
    /// Has room for about four of each key.
    pub(super) fn of(keys: usize) -> Self {
        Self((0..keys.next_power_of_two()).map(|_| Default::default()).collect())
    }

    pub(super) fn get(&self, text: &str) -> Option<&Known> {
        let mut known = self.place(text).iter().map_while(OnceLock::get);
        known.find(|known| *known.text == *text)
    }

    /// Remembers a header, of a token that the key at this place has verified.
    pub(super) fn put(&self, text: &str, header: Header, key: usize) {
        if text.len() > LONGEST {
            return;
        }
        if let Some(free) = self.place(text).iter().find(|slot| slot.get().is_none()) {
            // Unless another has just taken it.
            _ = free.set(Known { text: text.into(), header, key });
        }
    }

    fn place(&self, text: &str) -> &[OnceLock<Known>; WAYS] {
        // Whoever signs may choose it, and then slows down only what is his.
        let hash = text.as_bytes().chunks(8).fold(0, |hash: u64, part| {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        });
        &self.0[(hash >> 32) as usize & (self.0.len() - 1)]
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

// ===== impl Known =====

impl Known {
    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// The place of its key in the set.
    pub(super) const fn key(&self) -> usize {
        self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Algorithm;

    fn header(kind: &str) -> Header {
        Header { algorithm: Algorithm::ES256, key: None, kind: Some(kind.into()) }
    }

    fn kind<'a>(headers: &'a Headers, text: &str) -> Option<(&'a str, usize)> {
        let known = headers.get(text)?;
        Some((known.header().kind.as_deref()?, known.key()))
    }

    #[test]
    fn what_was_put_is_found_by_all_of_its_text() {
        let headers = Headers::of(1);
        assert_eq!(kind(&headers, "abcdefghij"), None);
        headers.put("abcdefghij", header("a"), 7);
        headers.put("", header("b"), 8);
        assert_eq!(kind(&headers, "abcdefghij"), Some(("a", 7)));
        assert_eq!(kind(&headers, ""), Some(("b", 8)));
        for other in ["abcdefghi", "abcdefghijk", "Abcdefghij", "abcdefghij\0", "bcdefghij"] {
            assert_eq!(kind(&headers, other), None, "{other:?}");
        }
    }

    #[test]
    fn there_is_room_for_few_and_none_gives_way() {
        let headers = Headers::of(1);
        let texts: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        for (at, text) in texts.iter().enumerate() {
            headers.put(text, header(text), at);
        }
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(kind(&headers, text), (at < WAYS).then_some((&**text, at)));
        }
        let long = "x".repeat(LONGEST + 1);
        let headers = Headers::of(1);
        headers.put(&long, header("long"), 0);
        assert_eq!(kind(&headers, &long), None);
        headers.put(&long[1..], header("long"), 0);
        assert_eq!(kind(&headers, &long[1..]), Some(("long", 0)));
    }

    #[test]
    fn of_many_keys_nearly_all_find_room() {
        let headers = Headers::of(1000);
        let text = |n| format!("eyJhbGciOiJFUzI1NiIsImtpZCI6I{n:04}nR5cCI6IkpXVCJ9");
        for n in 0..1000 {
            headers.put(&text(n), header("JWT"), n);
        }
        let found = (0..1000).filter(|n| kind(&headers, &text(*n)) == Some(("JWT", *n))).count();
        assert!(found > 950, "{found}");
        assert_eq!(headers.0.len(), 1024);
    }
}
