//! Keys and sets of them: which are taken, and why others are not.

#![cfg(feature = "jwt")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use kit_auth::jwt::{Algorithm, BadKey, BadKeySet, BadSet, Key, KeySet, TokenError};
use serde_json::{Value, json};
use std::slice;

const RSA: &[u8] = include_bytes!("keys/rsa.pub.pem");
const EC: &[u8] = include_bytes!("keys/ec.pub.pem");
const EC384: &[u8] = include_bytes!("keys/ec384.pub.pem");
const ED: &[u8] = include_bytes!("keys/ed.pub.pem");
const WEAK: &[u8] = include_bytes!("keys/weak.pub.pem");

const RSA_KINDS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const SECRETS: [(Algorithm, usize); 3] =
    [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)];

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    STANDARD.decode(text.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

fn pem(tag: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n")).into_bytes()
}

/// The modulus of an RSA key, which its exponent follows: 65537.
fn modulus(pem: &[u8], bytes: usize) -> Vec<u8> {
    let der = der(pem);
    let (rest, exponent) = der.split_at(der.len() - 5);
    assert_eq!(exponent, [2, 3, 1, 0, 1]);
    rest[rest.len() - bytes..].to_vec()
}

/// The coordinates of a point, which end the key.
fn point(pem: &[u8], bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let der = der(pem);
    let (x, y) = der[der.len() - 2 * bytes..].split_at(bytes);
    (x.to_vec(), y.to_vec())
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "n": base64url(modulus(RSA, 256)), "e": "AQAB" })
}

fn ec_of(curve: &str, x: &[u8], y: &[u8]) -> Value {
    json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
}

fn ec() -> Value {
    let (x, y) = point(EC, 32);
    ec_of("P-256", &x, &y)
}

fn ec384() -> Value {
    let (x, y) = point(EC384, 48);
    ec_of("P-384", &x, &y)
}

fn ed_of(x: &[u8]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(x) })
}

fn ed() -> Value {
    let der = der(ED);
    ed_of(&der[der.len() - 32..])
}

fn oct(bytes: usize) -> Value {
    let secret: Vec<u8> = (1..).take(bytes).collect();
    json!({ "kty": "oct", "k": base64url(secret) })
}

/// The same with other members, or without those that are null here.
fn with(mut key: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        let all = key.as_object_mut().unwrap();
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    key
}

fn jwk(key: &Value) -> Result<Key, BadKey> {
    Key::jwk(&key.to_string())
}

fn jwks(keys: &[Value]) -> Result<KeySet, BadKeySet> {
    KeySet::jwks(json!({ "keys": keys }).to_string().as_bytes())
}

/// Why the set is not taken.
fn reasons(keys: &[Value]) -> Vec<BadSet> {
    jwks(keys).unwrap_err().reasons().to_vec()
}

/// What is said of the keys of a set: place, id and fault.
fn faults(keys: &[Value]) -> Vec<(usize, Option<String>, BadKey)> {
    let fault = |bad| match bad {
        BadSet::Key { at, id, bad, .. } => (at, id, bad),
        other => panic!("{other:?}"),
    };
    reasons(keys).into_iter().map(fault).collect()
}

/// Says whether the key verifies what the key of the same name signs.
fn is_the_tests_own(key: Key) -> bool {
    use jsonwebtoken::{AlgorithmFamily, EncodingKey, crypto::sign};
    let algorithm = key.algorithm();
    let private = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(include_bytes!("keys/ec.pem")),
        Algorithm::ES384 => EncodingKey::from_ec_pem(include_bytes!("keys/ec384.pem")),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(include_bytes!("keys/ed.pem")),
        _ if algorithm.family() == AlgorithmFamily::Hmac => {
            Ok(EncodingKey::from_secret(&(1..=64).collect::<Vec<u8>>()))
        }
        _ => EncodingKey::from_rsa_pem(include_bytes!("keys/rsa.pem")),
    };
    let header = base64url(json!({ "alg": format!("{algorithm:?}") }).to_string());
    let message = format!("{header}.{}", base64url("anything"));
    let signature = sign(message.as_bytes(), &private.unwrap(), algorithm).unwrap();
    let set = KeySet::new([key]).unwrap();
    match set.payload(&format!("{message}.{signature}")) {
        Ok(payload) => payload == b"anything",
        Err(error) => {
            assert_eq!(error, TokenError::Signature);
            false
        }
    }
}

// ----- PEM

#[test]
fn a_public_key_in_pem_is_taken_for_its_algorithm() {
    let mut all = RSA_KINDS.map(|algorithm| (algorithm, RSA)).to_vec();
    all.extend([(Algorithm::ES256, EC), (Algorithm::ES384, EC384), (Algorithm::EdDSA, ED)]);
    for (algorithm, pem) in all {
        let key = Key::pem(algorithm, pem).unwrap();
        assert_eq!((key.algorithm(), key.get_id()), (algorithm, None));
        assert!(is_the_tests_own(key), "{algorithm:?}");
        // However its lines end, and whatever is written around it.
        let text = std::str::from_utf8(pem).unwrap();
        let texts =
            [text.replace('\n', "\r\n"), format!("A key:\n\n{text}\n\n"), text.trim().into()];
        for text in texts {
            assert!(is_the_tests_own(Key::pem(algorithm, text.as_bytes()).unwrap()), "{text}");
        }
    }
    // Without what says that it is of RSA (RFC 8017).
    let pkcs1 = pem("RSA PUBLIC KEY", &der(RSA)[24..]);
    assert!(is_the_tests_own(Key::pem(Algorithm::PS384, &pkcs1).unwrap()));
}

