//! What may stand in a line, and how the rest is written.

/// May stand anywhere.
const PLAIN: u8 = 0;
/// Ends a value of logfmt that has no quotes around it.
const SPLITS: u8 = 1;
/// Is escaped: quotes, the backslash, control characters.
const ESCAPED: u8 = 2;
/// Begins a character that may be one that is escaped.
const LEADS: u8 = 3;

static CLASS: [u8; 256] = {
    let mut class = [PLAIN; 256];
    let mut control = 0;
    while control < 0x20 {
        class[control] = ESCAPED;
        control += 1;
    }
    class[0x7F] = ESCAPED;
    class[b'"' as usize] = ESCAPED;
    class[b'\\' as usize] = ESCAPED;
    class[b' ' as usize] = SPLITS;
    class[b'=' as usize] = SPLITS;
    class[0xC2] = LEADS;
    class[0xE2] = LEADS;
    class
};

/// The most bytes that one byte becomes.
const WORST: usize = 6;

/// What was written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Whether logfmt must put it in quotes.
    pub(super) quoted: bool,
    /// Whether there was no room for all of it.
    pub(super) cut: bool,
}

/// Writes `text` at the end of `out`, up to the length `end`.
///
/// What a terminal or a reader of lines would take for more than text is escaped
/// as in a JSON string (RFC 8259, section 7), which is how logfmt does it too: the
/// control characters of ASCII and of Unicode (C1, which drive terminals as well),
/// line and paragraph separators, and the marks that turn the direction of writing,
/// by which text seems to be what it is not.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, text: &str, end: usize) -> Written {
    let bytes = text.as_bytes();
    let mut quoted = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match CLASS[usize::from(byte)] {
            PLAIN => {}
            SPLITS => quoted = true,
            _ => return push_slowly(out, text, at, end, quoted),
        }
    }
    if out.len() + bytes.len() > end {
        return push_slowly(out, text, bytes.len(), end, quoted);
    }
    out.extend_from_slice(bytes);
    Written { quoted, cut: false }
}

/// Does it from `at` on, character by character.
#[inline(never)]
fn push_slowly(out: &mut Vec<u8>, text: &str, at: usize, end: usize, mut quoted: bool) -> Written {
    // All before is as it is, and up to there one byte is one.
    let room = end.saturating_sub(out.len());
    if at > room {
        let whole = text.floor_char_boundary(room);
        out.extend_from_slice(&text.as_bytes()[..whole]);
        return Written { quoted, cut: true };
    }
    let at = text.floor_char_boundary(at);
    out.extend_from_slice(&text.as_bytes()[..at]);
    let mut utf8 = [0; 4];
    for char in text[at..].chars() {
        let short = match char {
            '"' => Some(b'"'),
            '\\' => Some(b'\\'),
            '\n' => Some(b'n'),
            '\r' => Some(b'r'),
            '\t' => Some(b't'),
            _ => None,
        };
        if out.len() + WORST > end {
            return Written { quoted, cut: true };
        }
        if let Some(short) = short {
            out.extend_from_slice(&[b'\\', short]);
            quoted = true;
        } else if is_escaped(char) {
            let code = u32::from(char);
            let digit = |shift: u32| b"0123456789abcdef"[(code >> shift & 0xF) as usize];
            out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            quoted = true;
        } else {
            quoted |= matches!(char, ' ' | '=');
            out.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
        }
    }
    Written { quoted, cut: false }
}

/// All of them are below U+FFFF: one escape each.
const fn is_escaped(char: char) -> bool {
    matches!(char,
        '\0'..='\x1F' | '\x7F'..='\u{9F}'
        | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Says whether a name may stand there as it is.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| CLASS[usize::from(byte)] == PLAIN)
}

/// Writes a name: what no name may have becomes `_`.
pub(super) fn push_name(out: &mut Vec<u8>, name: &str) {
    if is_name(name) {
        return out.extend_from_slice(name.as_bytes());
    }
    if name.is_empty() {
        out.push(b'_');
    }
    let mut utf8 = [0; 4];
    for char in name.chars() {
        let splits = matches!(char, ' ' | '=' | '"' | '\\') || is_escaped(char);
        let char = if splits { '_' } else { char };
        out.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
    }
}
