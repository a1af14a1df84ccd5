//! What the programs of the stack share, whoever wires them: the token that
//! callers show, and where spans end.

use crate::BoxError;
use kit_auth::jwt::{Algorithm, SigningKey};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use serde_json::json;
use std::convert::Infallible;

/// The key of tests, of HS256.
pub const SECRET: [u8; 32] = [7; 32];
/// Who makes the tokens.
pub const ISSUER: &str = "https://login.example";
/// Whom they are for.
pub const AUDIENCE: &str = "https://rs.example/";
/// The key of the token, which its head names.
pub const KEY_ID: &str = "2026-11";
/// The share of traces that is recorded.
pub const SAMPLED: f64 = 0.01;

/// Takes spans, and forgets them: what it costs to send them is a collector's.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl kit_trace::otel::Exporter for Nowhere {
    type Error = Infallible;

    async fn export(&mut self, _: Vec<SpanData>, _: &Resource) -> Result<(), Infallible> {
        Ok(())
    }
}

impl SpanExporter for Nowhere {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// Makes the token, with the claims that an access token has (RFC 9068).
///
/// # Errors
///
/// Never: the key is right.
pub fn token() -> Result<String, BoxError> {
    let key = SigningKey::secret(Algorithm::HS256, &SECRET)?.id(KEY_ID);
    Ok(key.sign(&json!({
        "iss": ISSUER, "sub": "5ba552d67", "aud": AUDIENCE,
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "nbf": 1_700_000_000,
        "jti": "dbe39bf3a3ba4238a513f51d6e1691c4", "client_id": "s6BhdRkqt3",
        "scope": "openid profile reademail",
    }))?)
}
