use http::{HeaderName, HeaderValue};
use kit_endpoint::{Details, Fault, Kind};
use std::{array::from_fn, error, fmt, time::Duration};

/// A fault of given bytes: it says whatever can be said.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) kind: Kind,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) detail: String,
    pub(crate) reason: String,
    pub(crate) domain: String,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) field: String,
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Given {
    /// Takes lines of text: a kind, milliseconds, and what else can be said.
    pub(crate) fn new(data: &[u8]) -> Self {
        let text = String::from_utf8_lossy(data);
        let mut lines = text.split('\n');
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let [kind, millis, detail, reason, domain, key, value, field] = from_fn(|_| line());
        let index = usize::from(kind.bytes().next().unwrap_or_default()) % Kind::ALL.len();
        let name = HeaderName::try_from(line());
        Self {
            kind: kind.parse().unwrap_or(Kind::ALL[index]),
            retry_after: millis.parse().ok().map(Duration::from_millis),
            detail,
            reason,
            domain,
            key,
            value,
            field,
            header: name.ok().zip(HeaderValue::try_from(line()).ok()),
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl error::Error for Given {}

impl Fault for Given {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn describe(&self, details: &mut Details) {
        if !self.reason.is_empty() {
            details.reason(self.reason.clone());
        }
        if !self.domain.is_empty() {
            details.domain(self.domain.clone());
        }
        if !self.key.is_empty() {
            details.metadata(self.key.clone(), self.value.clone());
        }
        if !self.field.is_empty() {
            details.violation(self.field.clone(), self.value.clone());
        }
        if let Some((name, value)) = &self.header {
            details.header(name.clone(), value.clone());
        }
    }
}
