//! What `form` and `query` share: `name=value&name=value`.

use crate::{DecodeError, field};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use std::fmt;

pub(crate) fn decode<T: DeserializeOwned>(
    part: &'static str,
    text: &[u8],
    hint: &'static str,
) -> Result<T, DecodeError> {
    let malformed = |field, error: &dyn fmt::Display, hint| {
        let message = format!("{error}: {hint}").into();
        DecodeError::Malformed { part, field, message }
    };
    // What follows would read U+FFFD for bytes that are no text.
    if text.contains(&b'%') || !text.is_ascii() {
        percent_decode(text)
            .decode_utf8()
            .map_err(|error| malformed(None, &error, "percent-encode text as UTF-8"))?;
    }
    serde_urlencoded::from_bytes(text).map_err(|error| {
        let pairs = form_urlencoded::parse(text);
        malformed(field::find::<T, _>(serde_urlencoded::Deserializer::new(pairs)), &error, hint)
    })
}
