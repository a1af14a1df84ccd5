//! What it costs to know who calls: `auth WHAT HOW`, where WHAT is an algorithm
//! (`HS256`, `ES256`, `EdDSA`, `RS256`), `cached` or `basic`, and HOW a number of
//! times, to be counted, or `time`: then it says the nanoseconds of ours and of the
//! bare primitive.

use http::{HeaderMap, HeaderValue};
use jsonwebtoken::DecodingKey;
use kit_auth::{
    Authenticator, Presented, Verdict,
    basic::{self, Basic, StaticUsers},
    jwt::{Algorithm, Key, KeySet, SigningKey, Verifier},
};
use kit_bench::{BoxError, say, slow_down};
use serde_json::json;
use std::{env, fs, hint::black_box};
use tokio::time::Instant;

/// Rounds that are timed, ours and the bare one in turn; an odd number.
const ROUNDS: usize = 101;
/// Calls between two chances to waste something.
const CHUNK: u64 = 10;

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let what = args.next().ok_or("what?")?;
    let how = args.next().ok_or("how many times, or `time`?")?;
    match &*what {
        "basic" => passwords(&how),
        "cached" => tokens(Algorithm::ES256, true, &how),
        algorithm => tokens(algorithm.parse()?, false, &how),
    }
}

/// The key of tests: what is measured is the algorithm.
fn pem(algorithm: Algorithm, end: &str) -> Result<Vec<u8>, BoxError> {
    let name = match algorithm {
        Algorithm::ES256 => "ec",
        Algorithm::EdDSA => "ed",
        _ => "rsa",
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-auth/tests/keys");
    Ok(fs::read(format!("{folder}/{name}{end}"))?)
}

fn tokens(algorithm: Algorithm, is_cached: bool, how: &str) -> Result<(), BoxError> {
    let secret = [7; 32];
    let (signing, key, bare) = if algorithm == Algorithm::HS256 {
        (
            SigningKey::secret(algorithm, &secret)?,
            Key::secret(algorithm, &secret)?,
            DecodingKey::from_secret(&secret),
        )
    } else {
        let (private, public) = (pem(algorithm, ".pem")?, pem(algorithm, ".pub.pem")?);
        let bare = match algorithm {
            Algorithm::ES256 => DecodingKey::from_ec_pem(&public)?,
            Algorithm::EdDSA => DecodingKey::from_ed_pem(&public)?,
            _ => DecodingKey::from_rsa_pem(&public)?,
        };
        (SigningKey::pem(algorithm, &private)?, Key::pem(algorithm, &public)?, bare)
    };
    // As an access token has them (RFC 9068).
    let token = signing.id("2026-11").sign(&json!({
        "iss": "https://login.example", "sub": "5ba552d67", "aud": "https://rs.example/",
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "nbf": 1_700_000_000,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4", "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
    }))?;
    let keys = KeySet::new([key.id("2026-11")])?;
    let mut verifier = Verifier::new(keys, "https://login.example", "https://rs.example/");
    if is_cached {
        verifier = verifier.cache(1000);
    }
    let (message, signature) = token.rsplit_once('.').ok_or("a token has dots")?;
    let bare = || jsonwebtoken::crypto::verify(signature, message.as_bytes(), &bare, algorithm);
    let header = HeaderValue::try_from(format!("Bearer {token}"))?;
    measured(&verifier, header, || bare().is_ok_and(|is_right| is_right), how)
}

fn passwords(how: &str) -> Result<(), BoxError> {
    let users = StaticUsers::new([("ada", "correct horse battery staple")])?;
    let header = basic::header("ada", "correct horse battery staple")?;
    let digest = |text: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
    let right = digest(b"correct horse battery staple");
    let bare = || {
        let digest = digest(black_box(b"correct horse battery staple"));
        aws_lc_rs::constant_time::verify_slices_are_equal(digest.as_ref(), right.as_ref()).is_ok()
    };
    measured(&Basic::new("greeter", users), header, bare, how)
}

fn measured(
    ours: &impl Authenticator,
    header: HeaderValue,
    bare: impl Fn() -> bool,
    how: &str,
) -> Result<(), BoxError> {
    // Beside those that a request has.
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept"] {
        headers.insert(name, HeaderValue::from_static("example"));
    }
    headers.insert("authorization", header);
    let ours = || {
        let verdict = ours.authenticate(black_box(&Presented::of(&headers)));
        matches!(black_box(verdict), Verdict::Known(Ok(_)))
    };
    if !ours() || !bare() {
        return Err("it is not right".into());
    }
    if how == "time" {
        let each = if took(&bare, 10) > 5_000.0 { 20 } else { 500 };
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            a.push(took(&ours, each));
            b.push(took(&bare, each));
        }
        let middle = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[ROUNDS / 2]
        };
        return say(format_args!("{} {}", middle(a), middle(b)));
    }
    for _ in 0..how.parse::<u64>()? / CHUNK {
        for _ in 0..CHUNK {
            ours();
        }
        slow_down();
    }
    say("")
}

/// How many nanoseconds one takes of so many.
fn took(work: &impl Fn() -> bool, many: u32) -> f64 {
    let begun = Instant::now();
    for _ in 0..many {
        black_box(work());
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(many)
}
