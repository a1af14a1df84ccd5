use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

/// What a [`Fault`](crate::Fault) tells the caller beside its kind.
///
/// Over gRPC the reason, domain and metadata become an `ErrorInfo`, the
/// violations a `BadRequest` and the quotas a `QuotaFailure`
/// (`google/rpc/error_details.proto`); over HTTP they are members of the
/// problem details (RFC 9457), and the headers are the reply's.
///
/// ```
/// use kit_endpoint::Details;
///
/// let mut details = Details::default();
/// details.reason("NAME_EMPTY").domain("greeter.example").violation("name", "is empty");
/// assert_eq!(details.violations()[0].field, "name");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Details {
    reason: Option<Cow<'static, str>>,
    domain: Option<Cow<'static, str>>,
    metadata: Vec<(Cow<'static, str>, String)>,
    violations: Vec<Violation>,
    quotas: Vec<Quota>,
    headers: HeaderMap,
}

/// A field of the request that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The path to the field, as the caller knows it (`"address.city"`).
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub description: Cow<'static, str>,
}

/// A quota that the request would exceed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// Whose it is (`"project:blue"`, `"clientip:192.0.2.7"`).
    pub subject: Cow<'static, str>,
    /// Which it is, and what to do about it.
    pub description: Cow<'static, str>,
}

// ===== impl Details =====

impl Details {
    /// Says why, as a constant of the domain: `UPPER_SNAKE_CASE`, at most 63
    /// bytes, by the rule of `ErrorInfo`.
    pub fn reason(&mut self, reason: impl Into<Cow<'static, str>>) -> &mut Self {
        self.reason = Some(reason.into());
        self
    }

    /// Names whose reason it is: most often the service's own domain name.
    pub fn domain(&mut self, domain: impl Into<Cow<'static, str>>) -> &mut Self {
        self.domain = Some(domain.into());
        self
    }

    /// Adds a fact about this failure; it replaces one of the same key.
    pub fn metadata(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        match self.metadata.iter_mut().find(|(known, _)| *known == key) {
            Some(fact) => fact.1 = value,
            None => self.metadata.push((key, value)),
        }
        self
    }

    /// Names a field of the request that is wrong.
    pub fn violation(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> &mut Self {
        self.violations.push(Violation { field: field.into(), description: description.into() });
        self
    }

    /// Names a quota that the request would exceed.
    pub fn quota(
        &mut self,
        subject: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> &mut Self {
        self.quotas.push(Quota { subject: subject.into(), description: description.into() });
        self
    }

    /// Adds a header of the reply (over gRPC, of its metadata), also beside one
    /// of the same name.
    pub fn header(&mut self, name: HeaderName, value: HeaderValue) -> &mut Self {
        self.headers.append(name, value);
        self
    }

    /// Returns the reason.
    #[must_use]
    pub fn get_reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the domain of the reason.
    #[must_use]
    pub fn get_domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Returns the facts, in the order in which they were added.
    #[must_use]
    pub fn get_metadata(&self) -> &[(Cow<'static, str>, String)] {
        &self.metadata
    }

    /// Returns the fields that are wrong.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Returns the quotas that the request would exceed.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Returns the headers of the reply.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}