#[test]
fn a_public_key_of_another_kind_is_refused() {
    for (algorithm, pem, expected) in [
        (Algorithm::RS256, EC, BadKey::NotPem),
        (Algorithm::RS256, ED, BadKey::NotPem),
        (Algorithm::PS512, EC384, BadKey::NotPem),
        (Algorithm::ES256, RSA, BadKey::NotPem),
        (Algorithm::ES256, ED, BadKey::NotPem),
        (Algorithm::ES384, ED, BadKey::NotPem),
        (Algorithm::EdDSA, RSA, BadKey::NotPem),
        (Algorithm::EdDSA, EC, BadKey::NotPem),
        // Of the kind, and another curve.
        (Algorithm::ES256, EC384, BadKey::Point),
        (Algorithm::ES384, EC, BadKey::Point),
        (Algorithm::HS256, RSA, BadKey::Algorithm),
        (Algorithm::HS384, EC, BadKey::Algorithm),
        (Algorithm::HS512, ED, BadKey::Algorithm),
    ] {
        assert_eq!(Key::pem(algorithm, pem).unwrap_err(), expected, "{algorithm:?}");
    }
    // X25519 is no key to sign with, though it is as long.
    let mut x25519 = der(ED);
    assert_eq!(x25519[8], 112);
    x25519[8] = 110;
    let error = Key::pem(Algorithm::EdDSA, &pem("PUBLIC KEY", &x25519)).unwrap_err();
    assert_eq!(error, BadKey::NotPem);
}

#[test]
fn what_is_no_pem_is_refused() {
    let text = std::str::from_utf8(EC).unwrap();
    let certificate = text.replace("PUBLIC KEY", "CERTIFICATE");
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        for bad in [
            &b""[..],
            b"\0",
            b"\xff\xfe",
            b"not PEM",
            b"-----BEGIN PUBLIC KEY-----",
            b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----\n",
            &der(EC),
            ec().to_string().as_bytes(),
            &EC[..EC.len() / 2],
            text.replace("-----END PUBLIC", "-----END OTHER").as_bytes(),
            text.replace("PUBLIC KEY", "EC PARAMETERS").as_bytes(),
            certificate.as_bytes(),
            &pem("RSA PUBLIC KEY", &der(EC)),
            &pem("PUBLIC KEY", &der(RSA)[..200]),
        ] {
            let error = Key::pem(algorithm, bad).unwrap_err();
            assert_eq!(error, BadKey::NotPem, "{algorithm:?}: {}", String::from_utf8_lossy(bad));
        }
    }
}

#[test]
fn of_several_keys_in_pem_none_is_picked() {
    for two in [[EC, ED].concat(), [ED, EC].concat(), [EC, EC].concat()] {
        assert_eq!(Key::pem(Algorithm::ES256, &two).unwrap_err(), BadKey::NotPem);
    }
}

#[test]
fn a_point_in_pem_that_is_not_on_its_curve_is_refused() {
    for (algorithm, key) in [(Algorithm::ES256, EC), (Algorithm::ES384, EC384)] {
        let mut der = der(key);
        *der.last_mut().unwrap() ^= 1;
        let error = Key::pem(algorithm, &pem("PUBLIC KEY", &der)).unwrap_err();
        assert_eq!(error, BadKey::Point);
    }
}

#[test]
fn a_private_key_is_refused_as_such() {
    let keys: [(Algorithm, &[u8]); 4] = [
        (Algorithm::RS256, include_bytes!("keys/rsa.pem")),
        (Algorithm::ES256, include_bytes!("keys/ec.pem")),
        (Algorithm::ES384, include_bytes!("keys/ec384.pem")),
        (Algorithm::EdDSA, include_bytes!("keys/ed.pem")),
    ];
    for (algorithm, key) in keys {
        assert_eq!(Key::pem(algorithm, key).unwrap_err(), BadKey::Private);
        let text = std::str::from_utf8(key).unwrap();
        for kind in ["EC PRIVATE", "RSA PRIVATE", "ENCRYPTED PRIVATE", "OPENSSH PRIVATE"] {
            let other = text.replace("PRIVATE", kind);
            assert_eq!(Key::pem(algorithm, other.as_bytes()).unwrap_err(), BadKey::Private);
        }
        for both in [[key, EC].concat(), [EC, key].concat()] {
            assert_eq!(Key::pem(algorithm, &both).unwrap_err(), BadKey::Private);
        }
    }
    for key in [ec(), ec384(), ed(), rsa()] {
        for private in ["d", "p"] {
            let key = with(key.clone(), &json!({ private: "AQAB" }));
            assert_eq!(jwk(&key).unwrap_err(), BadKey::Private, "{key}");
            assert_eq!(faults(&[key]), [(0, None, BadKey::Private)]);
        }
    }
}

// ----- secrets

