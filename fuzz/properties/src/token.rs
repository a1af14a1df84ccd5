use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto};
use kit_auth::jwt::{Algorithm, Claims, Key, KeySet, TokenError, Verifier};
use serde_json::Value;
use std::time::{Duration, SystemTime};

const SECRET: [u8; 32] = [7; 32];
const NOW: u64 = 1_800_000_000;

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// Tokens: as they come, and with a header and claims that are rightly signed,
/// the two lines of the input.
pub fn token(data: &[u8]) {
    let key = Key::secret(Algorithm::HS256, &SECRET).unwrap().id("k");
    let keys = KeySet::new([key]).unwrap();
    let verifier = Verifier::new(keys, "i", "a").clock(clock);
    if let Ok(text) = std::str::from_utf8(data) {
        // Nobody guesses a signature.
        let error = verifier.verify(text).expect_err("it is not signed");
        let parts = text.split('.').count();
        assert!(parts == 3 || matches!(error, TokenError::Parts | TokenError::TooLong), "{error}");
        assert!(!format!("{error} {error:?}").contains("eyJ"));
    }
    let (header, claims) = super::halves(data, b'\n');
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let secret = EncodingKey::from_secret(&SECRET);
    let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    let Ok(taken) = verifier.verify(&format!("{message}.{signature}")) else { return };
    sound(&read(header), &read(claims), &taken);
}

fn read(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("what is taken is JSON")
}

/// What is taken is what may be.
fn sound(header: &Value, claims: &Value, verified: &Claims) {
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("kid").is_none_or(|kid| kid.is_null() || kid == "k"), "{header}");
    assert!(header.get("crit").is_none() && header.get("b64").is_none(), "{header}");
    assert_eq!(claims["iss"], "i");
    let audience = &claims["aud"];
    let is_ours =
        audience == "a" || audience.as_array().is_some_and(|all| all.iter().any(|one| one == "a"));
    assert!(is_ours, "{audience}");
    #[expect(clippy::cast_precision_loss, reason = "it is less than 2^52")]
    let now = NOW as f64;
    let time = |name: &str| {
        claims
            .get(name)
            .filter(|time| !time.is_null())
            .map(|time| time.as_f64().expect("a time is a number"))
    };
    assert!(time("exp").is_some_and(|exp| now < exp + 5.0), "{claims}");
    for name in ["nbf", "iat"] {
        assert!(time(name).is_none_or(|begins| (0.0..=now + 5.0).contains(&begins)), "{claims}");
    }
    assert_eq!(verified.issuer.as_deref(), Some("i"));
    assert_eq!(verified.subject.as_deref(), claims["sub"].as_str());
}
