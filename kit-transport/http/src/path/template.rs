use super::{Malformed, Unfilled, params::Params};
use crate::DecodeError;
use bytes::Bytes;
use http::{Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, fmt};

/// All but what RFC 3986 (section 2.3) calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The template of a path, as axum's router writes it: `/users/{id}`, and
/// `/files/{*path}` for all that is left.
///
/// A parameter is one whole segment, and never empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Template<'a>(&'a str);

enum Segment<'a> {
    Literal(&'a str),
    One(&'a str),
    Rest(&'a str),
}

// ===== impl Template =====

impl<'a> Template<'a> {
    /// Takes `template`; in a `const`, a wrong one does not compile.
    ///
    /// # Panics
    ///
    /// Panics if `template` does not begin with `/`, if braces are not around a
    /// whole segment, if `{*rest}` is not the last one, if there is what no
    /// path of a URI has (blanks, `?`, `#`): it would never match; or if two
    /// parameters have the same name: no message could fill it.
    #[must_use]
    pub const fn new(template: &'a str) -> Self {
        match Self::parse(template) {
            Ok(template) => template,
            Err(why) => panic!("{}", why.as_str()),
        }
    }

    /// Takes `template`, or says what is wrong with it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new) panics.
    pub const fn parse(template: &'a str) -> Result<Self, Malformed<'a>> {
        let bytes = template.as_bytes();
        if bytes.is_empty() || bytes[0] != b'/' {
            return Err(Malformed::Relative);
        }
        let mut at = 1;
        while at < bytes.len() {
            match bytes[at] {
                b'{' if bytes[at - 1] == b'/' => {
                    let rest = at + 1 < bytes.len() && bytes[at + 1] == b'*';
                    let open = at;
                    let name = at + 1 + rest as usize;
                    at = name;
                    while at < bytes.len() && !matches!(bytes[at], b'{' | b'}' | b'/' | b'*') {
                        at += 1;
                    }
                    if at == name || at == bytes.len() || bytes[at] != b'}' {
                        return Err(Malformed::Braces);
                    }
                    if names(bytes, open, name, at) {
                        let (_, name) = template.split_at(at).0.split_at(name);
                        return Err(Malformed::Repeated { name });
                    }
                    at += 1;
                    if rest && at < bytes.len() {
                        return Err(Malformed::RestNotLast);
                    }
                    if at < bytes.len() && bytes[at] != b'/' {
                        return Err(Malformed::Braces);
                    }
                }
                b'{' | b'}' => return Err(Malformed::Braces),
                b'?' | b'#' => return Err(Malformed::BeyondPath),
                b'<' | b'>' | b'`' | b' ' | 0x7f | ..b' ' => {
                    return Err(Malformed::NotEncoded);
                }
                _ => at += 1,
            }
        }
        Ok(Self(template))
    }

    /// Returns the template as it was written.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Decodes what the path of `request` has in the places of the template:
    /// into a struct or a map by name, into a tuple by position, or, if there
    /// is only one, into its value.
    ///
    /// # Errors
    ///
    /// Fails if the path is not like the template, or what is in it not a `T`,
    /// or not UTF-8 once it is decoded. The error names the parameter that is
    /// wrong.
    pub fn decode<T: DeserializeOwned>(self, request: &Request<Bytes>) -> Result<T, DecodeError> {
        let path = request.uri().path();
        let found = self.find(path).ok_or_else(|| {
            let message = format!("it is not like {}", self.0);
            DecodeError::malformed("path", message)
        })?;
        let mut pairs = Vec::with_capacity(found.len());
        for (name, value) in found {
            match percent_decode_str(value).decode_utf8() {
                Ok(value) => pairs.push((name, value)),
                Err(error) => {
                    let message = error.to_string();
                    return Err(DecodeError::malformed_field("path", name, message));
                }
            }
        }
        T::deserialize(Params(pairs)).map_err(|error| DecodeError::Malformed {
            part: "path",
            field: error.field,
            message: error.message.into(),
        })
    }

    /// Returns what `path` has in the places of the template, still encoded.
    fn find<'p>(self, path: &'p str) -> Option<Vec<(&'a str, &'p str)>> {
        let mut found = Vec::new();
        let mut left = Some(path.strip_prefix('/')?);
        for segment in self.segments() {
            let rest = left?;
            let (this, next) = match rest.split_once('/') {
                Some((this, next)) => (this, Some(next)),
                None => (rest, None),
            };
            match segment {
                Segment::Literal(literal) if literal == this => {}
                Segment::One(name) if !this.is_empty() => found.push((name, this)),
                Segment::Rest(name) if !rest.is_empty() => {
                    found.push((name, rest));
                    return Some(found);
                }
                Segment::Literal(_) | Segment::One(_) | Segment::Rest(_) => return None,
            }
            left = next;
        }
        left.is_none().then_some(found)
    }

    /// Fills the template with `parameters`, a struct or a map, and returns the
    /// URI of that below `base`, of which it needs no more than a path. The
    /// fields that the template names go into the path, the others into the
    /// query, behind what `base` has there already; all are rightly escaped
    /// (RFC 3986). A field that is `None` is left out.
    ///
    /// # Errors
    ///
    /// Fails if a parameter of the template is missing, or would make another
    /// path: if it is empty, or `.` or `..`, or, at `{*rest}`, has such a
    /// segment.
    pub fn uri<T: Serialize>(self, base: &Uri, parameters: &T) -> Result<Uri, Unfilled> {
        let pairs = serde_urlencoded::to_string(parameters).map_err(Unfilled::encode)?;
        let mut pairs: Vec<_> = form_urlencoded::parse(pairs.as_bytes()).collect();
        let mut target = base.path().trim_end_matches('/').to_owned();
        self.fill(&mut pairs, &mut target)?;
        let query = base.query().filter(|query| !query.is_empty());
        if query.is_some() || !pairs.is_empty() {
            target.push('?');
        }
        if let Some(query) = query {
            target.push_str(query);
            if !pairs.is_empty() {
                target.push('&');
            }
        }
        if !pairs.is_empty() {
            let start = target.len();
            let query = form_urlencoded::Serializer::for_suffix(target, start);
            target = { query }.extend_pairs(pairs).finish();
        }
        let mut parts = base.clone().into_parts();
        parts.path_and_query = Some(target.parse().map_err(Unfilled::encode)?);
        Uri::from_parts(parts).map_err(Unfilled::encode)
    }

    /// Appends the path to `target`, and takes what it names out of `pairs`.
    fn fill(
        self,
        pairs: &mut Vec<(Cow<'_, str>, Cow<'_, str>)>,
        target: &mut String,
    ) -> Result<(), Unfilled> {
        for segment in self.segments() {
            target.push('/');
            let (name, whole) = match segment {
                Segment::Literal(literal) => {
                    target.push_str(literal);
                    continue;
                }
                Segment::One(name) => (name, true),
                Segment::Rest(name) => (name, false),
            };
            let Some(at) = pairs.iter().position(|(known, _)| known == name) else {
                return Err(Unfilled::Missing { name: name.to_owned() });
            };
            let (_, value) = pairs.remove(at);
            let segments = value.split(|c| c == '/' && !whole);
            for (index, value) in segments.enumerate() {
                if matches!(value, "" | "." | "..") {
                    return Err(Unfilled::Segment { name: name.to_owned() });
                }
                if index > 0 {
                    target.push('/');
                }
                target.extend(utf8_percent_encode(value, ESCAPED));
            }
        }
        Ok(())
    }

    fn segments(self) -> impl Iterator<Item = Segment<'a>> {
        self.0.split('/').skip(1).map(|segment| {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            match name {
                None => Segment::Literal(segment),
                Some(name) => name.strip_prefix('*').map_or(Segment::One(name), Segment::Rest),
            }
        })
    }
}

impl fmt::Debug for Template<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.0).finish()
    }
}

/// Whether a parameter before `open` has the name from `start` to `end`.
const fn names(template: &[u8], open: usize, start: usize, end: usize) -> bool {
    let mut at = 0;
    while at < open {
        if template[at] == b'{' {
            at += if template[at + 1] == b'*' { 2 } else { 1 };
            let mut same = 0;
            while start + same < end && template[at + same] == template[start + same] {
                same += 1;
            }
            // No name has a brace.
            if start + same == end && template[at + same] == b'}' {
                return true;
            }
        }
        at += 1;
    }
    false
}
