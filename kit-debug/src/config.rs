//! A configuration that may be shown: without its secrets.
//!
//! Secrets are left out twice. By type, where the program says so: a [`Secret`]
//! serializes and prints as `[redacted]`, whoever writes it out. And by name, where
//! it does not: a [`Redactor`] leaves out each value whose key sounds like a secret,
//! and what stands before the `@` of a URL.
//!
//! ```
//! use kit_debug::config::{Redactor, Secret};
//!
//! #[derive(serde::Serialize)]
//! struct Config {
//!     port: u16,
//!     database: String,
//!     smtp_password: String,
//!     seed: Secret<u64>,
//! }
//!
//! let config = Config {
//!     port: 9110,
//!     database: "postgres://app:hunter2@db/greetings".to_owned(),
//!     smtp_password: "hunter2".to_owned(),
//!     seed: Secret::new(42),
//! };
//! let shown = Redactor::new().redact(&config)?;
//! assert_eq!(
//!     serde_json::to_value(&shown)?,
//!     serde_json::json!({
//!         "port": 9110,
//!         "database": "postgres://[redacted]@db/greetings",
//!         "smtp_password": "[redacted]",
//!         "seed": "[redacted]",
//!     }),
//! );
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Words of a key whose value is a secret. One that is not long enough to be clear
/// counts as a whole word only.
const WORDS: [&str; 9] = ["auth", "bearer", "dsn", "key", "keys", "pass", "pin", "pwd", "salt"];
/// Parts of one, wherever they stand, without `-`, `_` and `.`.
const PARTS: [&str; 13] = [
    "accesskey",
    "apikey",
    "authorization",
    "connectionstring",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "sessionid",
    "token",
];
/// How deep a configuration is looked into. What is deeper is left out.
const DEEPEST: usize = 64;

/// A value that does not show itself: its `Debug`, its `Display` and what it
/// serializes as are `[redacted]`.
#[derive(Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

/// Makes a configuration fit to be shown.
///
/// A key says that its value is a secret if one of its words is `auth`, `bearer`,
/// `dsn`, `key`, `pass`, `pin`, `pwd` or `salt`, or if `password`, `passphrase`,
/// `secret`, `token`, `credential`, `cookie`, `authorization`, `api_key` and the like
/// are in it, whatever the case and the `-`, `_` and `.` between. Then all of the
/// value is left out, but that it is null, or true or false. The same holds for
/// pairs, `["password", ..]`, and for objects of a `name` or `key` and a `value`.
///
/// In other text the user of each URL is left out, each `name=value`, of a query or
/// between blanks, whose name is such a key, and all that follows such a name and a
/// colon; and of a list of arguments what follows `--password`. What has no name, it
/// cannot know: make that a [`Secret`].
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    also: Vec<String>,
    shown: Vec<String>,
}

/// A configuration without its secrets.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Redacted(Value);

// ===== impl Secret =====