#[test]
fn a_secret_is_as_long_as_its_hash_at_least() {
    for (algorithm, least) in SECRETS {
        for bytes in [0, 1, 16, least - 1] {
            let short = BadKey::ShortSecret { bytes, least };
            assert_eq!(Key::secret(algorithm, &vec![7; bytes]).unwrap_err(), short);
            let key = with(oct(bytes), &json!({ "alg": format!("{algorithm:?}") }));
            assert_eq!(jwk(&key).unwrap_err(), short);
        }
        for bytes in [least, least + 1, 64, 65, 128, 129, 4096] {
            Key::secret(algorithm, &vec![7; bytes]).unwrap();
        }
        let key = with(oct(64), &json!({ "alg": format!("{algorithm:?}") }));
        assert!(is_the_tests_own(jwk(&key).unwrap()));
    }
    assert_eq!(jwk(&oct(64)).unwrap().algorithm(), Algorithm::HS256);
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES384, Algorithm::EdDSA] {
        assert_eq!(Key::secret(algorithm, &[7; 64]).unwrap_err(), BadKey::Algorithm);
    }
}

// ----- RSA

/// Says what is wrong with an RSA key, if something is.
fn rsa_of(n: &[u8], e: &[u8]) -> Result<Key, BadKey> {
    jwk(&json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) }))
}

