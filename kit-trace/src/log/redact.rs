use std::fmt;

/// What stands in a line in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A value that no log, no panic and no `Debug` of what holds it shows: it is
/// written as `[redacted]`.
///
/// The type says that it is secret, once, where it is declared; whoever needs the
/// value asks for it by name. It is no protection of memory: nothing is wiped.
///
/// ```
/// use kit_trace::log::Redacted;
///
/// #[derive(Debug)]
/// struct Login {
///     name: String,
///     password: Redacted<String>,
/// }
///
/// let login = Login { name: "ada".to_owned(), password: "hunter2".to_owned().into() };
/// assert_eq!(format!("{login:?}"), r#"Login { name: "ada", password: [redacted] }"#);
/// assert_eq!(login.password.expose(), "hunter2");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Redacted<T>(T);

/// The names of fields whose values are never written, whatever they are: what a
/// line shows in their place is [`REDACTED`].
///
/// A name is met as a whole and as the last part of one, behind `.`, `_` or `-`,
/// and its letters of either case: `token` is met by `access_token`, `X-Auth-Token`
/// and `user.token`, and not by `tokens` or `token_count`. That is by name only: a
/// secret inside of a message, or of another field, is not found. For those there is
/// [`Redacted`].
///
/// The [default](Self::default) is [`NAMES`](Self::NAMES).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensitive {
    names: Vec<Box<str>>,
    /// The two bytes that a name ends in, which most fields do not: a set of 1024 bits.
    ends: [u64; 16],
}

// ===== impl Redacted =====

impl<T> Redacted<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value, which from here on is yours to keep secret.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(REDACTED)
    }
}

// ===== impl Sensitive =====

impl Sensitive {
    /// The names by default: what carries credentials in HTTP (RFC 9110, RFC 6265),
    /// in `OAuth` (RFC 6749) and in what people log of their configuration.
    pub const NAMES: [&'static str; 14] = [
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "api_key",
        "api-key",
        "apikey",
        "passphrase",
        "passwd",
        "password",
        "private_key",
        "secret",
        "signature",
        "token",
    ];

    /// Redacts these names, and no others.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        names
            .into_iter()
            .fold(Self { names: Vec::new(), ends: [0; 16] }, |all, name| all.and(name.as_ref()))
    }

    /// Redacts `name` too. One of less than two bytes is passed over.
    #[must_use]
    pub fn and(mut self, name: &str) -> Self {
        if let Some((at, bit)) = end(name) {
            self.ends[at] |= bit;
            self.names.push(name.into());
        }
        self
    }

    /// Says whether the value of the field `name` is redacted.
    #[must_use]
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        end(name).is_some_and(|(at, bit)| self.ends[at] & bit != 0) && self.find(name.as_bytes())
    }

    #[inline(never)]
    fn find(&self, field: &[u8]) -> bool {
        self.names.iter().any(|name| {
            let Some(before) = field.len().checked_sub(name.len()) else { return false };
            field[before..].eq_ignore_ascii_case(name.as_bytes())
                && (before == 0 || matches!(field[before - 1], b'.' | b'_' | b'-'))
        })
    }
}

/// Where the last two bytes are in the set. Letters of either case have the same lower
/// five bits.
#[inline]
fn end(name: &str) -> Option<(usize, u64)> {
    let [.., before, last] = name.as_bytes() else { return None };
    let at = usize::from(before & 31) << 5 | usize::from(last & 31);
    Some((at >> 6, 1 << (at & 63)))
}

impl Default for Sensitive {
    fn default() -> Self {
        Self::new(Self::NAMES)
    }
}
