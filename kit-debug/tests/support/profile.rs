//! What a test reads of a profile, after google/pprof's `profile.proto`.

use flate2::read::GzDecoder;
use prost::Message;
use std::io::Read;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub(crate) sample_type: Vec<Pair>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub(crate) time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub(crate) duration_nanos: i64,
    #[prost(int64, tag = "12")]
    pub(crate) period: i64,
}

/// A type of values and its unit, or a label and its text.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pair {
    #[prost(int64, tag = "1")]
    pub(crate) name: i64,
    #[prost(int64, tag = "2")]
    pub(crate) value: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(crate) value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) label: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Location {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) address: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Line {
    #[prost(uint64, tag = "1")]
    pub(crate) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) line: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) name: i64,
    #[prost(int64, tag = "4")]
    pub(crate) filename: i64,
}

impl Profile {
    pub(crate) fn read(gzipped: &[u8]) -> Self {
        let mut profile = Vec::new();
        GzDecoder::new(gzipped).read_to_end(&mut profile).unwrap();
        Self::decode(&*profile).unwrap()
    }

    pub(crate) fn string(&self, index: i64) -> &str {
        &self.string_table[usize::try_from(index).unwrap()]
    }

    /// The functions of a stack, the innermost first.
    pub(crate) fn stack(&self, sample: &Sample) -> Vec<&str> {
        let at = |id: &u64| &self.location[usize::try_from(*id).unwrap() - 1];
        let lines = sample.location_id.iter().flat_map(|id| &at(id).line);
        let of = |line: &Line| &self.function[usize::try_from(line.function_id).unwrap() - 1];
        lines.map(|line| self.string(of(line).name)).collect()
    }

    /// How many samples have a function with this in its name, anywhere or, if it is to
    /// be a leaf, innermost.
    pub(crate) fn samples(&self, part: &str, leaf: bool) -> i64 {
        let has = |sample: &&Sample| {
            let stack = self.stack(sample);
            let depth = if leaf { 1 } else { stack.len() };
            stack.iter().take(depth).any(|name| name.contains(part))
        };
        self.sample.iter().filter(has).map(|sample| sample.value[0]).sum()
    }
}
