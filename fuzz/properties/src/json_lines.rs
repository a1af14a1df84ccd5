use crate::fault::Given;
use bytes::{Bytes, BytesMut};
use kit_endpoint::{Fault, Problem};
use kit_transport_http::{
    json_lines::{Lines, Reader, Replies, Writer},
    stream::{ReadError, ReadItems, WriteItems},
};
use serde_json::Value;

/// Streams of JSON lines: a body, cut into chunks by bytes of 0x1f.
pub fn json_lines(data: &[u8]) {
    fault(data);
    let chunks: Vec<_> = data.split(|byte| *byte == 0x1f).collect();
    let body = chunks.concat();
    for limit in [6, 1024] {
        let (lines, too_long) = split(&body, limit);
        let mut read = Lines::new(limit);
        let mut chunks = chunks.iter();
        let mut found = Vec::new();
        let broken = loop {
            let line = match read.next_line() {
                Ok(None) => match chunks.next() {
                    Some(chunk) => {
                        read.push(Bytes::copy_from_slice(chunk));
                        continue;
                    }
                    None => read.finish(),
                },
                line => line,
            };
            match line {
                Ok(Some(line)) => found.push((read.number(), line.to_vec())),
                Ok(None) => break None,
                Err(error) => break Some(place(&error)),
            }
        };
        assert_eq!(found, lines);
        assert_eq!(broken, too_long);
    }

    let (lines, too_long) = split(&body, 1024);
    let (items, broken) = read(Reader::<Value>::new().line_limit(1024), &chunks);
    let mut expected = Vec::new();
    let malformed = lines.iter().find_map(|(number, line)| {
        let item = serde_json::from_slice::<Value>(line);
        item.map(|item| expected.push(item)).err().map(|_| *number)
    });
    assert_eq!(items, expected);
    assert_eq!(broken.as_ref().map(place), malformed.or(too_long));
    for item in items {
        round_trip(&item);
    }
    // A client reads the same up to the fault, after which there is nothing.
    let (replies, broken) = read(Replies::<Value>::new().line_limit(1024), &chunks);
    let faults = replies.iter().filter(|reply| reply.is_err()).count();
    assert!(faults + usize::from(broken.is_some()) <= 1);
    // A line without an end may have been cut.
    assert!(body.last().is_none_or(|last| *last == b'\n') || broken.is_some() || faults == 1);
    assert!(replies.iter().rev().skip(1).all(Result::is_ok));
    assert!(
        replies
            .iter()
            .zip(&expected)
            .all(|(reply, item)| reply.as_ref().ok().is_none_or(|reply| reply == item))
    );
}

/// What is written is read: one line, and never taken for a fault.
fn round_trip(item: &Value) {
    let mut out = BytesMut::new();
    Writer::new().item(item, &mut out).expect("JSON is written as JSON");
    assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1));
    let (mut replies, broken) = read(Replies::<Value>::new(), &[&out]);
    assert!(broken.is_none() && replies.len() == 1, "{out:?}");
    let reply = replies.remove(0).expect("it is no fault");
    // By default serde_json may read another float than it wrote, next to it.
    assert!(reply == *item || has_float(item), "{out:?}");
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        _ => false,
    }
}

/// A fault amid a stream is the same at the other side.
fn fault(data: &[u8]) {
    let given = Given::new(data);
    let mut out = BytesMut::new();
    let failure = Problem::new(&given).into_response().map(Bytes::from);
    WriteItems::<Value>::fault(&Writer::new(), &failure, given.retry_after, &mut out);
    let (mut replies, broken) = read(Replies::<Value>::new(), &[&out]);
    assert!(broken.is_none() && replies.len() == 1, "{out:?}");
    given.check(&replies.remove(0).expect_err("it is a fault"));
}

/// Reads all there is, and why there is no more.
pub(crate) fn read<R: ReadItems>(
    mut reader: R,
    chunks: &[&[u8]],
) -> (Vec<R::Item>, Option<ReadError>) {
    let mut items = Vec::new();
    let mut chunks = chunks.iter();
    loop {
        let item = match reader.next_item() {
            None => match chunks.next() {
                Some(chunk) => {
                    reader.push(Bytes::copy_from_slice(chunk));
                    continue;
                }
                None => reader.finish(),
            },
            item => item,
        };
        match item {
            Some(Ok(item)) => items.push(item),
            Some(Err(error)) => return (items, Some(error)),
            None => return (items, None),
        }
    }
}

/// Returns the number of the line that cannot be read.
pub(crate) fn place(error: &ReadError) -> u64 {
    match error {
        ReadError::TooLong { line, .. } | ReadError::Malformed { line, .. } => {
            assert_eq!(
                error.kind() == kit_endpoint::Kind::PayloadTooLarge,
                matches!(error, ReadError::TooLong { .. })
            );
            *line
        }
        error => panic!("{error}"),
    }
}

/// Returns the lines that say something, and the number of one that is too long.
fn split(body: &[u8], limit: usize) -> (Vec<(u64, Vec<u8>)>, Option<u64>) {
    let mut lines = Vec::new();
    let ended = body.strip_suffix(b"\n").unwrap_or(body);
    for (line, number) in ended.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > limit {
            return (lines, Some(number));
        }
        if !line.trim_ascii().is_empty() {
            lines.push((number, line.to_vec()));
        }
    }
    (lines, None)
}
