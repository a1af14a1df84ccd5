//! Which trace a call belongs to.

use std::{
    fmt, str,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The id of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(u128);

/// The id of a span within a trace: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(u64);

/// The flags of a trace context, as W3C names them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

/// What other systems keep with a trace: the members of `tracestate`, at most 32, in
/// order, checked (W3C Trace Context level 2, section 3.3). A clone shares them.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TraceState(Option<Arc<str>>);

/// Which trace a request belongs to, and by which span: an extension of the request.
///
/// A server's layer puts its own span's there, so what an endpoint asks of others on
/// behalf of the request, and what it logs, belongs to that span.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: Flags,
    state: TraceState,
    remote: bool,
    left_out: bool,
}

/// Makes the ids of traces and spans.
///
/// By default each thread has its own generator, seeded by the system's hash keys
/// (`fastrand`): ids are unique, and no secret. A [`seeded`](Self::seeded) one makes
/// the same ids in the same order; its clones share it. Neither locks.
#[derive(Debug, Clone, Default)]
pub struct Ids(Option<Arc<AtomicU64>>);

// ===== impl TraceId =====

impl TraceId {
    /// Takes an id, if it is not zero.
    #[must_use]
    pub const fn new(id: u128) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// Takes the id's bytes, in the order in which they are written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Self::new(u128::from_be_bytes(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Returns the id as 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn to_hex(self) -> [u8; 32] {
        let mut hex = [0; 32];
        write_hex(&self.to_bytes(), &mut hex);
        hex
    }

    /// Reads 32 hexadecimal digits in lower case.
    pub(crate) fn from_hex(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        read_hex(hex, &mut bytes)?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// ===== impl SpanId =====

impl SpanId {
    /// Takes an id, if it is not zero.
    #[must_use]
    pub const fn new(id: u64) -> Option<Self> {
        if id == 0 { None } else { Some(Self(id)) }
    }

    /// Takes the id's bytes, in the order in which they are written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        Self::new(u64::from_be_bytes(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Returns the id as 16 hexadecimal digits in lower case.
    #[must_use]
    pub fn to_hex(self) -> [u8; 16] {
        let mut hex = [0; 16];
        write_hex(&self.to_bytes(), &mut hex);
        hex
    }

    /// Reads 16 hexadecimal digits in lower case.
    pub(crate) fn from_hex(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        read_hex(hex, &mut bytes)?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// ===== impl Flags =====

impl Flags {
    /// The caller may have recorded the trace.
    pub const SAMPLED: Self = Self(1);
    /// At least the last 7 bytes of the trace id are random (level 2).
    pub const RANDOM: Self = Self(2);
    /// No flag.
    pub const NONE: Self = Self(0);

    /// Takes the flags that W3C names; others must be zero when they are sent on
    /// (level 2, section 3.2.2.5), so they are left out.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 3)
    }

    /// Returns the bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Says whether the caller may have recorded the trace.
    #[must_use]
    pub const fn sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Says whether the trace id is random.
    #[must_use]
    pub const fn random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }

    /// Returns the same flags, sampled or not.
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        Self(self.0 & !Self::SAMPLED.0 | if sampled { Self::SAMPLED.0 } else { 0 })
    }

    /// Returns the same flags, with a trace id that is random or not.
    #[must_use]
    pub const fn with_random(self, random: bool) -> Self {
        Self(self.0 & !Self::RANDOM.0 | if random { Self::RANDOM.0 } else { 0 })
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

// ===== impl TraceState =====

impl TraceState {
    /// No member.
    pub const NONE: Self = Self(None);

    /// Reads members as `tracestate` has them: `key=value`, with commas.
    ///
    /// Returns `None` if one is not as the grammar of level 2 says, or if there are
    /// more than 32. A text without members is [`NONE`](Self::NONE).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        crate::propagation::w3c::state([text.as_bytes()].into_iter())
    }

    pub(crate) fn checked(text: String) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }

    /// Returns all members, `key=value`, with commas between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Says whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the members in order: what wrote last is first.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split(',').filter_map(|member| member.split_once('='))
    }

    /// Returns the value of the first member of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.members().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Sets `key` to `value`, in front of all others, as who writes must; what it had
    /// goes, and of more than 32 members the last.
    ///
    /// Returns `None` if the grammar does not allow the key or the value.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Option<Self> {
        use crate::propagation::w3c::{MOST_MEMBERS, member};
        let mut text = format!("{key}={value}");
        member(text.as_bytes())?;
        if value.ends_with(' ') || key.contains(',') {
            return None;
        }
        let rest = self.members().filter(|(name, _)| *name != key).take(MOST_MEMBERS - 1);
        for (name, value) in rest {
            text.extend([",", name, "=", value]);
        }
        Some(Self::checked(text))
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

