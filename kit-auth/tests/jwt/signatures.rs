//! Who signed it, and by what: each algorithm, and all that is done to pass for
//! another.

use super::{
    AUDIENCE, ISSUER, PUBLIC, SECRET, SECRETS, base64url, clock, good, header, id, key, knowing,
    knowing_all, private, public_pem, refusal, sealed, signed, token, token_by, verified, verifier,
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use kit_auth::jwt::{Algorithm, Claims, Key, KeySet, Keys, TokenError, Verifier};
use serde_json::{Value, json};
use std::{
    io::ErrorKind,
    net::TcpListener,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, SystemTime},
};

/// A key of an attacker's own: the private and the public one.
fn another() -> (EncodingKey, Vec<u8>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    (EncodingKey::from_ed_der(pkcs8.as_ref()), pair.public_key().as_ref().to_vec())
}

/// Says what is wrong with a token whose header is this, signed by an attacker.
fn forged(header: &Value) -> TokenError {
    let message = format!("{}.{}", base64url(header.to_string()), base64url(good().to_string()));
    refusal(&sealed(&another().0, Algorithm::EdDSA, &message))
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    STANDARD.decode(text.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

// ----- each algorithm

#[test]
fn a_token_of_each_algorithm_is_taken() {
    for algorithms in [&PUBLIC[..], &SECRETS] {
        let all = knowing_all(algorithms);
        for algorithm in algorithms {
            let token = token_by(*algorithm);
            let claims = knowing([key(*algorithm)]).verify(&token).expect(&token);
            assert_eq!(claims.subject.as_deref(), Some("ada"), "{algorithm:?}");
            let claims = all.verify(&token).expect(&token);
            assert_eq!(claims.subject.as_deref(), Some("ada"), "{algorithm:?} among others");
        }
    }
}

#[test]
fn a_token_of_another_algorithm_than_its_keys_is_refused() {
    for algorithms in [&PUBLIC[..], &SECRETS] {
        for of_key in algorithms {
            for of_token in algorithms.iter().filter(|other| *other != of_key) {
                // Rightly signed by it, and of the same kind of key, now and then.
                let header = json!({ "alg": id(*of_token), "kid": id(*of_key) }).to_string();
                let token = signed(*of_token, header, good().to_string());
                let verifier = knowing([key(*of_key)]);
                let error = verifier.verify(&token).unwrap_err();
                assert_eq!(error, TokenError::OtherAlgorithm, "{of_token:?} for {of_key:?}");

                let header = json!({ "alg": id(*of_token) }).to_string();
                let token = signed(*of_token, header, good().to_string());
                let error = verifier.verify(&token).unwrap_err();
                assert_eq!(error, TokenError::UnknownKey, "{of_token:?} for {of_key:?}");
            }
        }
    }
}

#[test]
fn the_algorithm_none_is_none() {
    let payload = base64url(good().to_string());
    let mac = token_by(Algorithm::HS256).rsplit_once('.').unwrap().1.to_owned();
    for verifier in [knowing_all(&PUBLIC), knowing_all(&SECRETS), verifier()] {
        for name in ["none", "None", "NONE", "nOnE", "", " none", "none ", "null"] {
            for kid in [None, Some("EdDSA"), Some("HS256"), Some("RS256")] {
                let header = base64url(json!({ "alg": name, "kid": kid }).to_string());
                for (signature, expected) in [
                    ("", TokenError::Parts),
                    ("AA", TokenError::Algorithm),
                    (&*mac, TokenError::Algorithm),
                ] {
                    let token = format!("{header}.{payload}.{signature}");
                    assert_eq!(verifier.verify(&token).unwrap_err(), expected, "{name:?}");
                }
                let token = format!("{header}.{payload}");
                assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Parts);
            }
        }
    }
}

#[test]
fn an_algorithm_is_a_name_that_is_known() {
    for (alg, expected) in [
        (json!("ES521"), TokenError::Algorithm),
        (json!("ES512"), TokenError::Algorithm),
        (json!("ES256K"), TokenError::Algorithm),
        (json!("eddsa"), TokenError::Algorithm),
        (json!("EDDSA"), TokenError::Algorithm),
        (json!("EdDSA "), TokenError::Algorithm),
        (json!("EdDSA\0"), TokenError::Algorithm),
        (json!("A256KW"), TokenError::Algorithm),
        (json!("RSA-OAEP"), TokenError::Algorithm),
        (json!(null), TokenError::Header),
        (json!(true), TokenError::Header),
        (json!(0), TokenError::Header),
        (json!(["EdDSA"]), TokenError::Header),
        (json!({ "EdDSA": true }), TokenError::Header),
    ] {
        let header = json!({ "alg": alg, "kid": "EdDSA" }).to_string();
        let token = signed(Algorithm::EdDSA, header, good().to_string());
        assert_eq!(refusal(&token), expected, "{alg}");
    }
    let token = signed(Algorithm::EdDSA, r#"{"kid":"EdDSA","typ":"JWT"}"#, good().to_string());
    assert_eq!(refusal(&token), TokenError::Header, "it says none");
    verified(&signed(Algorithm::EdDSA, r#"{"alg":"Ed\u0044SA"}"#, good().to_string()));
}

// ----- a public key as a secret

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let pem = public_pem(algorithm);
        let (der, text) = (der(pem), std::str::from_utf8(pem).unwrap());
        let secrets = [
            pem,
            text.trim_end().as_bytes(),
            text.lines().collect::<String>().leak().as_bytes(),
            text.replace('\n', "\r\n").leak().as_bytes(),
            &der,
            // The point, or the number, without what says whose it is.
            &der[der.len().saturating_sub(65)..],
            &der[der.len().saturating_sub(64)..],
            &der[der.len() - 32..],
            &der[12..],
            &der[24..],
            b"",
        ];
        for secret in secrets {
            for by in SECRETS {
                for header in [
                    json!({ "alg": id(by), "kid": id(algorithm) }),
                    json!({ "alg": id(by), "kid": id(by) }),
                    json!({ "alg": id(by) }),
                ] {
                    let message = format!(
                        "{}.{}",
                        base64url(header.to_string()),
                        base64url(good().to_string())
                    );
                    let token = sealed(&EncodingKey::from_secret(secret), by, &message);
                    for verifier in [knowing([key(algorithm)]), knowing_all(&PUBLIC)] {
                        let error = verifier.verify(&token).unwrap_err();
                        let is_expected = error
                            == if header["kid"] == id(algorithm) {
                                TokenError::OtherAlgorithm
                            } else {
                                TokenError::UnknownKey
                            };
                        assert!(is_expected, "{error:?}: {header}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_signature_is_never_taken_for_that_of_a_secret() {
    for algorithm in PUBLIC {
        let header = json!({ "alg": id(algorithm), "kid": "HS256" }).to_string();
        let token = signed(algorithm, header, good().to_string());
        let error = knowing([key(Algorithm::HS256)]).verify(&token).unwrap_err();
        assert_eq!(error, TokenError::OtherAlgorithm);
        // The header changed, the signature not.
        let (_, rest) = token.split_once('.').unwrap();
        let header = base64url(super::header(Algorithm::HS256).to_string());
        let error = knowing([key(Algorithm::HS256)]).verify(&format!("{header}.{rest}"));
        assert_eq!(error.unwrap_err(), TokenError::Signature);
    }
}

// ----- the key that a token brings along

#[test]
fn a_key_that_a_token_brings_along_is_ignored() {
    // Whoever fetched would have to connect.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let (own, public) = another();
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "EdDSA", "x": base64url(&public),
    });
    let certificate = STANDARD.encode(der(public_pem(Algorithm::EdDSA)));
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jwk", json!({ "keys": [jwk] })),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([certificate])),
        ("x5t", json!(base64url([7; 20]))),
        ("x5t#S256", json!(base64url([7; 32]))),
        // What a reader of headers may stumble over.
        ("jwk", json!(7)),
        ("jku", json!(["file:///etc/passwd", null])),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
    ] {
        for kid in [None, Some("EdDSA")] {
            let mut header = json!({ "alg": "EdDSA", "kid": kid });
            header[name] = value.clone();
            let message =
                format!("{}.{}", base64url(header.to_string()), base64url(good().to_string()));
            let token = sealed(&own, Algorithm::EdDSA, &message);
            assert_eq!(refusal(&token), TokenError::Signature, "{header}");
            // It is no offence either.
            verified(&signed(Algorithm::EdDSA, header.to_string(), good().to_string()));
        }
        let mut header = json!({ "alg": "EdDSA", "kid": "mine" });
        header[name] = value;
        assert_eq!(forged(&header), TokenError::UnknownKey);
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "it was fetched");
}

#[test]
fn the_id_of_a_key_is_a_name_and_nothing_else() {
    let verifier = verifier().max_token(1 << 20);
    let long = "k".repeat(100 * 1024);
    for kid in [
        "../../../../../../dev/null",
        "/dev/null",
        "../keys/ed.pub.pem",
        "file:///etc/passwd",
        "http://127.0.0.1/keys",
        "EdDSA\0",
        "\0EdDSA",
        "EdDSA\0.pem",
        "' OR '1'='1",
        "x' UNION SELECT 'secret';--",
        "1; DROP TABLE keys",
        "EdDSA; sleep 9",
        "$(id)",
        "| id",
        "%2e%2e%2f",
        "{{7*7}}",
        "*",
        "%",
        ".*",
        "",
        " EdDSA",
        "EdDSA ",
        "eddsa",
        "EDDSA",
        "EdDSA\r\nx: y",
        "\u{202e}ASDdE",
        "\u{feff}EdDSA",
        "ＥdDSA",
        "💥",
        &long,
    ] {
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        // Rightly signed, and by an empty secret for good measure.
        let token = signed(Algorithm::EdDSA, header, good().to_string());
        assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::UnknownKey, "{kid:.40}");
        let header = json!({ "alg": "HS256", "kid": kid }).to_string();
        let message = format!("{}.{}", base64url(header), base64url(good().to_string()));
        for secret in [&b""[..], b"\0", &[0; 32]] {
            let token = sealed(&EncodingKey::from_secret(secret), Algorithm::HS256, &message);
            assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::UnknownKey);
            let error = knowing_all(&SECRETS).max_token(1 << 20).verify(&token).unwrap_err();
            assert_eq!(error, TokenError::UnknownKey);
        }
    }
    let header = json!({ "alg": "EdDSA", "kid": long }).to_string();
    let token = signed(Algorithm::EdDSA, header, good().to_string());
    assert_eq!(refusal(&token), TokenError::TooLong);
    for kid in [json!(7), json!(true), json!(["EdDSA"]), json!({ "EdDSA": 1 })] {
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        let token = signed(Algorithm::EdDSA, header, good().to_string());
        assert_eq!(refusal(&token), TokenError::Header, "{kid}");
    }
    verified(&signed(Algorithm::EdDSA, r#"{"alg":"EdDSA","kid":null}"#, good().to_string()));
}

// ----- whose signature

#[test]
fn a_signature_of_another_key_is_not_right() {
    let (own, public) = another();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(public), "kid": "b" });
    let two = knowing([key(Algorithm::EdDSA).id("a"), Key::jwk(&jwk.to_string()).unwrap()]);
    let message = |kid: &str| {
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        format!("{}.{}", base64url(header), base64url(good().to_string()))
    };
    let a = private(Algorithm::EdDSA);
    for (signer, kid, is_right) in
        [(&a, "a", true), (&own, "b", true), (&own, "a", false), (&a, "b", false)]
    {
        let verified = two.verify(&sealed(signer, Algorithm::EdDSA, &message(kid)));
        match verified {
            Ok(_) => assert!(is_right, "{kid}"),
            Err(error) => assert_eq!((error, is_right), (TokenError::Signature, false), "{kid}"),
        }
    }
}

#[test]
fn without_an_id_there_must_be_one_key_of_the_algorithm() {
    let bare = signed(Algorithm::EdDSA, r#"{"alg":"EdDSA"}"#, good().to_string());
    knowing_all(&PUBLIC).verify(&bare).unwrap();
    let (_, public) = another();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(public) });
    let other = Key::jwk(&jwk.to_string()).unwrap();
    for two in [[key(Algorithm::EdDSA), other.clone()], [other, key(Algorithm::EdDSA).id("a")]] {
        assert_eq!(knowing(two).verify(&bare).unwrap_err(), TokenError::NoKeyId);
    }
    let none = knowing([key(Algorithm::ES256)]).verify(&bare);
    assert_eq!(none.unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn one_key_without_an_id_serves_any_id_and_among_several_none() {
    let nameless = Key::pem(Algorithm::EdDSA, public_pem(Algorithm::EdDSA)).unwrap();
    knowing([nameless.clone()]).verify(&token()).unwrap();
    let several = knowing([nameless.clone(), key(Algorithm::ES256)]);
    assert_eq!(several.verify(&token()).unwrap_err(), TokenError::UnknownKey);
    let es256 = token_by(Algorithm::ES256);
    let error = knowing([nameless]).verify(&es256).unwrap_err();
    assert_eq!(error, TokenError::OtherAlgorithm);
}

#[test]
fn no_bit_of_a_token_can_be_another() {
    for algorithm in [Algorithm::HS256, Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
        let verifier = knowing([key(algorithm)]);
        let token = token_by(algorithm);
        let parts: Vec<_> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        let mut seen = [0; 3];
        for (at, part) in parts.iter().enumerate() {
            for bit in 0..part.len() * 8 {
                let mut changed = parts.clone();
                changed[at][bit / 8] ^= 1 << (bit % 8);
                let changed = changed.iter().map(base64url).collect::<Vec<_>>().join(".");
                let error = verifier.verify(&changed).expect_err(&changed);
                let is_expected = match at {
                    0 => error != TokenError::Parts,
                    _ => error == TokenError::Signature,
                };
                assert!(is_expected, "{algorithm:?}, part {at}, bit {bit}: {error:?}");
                seen[at] += 1;
            }
        }
        assert!(seen.iter().all(|bits| *bits >= 256), "{seen:?}");
    }
}

#[test]
fn a_token_that_is_cut_or_longer_is_refused() {
    for algorithm in [Algorithm::HS512, Algorithm::EdDSA, Algorithm::ES384, Algorithm::PS256] {
        let verifier = knowing([key(algorithm)]);
        let token = token_by(algorithm);
        verifier.verify(&token).unwrap();
        for end in 0..token.len() {
            verifier.verify(&token[..end]).expect_err("its end is gone");
        }
        for start in 1..token.len() {
            verifier.verify(&token[start..]).expect_err("its start is gone");
        }
        for more in ["A", "AA", "AAA", "AAAA", ".", ".A", " ", "\n", "\0", "=", "=="] {
            verifier.verify(&format!("{token}{more}")).expect_err("there is more after it");
            verifier.verify(&format!("{more}{token}")).expect_err("there is more before it");
        }
    }
}

#[test]
fn a_signature_is_of_the_header_and_the_claims() {
    let (one, other) = (token(), super::claiming(super::with("sub", "eve")));
    let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
    let mixed = format!("{}.{}.{}", part(&one, 0), part(&other, 1), part(&one, 2));
    assert_eq!(refusal(&mixed), TokenError::Signature);
    // The same claims, written otherwise.
    let header = json!({ "typ": "JWT", "alg": "EdDSA", "kid": "EdDSA", "a": 1 }).to_string();
    let mixed = format!("{}.{}.{}", base64url(header), part(&one, 1), part(&one, 2));
    assert_eq!(refusal(&mixed), TokenError::Signature);
}

#[test]
fn a_signature_of_zeros_or_in_another_form_is_not_right() {
    // ECDSA: zeros (CVE-2022-21449), and the form of X.509 (RFC 7518, section 3.4, has
    // another); and RSA's of one byte less or more.
    let es = base64url(header(Algorithm::ES256).to_string());
    let message = format!("{es}.{}", base64url(good().to_string()));
    let verifier = knowing([key(Algorithm::ES256)]);
    let right = token_by(Algorithm::ES256);
    let right = URL_SAFE_NO_PAD.decode(right.rsplit_once('.').unwrap().1).unwrap();
    let (r, s) = right.split_at(32);
    let mut der = vec![0x30, 70, 2, 33, 0];
    der.extend(r);
    der.extend([2, 33, 0]);
    der.extend(s);
    let long: Vec<u8> = [&[0][..], r, &[0], s].concat();
    for signature in [vec![0; 64], vec![0; 1], [vec![0; 63], vec![1]].concat(), der, long] {
        let token = format!("{message}.{}", base64url(signature));
        assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Signature);
    }
    let token = token_by(Algorithm::RS256);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let verifier = knowing([key(Algorithm::RS256)]);
    for other in [
        signature[1..].to_vec(),
        signature[..255].to_vec(),
        [&[0][..], &signature].concat(),
        [&signature[..], &[0]].concat(),
        vec![0; 256],
        vec![0xff; 256],
        [vec![0; 255], vec![1]].concat(),
    ] {
        let token = format!("{message}.{}", base64url(other));
        assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Signature);
    }
}

#[test]
fn a_signature_of_ecdsa_has_a_twin_that_is_as_right() {
    // Of (r, s) it is (r, n - s): so who wants to know a token again takes its `jti`,
    // and not its text. It says the same, and for as long.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let token = token_by(Algorithm::ES256);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut twin = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = false;
    for (byte, order) in twin[32..].iter_mut().zip(ORDER).rev() {
        let (rest, under) = order.overflowing_sub(*byte);
        let (rest, under_too) = rest.overflowing_sub(u8::from(borrow));
        (*byte, borrow) = (rest, under || under_too);
    }
    let twin = format!("{message}.{}", base64url(twin));
    assert_ne!(twin, token);
    let verifier = knowing([key(Algorithm::ES256)]);
    assert_eq!(*verifier.verify(&twin).unwrap(), *verifier.verify(&token).unwrap());
}

// ----- keys that change

#[test]
fn without_keys_nothing_is_known_of_a_token() {
    let keys = Keys::empty();
    let verifier: Verifier<Claims> = Verifier::new(keys.clone(), ISSUER, AUDIENCE).clock(clock);
    assert!(keys.current().is_none());
    assert_eq!(verifier.verify(&token()).unwrap_err(), TokenError::NoKeys);
    // What is no token is none, keys or not.
    assert_eq!(verifier.verify("AAAA.AAAA.AAAA").unwrap_err(), TokenError::Header);
    keys.set(KeySet::new([key(Algorithm::EdDSA)]).unwrap());
    verifier.verify(&token()).unwrap();
    assert_eq!(verifier.keys().current().unwrap().keys().len(), 1);
    keys.clear();
    assert_eq!(verifier.verify(&token()).unwrap_err(), TokenError::NoKeys);
}

#[test]
fn a_key_that_is_withdrawn_while_it_is_used_verifies_nothing_any_more() {
    a_key_is_withdrawn(|verifier| verifier);
}

#[test]
fn nor_is_what_it_verified_remembered() {
    a_key_is_withdrawn(|verifier| verifier.cache(8));
}

/// Tells all threads that one of them has failed: they wait for each other.
struct Failing<'a>(&'a AtomicBool);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

fn a_key_is_withdrawn(remembering: fn(Verifier) -> Verifier) {
    const STAGES: usize = 3;
    let (new, public) = another();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(public), "kid": "new" });
    let new_key = Key::jwk(&jwk.to_string()).unwrap();
    let header = json!({ "alg": "EdDSA", "kid": "new" }).to_string();
    let message = format!("{}.{}", base64url(header), base64url(good().to_string()));
    let new_token = sealed(&new, Algorithm::EdDSA, &message);
    let old_token = token();

    let keys = Keys::from(KeySet::new([key(Algorithm::EdDSA)]).unwrap());
    // What has been set: the old key, both, the new one.
    let stage = AtomicUsize::new(0);
    let rounds = [const { AtomicUsize::new(0) }; STAGES];
    let has_failed = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let verifier = Verifier::new(keys.clone(), ISSUER, AUDIENCE).clock(clock);
                let verifier = remembering(verifier);
                let _failing = Failing(&has_failed);
                while !has_failed.load(Ordering::SeqCst) {
                    let before = stage.load(Ordering::SeqCst);
                    let (old, new) = (verifier.verify(&old_token), verifier.verify(&new_token));
                    let after = stage.load(Ordering::SeqCst);
                    // The keys change before the stage does.
                    if before >= 2 {
                        assert_eq!(old.unwrap_err(), TokenError::UnknownKey, "it was withdrawn");
                    } else if after == 0 {
                        old.unwrap();
                    }
                    if before >= 1 {
                        new.unwrap();
                    }
                    rounds[before].fetch_add(1, Ordering::SeqCst);
                    if before == 2 && rounds[2].load(Ordering::SeqCst) >= 200 {
                        break;
                    }
                }
            });
        }
        let wait = |stage: usize| {
            while rounds[stage].load(Ordering::SeqCst) < 200 && !has_failed.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        };
        wait(0);
        keys.set(KeySet::new([key(Algorithm::EdDSA), new_key.clone()]).unwrap());
        stage.store(1, Ordering::SeqCst);
        wait(1);
        keys.set(KeySet::new([new_key.clone()]).unwrap());
        stage.store(2, Ordering::SeqCst);
        wait(2);
    });
    let rounds = rounds.map(AtomicUsize::into_inner);
    assert!(rounds.iter().all(|rounds| *rounds >= 200), "{rounds:?}");
}