/// A number of so many bits, and odd.
fn odd(bits: usize) -> Vec<u8> {
    let mut number = vec![0x5a; bits.div_ceil(8)];
    let high = (bits - 1) % 8;
    number[0] = (number[0] & ((1 << high) - 1)) | (1 << high);
    *number.last_mut().unwrap() |= 1;
    number
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits() {
    assert_eq!(Key::pem(Algorithm::RS256, WEAK).unwrap_err(), BadKey::RsaBits(1024));
    let weak = modulus(WEAK, 128);
    assert_eq!(rsa_of(&weak, &[1, 0, 1]).unwrap_err(), BadKey::RsaBits(1024));
    // Zeros before it make it no longer.
    let padded = [vec![0; 128], weak].concat();
    assert_eq!(rsa_of(&padded, &[1, 0, 1]).unwrap_err(), BadKey::RsaBits(1024));
    for bits in [1, 512, 1024, 1536, 2040, 2047, 8193, 8200, 16384] {
        assert_eq!(rsa_of(&odd(bits), &[1, 0, 1]).unwrap_err(), BadKey::RsaBits(bits), "{bits}");
    }
    for none in [&[][..], &[0], &[0; 256]] {
        assert_eq!(rsa_of(none, &[1, 0, 1]).unwrap_err(), BadKey::RsaBits(0));
    }
    for bits in [2048, 2049, 3072, 4096, 8191, 8192] {
        rsa_of(&odd(bits), &[1, 0, 1]).unwrap();
    }
}

#[test]
fn the_exponent_of_an_rsa_key_is_odd_and_more_than_1() {
    let n = modulus(RSA, 256);
    for bad in [
        &[][..],
        &[0],
        &[1],
        &[0, 0, 1],
        &[2],
        &[4],
        &[1, 0, 0],
        &[1, 0, 2],
        // More than 33 bits.
        &[2, 0, 0, 0, 1],
        &[1, 0, 0, 0, 0, 1],
        &n,
    ] {
        assert_eq!(rsa_of(&n, bad).unwrap_err(), BadKey::RsaExponent, "{bad:?}");
    }
    for good in [&[3][..], &[17], &[1, 0, 1], &[1, 0, 0, 0, 1]] {
        rsa_of(&n, good).unwrap();
    }
}

#[test]
fn the_modulus_of_an_rsa_key_is_odd() {
    let mut n = modulus(RSA, 256);
    *n.last_mut().unwrap() ^= 1;
    assert_eq!(rsa_of(&n, &[1, 0, 1]).unwrap_err(), BadKey::RsaModulus);
}

#[test]
fn zeros_before_the_numbers_of_an_rsa_key_do_not_matter() {
    // As some write them, though RFC 7518 (section 6.3.1.1) asks not to.
    let n = modulus(RSA, 256);
    for (n, e) in [
        (n.clone(), vec![1, 0, 1]),
        ([&[0][..], &n].concat(), vec![1, 0, 1]),
        (n.clone(), vec![0, 1, 0, 1]),
        ([&[0, 0][..], &n].concat(), vec![0, 0, 1, 0, 1]),
    ] {
        assert!(is_the_tests_own(rsa_of(&n, &e).unwrap()));
    }
}

const ROCA_PRIMES: [u128; 17] =
    [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// A number of 2048 bits: `rest` more than a multiple of all of them.
fn multiple_of_all_primes_and(rest: u128) -> Vec<u8> {
    let all: u128 = ROCA_PRIMES.iter().product();
    let mut n = (all << all.leading_zeros()).to_be_bytes().to_vec();
    n.resize(240, 0);
    n.extend(rest.to_be_bytes());
    n
}

#[test]
fn an_rsa_key_that_can_be_factored_is_refused() {
    // As Infineon's library made them: modulo each of the primes a power of 65537.
    let mut n = multiple_of_all_primes_and(1);
    for e in [&[3][..], &[1, 0, 1]] {
        assert_eq!(rsa_of(&n, e).unwrap_err(), BadKey::Roca);
    }
    // As DER, by the test's own key with another modulus.
    let mut key = der(RSA);
    let start = key.len() - 5 - 256;
    key[start..start + 256].copy_from_slice(&n);
    let error = Key::pem(Algorithm::PS256, &pem("PUBLIC KEY", &key)).unwrap_err();
    assert_eq!(error, BadKey::Roca);
    *n.last_mut().unwrap() += 2;
    rsa_of(&n, &[1, 0, 1]).unwrap();
}

#[test]
fn an_rsa_key_is_refused_so_only_by_what_it_is_modulo_each_prime() {
    let all: u128 = ROCA_PRIMES.iter().product();
    for prime in ROCA_PRIMES {
        let powers = (0..prime).scan(1, |power, _| {
            *power = *power * 65537 % prime;
            Some(*power)
        });
        let order = powers.take_while(|power| *power != 1).count() + 1;
        // Odd, 1 modulo all others, and by its turns each number modulo this one.
        let numbers =
            (0..prime).map(|turn| multiple_of_all_primes_and(2 * turn * (all / prime) + 1));
        let refused = numbers.filter(|n| match rsa_of(n, &[1, 0, 1]) {
            Ok(_) => false,
            Err(bad) => {
                assert_eq!(bad, BadKey::Roca);
                true
            }
        });
        assert_eq!(refused.count(), order, "{prime}");
    }
}

// ----- curves

#[test]
fn a_point_is_on_its_curve() {
    for (curve, key, bytes) in [("P-256", EC, 32), ("P-384", EC384, 48)] {
        let (x, y) = point(key, bytes);
        assert!(is_the_tests_own(jwk(&ec_of(curve, &x, &y)).unwrap()));
        let changed = |number: &[u8]| {
            let mut number = number.to_vec();
            *number.last_mut().unwrap() ^= 1;
            number
        };
        let (zero, most) = (vec![0; bytes], vec![0xff; bytes]);
        for (x, y) in [
            (changed(&x), y.clone()),
            (x.clone(), changed(&y)),
            (y.clone(), x.clone()),
            (x.clone(), x.clone()),
            (zero.clone(), zero.clone()),
            (zero.clone(), y.clone()),
            (x.clone(), zero),
            (most.clone(), most),
        ] {
            assert_eq!(jwk(&ec_of(curve, &x, &y)).unwrap_err(), BadKey::Point, "{curve}");
        }
        // The one below it is on the curve as well, and another key.
        let prime: Vec<u8> = if bytes == 32 {
            let mut prime = vec![0; 32];
            prime[..4].fill(0xff);
            prime[7] = 1;
            prime[20..].fill(0xff);
            prime
        } else {
            let mut prime = vec![0xff; 48];
            prime[31] = 0xfe;
            prime[36..44].fill(0);
            prime
        };
        let mut negative = prime;
        let mut borrow = 0_i16;
        for (at, byte) in negative.iter_mut().enumerate().rev() {
            let rest = i16::from(*byte) - i16::from(y[at]) - borrow;
            borrow = i16::from(rest < 0);
            *byte = u8::try_from(rest.rem_euclid(256)).unwrap();
        }
        assert!(!is_the_tests_own(jwk(&ec_of(curve, &x, &negative)).unwrap()));
    }
}

#[test]
fn a_coordinate_is_as_long_as_its_curve_says() {
    for (curve, key, bytes) in [("P-256", EC, 32), ("P-384", EC384, 48)] {
        let (x, y) = point(key, bytes);
        let all = [x.clone(), y.clone()].concat();
        for (x, y) in [
            (&x[..], &[][..]),
            (&[], &y),
            (&[], &[]),
            (&x[1..], &y),
            (&x, &y[..bytes - 1]),
            (&[&[0][..], &x].concat(), &y),
            (&[&x[..], &[0]].concat(), &y),
            (&x, &[&[0][..], &y].concat()),
            // The same bytes in all, divided otherwise.
            (&all[..bytes - 1], &all[bytes - 1..]),
            (&all[..=bytes], &all[bytes + 1..]),
            (&all, &[]),
            (&[], &all),
            // As X9.62 writes points.
            (&[&[4][..], &all].concat(), &[]),
            (&[&[2][..], &x].concat(), &[]),
        ] {
            assert_eq!(jwk(&ec_of(curve, x, y)).unwrap_err(), BadKey::Point, "{curve}");
        }
    }
    let der = der(ED);
    let x = &der[der.len() - 32..];
    for x in [&[][..], &x[1..], &x[..31], &[x, &[0]].concat(), &[x, x].concat(), &der] {
        assert_eq!(jwk(&ed_of(x)).unwrap_err(), BadKey::Point);
    }
}

#[test]
fn a_key_of_ed25519_by_which_anyone_can_sign_is_refused() {
    let hex = |hex: &str| -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap()).collect()
    };
    // The points of small order, as RFC 8032 writes them and otherwise.
    for x in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let mut x = hex(x);
        for sign in [0, 0x80] {
            x[31] = (x[31] & 0x7f) | sign;
            assert_eq!(jwk(&ed_of(&x)).unwrap_err(), BadKey::Point, "{x:?}");
        }
    }
    assert!(is_the_tests_own(jwk(&ed()).unwrap()));
}

#[test]
fn a_point_of_ed25519_that_is_on_no_curve_verifies_nothing() {
    // y = 2: it has no x.
    let mut x = [0; 32];
    x[0] = 2;
    assert!(!is_the_tests_own(jwk(&ed_of(&x)).unwrap()));
}

