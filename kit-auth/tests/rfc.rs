//! The examples of the RFCs: of signatures those of RFC 7515 (appendix A, and the
//! negative one of E), RFC 7520 (section 4) and RFC 8037 (appendix A.4), and the
//! sets of keys of RFC 7517 (appendix A).
//!
//! None of them is a token that would be taken: those with claims say no audience.
//! So they are verified as what they are, by [`KeySet::payload`].
//!
//! | not here | why |
//! |---|---|
//! | RFC 7515 A.4, RFC 7520 4.3 | ES512: P-521 is not known here. That it is refused is tested |
//! | RFC 7515 A.6, A.7, RFC 7520 4.6 to 4.8 | JSON serializations: a token is compact |

#![cfg(feature = "jwt")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kit_auth::jwt::{Algorithm, BadKey, BadSet, Key, KeySet, TokenError, Verifier};
use std::time::{Duration, SystemTime};

fn set(key: &str) -> KeySet {
    KeySet::new([Key::jwk(key).expect(key)]).unwrap()
}

/// The parts of a JWS, which the RFCs print in lines.
fn jws(parts: [&str; 3]) -> String {
    parts.map(|part| part.split_whitespace().collect::<String>()).join(".")
}

/// Fails unless the JWS is right, and nothing that is nearly it is.
fn is_signed(keys: &KeySet, parts: [&str; 3], payload: &str) {
    let right = jws(parts);
    assert_eq!(String::from_utf8(keys.payload(&right).unwrap()).unwrap(), payload);
    let signature: String = parts[2].split_whitespace().collect();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[7] ^= 1;
    let forged = jws([parts[0], parts[1], &URL_SAFE_NO_PAD.encode(bytes)]);
    assert_eq!(keys.payload(&forged).unwrap_err(), TokenError::Signature);
    let other = jws([parts[0], "eyJpc3MiOiJldmUifQ", parts[2]]);
    assert_eq!(keys.payload(&other).unwrap_err(), TokenError::Signature);
}

// ----- RFC 7515

/// The claims of A.1 to A.3 and A.5, as they were encoded.
const JOE: &str =
    "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
const JOE_ENCODED: &str = "
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt
    cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const A1_KEY: &str = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const A1: [&str; 3] = [
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
    JOE_ENCODED,
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
];

#[test]
fn rfc_7515_a1_hs256() {
    is_signed(&set(A1_KEY), A1, JOE);
}

#[test]
fn rfc_7515_a2_rs256() {
    let key = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
    let signature = "
        cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7
        AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4
        BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K
        0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv
        hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB
        p0igcN_IoypGlUPQGe77Rw";
    is_signed(&set(key), ["eyJhbGciOiJSUzI1NiJ9", JOE_ENCODED, signature], JOE);
}

#[test]
fn rfc_7515_a3_es256() {
    let key = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let signature = "
        DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA
        pmWQxfKTUJqPP3-Kg6NU1Q";
    is_signed(&set(key), ["eyJhbGciOiJFUzI1NiJ9", JOE_ENCODED, signature], JOE);
}

#[test]
fn rfc_7515_a4_es512_is_refused() {
    let a4 = jws([
        "eyJhbGciOiJFUzUxMiJ9",
        "UGF5bG9hZA",
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZq
         wqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8Kp
         EHwJjiqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    ]);
    assert_eq!(set(A1_KEY).payload(&a4).unwrap_err(), TokenError::Algorithm);
}

#[test]
fn rfc_7515_a5_that_is_not_secured_is_refused() {
    let a5 = jws(["eyJhbGciOiJub25lIn0", JOE_ENCODED, ""]);
    assert_eq!(set(A1_KEY).payload(&a5).unwrap_err(), TokenError::Parts);
    let signed = jws(["eyJhbGciOiJub25lIn0", JOE_ENCODED, A1[2]]);
    assert_eq!(set(A1_KEY).payload(&signed).unwrap_err(), TokenError::Algorithm);
}

#[test]
fn rfc_7515_e_whose_extension_must_be_understood_is_refused() {
    let header = "
        eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERU
        ZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0";
    let e = jws([header, "RkFJTA", ""]);
    assert_eq!(set(A1_KEY).payload(&e).unwrap_err(), TokenError::Parts);
    let signed = jws([header, "RkFJTA", A1[2]]);
    assert_eq!(set(A1_KEY).payload(&signed).unwrap_err(), TokenError::Critical);
}

#[test]
fn its_token_is_refused_for_its_audience_alone() {
    const EXPIRES: u64 = 1_300_819_380;
    fn before() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(EXPIRES - 60)
    }
    let token = jws(A1);
    // No audience: RFC 7519 leaves it to whoever takes a token, and here one is asked for.
    let verifier = Verifier::new(set(A1_KEY), "joe", "greeter").clock(before);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Missing("aud"));
    let verifier = Verifier::new(set(A1_KEY), "jane", "greeter").clock(before);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Issuer);
}

