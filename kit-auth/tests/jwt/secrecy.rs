//! What is shown of tokens, claims and keys: nothing.

use super::{
    AUDIENCE, ISSUER, NOW, PUBLIC, SECRET, SECRETS, base64url, claiming, key, knowing, knowing_all,
    public_pem, signed, token, verifier, with,
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use kit_auth::{
    Auth, Authenticator, Denied, Presented, Verdict,
    jwt::{Algorithm, Key, KeySet, Keys, TokenError, Verifier},
};
use serde_json::json;
use std::{error::Error, fmt::Debug};

/// What must not be seen, in the claims of each token here.
const MARK: &str = "hunter2";

/// A token that is wrong in each way, and all that is in it.
fn wrong() -> Vec<String> {
    let marked = |claim: &str| claiming(with(claim, MARK));
    let header = |header: serde_json::Value| {
        signed(Algorithm::EdDSA, header.to_string(), with("sub", MARK).to_string())
    };
    let mut late = with("sub", MARK);
    late["exp"] = json!(NOW - 100);
    let mut soon = with("sub", MARK);
    soon["nbf"] = json!(NOW + 100);
    let forged = claiming(with("sub", MARK));
    let (message, _) = forged.rsplit_once('.').unwrap();
    vec![
        format!("{MARK}{}", "x".repeat(9000)),
        MARK.to_owned(),
        format!("{MARK}.{MARK}.{MARK}"),
        base64url(json!({ MARK: MARK }).to_string()) + ".e30.AA",
        header(json!({ "alg": MARK })),
        header(json!({ "alg": "EdDSA", "typ": MARK })),
        header(json!({ "alg": "EdDSA", "kid": MARK })),
        header(json!({ "alg": "HS256", "kid": "EdDSA" })),
        header(json!({ "alg": "EdDSA", "crit": [MARK] })),
        format!("{message}.{}", base64url(MARK)),
        marked("iss"),
        marked("aud"),
        marked("exp"),
        marked("nbf"),
        claiming(with("aud", json!([MARK, 7]))),
        claiming(with("roles", json!({ MARK: 7 }))),
        claiming(format!("{{{}", with("sub", MARK))),
        claiming(late),
        claiming(soon),
        claiming({
            let mut claims = with("sub", MARK);
            claims.as_object_mut().unwrap().remove("exp");
            claims
        }),
    ]
}

/// All that an error says, and what it is due to.
fn said(error: &dyn Error) -> String {
    let mut said = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        said.push(format!("{error}\n{error:?}\n{error:#?}"));
        next = error.source();
    }
    said.join("\n")
}

/// Fails if a part of the token is there, or what it claims.
fn nothing_is_in(said: &str, token: &str) {
    assert!(!said.contains(MARK), "{said}");
    assert!(!said.to_ascii_lowercase().contains("ada"), "{said}");
    for part in token.split('.').filter(|part| part.len() > 8) {
        for start in [0, part.len() / 2] {
            let part = &part[start..];
            assert!(!said.contains(&part[..part.len().min(8)]), "{said}\nshows {part}");
        }
    }
}

