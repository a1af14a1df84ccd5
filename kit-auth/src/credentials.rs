//! What a request says of who sends it, as it came.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use kit_endpoint::{Carries, Request, TlsIdentity};
use std::{error, fmt};

/// The longest value of a header that is looked at, in bytes: no kit or proxy
/// that we know of passes on a head of more than 8 KiB by default.
pub const MAX_CREDENTIALS: usize = 8 * 1024;

/// The headers of a request that may say who sends it, among its extensions.
///
/// A transport's hook writes it (`Auth::hook`), also where
/// the request has none of them: an [`Auth`](crate::Auth) that finds no entry
/// was not told, and does not take that for a stranger. A request of `http`
/// needs no entry, since it has its headers.
///
/// Its `Debug` shows which headers are there, and nothing of what they say.
#[derive(Clone, Default)]
pub struct Credentials {
    authorization: Header,
    more: Vec<(HeaderName, Header)>,
}

/// What a request has under one name.
#[derive(Clone, Default)]
enum Header {
    #[default]
    None,
    One(HeaderValue),
    Several,
}

/// What an [`Authenticator`](crate::Authenticator) is shown of a request.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    headers: Headers<'a>,
    tls: Option<&'a TlsIdentity>,
}

#[derive(Clone, Copy)]
enum Headers<'a> {
    All(&'a HeaderMap),
    Kept(&'a Credentials),
}

/// A request that can be asked who sends it.
///
/// It is implemented for [`Request`], by the [`Credentials`] among its
/// extensions, and for `http::Request`, by its headers.
pub trait Presents: Carries {
    /// Shows what it says of who sends it; `None` if nobody has written down its
    /// [`Credentials`].
    fn presented(&self) -> Option<Presented<'_>>;
}

/// A header that should say who sends the request, and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// It is there more than once: two readers might each take another.
    Several,
    /// It is not printable ASCII.
    NotText,
    /// It is longer than [`MAX_CREDENTIALS`], or than is taken.
    TooLong,
    /// What follows the scheme is not what the scheme asks for.
    Syntax,
}

// ===== impl Credentials =====

impl Credentials {
    /// Keeps `authorization` of these headers, and those that are `named`.
    #[must_use]
    pub fn of(headers: &HeaderMap, named: &[HeaderName]) -> Self {
        Self {
            authorization: Header::of(headers, &AUTHORIZATION),
            more: named.iter().map(|name| (name.clone(), Header::of(headers, name))).collect(),
        }
    }

    fn header(&self, name: &HeaderName) -> Option<&Header> {
        if name == AUTHORIZATION {
            return Some(&self.authorization);
        }
        self.more.iter().find(|(known, _)| known == name).map(|(_, header)| header)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Credentials");
        shown.field("authorization", &self.authorization);
        for (name, header) in &self.more {
            shown.field(name.as_str(), header);
        }
        shown.finish()
    }
}

// ===== impl Header =====

impl Header {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => {
                let mut value = value.clone();
                value.set_sensitive(true);
                Self::One(value)
            }
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::One(_) => "one",
            Self::Several => "several",
        })
    }
}

// ===== impl Presented =====

impl<'a> Presented<'a> {
    /// What these headers say, of a connection whose peer has no certificate.
    #[must_use]
    pub const fn of(headers: &'a HeaderMap) -> Self {
        Self { headers: Headers::All(headers), tls: None }
    }

    /// Returns what the peer's certificate says, where the accept loop put it
    /// among the extensions.
    #[must_use]
    pub const fn tls(&self) -> Option<&'a TlsIdentity> {
        self.tls
    }

    /// Returns the value of a header that may be there once: `None` if it is not
    /// there, or was not asked for by
    /// [`Authenticator::headers`](crate::Authenticator::headers).
    ///
    /// # Errors
    ///
    /// When it is there more than once, is longer than [`MAX_CREDENTIALS`], or
    /// is not printable ASCII.
    pub fn header(&self, name: &HeaderName) -> Result<Option<&'a str>, Malformed> {
        self.value(name)?.map(text).transpose()
    }

    /// The same, as bytes that are printable ASCII.
    fn value(&self, name: &HeaderName) -> Result<Option<&'a [u8]>, Malformed> {
        let value = match self.headers {
            Headers::All(headers) => {
                let mut values = headers.get_all(name).iter();
                match (values.next(), values.next()) {
                    (None, _) => return Ok(None),
                    (Some(value), None) => value,
                    (Some(_), Some(_)) => return Err(Malformed::Several),
                }
            }
            Headers::Kept(kept) => match kept.header(name) {
                None | Some(Header::None) => return Ok(None),
                Some(Header::One(value)) => value,
                Some(Header::Several) => return Err(Malformed::Several),
            },
        };
        if value.len() > MAX_CREDENTIALS {
            return Err(Malformed::TooLong);
        }
        // All of it, so that many bytes are looked at in one step. `http` takes a tab
        // for text too.
        let bytes = value.as_bytes();
        let is_text = bytes.iter().fold(true, |so_far, byte| so_far & matches!(byte, b' '..=b'~'));
        if is_text { Ok(Some(bytes)) } else { Err(Malformed::NotText) }
    }

    /// Returns what follows `scheme` in `authorization`; `None` if there is no
    /// such header, or its scheme is another (RFC 9110, section 11.4: the
    /// scheme's case does not matter, one space or more follow it).
    ///
    /// # Errors
    ///
    /// As [`header`](Self::header), and when nothing follows the scheme.
    pub fn authorization(&self, scheme: &str) -> Result<Option<&'a str>, Malformed> {
        self.credentials(scheme)?.map(text).transpose()
    }

    /// The same, as bytes that are printable ASCII.
    pub(crate) fn credentials(&self, scheme: &str) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(value) = self.value(&AUTHORIZATION)? else { return Ok(None) };
        // Over HTTP/2 nobody has taken the spaces that are around it.
        let value = value.trim_ascii();
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (named, rest) = value.split_at(end);
        if !named.eq_ignore_ascii_case(scheme.as_bytes()) {
            return Ok(None);
        }
        let rest = rest.trim_ascii_start();
        if rest.is_empty() { Err(Malformed::Syntax) } else { Ok(Some(rest)) }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(bytes).map_err(|_| Malformed::NotText)
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("tls", &self.tls).finish_non_exhaustive()
    }
}

// ===== impl Presents =====

fn tls(extensions: &Extensions) -> Option<&TlsIdentity> {
    extensions.get()
}

impl<T> Presents for Request<T> {
    fn presented(&self) -> Option<Presented<'_>> {
        let kept = self.extensions().get::<Credentials>()?;
        Some(Presented { headers: Headers::Kept(kept), tls: tls(self.extensions()) })
    }
}

impl<B> Presents for http::Request<B> {
    fn presented(&self) -> Option<Presented<'_>> {
        Some(Presented { headers: Headers::All(self.headers()), tls: tls(self.extensions()) })
    }
}

// ===== impl Malformed =====

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Several => "the credentials are there more than once: send one header",
            Self::NotText => "the credentials are not printable ASCII",
            Self::TooLong => "the credentials are too long",
            Self::Syntax => "the credentials are not what their scheme asks for",
        })
    }
}

impl error::Error for Malformed {}
