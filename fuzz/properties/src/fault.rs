use http::{HeaderName, HeaderValue};
use kit_endpoint::{Details, Fault, Kind};
use kit_transport_http::Rejection;
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

impl Given {
    /// What a client of the kit was told is what was meant.
    pub(crate) fn check(&self, told: &Rejection) {
        assert_eq!((told.status, told.kind), (self.kind.http_status(), self.kind));
        let detail = if self.kind.is_server() { self.kind.phrase() } else { &self.detail };
        assert_eq!(told.detail.as_deref(), Some(detail));
        if let Some(after) = self.retry_after {
            let told = told.retry_after.expect("it says when to try again");
            assert!((after..after + Duration::from_secs(1)).contains(&told));
        }
        let told = &told.problem.as_ref().expect("problem details").details;
        let mut meant = Details::default();
        self.describe(&mut meant);
        assert_eq!(told.get_reason(), meant.get_reason());
        assert_eq!(told.get_domain(), meant.get_domain());
        assert_eq!(told.get_metadata(), meant.get_metadata());
        assert_eq!(told.violations(), meant.violations());
        assert_eq!(told.quotas(), meant.quotas());
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
            details.quota(self.value.clone(), self.field.clone());
        }
        if let Some((name, value)) = &self.header {
            details.header(name.clone(), value.clone());
        }
    }
}
