use crate::authorize::Grants;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt, ops::Deref, sync::Arc, time::Duration};

/// What a token that was verified claims, among the extensions of its request.
/// Cheap to clone; read it as the claims.
pub struct Verified<C>(Arc<C>);

/// The claims that are registered (RFC 7519, section 4.1), and those of access
/// tokens (RFC 9068) that say what their holder may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// `iss`: who made the token.
    #[serde(rename = "iss", default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `sub`: whom it is about.
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `aud`: whom it is for; one, or several.
    #[serde(rename = "aud", default, skip_serializing_if = "Many::is_empty")]
    pub audience: Many,
    /// `exp`: until when it is valid, since 1970.
    #[serde(rename = "exp", default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub expires: Option<Duration>,
    /// `nbf`: from when on it is valid, since 1970.
    #[serde(rename = "nbf", default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub not_before: Option<Duration>,
    /// `iat`: when it was made, since 1970.
    #[serde(rename = "iat", default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub issued: Option<Duration>,
    /// `jti`: its own name.
    #[serde(rename = "jti", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `client_id`: who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `scope`: what it is good for, names with spaces between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `roles`: what its subject is.
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub roles: Many,
}

/// One string, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Many(pub Vec<String>);

/// What every token is checked for.
#[derive(Deserialize)]
pub(super) struct Registered<'a> {
    pub(super) exp: Option<Seconds>,
    pub(super) nbf: Option<Seconds>,
    pub(super) iat: Option<Seconds>,
    #[serde(borrow)]
    pub(super) iss: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) aud: Option<Texts<'a>>,
}

/// A `NumericDate` (RFC 7519, section 2): seconds since 1970, perhaps a part of
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds(pub(super) Duration);

/// A string, without a copy where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// One, or a list.
pub(super) enum Texts<'a> {
    One(Cow<'a, str>),
    List(Vec<Cow<'a, str>>),
    Read(&'a [String]),
}

// ===== impl Verified =====

impl<C> Verified<C> {
    pub(super) fn new(claims: C) -> Self {
        Self(Arc::new(claims))
    }
}

impl<C> Clone for Verified<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Verified<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: fmt::Debug> fmt::Debug for Verified<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.0).finish()
    }
}

impl<C: Grants> Grants for Verified<C> {
    fn has_scope(&self, scope: &str) -> bool {
        self.0.has_scope(scope)
    }

    fn has_role(&self, role: &str) -> bool {
        self.0.has_role(role)
    }
}

// ===== impl Claims =====

impl Claims {
    /// What of them is checked; an audience that is not there is one of nobody.
    pub(super) fn registered(&self) -> Registered<'_> {
        Registered {
            exp: self.expires.map(Seconds),
            nbf: self.not_before.map(Seconds),
            iat: self.issued.map(Seconds),
            iss: self.issuer.as_deref().map(|issuer| Text(Cow::Borrowed(issuer))),
            aud: Some(Texts::Read(&self.audience.0)),
        }
    }
}

impl Grants for Claims {
    fn has_scope(&self, scope: &str) -> bool {
        let scopes = self.scope.as_deref().unwrap_or_default();
        scopes.split(' ').any(|own| !own.is_empty() && own == scope)
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.0.iter().any(|own| own == role)
    }
}

// ===== impl Many =====

impl Many {
    /// Says whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Option::<Texts<'de>>::deserialize(deserializer)? {
            None => Vec::new(),
            Some(Texts::One(text)) => vec![text.into_owned()],
            Some(Texts::List(texts)) => texts.into_iter().map(Cow::into_owned).collect(),
            Some(Texts::Read(texts)) => texts.to_vec(),
        }))
    }
}

impl Serialize for Many {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            [one] => serializer.serialize_str(one),
            all => serializer.collect_seq(all),
        }
    }
}

// ===== impl Seconds =====

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl Visitor<'_> for Numbers {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(Duration::from_secs(seconds)))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                // Neither before 1970, nor infinite, nor no number.
                Duration::try_from_secs_f64(seconds).map(Seconds).map_err(E::custom)
            }
        }

        // Not as anything: so a part of a second is a number even where serde_json is
        // built to keep all digits.
        deserializer.deserialize_f64(Numbers)
    }
}

mod seconds {
    use super::Seconds;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Seconds>::deserialize(deserializer)?.map(|seconds| seconds.0))
    }

    #[expect(clippy::ref_option, reason = "serde's")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_u64(time.as_secs()),
            None => serializer.serialize_none(),
        }
    }
}

// ===== impl Text =====

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;

        impl<'de> Visitor<'de> for Strings {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Strings)
    }
}

// ===== impl Texts =====

impl Texts<'_> {
    pub(super) fn has(&self, text: &str) -> bool {
        match self {
            Self::One(own) => own == text,
            Self::List(all) => all.iter().any(|own| own == text),
            Self::Read(all) => all.iter().any(|own| own == text),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Texts<'de>, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = all.next_element::<Text<'de>>()? {
                    texts.push(text.0);
                }
                Ok(Texts::List(texts))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
