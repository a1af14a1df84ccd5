//! The lines that a program writes: one event, one line, one write.

mod encode;
mod escape;
mod line;
mod time;

use self::{
    encode::{Encode, Json, Logfmt, Pretty},
    line::{Fields, Line, is_odd},
    time::Second,
};
use super::{REDACTED, Sensitive};
use kit_endpoint::{Inspect, Inspector};
use std::{
    cell::Cell,
    fmt,
    io::Write,
    mem,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::Visit,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Format {
    /// `key=value` pairs, values in quotes where they must be.
    #[default]
    Logfmt,
    /// A JSON object.
    Json,
    /// For a person at a terminal: the message first, fields behind it.
    Pretty,
}

/// The name is not that of a [`Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownFormat(());

/// Writes each event as one line, by one write: a layer of `tracing-subscriber`.
///
/// See the [module](super) for the formats and what is safe about them.
///
/// ```
/// use kit_trace::log::{Filter, Format, Lines};
/// use tracing_subscriber::{Layer, prelude::*};
///
/// let filter = Filter::new("info,access=warn").unwrap();
/// let lines = Lines::new(Format::Json, std::io::stderr).field("service", "greeter");
/// let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
/// # tracing::subscriber::with_default(subscriber, || tracing::info!("started"));
/// ```
#[derive(Debug)]
pub struct Lines<W> {
    format: Format,
    colours: bool,
    spans: bool,
    caller: bool,
    now: Option<fn() -> SystemTime>,
    longest: usize,
    sensitive: Sensitive,
    /// The fields of all lines, in the order in which they were named.
    all: Vec<(Box<str>, Box<str>)>,
    /// The same, written.
    head: Vec<u8>,
    writer: W,
    counts: Arc<Counts>,
    /// Whether there is any field whose name is written as another: seldom, and then it
    /// is looked for in each line.
    odd: AtomicBool,
}

/// How the [`Lines`] of a program fare, for metrics and the debug port.
///
/// | name | type | meaning |
/// |---|---|---|
/// | `log_write_failures_total` | counter | lines that the writer did not take |
/// | `log_lines_truncated_total` | counter | lines that were longer than they may be |
#[derive(Debug, Default)]
pub struct Counts {
    failed: AtomicU64,
    truncated: AtomicU64,
}

/// The fields of a span as they are written, for each of the layers that do.
struct SpanFields(Vec<(usize, Vec<u8>)>);

/// The bytes around the name of a span.
const AROUND: usize = 32;

/// What a thread keeps from line to line.
struct Kept {
    bytes: Vec<u8>,
    second: Second,
}

thread_local! {
    static KEPT: Cell<Kept> = const { Cell::new(Kept::NONE) };
}

// ===== impl Format =====

impl Format {
    /// Returns the name: `logfmt`, `json`, `pretty`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logfmt => "logfmt",
            Self::Json => "json",
            Self::Pretty => "pretty",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Reads a [name](Format::name).
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let all = [Self::Logfmt, Self::Json, Self::Pretty];
        all.into_iter().find(|format| format.name() == name).ok_or(UnknownFormat(()))
    }
}

// ===== impl UnknownFormat =====

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write logfmt or json, or pretty for a person")
    }
}

impl std::error::Error for UnknownFormat {}

// ===== impl Kept =====

impl Kept {
    const NONE: Self = Self { bytes: Vec::new(), second: Second::NONE };
}

impl Default for Kept {
    fn default() -> Self {
        Self::NONE
    }
}

// ===== impl Counts =====

impl Inspect for Counts {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let failed = self.failed.load(Ordering::Relaxed);
        let help = "Log lines that the writer did not take.";
        inspector.counter("log_write_failures_total", help, &[], failed);
        let truncated = self.truncated.load(Ordering::Relaxed);
        let help = "Log lines that were longer than they may be.";
        inspector.counter("log_lines_truncated_total", help, &[], truncated);
    }
}

// ===== impl Lines =====

impl<W> Lines<W> {
    /// The bytes that a line has at most, by default: what a reader of lines takes
    /// (16 KiB: Docker cuts a line there, and containerd as well).
    pub const LONGEST: usize = 16 << 10;

    /// The least that [`longest`](Self::longest) may be.
    const SHORTEST: usize = 256;

