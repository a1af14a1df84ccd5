use arc_swap::ArcSwap;
use kit_endpoint::{Fault, Inspect, Inspector, Kind};
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::{
    Metadata, Subscriber,
    callsite::rebuild_interest_cache,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{EnvFilter, Layer, filter::ParseError, layer};

/// What is logged: a level, also by target (`info,access=warn`), that can be changed
/// while the program runs.
///
/// It is both a layer, which filters for all layers of a subscriber, and a filter of
/// one layer (`Layer::with_filter`); take the latter if there are others, an exporter
/// of spans above all, that are to see more or less than the log. The syntax is that
/// of tracing-subscriber's `EnvFilter`, with spans and their fields, but a value of a
/// field is no regular expression: whoever may change the filter is not to make the
/// program compile what they like. White space around commas means nothing, and of two
/// parts for the same the later holds. Nothing is read from the environment.
///
/// Clones are the same filter. A place in the code that it keeps silent costs one
/// atomic read, since `tracing` keeps there that nobody listens, and one that it lets
/// through no more than `EnvFilter` asks: what changes is swapped in whole, without a
/// lock for those who read.
///
/// # Expiry
///
/// [`set_for`](Self::set_for) is over after a time, so that a log which was turned on
/// for a look is not forgotten. Somebody must see to it, and nothing here runs by
/// itself: [`expiring`](Self::expiring) is a future to be run beside the program, or
/// [`expire`](Self::expire) is called now and then.
///
/// ```
/// use kit_trace::log::Filter;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let filter = Filter::new("info,access=warn").unwrap();
/// let expiring = tokio::spawn(filter.clone().expiring());
/// filter.set_for("debug", Duration::from_secs(60)).unwrap();
/// assert_eq!(filter.current().filter, "debug");
/// tokio::time::sleep(Duration::from_secs(61)).await;
/// assert_eq!(filter.current().filter, "info,access=warn");
/// # expiring.abort();
/// # }
/// ```
#[derive(Clone)]
pub struct Filter(Arc<Inner>);

/// What a [`Filter`] lets through, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The filter that holds.
    pub filter: String,
    /// The one that it goes back to.
    pub default: String,
    /// How long it holds, if it is not the default.
    pub expires_in: Option<Duration>,
}

/// A text is no filter: it says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFilter(Box<str>);

struct Inner {
    active: ArcSwap<EnvFilter>,
    state: Mutex<State>,
    /// Wakes who waits for an expiry.
    changed: Notify,
    changes: AtomicU64,
}

struct State {
    default: Named,
    temporary: Option<(Named, Instant)>,
}

#[derive(Clone)]
struct Named {
    text: Box<str>,
    filter: Arc<EnvFilter>,
}

// ===== impl Filter =====

impl Filter {
    /// The bytes that a filter has at most.
    pub const LONGEST: usize = 4096;

    /// The longest that a filter holds for a time: a year. Longer ones are taken for
    /// that.
    pub const FOREVER: Duration = Duration::from_hours(365 * 24);

    /// Lets through what `filter` says.
    ///
    /// # Errors
    ///
    /// Fails if it says nothing, is longer than [`LONGEST`](Self::LONGEST), not ASCII, or
    /// no filter.
    pub fn new(filter: &str) -> Result<Self, BadFilter> {
        Named::new(filter).map(Self::of)
    }

    fn of(default: Named) -> Self {
        Self(Arc::new(Inner {
            active: ArcSwap::new(Arc::clone(&default.filter)),
            state: Mutex::new(State { default, temporary: None }),
            changed: Notify::new(),
            changes: AtomicU64::new(0),
        }))
    }

    /// Lets through what `filter` says from now on, which becomes the default; what
    /// held for a time is over.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); then all stays as it was.
    pub fn set(&self, filter: &str) -> Result<(), BadFilter> {
        let default = Named::new(filter)?;
        self.change(|state| *state = State { default, temporary: None });
        Ok(())
    }

    /// Lets through what `filter` says for a time, and then what the default says
    /// again. It takes the place of another that holds for a time.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); then all stays as it was.
    pub fn set_for(&self, filter: &str, time: Duration) -> Result<(), BadFilter> {
        let filter = Named::new(filter)?;
        let until = Instant::now() + time.min(Self::FOREVER);
        self.change(|state| state.temporary = Some((filter, until)));
        Ok(())
    }

    /// Goes back to the default now, and says whether there was anything else.
    #[expect(clippy::must_use_candidate, reason = "it is done either way")]
    pub fn reset(&self) -> bool {
        let temporary = self.state().temporary.is_some();
        if temporary {
            self.change(|state| state.temporary = None);
        }
        temporary
    }

    /// Returns what holds.
    #[must_use]
    pub fn current(&self) -> Setting {
        let state = self.state();
        let now = Instant::now();
        Setting {
            filter: state.holds().text.to_string(),
            default: state.default.text.to_string(),
            expires_in: state.temporary.as_ref().map(|(_, until)| *until - now),
        }
    }

