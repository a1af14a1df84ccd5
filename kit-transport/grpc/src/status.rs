use crate::edge::is_reserved;
use kit_endpoint::{Details, Fault, Kind};
use std::collections::HashMap;
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, ErrorInfo, FieldViolation, QuotaViolation, StatusExt};

/// The domain of an `ErrorInfo` whose reason is the name of a [`Kind`].
pub const KIND_DOMAIN: &str = "kit.kind";

/// The key in an `ErrorInfo`'s metadata whose value is the name of a [`Kind`].
pub const KIND_KEY: &str = "kit-kind";

/// Says with which status a fault is answered: a function of it, or [`Rich`].
pub trait EncodeError: Clone {
    /// Returns the status that answers `fault`.
    fn encode_error(&self, fault: &dyn Fault) -> Status;
}

/// Answers faults with [`status`]: the default of [`Server`](crate::Server).
#[derive(Debug, Clone, Copy, Default)]
pub struct Rich;

impl EncodeError for Rich {
    fn encode_error(&self, fault: &dyn Fault) -> Status {
        status(fault)
    }
}

impl<F: Fn(&dyn Fault) -> Status + Clone> EncodeError for F {
    fn encode_error(&self, fault: &dyn Fault) -> Status {
        self(fault)
    }
}

/// Returns the code that answers a failure of `kind`.
#[must_use]
pub fn code(kind: Kind) -> Code {
    Code::from_i32(kind.grpc_code().into())
}

/// Encodes a fault as a status.
///
/// The code is that of the fault's kind. The message is the fault's `Display`
/// if the caller is at fault, and no more than the phrase of the kind if the
/// service is. What the fault [describes](Fault::describe) goes along as the
/// details of `google.rpc` (`error_details.proto`) and as metadata:
///
/// | of the fault | on the wire |
/// |---|---|
/// | reason, domain, metadata | `ErrorInfo` |
/// | violations | `BadRequest` |
/// | quotas | `QuotaFailure` |
/// | `retry_after` | `RetryInfo` |
/// | headers | metadata, beside the status, but for gRPC's own (`grpc-status`, ...) |
///
/// Of some kinds the code does not tell all: `PayloadTooLarge` is
/// `RESOURCE_EXHAUSTED`. These name themselves for peers that know them, as
/// the reason of an `ErrorInfo` of the domain [`KIND_DOMAIN`]; where the fault
/// has an `ErrorInfo` of its own, as its metadata [`KIND_KEY`].
#[must_use]
pub fn status(fault: &dyn Fault) -> Status {
    let kind = fault.kind();
    let message = if kind.is_server() { kind.phrase().to_owned() } else { fault.to_string() };
    let mut details = Details::default();
    fault.describe(&mut details);
    let mut headers = details.headers().clone();
    for name in details.headers().keys().filter(|name| is_reserved(name)) {
        headers.remove(name);
    }
    let metadata = MetadataMap::from_headers(headers);
    match rich(fault, kind, &details) {
        Some(rich) => Status::with_error_details_and_metadata(code(kind), message, rich, metadata),
        None => Status::with_metadata(code(kind), message, metadata),
    }
}

/// Returns the kind of a failure that came as `status`; of OK there is none.
///
/// It is the exact kind, if the peer is one of ours and says so, else that of
/// the code. A name that contradicts the code counts for nothing.
#[must_use]
pub fn kind(status: &Status) -> Option<Kind> {
    let of_code = Kind::from_grpc_code(i32::from(status.code()).unsigned_abs())?;
    if status.details().is_empty() {
        return Some(of_code);
    }
    let exact = status.get_details_error_info().and_then(|info| named(&info)?.parse().ok());
    Some(exact.filter(|exact: &Kind| exact.grpc_code() == of_code.grpc_code()).unwrap_or(of_code))
}

/// Reads what `status` describes, of any peer: the reason, its domain and
/// metadata, violations and quotas. What is not there is empty, and so is what
/// cannot be read.
///
/// It is what [`status`] writes, the other way; what only names the kind is
/// [`kind`]'s. When to try again is
/// [`Fault::retry_after`] of a [`Rejection`](crate::Rejection), and the metadata
/// beside the status is its own.
#[must_use]
pub fn details(status: &Status) -> Details {
    let mut details = Details::default();
    if status.details().is_empty() {
        return details;
    }
    let rich = status.get_error_details();
    if let Some(info) = rich.error_info().filter(|info| info.domain != KIND_DOMAIN) {
        if !info.reason.is_empty() {
            details.reason(info.reason.clone());
        }
        if !info.domain.is_empty() {
            details.domain(info.domain.clone());
        }
        // They have no order of their own on the wire.
        let mut facts: Vec<_> = info.metadata.iter().filter(|(key, _)| *key != KIND_KEY).collect();
        facts.sort();
        for (key, value) in facts {
            details.metadata(key.clone(), value.clone());
        }
    }
    for violation in rich.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        details.violation(violation.field.clone(), violation.description.clone());
    }
    for quota in rich.quota_failure().iter().flat_map(|failure| &failure.violations) {
        details.quota(quota.subject.clone(), quota.description.clone());
    }
    details
}

fn named(info: &ErrorInfo) -> Option<&str> {
    if info.domain == KIND_DOMAIN {
        Some(&info.reason)
    } else {
        info.metadata.get(KIND_KEY).map(String::as_str)
    }
}

fn rich(fault: &dyn Fault, kind: Kind, details: &Details) -> Option<ErrorDetails> {
    let mut rich = ErrorDetails::new();
    let mut any = false;
    let exact = Kind::from_grpc_code(kind.grpc_code().into()) == Some(kind);
    let own = details.get_reason().is_some()
        || details.get_domain().is_some()
        || !details.get_metadata().is_empty();
    if own {
        let metadata = details.get_metadata().iter().map(|(key, value)| (&**key, value.as_str()));
        let name = (!exact).then_some((KIND_KEY, kind.name()));
        let metadata: HashMap<String, String> =
            metadata.chain(name).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        rich.set_error_info(
            details.get_reason().unwrap_or_default(),
            details.get_domain().unwrap_or_default(),
            metadata,
        );
        any = true;
    } else if !exact {
        rich.set_error_info(kind.name(), KIND_DOMAIN, HashMap::<String, String>::new());
        any = true;
    }
    if let Some(after) = fault.retry_after() {
        rich.set_retry_info(Some(after));
        any = true;
    }
    if !details.violations().is_empty() {
        let violations = details.violations().iter();
        let violations: Vec<_> = violations
            .map(|violation| FieldViolation::new(&*violation.field, &*violation.description))
            .collect();
        rich.set_bad_request(violations);
        any = true;
    }
    if !details.quotas().is_empty() {
        let quotas = details.quotas().iter();
        let quotas: Vec<_> =
            quotas.map(|quota| QuotaViolation::new(&*quota.subject, &*quota.description)).collect();
        rich.set_quota_failure(quotas);
        any = true;
    }
    any.then_some(rich)
}
