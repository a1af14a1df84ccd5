//! How a name and a password are written.

use super::Unfit;
use crate::Malformed;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use zeroize::Zeroizing;

/// Shows `f` the name and the password in what follows the scheme, and wipes them.
pub(super) fn read<T>(token: &str, f: impl FnOnce(&str, &str) -> T) -> Result<T, Malformed> {
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(token.len())]);
    // What is wrong with it is not said further: it would show some of it.
    let len = STANDARD.decode_slice(token, &mut bytes).map_err(|_| Malformed::Syntax)?;
    let text = str::from_utf8(&bytes[..len]).map_err(|_| Malformed::Syntax)?;
    if text.chars().any(char::is_control) {
        return Err(Malformed::Syntax);
    }
    let (name, password) = text.split_once(':').ok_or(Malformed::Syntax)?;
    Ok(f(name, password))
}

/// Makes the value of `authorization` for a client; it is marked as sensitive.
///
/// Text that is not ASCII should be in Unicode's Normalization Form C (RFC 7617,
/// section 2.1); it is sent as it is.
///
/// ```
/// use kit_auth::basic;
///
/// let header = basic::header("Aladdin", "open sesame")?;
/// assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// assert_eq!(format!("{header:?}"), "Sensitive");
/// # Ok::<_, basic::Unfit>(())
/// ```
///
/// # Errors
///
/// When the name has a colon, or either has a control character.
pub fn header(name: &str, password: &str) -> Result<HeaderValue, Unfit> {
    Unfit::check(name, password)?;
    let text = Zeroizing::new([name, ":", password].concat());
    let mut value = Zeroizing::new(String::with_capacity(6 + text.len().div_ceil(3) * 4));
    value.push_str("Basic ");
    STANDARD.encode_string(text.as_bytes(), &mut value);
    // Base64 is never anything that a header cannot carry.
    let mut value = HeaderValue::from_str(&value).map_err(|_| Unfit::Control)?;
    value.set_sensitive(true);
    Ok(value)
}