// ===== impl TraceContext =====

impl TraceContext {
    /// Describes a span of this process.
    #[must_use]
    pub const fn new(trace_id: TraceId, span_id: SpanId, flags: Flags) -> Self {
        let (state, remote, left_out) = (TraceState::NONE, false, false);
        Self { trace_id, span_id, flags, state, remote, left_out }
    }

    /// Begins a trace: new ids, and the flag that says they are random.
    #[must_use]
    pub fn root(ids: &Ids, sampled: bool) -> Self {
        let flags = Flags::RANDOM.with_sampled(sampled);
        Self::new(ids.trace_id(), ids.span_id(), flags)
    }

    /// Describes a span of the trace of `id`, which `parent` belongs to if there is one,
    /// and else is new: it is recorded, for all that is known.
    pub(crate) fn within(id: TraceId, parent: Option<&Self>, ids: &Ids) -> Self {
        match parent {
            Some(parent) => parent.child(ids),
            None => Self::new(id, ids.span_id(), Flags::RANDOM.with_sampled(true)),
        }
    }

    /// Says that it is recorded.
    #[must_use]
    pub(crate) const fn sample(mut self) -> Self {
        self.flags = self.flags.with_sampled(true);
        self
    }

    /// Says that it is not recorded, and that no span was opened for it.
    #[must_use]
    pub(crate) const fn leave_out(mut self) -> Self {
        self.flags = self.flags.with_sampled(false);
        self.left_out = true;
        self
    }

    /// Says whether no span was opened for what belongs to it, nor should one be.
    pub(crate) const fn is_left_out(&self) -> bool {
        self.left_out
    }

    /// Returns a span below this one: the same trace, flags and state, another id.
    #[must_use]
    pub fn child(&self, ids: &Ids) -> Self {
        Self { span_id: ids.span_id(), remote: false, ..self.clone() }
    }

    /// Puts `state` with it.
    #[must_use]
    pub fn with_state(mut self, state: TraceState) -> Self {
        self.state = state;
        self
    }

    /// Says that another process told of it.
    #[must_use]
    pub const fn with_remote(mut self, remote: bool) -> Self {
        self.remote = remote;
        self
    }

    /// Returns the id of the trace.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the id of the span: what whoever is called has as its parent.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns the flags.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Returns what other systems keep with the trace.
    #[must_use]
    pub const fn state(&self) -> &TraceState {
        &self.state
    }

    /// Says whether the trace may be recorded.
    #[must_use]
    pub const fn sampled(&self) -> bool {
        self.flags.sampled()
    }

    /// Says whether the span is another process's: it came with the request, and no
    /// span was opened here.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        self.remote
    }
}

// ===== impl Ids =====

impl Ids {
    /// Makes ids that nobody foresees by chance.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Makes the same ids in the same order for the same `seed`: for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// Makes the id of a trace: all of it is random.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        loop {
            let id = u128::from(self.next()) << 64 | u128::from(self.next());
            if let Some(id) = TraceId::new(id) {
                return id;
            }
        }
    }

    /// Makes the id of a span.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        loop {
            if let Some(id) = SpanId::new(self.next()) {
                return id;
            }
        }
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let Some(state) = &self.0 else { return fastrand::u64(..) };
        // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
        // generators, 2014): its state only adds, so it needs no lock.
        let mut mixed = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

// ===== hexadecimal =====

/// Reads hexadecimal digits in lower case, exactly two a byte.
pub(crate) fn read_hex(hex: &[u8], bytes: &mut [u8]) -> Option<()> {
    if hex.len() != bytes.len() * 2 {
        return None;
    }
    for (pair, byte) in hex.chunks_exact(2).zip(bytes) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(())
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

pub(crate) fn write_hex(bytes: &[u8], hex: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(hex.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}