#[test]
fn what_was_verified_is_not_remembered_by_another_policy() {
    fn late() -> SystemTime {
        clock() + Duration::from_mins(1)
    }
    let policies: [fn(Verifier) -> Verifier; 5] = [
        |verifier| verifier.types(["secevent+jwt"]),
        |verifier| verifier.max_token(9),
        |verifier| verifier.max_age(Duration::from_secs(9)),
        |verifier| verifier.clock(late).leeway(Duration::ZERO),
        |verifier| verifier.claims::<u8>().claims().types(["secevent+jwt"]),
    ];
    let token = token();
    for stricter in policies {
        let verifier = verifier().cache(8);
        for _ in 0..3 {
            verifier.verify(&token).unwrap();
        }
        stricter(verifier).verify(&token).unwrap_err();
    }
}

#[test]
fn a_key_comes_back_under_its_id_as_another() {
    let keys = Keys::from(KeySet::new([key(Algorithm::HS256)]).unwrap());
    let verifier: Verifier = Verifier::new(keys.clone(), ISSUER, AUDIENCE).clock(clock);
    let token = token_by(Algorithm::HS256);
    verifier.verify(&token).unwrap();
    let mut other = *SECRET;
    other[63] ^= 1;
    let other = Key::secret(Algorithm::HS256, &other).unwrap().id("HS256");
    keys.set(KeySet::new([other]).unwrap());
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Signature);
}

