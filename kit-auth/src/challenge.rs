//! How `WWW-Authenticate` is written.

use http::HeaderValue;

/// One challenge: a scheme and its parameters (RFC 9110, section 11.6.1).
pub(crate) struct Challenge {
    text: String,
    is_empty: bool,
}

// ===== impl Challenge =====

impl Challenge {
    pub(crate) fn new(scheme: &str) -> Self {
        Self { text: scheme.to_owned(), is_empty: true }
    }

    /// Adds a parameter, quoted. What a header cannot carry is left out.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push_str(if self.is_empty { " " } else { ", " });
        self.is_empty = false;
        self.text.push_str(name);
        self.text.push_str("=\"");
        for char in value.chars().filter(|char| matches!(char, ' '..='~')) {
            if matches!(char, '"' | '\\') {
                self.text.push('\\');
            }
            self.text.push(char);
        }
        self.text.push('"');
        self
    }

    /// It is printable ASCII, by how it was made, as long as its scheme is.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.text).unwrap_or(HeaderValue::from_static("Unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_quoted() {
        let challenge = Challenge::new("Basic").with("realm", "a \"b\" \\ \u{e9}\n");
        assert_eq!(challenge.header(), r#"Basic realm="a \"b\" \\ ""#);
        let two = Challenge::new("Bearer").with("realm", "r").with("error", "invalid_token");
        assert_eq!(two.header(), r#"Bearer realm="r", error="invalid_token""#);
    }
}