// ----- JWK

#[test]
fn a_key_says_its_algorithm_or_has_the_usual_one() {
    for (key, expected) in [
        (rsa(), Algorithm::RS256),
        (ec(), Algorithm::ES256),
        (ec384(), Algorithm::ES384),
        (ed(), Algorithm::EdDSA),
        (oct(64), Algorithm::HS256),
    ] {
        assert_eq!(jwk(&key).unwrap().algorithm(), expected);
        assert!(is_the_tests_own(jwk(&key).unwrap()), "{expected:?}");
        let named = with(key, &json!({ "alg": format!("{expected:?}"), "kid": "a" }));
        let named = jwk(&named).unwrap();
        assert_eq!((named.algorithm(), named.get_id()), (expected, Some("a")));
    }
    for algorithm in RSA_KINDS {
        let key = jwk(&with(rsa(), &json!({ "alg": format!("{algorithm:?}") }))).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert!(is_the_tests_own(key), "{algorithm:?}");
    }
}

#[test]
fn an_algorithm_of_ours_with_a_key_of_another_kind_is_refused() {
    let all = [
        (rsa(), &RSA_KINDS[..]),
        (ec(), &[Algorithm::ES256]),
        (ec384(), &[Algorithm::ES384]),
        (ed(), &[Algorithm::EdDSA]),
        (oct(64), &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]),
    ];
    let algorithms: Vec<Algorithm> = all.iter().flat_map(|(_, own)| own.iter().copied()).collect();
    assert_eq!(algorithms.len(), 12);
    for (key, own) in &all {
        for algorithm in &algorithms {
            let key = with(key.clone(), &json!({ "alg": format!("{algorithm:?}") }));
            match jwk(&key) {
                Ok(_) => assert!(own.contains(algorithm), "{key}"),
                Err(bad) => {
                    assert_eq!((bad, own.contains(algorithm)), (BadKey::Algorithm, false), "{key}");
                    assert_eq!(faults(&[key]), [(0, None, BadKey::Algorithm)]);
                }
            }
        }
    }
    // Of curves and kinds that we do not know.
    for (key, alg) in [
        (with(ec(), &json!({ "crv": "P-521" })), "ES256"),
        (with(ec(), &json!({ "crv": "secp256k1" })), "ES256"),
        (with(ec(), &json!({ "crv": "p-256" })), "ES256"),
        (with(ec(), &json!({ "crv": null })), "ES256"),
        (with(ed(), &json!({ "crv": "Ed448" })), "EdDSA"),
        (with(ed(), &json!({ "crv": "X25519" })), "EdDSA"),
        (with(ed(), &json!({ "crv": null })), "EdDSA"),
        (with(rsa(), &json!({ "kty": "rsa" })), "RS256"),
        (with(oct(64), &json!({ "kty": "OCT" })), "HS256"),
        (with(oct(64), &json!({ "kty": "" })), "HS256"),
    ] {
        assert_eq!(jwk(&with(key, &json!({ "alg": alg }))).unwrap_err(), BadKey::Algorithm);
    }
}

#[test]
fn a_value_is_base64url_without_padding() {
    let n = modulus(RSA, 256);
    let (x, y) = point(EC, 32);
    let bad = |value: &[u8]| {
        let text = base64url(value);
        let standard = STANDARD.encode([&[0xff; 3][..], value].concat());
        assert!(standard.contains('/'));
        [
            format!("{text}="),
            URL_SAFE.encode(value),
            standard,
            format!(" {text}"),
            format!("{text}\n"),
            format!("{}.{}", &text[..4], &text[4..]),
            format!("{text}A").chars().take(text.len() / 4 * 4 + 1).collect(),
        ]
    };
    let mut seen = 0;
    for (key, name, value) in [
        (rsa(), "n", &n[..]),
        (rsa(), "e", &[1, 0, 1, 3][..]),
        (ec(), "x", &x),
        (ec(), "y", &y),
        (ed(), "x", &x),
        (oct(64), "k", &n[..64]),
    ] {
        for text in bad(value) {
            if text == base64url(value) {
                continue;
            }
            let key = with(key.clone(), &json!({ name: text }));
            assert_eq!(jwk(&key).unwrap_err(), BadKey::Base64, "{key}");
            seen += 1;
        }
    }
    assert!(seen >= 36, "{seen}");
}

