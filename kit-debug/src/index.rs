use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::fmt::Write;

/// What is mounted: the page `/debug`.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Index {
    pages: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize)]
struct Entry {
    path: String,
    help: String,
    /// Whether reading is guarded, too.
    guarded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Html,
    Json,
}

const TYPES: [(&str, &str, Format); 3] = [
    ("text", "plain", Format::Text),
    ("text", "html", Format::Html),
    ("application", "json", Format::Json),
];

// ===== impl Index =====

impl Index {
    pub(crate) fn add(&mut self, path: &str, help: &str, guarded: bool) {
        self.pages.push(Entry { path: path.to_owned(), help: help.to_owned(), guarded });
        self.pages.sort_by(|one, other| one.path.cmp(&other.path));
    }

    pub(crate) fn page(&self, headers: &HeaderMap) -> Response {
        let mut response = match wanted(headers) {
            Format::Text => self.text().into_response(),
            Format::Html => {
                let content = HeaderValue::from_static("text/html; charset=utf-8");
                ([(header::CONTENT_TYPE, content)], self.html()).into_response()
            }
            Format::Json => crate::page::json(self),
        };
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
        response
    }

    fn text(&self) -> String {
        let widest = self.pages.iter().map(|entry| entry.path.len()).max().unwrap_or_default();
        let mut page = String::new();
        for Entry { path, help, guarded } in &self.pages {
            // Writing to a `String` cannot fail.
            let _ = writeln!(page, "{path:widest$}  {help}{}", note(*guarded));
        }
        page
    }

    fn html(&self) -> String {
        let mut page = "<!doctype html>\n<html lang=\"en\">\n<title>Debug</title>\n\
                        <h1>Debug</h1>\n<dl>\n"
            .to_owned();
        for Entry { path, help, guarded } in &self.pages {
            let (path, help) = (escaped(path), escaped(help));
            let note = note(*guarded);
            let _ = writeln!(page, "<dt><a href=\"{path}\">{path}</a><dd>{help}{note}");
        }
        page.push_str("</dl>\n</html>\n");
        page
    }
}

const fn note(guarded: bool) -> &'static str {
    if guarded { " (guarded)" } else { "" }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Chooses by `Accept` (RFC 9110, section 12.5.1); who accepts none of the three
/// gets text all the same.
fn wanted(headers: &HeaderMap) -> Format {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = accepts.flat_map(|value| value.split(',')).filter_map(range).collect();
    let mut best = (Format::Text, 0);
    for (main, sub, format) in TYPES {
        // The range that fits best says how much it is wanted.
        let fits = ranges.iter().filter_map(|(of, under, quality)| {
            let exact = match (*of, *under) {
                ("*", "*") => 0,
                (of, "*") if of.eq_ignore_ascii_case(main) => 1,
                (of, under) if of.eq_ignore_ascii_case(main) && under.eq_ignore_ascii_case(sub) => {
                    2
                }
                _ => return None,
            };
            Some((exact, *quality))
        });
        let quality = fits.max().map_or(0, |(_, quality)| quality);
        if quality > best.1 {
            best = (format, quality);
        }
    }
    best.0
}

/// Reads a range of media, and how much it is wanted: of 1000.
fn range(text: &str) -> Option<(&str, &str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let (main, sub) = parts.next()?.split_once('/')?;
    let mut quality = 1000;
    for part in parts {
        if let Some(("q" | "Q", value)) = part.split_once('=') {
            let value: f32 = value.trim().parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "0 to 1000")]
            #[expect(clippy::cast_sign_loss, reason = "0 to 1000")]
            let thousandths = (value.clamp(0.0, 1.0) * 1000.0) as u32;
            quality = thousandths;
        }
    }
    Some((main, sub, quality))
}
