use http::HeaderMap;
use kit_endpoint::Details;
use std::{error::Error, fmt};

/// The problem details (RFC 9457) that a server sent with a failure.
///
/// What is of another JSON type than the RFC says is as if it were not there.
/// Of the facts (`metadata`), 128 are kept.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ReceivedProblem {
    /// What type of problem it is, as a URI; `about:blank` where only the
    /// status says so.
    pub r#type: Option<String>,
    /// The type, in words.
    pub title: Option<String>,
    /// This problem, in words for who called.
    pub detail: Option<String>,
    /// This occurrence of it, as a URI reference: from a peer of ours the
    /// request id, `#01a2…`.
    pub instance: Option<String>,
    /// The trace in which it happened.
    pub trace_id: Option<String>,
    /// The reason, its domain and facts, the fields that are wrong, and the quotas.
    pub details: Details,
    /// The name of the exact kind.
    pub(super) kind: Option<String>,
}

/// Each fact is looked for among those before it, so that as many as fit into
/// a reply would keep us busy for minutes.
#[cfg(feature = "json")]
const FACTS: usize = 128;

// ===== impl ReceivedProblem =====

/// What the server says, in its words: the detail, else the title.
impl fmt::Display for ReceivedProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_ref().or(self.title.as_ref()).map_or("a problem", |text| text))
    }
}

impl Error for ReceivedProblem {}

#[cfg(feature = "json")]
impl ReceivedProblem {
    /// Reads problem details, where that is what the body is.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        use serde_json::{Map, Value};

        fn text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
            match object.remove(name) {
                Some(Value::String(text)) => Some(text),
                _ => None,
            }
        }

        let media = headers.get(http::header::CONTENT_TYPE)?.as_bytes();
        let media = media.split(|byte| *byte == b';').next()?.trim_ascii();
        if !media.eq_ignore_ascii_case(b"application/problem+json") {
            return None;
        }
        let mut object: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let mut details = Details::default();
        if let Some(reason) = text(&mut object, "reason") {
            details.reason(reason);
        }
        if let Some(domain) = text(&mut object, "domain") {
            details.domain(domain);
        }
        if let Some(Value::Object(metadata)) = object.remove("metadata") {
            for (key, value) in metadata.into_iter().take(FACTS) {
                if let Value::String(value) = value {
                    details.metadata(key, value);
                }
            }
        }
        if let Some(Value::Array(violations)) = object.remove("violations") {
            for violation in violations {
                let Value::Object(mut violation) = violation else { continue };
                let field = text(&mut violation, "field");
                let description = text(&mut violation, "description");
                if let (Some(field), Some(description)) = (field, description) {
                    details.violation(field, description);
                }
            }
        }
        if let Some(Value::Array(quotas)) = object.remove("quotas") {
            for quota in quotas {
                let Value::Object(mut quota) = quota else { continue };
                let subject = text(&mut quota, "subject");
                let description = text(&mut quota, "description");
                if let (Some(subject), Some(description)) = (subject, description) {
                    details.quota(subject, description);
                }
            }
        }
        Some(Self {
            r#type: text(&mut object, "type"),
            title: text(&mut object, "title"),
            detail: text(&mut object, "detail"),
            instance: text(&mut object, "instance"),
            trace_id: text(&mut object, "traceId"),
            kind: text(&mut object, "kind"),
            details,
        })
    }
}

#[cfg(not(feature = "json"))]
impl ReceivedProblem {
    pub(super) fn read(_: &HeaderMap, _: &[u8]) -> Option<Self> {
        None
    }
}