    /// Writes events to `writer`: `io::stderr`, a [`Queue`](super::Queue), or any
    /// other `MakeWriter`.
    pub fn new(format: Format, writer: W) -> Self {
        Self {
            format,
            colours: false,
            spans: false,
            caller: false,
            now: Some(SystemTime::now),
            longest: Self::LONGEST,
            sensitive: Sensitive::default(),
            all: Vec::new(),
            head: Vec::new(),
            writer,
            counts: Arc::default(),
            odd: AtomicBool::new(false),
        }
    }

    /// Shows colours, in [`Format::Pretty`]: no by default. Say yes if the writer is a
    /// terminal and `NO_COLOR` is not set (<https://no-color.org>); nothing here looks.
    #[must_use]
    pub const fn colours(mut self, colours: bool) -> Self {
        self.colours = colours;
        self
    }

    /// Writes with each event the spans around it and their fields: no by default.
    ///
    /// The fields of a span are written when it begins, whether an event comes or not.
    #[must_use]
    pub const fn spans(mut self, spans: bool) -> Self {
        self.spans = spans;
        self
    }

    /// Writes with each event where in the code it is, as `caller`: no by default.
    #[must_use]
    pub const fn caller(mut self, caller: bool) -> Self {
        self.caller = caller;
        self
    }

    /// Asks `now` for the time, or writes none: journald and most runners of
    /// containers write it themselves. By default it is `SystemTime::now`.
    #[must_use]
    pub const fn time(mut self, now: Option<fn() -> SystemTime>) -> Self {
        self.now = now;
        self
    }

    /// Writes lines of at most so many bytes, [`LONGEST`](Self::LONGEST) by default
    /// and 256 at least; one value has a quarter of it. What is cut ends in `…`, and
    /// such a line says `truncated=true`.
    #[must_use]
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = bytes.max(Self::SHORTEST);
        self.rewrite()
    }

    /// Redacts the fields of these names, in the place of those that are by
    /// [default](Sensitive::default).
    #[must_use]
    pub fn sensitive(mut self, names: Sensitive) -> Self {
        self.sensitive = names;
        self.rewrite()
    }

    /// Writes a field in each line: which service it is, which instance.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.all.push((name.into(), value.to_string().into()));
        self.rewrite()
    }

    /// Returns how the lines fare, for `Inspect`.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    fn rewrite(mut self) -> Self {
        let mut line = Line::new(Vec::new(), self.longest / 2);
        for (name, value) in &self.all {
            let value = if self.sensitive.contains(name) { REDACTED } else { value };
            if !line.has_room(name.len() + value.len()) {
                break;
            }
            match self.format {
                Format::Logfmt => field(Logfmt, &mut line, name, value),
                Format::Json => field(Json, &mut line, name, value),
                Format::Pretty => field(self.pretty(), &mut line, name, value),
            }
        }
        self.head = line.into_bytes();
        self
    }

    const fn pretty(&self) -> Pretty {
        Pretty { colours: self.colours }
    }

    /// Which layer wrote the fields of a span.
    fn id(&self) -> usize {
        Arc::as_ptr(&self.counts).addr()
    }

    fn write<E: Encode, S>(
        &self,
        encode: E,
        line: &mut Line,
        second: &mut Second,
        event: &Event<'_>,
        context: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        let odd = self.odd.load(Ordering::Relaxed);
        encode.open(line);
        if let Some(now) = self.now {
            if let Some(name) = E::TIME {
                encode.key(line, name);
            }
            if E::JSON {
                line.push(b"\"");
            }
            second.push(line.bytes(), now());
            if E::JSON {
                line.push(b"\"");
            }
        }
        encode.head(line, *metadata.level(), metadata.target());
        if self.caller {
            caller(encode, line, metadata);
        }
        if !E::BARE {
            self.push_head::<E>(line);
        }
        event.record(&mut Fields { line, encode, sensitive: &self.sensitive, span: None, odd });
        if E::BARE {
            self.push_head::<E>(line);
        }
        if self.spans {
            self.push_spans(encode, line, event, context);
        }
        encode.close(line);
    }

    fn push_head<E: Encode>(&self, line: &mut Line) {
        if !self.head.is_empty() && line.has_room(self.head.len()) {
            if !E::JSON {
                line.push(b" ");
            }
            line.push(&self.head);
        }
    }

    fn push_spans<E: Encode, S>(
        &self,
        encode: E,
        line: &mut Line,
        event: &Event<'_>,
        context: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(scope) = context.event_scope(event) else { return };
        let spans: Vec<_> = scope.from_root().collect();
        // Room for what is around each name, and for the end.
        let first = spans.first().map_or(0, |span| span.name().len());
        if !line.has_room(first + AROUND) {
            return;
        }
        encode.open_spans(line);
        for (index, span) in spans.iter().enumerate() {
            let extensions = span.extensions();
            let fields = SpanFields::of(extensions.get(), self.id());
            let fields = if E::JSON && line.has_room(fields.len() + AROUND) { fields } else { &[] };
            if index > 0 && !line.has_room(fields.len() + span.name().len() + AROUND) {
                break;
            }
            encode.span(line, index, span.name(), fields);
        }
        encode.close_spans(line);
        for span in spans.iter().filter(|_| !E::JSON) {
            let extensions = span.extensions();
            let fields = SpanFields::of(extensions.get(), self.id());
            if !fields.is_empty() && line.has_room(fields.len() + 1) {
                line.push(b" ");
                line.push(fields);
            }
        }
    }

    /// Writes the fields of a span behind those that it has.
    fn add(&self, bytes: Vec<u8>, span: &str, record: impl FnOnce(&mut dyn Visit)) -> Vec<u8> {
        let mut line = Line::new(bytes, self.longest / 4);
        let (line, sensitive, span) = (&mut line, &self.sensitive, Some(span));
        match self.format {
            Format::Logfmt => {
                record(&mut Fields { line, encode: Logfmt, sensitive, span, odd: true });
            }
            Format::Json => {
                record(&mut Fields { line, encode: Json, sensitive, span, odd: true });
            }
            Format::Pretty => {
                record(&mut Fields { line, encode: self.pretty(), sensitive, span, odd: true });
            }
        }
        mem::replace(line, Line::new(Vec::new(), 0)).into_bytes()
    }
}

