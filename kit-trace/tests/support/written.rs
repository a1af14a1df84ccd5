//! What the lines of a test are written to, and how they are read.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::{Interest, set_global_default},
};
use tracing_subscriber::fmt::MakeWriter;

/// What was written, and by how many writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(Arc<(Mutex<Vec<u8>>, AtomicUsize)>);

impl Written {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn writes(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    pub(crate) fn logfmt(&self) -> Vec<BTreeMap<String, String>> {
        self.text().lines().map(logfmt).collect()
    }

    pub(crate) fn json(&self) -> Vec<Value> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end: {text:?}");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.1.fetch_add(1, Ordering::Relaxed);
        io::Write::write(&mut *self.0.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Reads a line of logfmt as its readers do (`key=value key="a \"text\""`, the escapes
/// of JSON within quotes), and nothing else.
pub(crate) fn logfmt(line: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap_or_else(|| panic!("no key in {rest:?}"));
        assert!(!key.is_empty() && !key.contains([' ', '"']), "{key:?} is no key in {line:?}");
        let end = if after.starts_with('"') { end_of_quote(after) } else { after.find(' ') };
        let end = end.unwrap_or(after.len());
        let value = &after[..end];
        let value = if value.starts_with('"') {
            serde_json::from_str(value).unwrap_or_else(|error| panic!("{value}: {error}"))
        } else {
            assert!(!value.is_empty(), "{key} has no value in {line:?}");
            assert!(!value.contains(['"', '=', '\\']), "{value:?} has no quotes in {line:?}");
            value.to_owned()
        };
        assert!(fields.insert(key.to_owned(), value).is_none(), "{key} is twice in {line:?}");
        rest = &after[end..];
        rest = rest.strip_prefix(' ').unwrap_or_else(|| {
            assert!(rest.is_empty(), "{rest:?} follows a value in {line:?}");
            rest
        });
    }
    fields
}

fn end_of_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, char)| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends.then_some(at + 1)
    })
}

/// Hears nothing, but may at any time.
///
/// `tracing` keeps for each place in the code whether anybody could want to
/// hear of it. A thread that comes first to a place while another one begins to
/// listen may keep that nobody does. As long as this is there, it asks.
struct Quiet;

/// Lets `subscriber` hear what `f` logs.
pub(crate) fn heard<T>(
    subscriber: impl Subscriber + Send + Sync + 'static,
    f: impl FnOnce() -> T,
) -> T {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_global_default(Quiet).unwrap());
    tracing::subscriber::with_default(subscriber, f)
}

impl Subscriber for Quiet {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