#[test]
fn what_is_no_key_as_json_is_refused() {
    for (key, names) in
        [(rsa(), &["n", "e"][..]), (ec(), &["x", "y"]), (ed(), &["x"]), (oct(64), &["k"])]
    {
        for name in names {
            let missing = with(key.clone(), &json!({ *name: null }));
            assert_eq!(jwk(&missing).unwrap_err(), BadKey::NotJwk, "{missing}");
            for other in [json!(7), json!([1]), json!({}), json!(true)] {
                let key = with(key.clone(), &json!({ *name: other }));
                assert_eq!(jwk(&key).unwrap_err(), BadKey::NotJwk, "{key}");
            }
        }
        for name in ["kty", "alg", "use", "kid", "key_ops"] {
            let key = with(key.clone(), &json!({ name: 7 }));
            assert_eq!(jwk(&key).unwrap_err(), BadKey::NotJwk, "{key}");
        }
        let key = with(key, &json!({ "kty": null }));
        assert_eq!(jwk(&key).unwrap_err(), BadKey::NotJwk, "{key}");
    }
    let text = ec().to_string();
    for bad in [
        "",
        " ",
        "null",
        "[]",
        "7",
        "\"EC\"",
        "{}",
        &text[1..],
        &text[..text.len() - 1],
        &format!("{text}x"),
        &format!("[{text}]"),
        // Serde would take the members in their order for it.
        r#"["oct","HS256",null,null,null,null,null,null,null,null,"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",false,false]"#,
        &format!("\u{feff}{text}"),
        // A member twice: two readers might each take another.
        &format!(r#"{{"kty":"EC",{}"#, &text[1..]),
        &format!(r#"{{"x":"AA",{}"#, &text[1..]),
        &format!(r#"{{"\u0078":"AA",{}"#, &text[1..]),
        &format!(r#"{{"alg":"ES256","alg":"ES256",{}"#, &text[1..]),
        &format!(r#"{{"kid":"a","kid":"b",{}"#, &text[1..]),
        &format!(r#"{{"use":"enc","use":"sig",{}"#, &text[1..]),
    ] {
        assert_eq!(Key::jwk(bad).unwrap_err(), BadKey::NotJwk, "{bad}");
    }
    // What is not asked for may be anything.
    let more = json!({ "x5c": ["AA"], "x5t": 7, "exp": "soon", "ext": true, "crv2": [[]] });
    assert!(is_the_tests_own(jwk(&with(ec(), &more)).unwrap()));
    assert!(is_the_tests_own(Key::jwk(&format!(" \n{} \r\n", ec())).unwrap()));
}

// ----- what a key is for

/// Keys that are for something else, or by what we do not know.
fn others() -> Vec<Value> {
    vec![
        with(rsa(), &json!({ "use": "enc" })),
        with(rsa(), &json!({ "use": "" })),
        with(rsa(), &json!({ "use": "SIG" })),
        with(ec(), &json!({ "key_ops": [] })),
        with(ec(), &json!({ "key_ops": ["deriveKey", "deriveBits"] })),
        with(ec(), &json!({ "key_ops": ["sign"] })),
        with(ec(), &json!({ "key_ops": ["Verify"] })),
        with(ec(), &json!({ "use": "sig", "key_ops": ["encrypt"] })),
        with(ec(), &json!({ "use": "enc", "key_ops": ["verify"] })),
        with(rsa(), &json!({ "alg": "RSA-OAEP-256" })),
        with(rsa(), &json!({ "alg": "RS1" })),
        with(rsa(), &json!({ "alg": "none" })),
        with(rsa(), &json!({ "alg": "" })),
        with(ec(), &json!({ "alg": "ECDH-ES" })),
        with(ec(), &json!({ "alg": "es256" })),
        with(ec(), &json!({ "crv": "P-521" })),
        with(ec(), &json!({ "crv": "P-521", "alg": "ES512" })),
        with(ec(), &json!({ "crv": "secp256k1", "alg": "ES256K" })),
        with(ec(), &json!({ "crv": null })),
        with(ed(), &json!({ "crv": "Ed448" })),
        with(ed(), &json!({ "crv": "X25519" })),
        with(oct(16), &json!({ "alg": "A128GCM" })),
        with(oct(32), &json!({ "alg": "A256KW", "use": "enc" })),
        with(rsa(), &json!({ "kty": "rsa" })),
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AA" }),
        json!({ "kty": "new" }),
        // It may be private, or as weak as it likes.
        with(rsa(), &json!({ "use": "enc", "d": "AQAB", "e": "AQ", "n": "AQ" })),
    ]
}

#[test]
fn a_key_that_is_for_something_else_is_left_out() {
    for other in others() {
        assert_eq!(jwk(&other).unwrap_err(), BadKey::Algorithm, "{other}");
        assert_eq!(reasons(slice::from_ref(&other)), [BadSet::Empty], "{other}");
        let set = jwks(&[other.clone(), ec(), other.clone()]).unwrap();
        assert_eq!((set.keys().len(), set.left_out()), (1, 2), "{other}");
        assert_eq!(set.keys()[0].algorithm(), Algorithm::ES256);
    }
    let all: Vec<Value> = others().into_iter().chain([ed()]).collect();
    let set = jwks(&all).unwrap();
    assert_eq!((set.keys().len(), set.left_out()), (1, others().len()));
    // Beside secrets, encrypting ones are no mixture; nor do their ids count.
    let enc = with(rsa(), &json!({ "use": "enc", "kid": "a" }));
    let set = jwks(&[enc.clone(), with(oct(32), &json!({ "kid": "a" })), enc]).unwrap();
    assert_eq!((set.keys().len(), set.left_out()), (1, 2));
    let none = KeySet::new([jwk(&ec()).unwrap()]).unwrap();
    assert_eq!(none.left_out(), 0);
}

#[test]
fn a_key_that_is_for_verifying_is_taken() {
    for key in [
        with(ec(), &json!({ "use": "sig" })),
        with(ec(), &json!({ "key_ops": ["verify"] })),
        with(ec(), &json!({ "key_ops": ["sign", "verify"] })),
        with(ec(), &json!({ "use": "sig", "key_ops": ["verify"], "alg": "ES256" })),
    ] {
        assert!(is_the_tests_own(jwk(&key).unwrap()), "{key}");
    }
    for nothing in [r#""use":null"#, r#""key_ops":null"#, r#""alg":null"#, r#""kid":null"#] {
        let key = format!("{{{nothing},{}", &ec().to_string()[1..]);
        assert!(is_the_tests_own(Key::jwk(&key).unwrap()), "{key}");
    }
}

// ----- sets

#[test]
fn a_set_is_a_json_object_with_keys() {
    let key = ec().to_string();
    for bad in [
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\"}",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "{\"keys\":7}",
        "{\"Keys\":[]}",
        "<html>",
        "not JSON",
        &key,
        &format!("[{key}]"),
        &format!("[[{key}]]"),
        &format!("{{\"keys\":{key}}}"),
        &format!("{{\"keys\":[{key}]"),
        &format!("{{\"keys\":[{key}]}}x"),
        &format!("{{\"keys\":[{key},]}}"),
        &format!("\u{feff}{{\"keys\":[{key}]}}"),
        &format!("{{\"keys\":[{key}],\"keys\":[{key}]}}"),
        &format!("{{\"keys\":[],\"\\u006beys\":[{key}]}}"),
    ] {
        let error = KeySet::jwks(bad.as_bytes()).unwrap_err();
        assert_eq!(error.reasons(), [BadSet::NotJwks], "{bad}");
    }
    for bytes in [&b"\xff"[..], b"{\"keys\":[\xff]}", b"\0"] {
        assert_eq!(KeySet::jwks(bytes).unwrap_err().reasons(), [BadSet::NotJwks]);
    }
    let set = format!(" \n{{ \"x\":[1,{{}}], \"keys\" : [ {key} ], \"y\":null }}\r\n");
    assert_eq!(KeySet::jwks(set.as_bytes()).unwrap().keys().len(), 1);
}

#[test]
fn a_set_has_a_key() {
    assert_eq!(reasons(&[]), [BadSet::Empty]);
    assert_eq!(KeySet::new([]).unwrap_err().reasons(), [BadSet::Empty]);
}

#[test]
fn secrets_and_public_keys_are_never_in_one_set() {
    for public in [rsa(), ec(), ec384(), ed()] {
        for two in [[public.clone(), oct(32)], [oct(32), public.clone()]] {
            assert_eq!(reasons(&two), [BadSet::Mixed]);
            let keys = two.map(|key| jwk(&key).unwrap());
            assert_eq!(KeySet::new(keys).unwrap_err().reasons(), [BadSet::Mixed]);
        }
    }
    assert_eq!(jwks(&[rsa(), ec(), ec384(), ed()]).unwrap().keys().len(), 4);
    assert_eq!(jwks(&[oct(32), oct(33)]).unwrap().keys().len(), 2);
}

#[test]
fn no_two_keys_of_a_set_have_the_same_id() {
    let named = |key: Value, id: &str| with(key, &json!({ "kid": id }));
    let duplicate = |id: &str| BadSet::Duplicate(id.to_owned());
    assert_eq!(reasons(&[named(rsa(), "a"), named(ec(), "a")]), [duplicate("a")]);
    // The same key twice is no better.
    assert_eq!(reasons(&[named(ec(), "a"), ed(), named(ec(), "a")]), [duplicate("a")]);
    assert_eq!(reasons(&[named(ec(), ""), named(ed(), "")]), [duplicate("")]);
    let keys = [named(ec(), "a"), named(ed(), "b"), named(rsa(), "a"), named(ec384(), "b")];
    assert_eq!(reasons(&keys), [duplicate("a"), duplicate("b")]);
    // Also if one of them is no good.
    let keys = [named(ec(), "a"), named(with(rsa(), &json!({ "e": "AQ" })), "a")];
    let [BadSet::Key { at: 1, .. }, other] = &reasons(&keys)[..] else { panic!("two reasons") };
    assert_eq!(*other, duplicate("a"));
    let keys = ["a", "a"].map(|id| jwk(&ec()).unwrap().id(id));
    assert_eq!(KeySet::new(keys).unwrap_err().reasons(), [duplicate("a")]);
    let set = jwks(&[named(ec(), "a"), named(ed(), "A"), rsa(), ec384(), ed()]).unwrap();
    assert_eq!(set.keys().len(), 5);
}

#[test]
fn all_that_is_wrong_with_a_set_is_said_at_once() {
    let named = |key: Value, id: &str| with(key, &json!({ "kid": id }));
    let keys = [
        named(ec(), "twice"),
        named(oct(7), "short"),
        with(rsa(), &json!({ "e": "AQ" })),
        json!(7),
        named(ed(), "twice"),
        with(named(ec(), "off"), &json!({ "x": ec()["y"] })),
        named(oct(32), "secret"),
        with(rsa(), &json!({ "use": "enc" })),
        with(named(ec(), "private"), &json!({ "d": "AA" })),
    ];
    let error = jwks(&keys).unwrap_err();
    let said: Vec<String> = error.reasons().iter().map(ToString::to_string).collect();
    let expected = [
        "key 1 (\"short\"): it is a secret of 7 bytes, and needs 32",
        "key 2: the exponent of the RSA key is not one",
        "key 3: it is not a JSON Web Key",
        "key 5 (\"off\"): its point is not on its curve, or of small order",
        "key 8 (\"private\"): it is a private key: give its public part",
        "it has secrets beside public keys: make a set of each",
        "two keys have the id \"twice\"",
    ];
    assert_eq!(said, expected);
    let all = format!("the set of keys is not taken: {}", expected.join("; "));
    assert_eq!(error.to_string(), all);
    assert_eq!(error, jwks(&keys).unwrap_err());
}

#[test]
fn an_id_is_shown_so_that_it_writes_no_lines_of_its_own() {
    let bad = with(oct(1), &json!({ "kid": "a\r\n\u{1b}[2Jb" }));
    let error = jwks(&[bad]).unwrap_err().to_string();
    assert!(error.chars().all(|char| !char.is_control()), "{error:?}");
}

#[test]
fn each_fault_of_a_key_is_said_in_words_and_differs() {
    let all = [
        BadKey::NotJwk,
        BadKey::NotPem,
        BadKey::Base64,
        BadKey::Algorithm,
        BadKey::Private,
        BadKey::RsaBits(1024),
        BadKey::RsaModulus,
        BadKey::RsaExponent,
        BadKey::Roca,
        BadKey::Point,
        BadKey::ShortSecret { bytes: 7, least: 32 },
    ];
    let mut said: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert!(said.iter().all(|text| text.len() > 20 && !text.ends_with('.')), "{said:?}");
    said.sort();
    said.dedup();
    assert_eq!(said.len(), all.len());
}

#[test]
fn debug_of_a_key_says_which_it_is() {
    let key = jwk(&with(oct(32), &json!({ "kid": "a" }))).unwrap();
    assert_eq!(format!("{key:?}"), r#"Key { id: Some("a"), algorithm: HS256, .. }"#);
    let set = KeySet::new([key]).unwrap();
    assert!(!format!("{set:?}").contains("AQIDBA") && !format!("{set:?}").contains("1, 2, 3"));
    // Nor do errors say a value.
    let bad = with(oct(7), &json!({ "kid": "a" }));
    let error = jwks(&[bad]).unwrap_err();
    let text = format!("{error} {error:?} {error:#?}");
    assert!(!text.contains("AQIDBA") && !text.contains("1, 2, 3"), "{text}");
}

#[test]
fn keys_and_sets_can_be_sent_and_shared() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Key>();
    shared::<KeySet>();
    shared::<BadKeySet>();
}

// ----- which key

#[test]
fn what_is_signed_names_its_key() {
    let named = |key: Value, id: &str| jwk(&with(key, &json!({ "kid": id }))).unwrap();
    let sign = |header: Value| {
        use jsonwebtoken::{EncodingKey, crypto::sign};
        let message = format!("{}.{}", base64url(header.to_string()), base64url("x"));
        let key = EncodingKey::from_ed_pem(include_bytes!("keys/ed.pem")).unwrap();
        let signature = sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    };
    let (bare, a) = (sign(json!({ "alg": "EdDSA" })), sign(json!({ "alg": "EdDSA", "kid": "a" })));
    let said = |keys: Vec<Key>, jws: &str| KeySet::new(keys).unwrap().payload(jws).map(drop);
    let nameless = || jwk(&ed()).unwrap();
    for (keys, of_bare, of_a) in [
        (vec![nameless()], Ok(()), Ok(())),
        (vec![named(ed(), "a")], Ok(()), Ok(())),
        (vec![named(ed(), "b")], Ok(()), Err(TokenError::UnknownKey)),
        (vec![named(ed(), "a"), nameless()], Err(TokenError::NoKeyId), Ok(())),
        (vec![nameless(), nameless()], Err(TokenError::NoKeyId), Err(TokenError::UnknownKey)),
        (vec![nameless(), named(ec(), "b")], Ok(()), Err(TokenError::UnknownKey)),
        (vec![named(ec(), "a"), nameless()], Ok(()), Err(TokenError::OtherAlgorithm)),
        (vec![named(ec(), "a")], Err(TokenError::UnknownKey), Err(TokenError::OtherAlgorithm)),
        (vec![jwk(&ec()).unwrap()], Err(TokenError::UnknownKey), Err(TokenError::OtherAlgorithm)),
    ] {
        assert_eq!(said(keys.clone(), &bare), of_bare, "{keys:?}");
        assert_eq!(said(keys.clone(), &a), of_a, "{keys:?}");
    }
}

#[test]
fn a_set_has_a_thousand_keys_at_the_most_and_few_reasons_are_shown() {
    let of = |count: u32| {
        let key = |id| Key::secret(Algorithm::HS256, &[7; 32]).unwrap().id(format!("k{id}"));
        KeySet::new((0..count).map(key))
    };
    assert_eq!(of(1000).unwrap().keys().len(), 1000);
    assert_eq!(of(1001).unwrap_err().reasons(), [BadSet::TooMany]);
    let bad: Vec<_> = (0..50).map(|_| json!({"kty": "oct", "k": ""})).collect();
    let bad = KeySet::jwks(json!({ "keys": bad }).to_string().as_bytes()).unwrap_err();
    assert_eq!(bad.reasons().len(), 50);
    let said = bad.to_string();
    assert!(said.ends_with("; and 40 more"), "{said}");
}
