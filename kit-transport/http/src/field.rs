//! Which field of a message is wrong.

use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};

/// A path that is longer than this is the caller's own text, given back.
const LONGEST: usize = 256;

/// Reads a message that is known to be wrong, and returns the path to what is
/// wrong in it: `address.lines[0]`.
pub(crate) fn find<'de, T, D>(message: D) -> Option<String>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let error = serde_path_to_error::deserialize::<D, T>(message).err()?;
    let mut field = written(error.path());
    let message = error.inner().to_string();
    // These are told of the message around the field. (Of an unknown one the
    // path knows already.)
    let named = ["missing field `", "duplicate field `"].iter().find_map(|start| {
        let (name, _) = message.strip_prefix(start)?.split_once('`')?;
        Some(name)
    });
    if let Some(name) = named {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(name);
    }
    (!field.is_empty() && field.len() <= LONGEST).then_some(field)
}

fn written(path: &Path) -> String {
    let mut written = String::new();
    for segment in path {
        match segment {
            Segment::Unknown => break,
            Segment::Seq { index } => written.extend(["[", &index.to_string(), "]"]),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !written.is_empty() {
                    written.push('.');
                }
                written.push_str(name);
            }
        }
    }
    written
}
