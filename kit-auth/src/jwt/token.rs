//! The form of a token (JWS in compact serialization, RFC 7515, section 7.1).

use super::{Algorithm, TokenError, key::is_there};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// A token that was taken apart, and of which nothing is believed yet.
pub(super) struct Token<'a> {
    /// What is signed.
    pub(super) message: &'a [u8],
    pub(super) header: Header,
    payload: &'a str,
    pub(super) signature: Vec<u8>,
}

/// What its header says, as far as it matters here.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key: Option<String>,
    pub(super) kind: Option<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    alg: super::claims::Text<'a>,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

// ===== impl Token =====

impl<'a> Token<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Parts)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Parts)?;
        // More parts are another thing: encrypted, most often.
        if payload.contains('.') || signature.is_empty() {
            return Err(TokenError::Parts);
        }
        let header = Header::read(&base64url(header)?)?;
        let signature = base64url(signature)?;
        Ok(Self { message: message.as_bytes(), header, payload, signature })
    }

    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenError> {
        base64url(self.payload)
    }
}

fn base64url(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Parts)
}

/// Reads a JSON object; serde would take a list of its members, without their
/// names, for one too.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    if is_object { serde_json::from_slice(json).ok() } else { None }
}

// ===== impl Header =====

impl Header {
    fn read(json: &[u8]) -> Result<Self, TokenError> {
        let wire: Wire<'_> = object(json).ok_or(TokenError::Header)?;
        // RFC 7515, section 4.1.11: what must be understood, and is not. RFC 7797
        // asks for `crit` where `b64` is; without it, it is as wrong.
        if wire.crit || wire.b64 {
            return Err(TokenError::Critical);
        }
        let algorithm = wire.alg.0.parse().map_err(|_| TokenError::Algorithm)?;
        Ok(Self { algorithm, key: wire.kid, kind: wire.typ })
    }
}