    /// Goes back to the default if it is time to; returns how long that still is,
    /// if anything else holds.
    #[expect(clippy::must_use_candidate, reason = "it is done either way")]
    pub fn expire(&self) -> Option<Duration> {
        let now = Instant::now();
        let until = self.state().temporary.as_ref()?.1;
        if until > now {
            return Some(until - now);
        }
        self.change(|state| {
            // Not one that came in between.
            if state.temporary.as_ref().is_some_and(|(_, until)| *until <= now) {
                state.temporary = None;
            }
        });
        None
    }

    /// Goes back to the default each time that it is time to: a future without an end,
    /// to be dropped with the program. One of them is enough.
    pub async fn expiring(self) {
        loop {
            let changed = self.0.changed.notified();
            match self.expire() {
                Some(left) => _ = timeout(left, changed).await,
                None => changed.await,
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        self.0.active.store(Arc::clone(&state.holds().filter));
        drop(state);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        // Each place in the code keeps what it was told.
        rebuild_interest_cache();
        self.0.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inspect for Filter {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let changes = self.0.changes.load(Ordering::Relaxed);
        let help = "Changes of what is logged.";
        inspector.counter("log_filter_changes_total", help, &[], changes);
        let temporary = self.state().temporary.is_some();
        let help = "Whether what is logged is so for a time only.";
        inspector.gauge("log_filter_temporary", help, &[], f64::from(u8::from(temporary)));
        let most = self.0.active.load().max_level_hint().map_or("trace", name);
        let help = "The most verbose level that is logged of any target.";
        inspector.state("log_filter_level", help, &[], most);
    }
}

fn name(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::OFF => "off",
        LevelFilter::ERROR => "error",
        LevelFilter::WARN => "warn",
        LevelFilter::INFO => "info",
        LevelFilter::DEBUG => "debug",
        _ => "trace",
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.current()).finish()
    }
}

impl<S: Subscriber> Layer<S> for Filter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&**self.0.active.load(), metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: layer::Context<'_, S>) -> bool {
        self.0.active.load().enabled(metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.active.load().max_level_hint()
    }

    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_new_span(span, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        self.0.active.load().on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_close(id, context);
    }
}

impl<S> layer::Filter<S> for Filter {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        layer::Filter::<S>::callsite_enabled(&**self.0.active.load(), metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: &layer::Context<'_, S>) -> bool {
        layer::Filter::enabled(&**self.0.active.load(), metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.active.load().max_level_hint()
    }

    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_new_span(span, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        self.0.active.load().on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        self.0.active.load().on_close(id, context);
    }
}

// ===== impl State =====

impl State {
    fn holds(&self) -> &Named {
        self.temporary.as_ref().map_or(&self.default, |(filter, _)| filter)
    }
}

// ===== impl Named =====

impl Named {
    fn new(text: &str) -> Result<Self, BadFilter> {
        let text = text.trim();
        if text.len() > Filter::LONGEST {
            let why = format!("it has more than {} bytes", Filter::LONGEST);
            return Err(BadFilter(why.into()));
        }
        // Its reader panics in the middle of a longer letter.
        if !text.is_ascii() {
            return Err(BadFilter("a target and a level are ASCII".into()));
        }
        let mut parts = Vec::<&str>::new();
        // Nor does it know of white space around a part.
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            check(part)?;
            // Where debug assertions are on it panics at two of the same value.
            if field(part).is_some() {
                parts.retain(|other| span(other) != span(part));
            }
            parts.push(part);
        }
        if parts.is_empty() {
            return Err(BadFilter("it is empty: write a level, or `off`".into()));
        }
        let filter = read(&parts.join(",")).map_err(|error| BadFilter(error.to_string().into()))?;
        Ok(Self { text: text.into(), filter: Arc::new(filter) })
    }
}

/// Reads parts of a filter; a value is no regular expression, not even where it is
/// looked at for a mistake.
fn read(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().with_regex(false).parse(text)
}

/// Says what is wrong with a part.
fn check(part: &str) -> Result<(), BadFilter> {
    let wrong =
        |why: &dyn fmt::Display| BadFilter(format!("`{}`: {why}", part.escape_debug()).into());
    read(part).map_err(|error| wrong(&error))?;
    // Its reader leaves the others out.
    if field(part).is_some_and(|field| field.matches('=').count() > 1) {
        return Err(wrong(&"a field has one value"));
    }
    Ok(())
}

/// Returns `field=value` of `target[span{field=value}]=level`.
fn field(part: &str) -> Option<&str> {
    let (_, span) = part.split_once('[')?;
    let (_, field) = span.split_once('{')?;
    field.split_once('}').map(|(field, _)| field)
}

/// Returns the part without its level, if it says of which span it is.
fn span(part: &str) -> Option<&str> {
    part.rsplit_once(']').map(|(span, _)| span)
}

// ===== impl BadFilter =====

impl fmt::Display for BadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a filter of the log: {}", self.0)
    }
}

impl std::error::Error for BadFilter {}

impl Fault for BadFilter {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }
}
