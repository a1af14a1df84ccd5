//! Claims in the form in which nearly all are written, read without serde.
//!
//! Serde's way takes as long as all else that is done for a token beside its
//! signature. What is read here is a part of JSON: an object without space between
//! its members, of texts without escapes, lists of them, and whole numbers. All else
//! is left to serde, which reads the same where both read something.

use super::claims::{Claims, Many};
use std::time::Duration;

/// Reads claims, if they are of this form and each is there once.
pub(super) fn claims(json: &str) -> Option<Claims> {
    // No escape is anywhere, so that a text ends where the next quote is. All of it is
    // looked at, many bytes in one step.
    let is_odd = |byte| byte < b' ' || byte == b'\\';
    if json.bytes().fold(0, |odd, byte| odd | u8::from(is_odd(byte))) != 0 {
        return None;
    }
    let mut claims = Claims::default();
    let rest = &mut json.strip_prefix('{')?;
    loop {
        let name = text(rest)?;
        skip(rest, ':')?;
        match name {
            "iss" => once(&mut claims.issuer, text(rest)?.to_owned())?,
            "sub" => once(&mut claims.subject, text(rest)?.to_owned())?,
            "aud" => many(&mut claims.audience, rest)?,
            "exp" => once(&mut claims.expires, seconds(rest)?)?,
            "nbf" => once(&mut claims.not_before, seconds(rest)?)?,
            "iat" => once(&mut claims.issued, seconds(rest)?)?,
            "jti" => once(&mut claims.id, text(rest)?.to_owned())?,
            "client_id" => once(&mut claims.client_id, text(rest)?.to_owned())?,
            "scope" => once(&mut claims.scope, text(rest)?.to_owned())?,
            "roles" => many(&mut claims.roles, rest)?,
            _ => other(rest)?,
        }
        if skip(rest, ',').is_none() {
            return (*rest == "}").then_some(claims);
        }
    }
}

fn skip(rest: &mut &str, char: char) -> Option<()> {
    *rest = rest.strip_prefix(char)?;
    Some(())
}

fn once<T>(claim: &mut Option<T>, value: T) -> Option<()> {
    claim.replace(value).is_none().then_some(())
}

fn text<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let inner = rest.strip_prefix('"')?;
    let (text, after) = inner.split_at(inner.bytes().position(|byte| byte == b'"')?);
    *rest = &after[1..];
    Some(text)
}

/// One, or a list that is not empty: whether an empty one was there is not seen after.
fn many(claim: &mut Many, rest: &mut &str) -> Option<()> {
    if !claim.is_empty() {
        return None;
    }
    if skip(rest, '[').is_none() {
        claim.0.push(text(rest)?.to_owned());
        return Some(());
    }
    loop {
        claim.0.push(text(rest)?.to_owned());
        if skip(rest, ',').is_none() {
            return skip(rest, ']');
        }
    }
}

/// Not before 1970, and no part of one.
fn seconds(rest: &mut &str) -> Option<Duration> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at(length);
    // Fewer than a number may have, and none before them that says nothing.
    if !(1..=18).contains(&length) || digits.starts_with('0') {
        return None;
    }
    *rest = after;
    let number = digits.bytes().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(Duration::from_secs(number))
}

/// What nobody here asks for.
fn other(rest: &mut &str) -> Option<()> {
    for word in ["true", "false", "null"] {
        if let Some(after) = rest.strip_prefix(word) {
            *rest = after;
            return Some(());
        }
    }
    if rest.starts_with('"') { text(rest).map(drop) } else { seconds(rest).map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_serde(json: &str) -> Option<Claims> {
        crate::jwt::token::object(json)
    }

    #[test]
    fn the_usual_form_is_read_and_as_serde_reads_it() {
        for json in [
            r#"{"iss":"https://a.example","sub":"ada","aud":"b","exp":4000000000}"#,
            r#"{"iat":1,"nbf":2,"jti":"é","client_id":"","scope":"a b","roles":["c","d"]}"#,
            r#"{"aud":["a"],"roles":"r","x":"y","x":7,"t":true,"f":false,"n":null}"#,
            r#"{"exp":999999999999999999}"#,
        ] {
            let read = claims(json);
            assert!(read.is_some(), "{json}");
            assert_eq!(read, by_serde(json), "{json}");
        }
    }

    #[test]
    fn all_else_is_left_to_serde() {
        for json in [
            "",
            "{",
            "{}",
            "{}}",
            r#"{"sub":"a"} "#,
            r#" {"sub":"a"}"#,
            r#"{"sub": "a"}"#,
            r#"{"sub":"a",}"#,
            r#"{,"sub":"a"}"#,
            r#"{"sub":"a"}}"#,
            r#"{"sub":"a""iss":"b"}"#,
            r#"{"sub":"a"#,
            r#"{"sub":a}"#,
            r#"{"sub":null}"#,
            r#"{"sub":7}"#,
            r#"{"sub":"a\"b"}"#,
            r#"{"s\u0075b":"a"}"#,
            "{\"sub\":\"a\tb\"}",
            r#"{"sub":"a","sub":"a"}"#,
            r#"{"exp":1,"exp":1}"#,
            r#"{"aud":"a","aud":"b"}"#,
            r#"{"aud":[],"aud":"b"}"#,
            r#"{"aud":["a"],"aud":[]}"#,
            r#"{"aud":["a",]}"#,
            r#"{"aud":["a" ]}"#,
            r#"{"aud":["a",7]}"#,
            r#"{"aud":"a"]}"#,
            r#"{"exp":01}"#,
            r#"{"exp":1.5}"#,
            r#"{"exp":1e9}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":"1"}"#,
            r#"{"exp":}"#,
            r#"{"exp":9999999999999999999}"#,
            r#"{"x":tru}"#,
            r#"{"x":nulls}"#,
            r#"{"x":{}}"#,
            r#"{"x":[]}"#,
            r#"["a"]"#,
        ] {
            assert_eq!(claims(json), None, "{json}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_read_serde_reads_the_same(json in object(), cut in any::<(u8, char)>()) {
            if let Some(read) = claims(&json) {
                prop_assert_eq!(Some(read), by_serde(&json), "{}", json);
            }
            // And with another character somewhere.
            let (at, char) = cut;
            let mut chars: Vec<_> = json.chars().collect();
            let at = usize::from(at) % chars.len();
            chars[at] = char;
            let json: String = chars.into_iter().collect();
            if let Some(read) = claims(&json) {
                prop_assert_eq!(Some(read), by_serde(&json), "{}", json);
            }
        }
    }

    /// What may be claims, and often is.
    fn object() -> impl Strategy<Value = String> {
        let name = "(iss|sub|aud|exp|nbf|iat|jti|client_id|scope|roles|x|[a-z\"\\\\]{0,3})";
        let value = prop_oneof![
            "\"[a-z é]{0,4}\"",
            "[0-9]{1,20}",
            r"-?[0-9]\.?[0-9e]{0,3}",
            r"true|false|null|\{\}",
            r#"\[("[a-z]{0,2}"(,"[a-z]"){0,2})?\]"#,
            r#""\\u00e9""#,
            r#"["\[\]{},:a-z0-9]{0,4}"#,
        ];
        let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        let members = prop::collection::vec(member, 0..5);
        members.prop_map(|members| format!("{{{}}}", members.join(",")))
    }
}