fn denied(verifier: &Verifier, token: &str) -> Denied {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    match verifier.authenticate(&Presented::of(&headers)) {
        Verdict::Known(Err(denied)) => denied,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn no_error_shows_anything_of_a_token() {
    let verifier = knowing([key(Algorithm::EdDSA), key(Algorithm::ES256)]).realm("greetings");
    let mut seen = Vec::new();
    for token in wrong() {
        let error = verifier.verify(&token).expect_err(&token);
        nothing_is_in(&said(&error), &token);
        let denied = denied(&verifier, &token);
        nothing_is_in(&said(&denied), &token);
        let mut challenges = Vec::new();
        verifier.challenge(&denied, &mut challenges);
        nothing_is_in(&format!("{challenges:?}"), &token);
        // Where the header alone was too long, nobody looked at the token.
        if denied.source().is_some() {
            let source: &TokenError = denied.source().unwrap().downcast_ref().unwrap();
            assert_eq!(*source, error);
        }
        let reason = format!("{error:?}");
        seen.push(reason.split('(').next().unwrap().to_owned());
    }
    seen.sort();
    seen.dedup();
    let all = [
        "Algorithm",
        "Audience",
        "Claims",
        "Critical",
        "Early",
        "Expired",
        "Header",
        "Issuer",
        "Missing",
        "OtherAlgorithm",
        "Parts",
        "Signature",
        "TooLong",
        "Type",
        "UnknownKey",
    ];
    assert_eq!(seen, all, "each was there");
}

#[test]
fn an_error_says_one_thing_for_logs_in_words() {
    let errors = [
        (TokenError::NoKeys, "the token"),
        (TokenError::NoKeyId, "the token"),
        (TokenError::TooOld, "the token"),
        (TokenError::Missing("iat"), "no iat"),
        (TokenError::Expired(std::time::Duration::from_millis(6900)), "6 s ago"),
        (TokenError::Early(std::time::Duration::from_millis(6100)), "in 7 s"),
    ];
    for (error, part) in errors {
        let text = error.to_string();
        assert!(text.contains(part) && !text.ends_with('.'), "{text}");
        assert!(error.source().is_none());
    }
}

/// Without spaces and lines: the lists of a pretty `Debug` have many.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The bytes, in each way in which they may be shown.
fn forms(bytes: &[u8]) -> [String; 5] {
    let list = format!("{bytes:?}");
    let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    [
        String::from_utf8_lossy(bytes).into_owned(),
        base64url(bytes),
        hex.to_uppercase(),
        hex,
        list[1..list.len() - 1].to_owned(),
    ]
}

fn key_is_not_in(shown: &str, key: &[u8]) {
    let shown = dense(shown);
    for part in [&key[..8], &key[key.len() - 8..], &key[key.len() / 2..][..8]] {
        for form in forms(part) {
            assert!(!shown.contains(&dense(&form)), "{shown} shows {form}");
        }
    }
}

#[test]
fn what_looks_for_a_key_finds_it() {
    let key: Vec<u8> = (1..40).collect();
    let texts = [format!("{key:?}"), format!("{key:#?}"), base64url(&key), forms(&key)[3].clone()];
    for text in texts {
        std::panic::catch_unwind(|| key_is_not_in(&text, &key)).expect_err(&text);
    }
}

fn shown(value: &dyn Debug) -> String {
    format!("{value:?}\n{value:#?}")
}

#[test]
fn debug_shows_which_keys_there_are_and_nothing_of_them() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    for algorithms in [&PUBLIC[..], &SECRETS] {
        let keys: Vec<Key> = algorithms.iter().map(|algorithm| key(*algorithm)).collect();
        let set = KeySet::new(keys.clone()).unwrap();
        let shared = Keys::from(set.clone());
        let verifier: Verifier = Verifier::new(shared.clone(), ISSUER, AUDIENCE);
        let mut all = String::new();
        for key in &keys {
            let text = shown(key);
            assert!(text.contains(key.get_id().unwrap()), "{text}");
            all += &text;
        }
        let auth = Auth::new(knowing_all(algorithms));
        let values: [&dyn Debug; 5] = [&set, &shared, &verifier, &auth, &auth.layer()];
        for value in values {
            let text = shown(value);
            assert!(text.contains(&super::id(algorithms[0])), "{text}");
            all += &text;
        }
        key_is_not_in(&all, SECRET);
        for algorithm in algorithms.iter().filter(|algorithm| PUBLIC.contains(algorithm)) {
            let pem = std::str::from_utf8(public_pem(*algorithm)).unwrap();
            let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            assert!(!all.contains(&text[text.len() - 16..]));
            key_is_not_in(&all, &STANDARD.decode(text).unwrap());
        }
    }
}

#[test]
fn debug_of_keys_out_of_json_shows_nothing_of_them() {
    let n = [&[0xa5][..], &[0x5a; 254], &[1]].concat();
    let secret: Vec<u8> = (0..64).map(|byte| byte * 3 + 1).collect();
    let rsa = json!({ "kty": "RSA", "n": base64url(&n), "e": "AQAB", "kid": "rsa" }).to_string();
    let oct = json!({ "kty": "oct", "k": base64url(&secret), "kid": "oct" }).to_string();
    for (json, bytes) in [(rsa, &n), (oct, &secret)] {
        let key = Key::jwk(&json).unwrap();
        let text = shown(&key) + &shown(&KeySet::new([key]).unwrap());
        key_is_not_in(&text, bytes);
    }
}

#[test]
fn claims_are_shown_to_those_who_ask_for_them() {
    let claims = super::verified(&token());
    assert!(format!("{claims:?}").contains("ada"));
    // And not by who verifies.
    let verifier = verifier();
    verifier.verify(&token()).unwrap();
    nothing_is_in(&shown(&verifier), &token());
}