// ----- RFC 7520

const FRODO: &str = "It\u{2019}s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't keep your feet, there\u{2019}s no knowing where you might be swept off to.";
const FRODO_ENCODED: &str = "
    SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IH
    lvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBk
    b24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcm
    UgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

/// Section 3.4, of the algorithm that it is used for.
fn bilbo(algorithm: &str) -> KeySet {
    let n = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
    set(&format!(
        r#"{{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","alg":"{algorithm}","n":"{n}","e":"AQAB"}}"#
    ))
}

#[test]
fn rfc_7520_4_1_rs256() {
    let header = "
        eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZX
        hhbXBsZSJ9";
    let signature = "
        MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmK
        ZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4J
        IwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8w
        W1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluP
        xUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_f
        cIe8u9ipH84ogoree7vjbU5y18kDquDg";
    is_signed(&bilbo("RS256"), [header, FRODO_ENCODED, signature], FRODO);
    let other = bilbo("PS256").payload(&jws([header, FRODO_ENCODED, signature])).unwrap_err();
    assert_eq!(other, TokenError::OtherAlgorithm);
}

#[test]
fn rfc_7520_4_2_ps384() {
    let header = "
        eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZX
        hhbXBsZSJ9";
    let signature = "
        cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2I
        pN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXU
        vdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRX
        e8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT
        0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a
        6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
    is_signed(&bilbo("PS384"), [header, FRODO_ENCODED, signature], FRODO);
}

#[test]
fn rfc_7520_4_3_es512_is_refused() {
    let header = "
        eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZX
        hhbXBsZSJ9";
    let signature = "
        AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvb
        u9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kv
        AD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";
    let key = r#"{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}"#;
    assert_eq!(Key::jwk(key).unwrap_err(), BadKey::Algorithm);
    let token = jws([header, FRODO_ENCODED, signature]);
    assert_eq!(bilbo("RS256").payload(&token).unwrap_err(), TokenError::Algorithm);
}

/// Section 3.5.
const FRODOS_KEY: &str = r#"{"kty":"oct","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037","use":"sig","alg":"HS256","k":"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}"#;
const FRODOS: [&str; 3] = [
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LW
     VlZjMxNGJjNzAzNyJ9",
    FRODO_ENCODED,
    "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
];

#[test]
fn rfc_7520_4_4_hs256() {
    is_signed(&set(FRODOS_KEY), FRODOS, FRODO);
}

#[test]
fn rfc_7520_4_5_whose_content_is_detached_is_refused() {
    let detached = jws([FRODOS[0], "", FRODOS[2]]);
    assert_eq!(set(FRODOS_KEY).payload(&detached).unwrap_err(), TokenError::Signature);
}

// ----- RFC 8037

#[test]
fn rfc_8037_a4_ed25519() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let signature = "
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt
        9g7sVvpAr_MuM0KAg";
    let parts = ["eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", signature];
    is_signed(&set(key), parts, "Example of Ed25519 signing");
}

// ----- RFC 7517

const A1_EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1""#;
const A1_RSA: &str = r#""kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29""#;

#[test]
fn rfc_7517_a1_a_set_of_public_keys() {
    let set = KeySet::jwks(format!(r#"{{"keys":[{{{A1_EC}}},{{{A1_RSA}}}]}}"#).as_bytes()).unwrap();
    // The first is for encrypting.
    assert_eq!((set.keys().len(), set.left_out()), (1, 1));
    let key = &set.keys()[0];
    assert_eq!((key.algorithm(), key.get_id()), (Algorithm::RS256, Some("2011-04-29")));
    let ec = A1_EC.replace("enc", "sig");
    let set = KeySet::jwks(format!(r#"{{"keys":[{{{ec}}},{{{A1_RSA}}}]}}"#).as_bytes()).unwrap();
    assert_eq!(set.keys()[0].algorithm(), Algorithm::ES256);
}

#[test]
fn rfc_7517_a2_a_set_of_private_keys_is_refused() {
    let d = r#""d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE""#;
    let ec = A1_EC.replace("enc", "sig");
    let set = format!(r#"{{"keys":[{{{ec},{d}}},{{{A1_RSA},{d}}}]}}"#);
    let error = KeySet::jwks(set.as_bytes()).unwrap_err();
    let is_private = |bad: &BadSet| matches!(bad, BadSet::Key { bad: BadKey::Private, .. });
    assert_eq!(error.reasons().iter().filter(|bad| is_private(bad)).count(), 2);
}

#[test]
fn rfc_7517_a3_a_set_of_secrets() {
    let set = format!(
        r#"{{"keys":[{{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"}},
            {{"kid":"HMAC key used in JWS spec Appendix A.1 example",{}]}}"#,
        &A1_KEY[1..]
    );
    let set = KeySet::jwks(set.as_bytes()).unwrap();
    assert_eq!((set.keys().len(), set.left_out()), (1, 1));
    is_signed(&set, A1, JOE);
}