fn field<E: Encode>(encode: E, line: &mut Line, name: &str, value: &str) {
    let mut whole = Vec::new();
    escape::push_name(&mut whole, name);
    encode.key(line, &String::from_utf8_lossy(&whole));
    encode.text(line, value);
}

fn caller<E: Encode>(encode: E, line: &mut Line, metadata: &Metadata<'_>) {
    let Some(file) = metadata.file() else { return };
    encode.key(line, "caller");
    match metadata.line() {
        Some(number) => encode.text(line, &format!("{file}:{number}")),
        None => encode.text(line, file),
    }
}

impl<W, S> Layer<S> for Lines<W>
where
    W: for<'a> MakeWriter<'a> + 'static,
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.fields().iter().any(|field| is_odd(field.name())) {
            self.odd.store(true, Ordering::Relaxed);
        }
        Interest::always()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !self.spans {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let fields = self.add(Vec::new(), span.name(), |visit| attributes.record(visit));
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<SpanFields>() {
            Some(all) => all.0.push((self.id(), fields)),
            None => extensions.insert(SpanFields(vec![(self.id(), fields)])),
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if !self.spans {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let fields = extensions.get_mut::<SpanFields>();
        let fields = fields.and_then(|all| all.0.iter_mut().find(|(id, _)| *id == self.id()));
        if let Some((_, fields)) = fields {
            *fields = self.add(mem::take(fields), span.name(), |visit| values.record(visit));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // A value that logs itself while it is written finds nothing kept.
        let Kept { bytes, mut second } = KEPT.try_with(Cell::take).unwrap_or_default();
        let mut line = Line::new(bytes, self.longest);
        let all = (&mut line, &mut second);
        match self.format {
            Format::Logfmt => self.write(Logfmt, all.0, all.1, event, &context),
            Format::Json => self.write(Json, all.0, all.1, event, &context),
            Format::Pretty => self.write(self.pretty(), all.0, all.1, event, &context),
        }
        if line.cut {
            self.counts.truncated.fetch_add(1, Ordering::Relaxed);
        }
        let mut writer = self.writer.make_writer_for(event.metadata());
        // Who reads the log is no concern of whoever writes to it.
        if writer.write_all(line.as_bytes()).is_err() {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        let mut bytes = line.into_bytes();
        bytes.clear();
        let _ = KEPT.try_with(|kept| kept.set(Kept { bytes, second }));
    }
}

// ===== impl SpanFields =====

impl SpanFields {
    fn of(all: Option<&Self>, layer: usize) -> &[u8] {
        let all = all.map_or(&[][..], |all| &all.0);
        all.iter().find(|(id, _)| *id == layer).map_or(&[], |(_, fields)| fields)
    }
}
