//! Tokens: the right ones, and all others. The cases are in the modules by what
//! they are about, and what they share is here.

#![cfg(feature = "jwt")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "jwt/any.rs"]
mod any;
#[path = "jwt/claims.rs"]
mod claims;
#[path = "jwt/form.rs"]
mod form;
#[path = "jwt/layer.rs"]
mod layer;
#[path = "jwt/other_kits.rs"]
mod other_kits;
#[path = "jwt/secrecy.rs"]
mod secrecy;
#[path = "jwt/signatures.rs"]
mod signatures;
#[path = "jwt/times.rs"]
mod times;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{AlgorithmFamily, EncodingKey, crypto::sign};
use kit_auth::jwt::{Algorithm, Claims, Key, KeySet, TokenError, Verified, Verifier};
use serde_json::{Value, json};
use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "greeter";
/// The time of each test, in seconds since 1970.
const NOW: u64 = 1_700_000_000;
const SECRET: &[u8; 64] = b"sixty-four bytes, as many as HS512 asks for and nobody else has!";

/// Those whose keys are public.
const PUBLIC: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
const SECRETS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

// ----- keys: each algorithm has one, whose id is its name

fn public_pem(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::ES256 => include_bytes!("keys/ec.pub.pem"),
        Algorithm::ES384 => include_bytes!("keys/ec384.pub.pem"),
        Algorithm::EdDSA => include_bytes!("keys/ed.pub.pem"),
        _ => include_bytes!("keys/rsa.pub.pem"),
    }
}

fn private(algorithm: Algorithm) -> EncodingKey {
    let pem: &[u8] = match algorithm {
        Algorithm::ES256 => include_bytes!("keys/ec.pem"),
        Algorithm::ES384 => include_bytes!("keys/ec384.pem"),
        Algorithm::EdDSA => include_bytes!("keys/ed.pem"),
        _ => include_bytes!("keys/rsa.pem"),
    };
    match algorithm.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(SECRET),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem).unwrap(),
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem).unwrap(),
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(pem).unwrap(),
    }
}

fn id(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

fn key(algorithm: Algorithm) -> Key {
    let key = match algorithm.family() {
        AlgorithmFamily::Hmac => Key::secret(algorithm, SECRET),
        _ => Key::pem(algorithm, public_pem(algorithm)),
    };
    key.unwrap().id(id(algorithm))
}

/// A verifier with these keys, at `NOW`.
fn knowing(keys: impl IntoIterator<Item = Key>) -> Verifier {
    Verifier::new(KeySet::new(keys).unwrap(), ISSUER, AUDIENCE).clock(clock)
}

/// A verifier with the keys of all algorithms of the kind.
fn knowing_all(algorithms: &[Algorithm]) -> Verifier {
    knowing(algorithms.iter().map(|algorithm| key(*algorithm)))
}

/// A verifier with one key, the quickest.
fn verifier() -> Verifier {
    knowing([key(Algorithm::EdDSA)])
}

// ----- tokens

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Claims that are taken.
fn good() -> Value {
    json!({ "iss": ISSUER, "sub": "ada", "aud": AUDIENCE, "exp": NOW + 60 })
}

/// The same with another claim, or one that is another.
fn with(claim: &str, value: impl Into<Value>) -> Value {
    let mut claims = good();
    claims[claim] = value.into();
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(claim).unwrap();
    claims
}

fn header(algorithm: Algorithm) -> Value {
    json!({ "alg": id(algorithm), "kid": id(algorithm), "typ": "JWT" })
}

/// Signs what is there already, whatever it is.
fn sealed(key: &EncodingKey, algorithm: Algorithm, message: &str) -> String {
    format!("{message}.{}", sign(message.as_bytes(), key, algorithm).unwrap())
}

/// Signs a header and claims, whatever they are.
fn signed(algorithm: Algorithm, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", base64url(header), base64url(claims));
    sealed(&private(algorithm), algorithm, &message)
}

/// A token with this header, signed with the quickest key.
fn headed(header: impl AsRef<[u8]>) -> String {
    signed(Algorithm::EdDSA, header, good().to_string())
}

/// A token with these claims, signed with the quickest key.
fn claiming(claims: impl Display) -> String {
    let header = header(Algorithm::EdDSA).to_string();
    signed(Algorithm::EdDSA, header, claims.to_string())
}

/// A token that is taken.
fn token_by(algorithm: Algorithm) -> String {
    signed(algorithm, header(algorithm).to_string(), good().to_string())
}

fn token() -> String {
    token_by(Algorithm::EdDSA)
}

// ----- verdicts

fn verified(token: &str) -> Verified<Claims> {
    verifier().verify(token).expect(token)
}

/// Why a token is refused: by a verifier that has seen none, by one that has just taken
/// one with the usual header, and by one that reads its claims as any type.
fn refusal(token: &str) -> TokenError {
    let error = verifier().verify(token).expect_err(token);
    let warm = verifier();
    warm.verify(&self::token()).unwrap();
    assert_eq!(warm.verify(token).expect_err(token), error, "{token}");
    let any = verifier().claims::<Claims>();
    assert_eq!(any.verify(token).expect_err(token), error, "{token}");
    error
}
