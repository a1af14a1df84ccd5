use crate::{Details, Fault, Kind};
use http::{HeaderValue, Response, StatusCode, header};
use std::{
    fmt::{self, Write},
    time::Duration,
};

/// Problem details for a [`Fault`] (RFC 9457): what every HTTP reply of the
/// kit to a failure says. Its `Display` is the JSON object.
///
/// `type` is `about:blank`, so `title` is the phrase of the status. `detail`
/// is what the fault says if the caller is at fault; a fault of the service
/// shows no more than the phrase of its kind. `kind` names the exact
/// [`Kind`], for peers that know it.
///
/// ```
/// use kit_endpoint::{Fault, Kind, Problem};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the name is empty")]
/// struct EmptyName;
///
/// impl Fault for EmptyName {
///     fn kind(&self) -> Kind {
///         Kind::InvalidArgument
///     }
/// }
///
/// assert_eq!(
///     Problem::new(&EmptyName).to_string(),
///     r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"the name is empty","kind":"INVALID_ARGUMENT"}"#,
/// );
/// ```
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    fault: &'a dyn Fault,
    status: Option<StatusCode>,
    instance: Option<&'a str>,
    trace_id: Option<&'a str>,
}

// ===== impl Problem =====

impl<'a> Problem<'a> {
    /// The media type of problem details.
    pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

    /// Describes `fault`.
    #[must_use]
    pub const fn new(fault: &'a dyn Fault) -> Self {
        Self { fault, status: None, instance: None, trace_id: None }
    }

    /// Answers under `status`, in the place of the kind's: for what only HTTP
    /// tells apart among faults of one kind, as a gateway's 502 among those that
    /// are [`Unavailable`](Kind::Unavailable). `kind` stays what it is.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Names this occurrence, by a URI reference: the request id, most often.
    #[must_use]
    pub const fn instance(mut self, instance: &'a str) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Names the trace in which it happened.
    #[must_use]
    pub const fn trace_id(mut self, trace_id: &'a str) -> Self {
        self.trace_id = Some(trace_id);
        self
    }

    /// Returns the whole reply: status, headers and body.
    #[must_use]
    pub fn into_response(self) -> Response<String> {
        let mut details = Details::default();
        self.fault.describe(&mut details);
        let mut response = Response::new(self.json(&details));
        *response.status_mut() = self.answers();
        // The fault's headers first: what the kit says of the reply holds.
        for (name, value) in details.headers() {
            response.headers_mut().append(name, value.clone());
        }
        response.headers_mut().insert(header::CONTENT_TYPE, Self::CONTENT_TYPE);
        if let Some(after) = self.fault.retry_after() {
            let seconds = HeaderValue::from(seconds_rounded_up(after));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    fn answers(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.fault.kind().http_status())
    }

    fn json(&self, details: &Details) -> String {
        let mut json = String::with_capacity(160);
        // Writing to a `String` cannot fail.
        let _ = self.write(details, &mut json);
        json
    }

    fn write(&self, details: &Details, json: &mut impl Write) -> fmt::Result {
        let kind = self.fault.kind();
        let status = self.answers();
        json.write_str(r#"{"type":"about:blank","title":"#)?;
        string(json, title(status))?;
        write!(json, r#","status":{}"#, status.as_u16())?;
        json.write_str(r#","detail":"#)?;
        if kind.is_server() {
            string(json, kind.phrase())?;
        } else {
            string(json, &self.fault.to_string())?;
        }
        member(json, "instance", self.instance)?;
        member(json, "kind", Some(kind.name()))?;
        member(json, "reason", details.get_reason())?;
        member(json, "domain", details.get_domain())?;
        if !details.get_metadata().is_empty() {
            json.write_str(r#","metadata":{"#)?;
            for (index, (key, value)) in details.get_metadata().iter().enumerate() {
                separator(json, index)?;
                string(json, key)?;
                json.write_char(':')?;
                string(json, value)?;
            }
            json.write_char('}')?;
        }
        if !details.violations().is_empty() {
            json.write_str(r#","violations":["#)?;
            for (index, violation) in details.violations().iter().enumerate() {
                separator(json, index)?;
                json.write_str(r#"{"field":"#)?;
                string(json, &violation.field)?;
                member(json, "description", Some(&violation.description))?;
                json.write_char('}')?;
            }
            json.write_char(']')?;
        }
        if !details.quotas().is_empty() {
            json.write_str(r#","quotas":["#)?;
            for (index, quota) in details.quotas().iter().enumerate() {
                separator(json, index)?;
                json.write_str(r#"{"subject":"#)?;
                string(json, &quota.subject)?;
                member(json, "description", Some(&quota.description))?;
                json.write_char('}')?;
            }
            json.write_char(']')?;
        }
        member(json, "traceId", self.trace_id)?;
        json.write_char('}')
    }
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut details = Details::default();
        self.fault.describe(&mut details);
        self.write(&details, f)
    }
}

impl fmt::Debug for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("fault", &self.fault)
            .field("status", &self.status)
            .field("instance", &self.instance)
            .field("trace_id", &self.trace_id)
            .finish()
    }
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or(Kind::Cancelled.phrase())
}

fn separator(json: &mut impl Write, index: usize) -> fmt::Result {
    if index == 0 { Ok(()) } else { json.write_char(',') }
}

fn member(json: &mut impl Write, name: &str, value: Option<&str>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    write!(json, r#","{name}":"#)?;
    string(json, value)
}

/// Writes a JSON string (RFC 8259, section 7).
fn string(json: &mut impl Write, value: &str) -> fmt::Result {
    json.write_char('"')?;
    for char in value.chars() {
        match char {
            '"' => json.write_str("\\\"")?,
            '\\' => json.write_str("\\\\")?,
            '\n' => json.write_str("\\n")?,
            '\r' => json.write_str("\\r")?,
            '\t' => json.write_str("\\t")?,
            '\0'..='\x1f' => write!(json, "\\u{:04x}", u32::from(char))?,
            _ => json.write_char(char)?,
        }
    }
    json.write_char('"')
}

/// Rounds up: who comes back a moment too early is refused again.
pub(crate) fn seconds_rounded_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}
