//! Base64url without padding (RFC 7515, section 2), as tokens have it.

/// What each of four characters adds to their three bytes, which stand in a word in
/// the order in which it is written.
static TABLES: [[u32; 256]; 4] = [table(18), table(12), table(6), table(0)];
/// In a place that no byte has: it is no character of base64url.
const BAD: u32 = 0xff00_0000;

const fn table(shift: u32) -> [u32; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut table = [BAD; 256];
    let mut value: u32 = 0;
    while value < 64 {
        table[alphabet[value as usize] as usize] = (value << shift << 8).swap_bytes();
        value += 1;
    }
    table
}

/// Decodes a text after what is there already; fails if there is another way to write
/// the same, or it is none. Then some of it may be there.
///
/// The `base64` crate does the same, and takes twice as long for texts as short as
/// these, which are most of what is done for a token beside its signature.
pub(super) fn decode(text: &str, into: &mut Vec<u8>) -> Option<()> {
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    let begin = into.len();
    into.resize(begin + eights.len() * 6, 0);
    let mut bad = 0;
    for (eight, six) in eights.iter().zip(into[begin..].as_chunks_mut::<6>().0) {
        let bytes = bytes(*eight, &mut bad).to_le_bytes();
        six.copy_from_slice(&bytes[..6]);
    }
    // `A` is zero, and so must the bits be that make no byte.
    let mut last = [b'A'; 8];
    last[..rest.len()].copy_from_slice(rest);
    let last = bytes(last, &mut bad);
    let many = rest.len() * 3 / 4;
    into.extend_from_slice(&last.to_le_bytes()[..many]);
    let is_base64url = bad & BAD == 0 && last >> (8 * many) == 0 && rest.len() % 4 != 1;
    is_base64url.then_some(())
}

/// Six bytes, if none of the characters is bad.
fn bytes(eight: [u8; 8], bad: &mut u32) -> u64 {
    let word = |at: usize| {
        let value = |place: usize| TABLES[place][usize::from(eight[at + place])];
        value(0) | value(1) | value(2) | value(3)
    };
    let (low, high) = (word(0), word(4));
    *bad |= low | high;
    u64::from(low) | u64::from(high) << 24
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = b"before".to_vec();
        decode(text, &mut bytes)?;
        Some(bytes.strip_prefix(b"before").expect("it stays").to_vec())
    }

    #[test]
    fn each_character_is_what_it_is_at_each_place() {
        // Of the first two of a byte each pair; of the others each one.
        let chars = (0..=0xff).map(char::from);
        for (a, b) in chars.clone().flat_map(|a| chars.clone().map(move |b| (a, b))) {
            for text in [format!("{a}{b}"), format!("Q{a}{b}"), format!("QU{a}{b}")] {
                assert_eq!(decoded(&text), URL_SAFE_NO_PAD.decode(&text).ok(), "{text:?}");
            }
        }
        for (at, char) in (0..9).flat_map(|at| chars.clone().map(move |char| (at, char))) {
            let mut text: Vec<_> = "QUJDREVGR".chars().collect();
            text[at] = char;
            for length in at + 1..=text.len() {
                let text: String = text[..length].iter().collect();
                assert_eq!(decoded(&text), URL_SAFE_NO_PAD.decode(&text).ok(), "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decoded(&URL_SAFE_NO_PAD.encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_other_text_is_taken_than_by_all(text in "[A-Za-z0-9_=+/.\n-]{0,12}|[A-Ba-b_-]{0,9}|.*") {
            prop_assert_eq!(decoded(&text), URL_SAFE_NO_PAD.decode(&text).ok());
        }
    }
}
