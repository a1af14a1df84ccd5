use http::{HeaderMap, header::ACCEPT};

/// How a page is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus' text format 0.0.4, which everything reads.
    #[default]
    Text,
    /// OpenMetrics 1.0, which has units and exemplars.
    OpenMetrics,
}

// ===== impl Format =====

impl Format {
    /// Returns the media type of a page so written, for the header
    /// `content-type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Chooses what the sender of these headers likes best, by `accept` and its
    /// q-values (RFC 9110, section 12.5.1).
    ///
    /// OpenMetrics must be asked for by its name; everything else, also what we
    /// have no format for, gets the text format, as Prometheus' own libraries
    /// do. Where it likes both as much, OpenMetrics is chosen.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, header::ACCEPT};
    /// use kit_metrics::prometheus::Format;
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(Format::from_accept(&headers), Format::Text);
    /// let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
    /// headers.insert(ACCEPT, HeaderValue::from_static(accept));
    /// assert_eq!(Format::from_accept(&headers), Format::OpenMetrics);
    /// ```
    #[must_use]
    pub fn from_accept(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let (mut open, mut text, mut any) = (0, None, None);
        for range in lines.flat_map(|line| line.split(',')) {
            let (format, q) = read(range);
            match format {
                Range::OpenMetrics => open = open.max(q),
                Range::Text => text = text.max(Some(q)),
                Range::Any => any = any.max(Some(q)),
                Range::Other => {}
            }
        }
        // The more exact range counts.
        let text = text.or(any).unwrap_or_default();
        if open > 0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// What a range of media types means to us.
enum Range {
    OpenMetrics,
    Text,
    Any,
    Other,
}

/// Reads a range and its weight, in thousandths.
fn read(range: &str) -> (Range, u16) {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let (mut version, mut q) = ("", 1000);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim_matches('"');
        if name.eq_ignore_ascii_case("q") {
            q = thousandths(value);
        } else if name.eq_ignore_ascii_case("version") {
            version = value;
        }
    }
    let is = |name| kind.eq_ignore_ascii_case(name);
    let range = match version {
        // 0.0.1 is what 1.0.0 was called before.
        "" | "1.0.0" | "0.0.1" if is("application/openmetrics-text") => Range::OpenMetrics,
        "" | "0.0.4" if is("text/plain") => Range::Text,
        _ if is("text/*") || is("*/*") => Range::Any,
        _ => Range::Other,
    };
    (range, q)
}

/// Reads a weight; what is none weighs nothing.
fn thousandths(q: &str) -> u16 {
    let q = q.parse().unwrap_or(0.0_f32);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    let thousandths = (q.clamp(0.0, 1.0) * 1000.0).round() as u16;
    thousandths
}