// ----- headers that were seen before

#[test]
fn a_header_that_was_seen_makes_no_other_token_right() {
    let verifier = verifier();
    verifier.verify(&token()).unwrap();
    let (header, _) = token().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let message = format!("{header}.{}", base64url(good().to_string()));
    let (stranger, _) = another();
    let forged = sealed(&stranger, Algorithm::EdDSA, &message);
    assert_eq!(verifier.verify(&forged).unwrap_err(), TokenError::Signature);
    // Nor does the header of what was not right become one that was seen.
    assert_eq!(verifier.verify(&forged).unwrap_err(), TokenError::Signature);
    verifier.verify(&token()).unwrap();
}

#[test]
fn a_header_that_was_seen_finds_its_key_wherever_it_is() {
    let all = |order: &[Algorithm]| KeySet::new(order.iter().map(|it| key(*it))).unwrap();
    let keys = Keys::from(all(&PUBLIC));
    let verifier: Verifier = Verifier::new(keys.clone(), ISSUER, AUDIENCE).clock(clock);
    let mut order = PUBLIC;
    for _ in 0..3 {
        for algorithm in PUBLIC {
            // As one that was not seen, and as one that was.
            verifier.verify(&token_by(algorithm)).unwrap();
            verifier.verify(&token_by(algorithm)).unwrap();
        }
        order.rotate_left(2);
        keys.set(all(&order));
    }
    // One is withdrawn: the others are found, and it is not.
    keys.set(all(&order[1..]));
    let error = verifier.verify(&token_by(order[0])).unwrap_err();
    assert_eq!(error, TokenError::UnknownKey);
    verifier.verify(&token_by(order[1])).unwrap();
}

#[test]
fn a_header_that_one_verifier_has_seen_another_may_refuse() {
    let keys = Keys::from(KeySet::new([key(Algorithm::EdDSA)]).unwrap());
    let of = |types: &[&str]| {
        Verifier::new(keys.clone(), ISSUER, AUDIENCE).clock(clock).types(types.iter().copied())
    };
    let (one, other): (Verifier, Verifier) = (of(&["secevent+jwt"]), of(&["JWT"]));
    let typed = |kind| {
        let header = json!({ "alg": "EdDSA", "kid": "EdDSA", "typ": kind }).to_string();
        signed(Algorithm::EdDSA, header, good().to_string())
    };
    let (event, usual) = (typed("secevent+jwt"), typed("JWT"));
    for _ in 0..2 {
        one.verify(&event).unwrap();
        assert_eq!(other.verify(&event).unwrap_err(), TokenError::Type);
        other.verify(&usual).unwrap();
        assert_eq!(one.verify(&usual).unwrap_err(), TokenError::Type);
    }
}
