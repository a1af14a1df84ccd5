//! The form of a token (JWS in compact serialization, RFC 7515, section 7.1).

use super::{Algorithm, KeySet, TokenError, base64url, key::is_there};
use serde::Deserialize;

/// A token that was taken apart, and of which nothing is believed yet.
struct Token<'a> {
    /// What is signed.
    message: &'a str,
    header: &'a str,
    /// With more parts in it, if there are.
    payload: &'a str,
    signature: &'a str,
}

/// What its header says, as far as it matters here.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key: Option<Box<str>>,
    pub(super) kind: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    alg: super::claims::Text<'a>,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    b64: bool,
}

/// Verifies the signature of a token, whose type (`typ`) is to be one that
/// `is_taken`, and returns its payload.
pub(super) fn open(
    keys: Option<&KeySet>,
    token: &str,
    is_taken: impl FnOnce(Option<&str>) -> bool,
) -> Result<Vec<u8>, TokenError> {
    let token = Token::split(token)?;
    let mut bytes = Vec::with_capacity(token.payload.len() + token.signature.len());
    decode(token.signature, &mut bytes)?;
    let signature = bytes.len();
    let known = keys.and_then(|keys| keys.headers().get(token.header));
    let mut read = None;
    let header = match known {
        Some(known) => known.header(),
        // That of more parts is another thing: encrypted, most often.
        None if token.payload.contains('.') => return Err(TokenError::Parts),
        None => read.insert(Header::read(token.header)?),
    };
    // Before it is believed, so that more parts are seen here too.
    decode(token.payload, &mut bytes)?;
    if !is_taken(header.kind.as_deref()) {
        return Err(TokenError::Type);
    }
    let keys = keys.ok_or(TokenError::NoKeys)?;
    let at = match known {
        Some(known) => known.key(),
        None => keys.find(header.algorithm, header.key.as_deref())?,
    };
    if !keys.keys()[at].verifies(token.message.as_bytes(), &bytes[..signature]) {
        return Err(TokenError::Signature);
    }
    if let Some(header) = read {
        keys.headers().put(token.header, header, at);
    }
    bytes.drain(..signature);
    Ok(bytes)
}

// ===== impl Token =====

impl<'a> Token<'a> {
    fn split(token: &'a str) -> Result<Self, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Parts)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Parts)?;
        if signature.is_empty() {
            return Err(TokenError::Parts);
        }
        Ok(Self { message, header, payload, signature })
    }
}

fn decode(part: &str, into: &mut Vec<u8>) -> Result<(), TokenError> {
    base64url::decode(part, into).ok_or(TokenError::Parts)
}

/// Reads a JSON object; serde would take a list of its members, without their
/// names, for one too.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with('{');
    if is_object { serde_json::from_str(json).ok() } else { None }
}

// ===== impl Header =====

impl Header {
    fn read(text: &str) -> Result<Self, TokenError> {
        let mut json = Vec::new();
        decode(text, &mut json)?;
        let json = str::from_utf8(&json).map_err(|_| TokenError::Header)?;
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
