/// How often a request was sent before, among its extensions: what retries says so from
/// the second try on, and takes away on the first what an outer one said.
///
/// Spans of clients have it as `http.request.resend_count` (OpenTelemetry's semantic
/// conventions for HTTP). What [`Request::with`](crate::Request::with) makes has it too:
/// who asks others on behalf of a request that was sent again takes it out, unless a
/// retry of its own does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resent(pub u32);
