//! A profile as pprof reads it: `profile.proto` of google/pprof.

use backtrace::{Frame, Symbol, SymbolName};
use pprof::UnresolvedReport;
use prost::Message;
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

/// The function that pprof-rs has called by the signal. What it calls itself to walk
/// the stack stands before it, and after it the frame that the system makes for a
/// signal: none of them is of the program.
const HANDLER: &str = "perf_signal_handler";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

/// Text is an index of the table of strings, here and below.
#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    /// The innermost first.
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

/// It says that nothing is left to be looked up.
#[expect(clippy::struct_excessive_bools, reason = "so it is on the wire")]
#[derive(Clone, Copy, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
    #[prost(bool, tag = "10")]
    has_inline_frames: bool,
}

/// A place in the program, without its address: that is nobody's business.
#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    /// What was inlined first, and the function that has it last.
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// Builds a profile. Each address is looked up once, however many stacks it is in:
/// to look one up takes longer than a sample.
#[derive(Default)]
struct Builder {
    profile: Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<[i64; 2], u64>,
    places: HashMap<usize, Place>,
}

/// What is at an address.
#[derive(Clone, Copy)]
enum Place {
    Location(u64),
    Handler,
    Nothing,
}

// ===== impl Profile =====

impl Profile {
    pub(super) fn of(report: &UnresolvedReport) -> Self {
        let mut builder = Builder::default();
        builder.string("");
        let period = 1_000_000_000 / i64::from(report.timing.frequency.max(1));
        let samples = builder.value_type("samples", "count");
        let time = builder.value_type("cpu", "nanoseconds");
        let thread = builder.string("thread");
        for (stack, count) in &report.data {
            let location_id = builder.stack(&stack.frames);
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            let name = stack.thread_name.get(..stack.thread_name_length).unwrap_or_default();
            let label = Label { key: thread, str: builder.string(&String::from_utf8_lossy(name)) };
            let value = vec![count, count.saturating_mul(period)];
            builder.profile.sample.push(Sample { location_id, value, label: vec![label] });
        }
        let mut profile = builder.profile;
        profile.sample_type = vec![samples, time];
        (profile.period_type, profile.period) = (Some(time), period);
        let begun = report.timing.start_time.duration_since(SystemTime::UNIX_EPOCH);
        profile.time_nanos = nanoseconds(begun.unwrap_or_default());
        profile.duration_nanos = nanoseconds(report.timing.duration);
        profile.mapping = vec![Mapping {
            id: 1,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        }];
        profile
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

// ===== impl Builder =====

impl Builder {
    fn string(&mut self, text: &str) -> i64 {
        if let Some(index) = self.strings.get(text) {
            return *index;
        }
        let table = &mut self.profile.string_table;
        let index = i64::try_from(table.len()).unwrap_or_default();
        table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    fn value_type(&mut self, r#type: &str, unit: &str) -> ValueType {
        ValueType { r#type: self.string(r#type), unit: self.string(unit) }
    }

    fn stack(&mut self, frames: &[Frame]) -> Vec<u64> {
        let places: Vec<_> = frames.iter().map(|frame| self.place(frame)).collect();
        let handler = places.iter().position(|place| matches!(place, Place::Handler));
        let own = handler.map_or(0, |handler| handler + 2);
        let located = places.into_iter().skip(own).filter_map(|place| match place {
            Place::Location(id) => Some(id),
            Place::Handler | Place::Nothing => None,
        });
        located.collect()
    }

    fn place(&mut self, frame: &Frame) -> Place {
        let address = frame.ip() as usize;
        if let Some(place) = self.places.get(&address) {
            return *place;
        }
        let (mut line, mut is_handler) = (Vec::new(), false);
        backtrace::resolve_frame(frame, |symbol| {
            is_handler |= symbol.name().and_then(|name| name.as_str()) == Some(HANDLER);
            line.extend(self.line(symbol));
        });
        let place = if is_handler {
            Place::Handler
        } else if line.is_empty() {
            Place::Nothing
        } else {
            let id = self.profile.location.len() as u64 + 1;
            self.profile.location.push(Location { id, mapping_id: 1, line });
            Place::Location(id)
        };
        self.places.insert(address, place);
        place
    }

    fn line(&mut self, symbol: &Symbol) -> Option<Line> {
        let name = symbol.name()?;
        let system_name = self.string(name.as_str().unwrap_or_default());
        let name = self.string(&readable(&name));
        let filename = symbol.filename().map(|path| path.to_string_lossy().into_owned());
        let filename = self.string(&filename.unwrap_or_default());
        let next = self.profile.function.len() as u64 + 1;
        let function_id = *self.functions.entry([system_name, filename]).or_insert(next);
        if function_id == next {
            self.profile.function.push(Function { id: next, name, system_name, filename });
        }
        Some(Line { function_id, line: symbol.lineno().unwrap_or_default().into() })
    }
}

/// The name as it is in the program, without the hash.
fn readable(name: &SymbolName<'_>) -> String {
    format!("{name:#}")
}