impl<T> Secret<T> {
    /// Keeps `value` from being shown.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value, for its use.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

// ===== impl Redactor =====

impl Redactor {
    /// Leaves out what by its name is a secret.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out also the values of these keys, whatever case they are written in.
    #[must_use]
    pub fn also(mut self, keys: impl IntoIterator<Item: Into<String>>) -> Self {
        self.also.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Shows the values of these keys, although they sound like secrets:
    /// `token_file`.
    #[must_use]
    pub fn show(mut self, keys: impl IntoIterator<Item: Into<String>>) -> Self {
        self.shown.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Returns `config` without its secrets.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be JSON, such as a map whose keys are no text.
    pub fn redact(&self, config: &impl Serialize) -> serde_json::Result<Redacted> {
        let mut value = serde_json::to_value(config)?;
        self.within(&mut value, DEEPEST);
        Ok(Redacted(value))
    }

    fn within(&self, value: &mut Value, deeper: usize) {
        let Some(deeper) = deeper.checked_sub(1) else { return hide(value) };
        match value {
            Value::String(text) => {
                if let Some(shown) = self.text(text) {
                    *text = shown;
                }
            }
            Value::Array(items) => match &mut **items {
                [Value::String(name), value] if self.is_secret(name) => hide(value),
                items => {
                    let mut is_next = false;
                    for item in items {
                        if is_next {
                            hide(item);
                        } else {
                            self.within(item, deeper);
                        }
                        // As in the arguments of a command: `--password`, and then it.
                        is_next = !is_next && item.as_str().is_some_and(|flag| self.is_flag(flag));
                    }
                }
            },
            Value::Object(fields) => {
                let named = ["name", "key", "Name", "Key"].into_iter();
                let named = named.filter_map(|field| fields.get(field)?.as_str());
                let is_named = named.into_iter().any(|name| self.is_secret(name));
                for (key, value) in fields {
                    let is_value = is_named && key.eq_ignore_ascii_case("value");
                    // What says which it is, is shown, if it is text.
                    let is_name = key.eq_ignore_ascii_case("key") && is_named;
                    if is_value || self.is_secret(key) && !is_name {
                        hide(value);
                    } else {
                        self.within(value, deeper);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn is_flag(&self, text: &str) -> bool {
        text.starts_with('-') && !text.contains(['=', ' ']) && self.is_secret(text)
    }

    fn is_secret(&self, key: &str) -> bool {
        let is = |known: &String| known.eq_ignore_ascii_case(key);
        if self.shown.iter().any(is) {
            return false;
        }
        let mut words = words(key);
        self.also.iter().any(is) || words.iter().any(|word| WORDS.contains(&&**word)) || {
            words.retain(|word| !word.is_empty());
            let joined = words.concat();
            PARTS.iter().any(|part| joined.contains(part))
        }
    }

    /// Returns `text` without the users of its URLs and the secrets of their
    /// queries, unless it has none.
    fn text(&self, text: &str) -> Option<String> {
        const END: &[char] = &['/', '?', '#', ' ', ',', '"', '\''];
        let mut shown = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("://") {
            shown.push_str(before);
            shown.push_str("://");
            let authority = after.find(END).unwrap_or(after.len());
            // Some write an `@` or a `/` into a password as they are.
            let user = after[..authority].rfind('@').or_else(|| {
                let word = after.find([' ', ',', '"', '\'']).unwrap_or(after.len());
                let colon = after[..authority].contains(':');
                after[..word].rfind('@').filter(|_| colon)
            });
            rest = after;
            if let Some(user) = user {
                shown.push_str(REDACTED);
                rest = &after[user..];
            }
        }
        shown.push_str(rest);
        let shown = self.rest(self.query(&shown));
        (shown != text).then_some(shown)
    }

    /// As headers and files have it: `Authorization: ..`, `password = ..`,
    /// `{"password": ..}`. Where such a value ends nobody knows, so the rest goes.
    fn rest(&self, mut text: String) -> String {
        let ends = text.match_indices([':', '=']).find_map(|(at, sign)| {
            let name = text[..at].trim_end_matches([' ', '\t', '"', '\'']);
            let of_name = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
            let begin = name.rfind(|letter| !of_name(letter)).map_or(0, |before| {
                before + name[before..].chars().next().map_or(0, char::len_utf8)
            });
            let after = &text[at + sign.len()..];
            let is_shown =
                after.is_empty() || after.starts_with(REDACTED) || after.starts_with("//");
            (!is_shown && self.is_secret(&name[begin..])).then_some(at + sign.len())
        });
        if let Some(ends) = ends {
            text.truncate(ends);
            text.push_str(REDACTED);
        }
        text
    }

    /// Also those of a line of pairs, as drivers of databases take: `password=..`.
    fn query(&self, text: &str) -> String {
        const BETWEEN: &[char] = &['?', '&', ';', '#', ',', ' '];
        let mut shown = String::with_capacity(text.len());
        for part in text.split_inclusive(BETWEEN) {
            match part.split_once('=') {
                Some((name, value)) if self.is_secret(name) => {
                    let end = value.rfind(BETWEEN).unwrap_or(value.len());
                    shown.extend([name, "=", REDACTED, &value[end..]]);
                }
                _ => shown.push_str(part),
            }
        }
        shown
    }
}

/// Splits a key into its words, in lower case: `HTTPSetCookie` and `http-set.cookie`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    let mut letters = key.chars().peekable();
    while let Some(letter) = letters.next() {
        let next_is_lower = letters.peek().is_some_and(|next| next.is_lowercase());
        let is_new = letter.is_uppercase()
            && (before.is_lowercase()
                || before.is_numeric()
                || before.is_uppercase() && next_is_lower);
        if is_new || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

/// What is not there, and what is on or off, is no secret.
fn hide(value: &mut Value) {
    if !matches!(value, Value::Null | Value::Bool(_)) {
        *value = Value::from(REDACTED);
    }
}

// ===== impl Redacted =====

impl Redacted {
    /// Returns what is shown.
    #[must_use]
    pub const fn as_value(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As JSON on one line.
impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
