//! Whatever comes: nothing panics, and nothing but the token itself is taken (but
//! for what `signatures.rs` says of ECDSA, which is not met by chance).

use super::{SECRET, base64url, key, knowing, knowing_all, sealed, token_by, verifier};
use jsonwebtoken::EncodingKey;
use kit_auth::jwt::{Algorithm, TokenError};
use proptest::{collection::vec, prelude::*, sample::Index};

/// A part of a token, or what may stand for one.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_-]{0,40}",
        any::<Vec<u8>>().prop_map(base64url),
        json().prop_map(base64url),
        any::<String>(),
    ]
}

/// JSON, by what headers and claims are made of, and what is nearly JSON.
fn json() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("alg"),
        Just("kid"),
        Just("typ"),
        Just("crit"),
        Just("b64"),
        Just("exp"),
        Just("nbf"),
        Just("iat"),
        Just("iss"),
        Just("aud"),
        Just("sub"),
        Just("roles"),
        Just("scope"),
    ];
    let value = prop_oneof![
        Just("\"EdDSA\"".to_owned()),
        Just("\"HS256\"".to_owned()),
        Just("\"none\"".to_owned()),
        Just("\"https://login.example\"".to_owned()),
        Just("\"greeter\"".to_owned()),
        Just("[\"greeter\"]".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        any::<String>().prop_map(|text| format!("{text:?}")),
    ];
    vec((name, value), 0..8).prop_map(|members| {
        let member = |(name, value): &(&str, String)| format!("\"{name}\":{value}");
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
    })
}

/// What is done to a token.
#[derive(Debug, Clone)]
enum Change {
    Put(Index, char),
    Replace(Index, char),
    Remove(Index),
    Swap(Index, Index),
    Cut(Index),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let char = || {
        prop_oneof![
            "[A-Za-z0-9_.=+/-]".prop_map(|text| text.chars().next().unwrap()),
            any::<char>()
        ]
    };
    prop_oneof![
        (any::<Index>(), char()).prop_map(|(at, char)| Change::Put(at, char)),
        (any::<Index>(), char()).prop_map(|(at, char)| Change::Replace(at, char)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Swap(a, b)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Repeat(a, b)),
    ]
}

fn changed(token: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = token.chars().collect();
    for change in changes {
        let len = chars.len().max(1);
        if chars.is_empty() {
            chars.push('.');
        }
        match change {
            Change::Put(at, char) => chars.insert(at.index(len), *char),
            Change::Replace(at, char) => chars[at.index(len)] = *char,
            Change::Remove(at) => drop(chars.remove(at.index(len))),
            Change::Swap(a, b) => chars.swap(a.index(len), b.index(len)),
            Change::Cut(at) => chars.truncate(at.index(len)),
            Change::Repeat(a, b) => {
                let (a, b) = (a.index(len), b.index(len));
                let part = chars[a.min(b)..a.max(b)].to_vec();
                chars.splice(a..a, part);
            }
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token(text in any::<String>(), parts in vec(part(), 0..6)) {
        for text in [text, parts.join(".")] {
            prop_assert!(verifier().verify(&text).is_err(), "{}", text);
        }
    }

    #[test]
    fn a_token_that_was_changed_is_not_taken(
        changes in vec(change(), 1..4),
        algorithm in prop::sample::select(vec![Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA]),
    ) {
        let verifier = knowing([key(algorithm)]);
        let token = token_by(algorithm);
        let changed = changed(&token, &changes);
        let is_taken = verifier.verify(&changed).is_ok();
        prop_assert_eq!(is_taken, changed == token, "{}", changed);
    }

    #[test]
    fn what_is_rightly_signed_never_makes_it_panic(header in json(), claims in json()) {
        // The signature is right; whether it is taken is for the claims to say.
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let token = sealed(&EncodingKey::from_secret(SECRET), Algorithm::HS256, &message);
        let verified = knowing_all(&[Algorithm::HS256]).verify(&token);
        prop_assert_ne!(verified.err(), Some(TokenError::Signature));
    }

    #[test]
    fn any_bytes_that_are_rightly_signed_never_make_it_panic(
        header in prop_oneof![Just(br#"{"alg":"HS256"}"#.to_vec()), any::<Vec<u8>>()],
        claims in any::<Vec<u8>>(),
    ) {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let token = sealed(&EncodingKey::from_secret(SECRET), Algorithm::HS256, &message);
        let error = knowing_all(&[Algorithm::HS256]).verify(&token).unwrap_err();
        prop_assert_ne!(error, TokenError::Signature);
    }
}
