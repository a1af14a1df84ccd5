use crate::{fault::Given, json_lines};
use bytes::{Bytes, BytesMut};
use kit_endpoint::Problem;
use kit_transport_http::{
    sse::{self, Event, Parser, Reader, Writer},
    stream::WriteItems,
};
use serde_json::Value;
use std::time::Duration;

/// Server-sent events: a body, cut into chunks by bytes of 0x1f.
pub fn events(data: &[u8]) {
    fault(data);
    let chunks: Vec<_> = data.split(|byte| *byte == 0x1f).collect();
    let body = chunks.concat();
    for limit in [12, 1024] {
        let mut parser = Parser::new(limit);
        let mut found = Vec::new();
        let mut broken = None;
        for chunk in &chunks {
            parser.push(Bytes::copy_from_slice(chunk));
            while broken.is_none() {
                match parser.next_event() {
                    Ok(Some(event)) => found.push(event),
                    Ok(None) => break,
                    Err(error) => broken = Some(json_lines::place(&error)),
                }
            }
        }
        assert_eq!((&found, broken), (&parse(&body, limit).0, parse(&body, limit).1));
        found.iter().for_each(round_trip);
    }
    let (replies, broken) = json_lines::read(Reader::new(sse::from_json::<Value>), &chunks);
    let faults = replies.iter().filter(|reply| reply.is_err()).count();
    assert!(faults + usize::from(broken.is_some()) <= 1);
    assert!(replies.iter().rev().skip(1).all(Result::is_ok));
}

/// What was read can be written, and reads the same.
fn round_trip(event: &Event) {
    let mut out = BytesMut::new();
    let written = Writer::new(sse::event).item(event.clone(), &mut out);
    assert_eq!(written.is_err(), event.event.as_deref() == Some("error"));
    if written.is_ok() {
        assert_eq!(parse(&out, usize::MAX), (vec![event.clone()], None));
    }
}

/// A fault amid a stream is the same at the other side.
fn fault(data: &[u8]) {
    let given = Given::new(data);
    let mut out = BytesMut::new();
    let failure = Problem::new(&given).into_response().map(Bytes::from);
    let writer = Writer::new(sse::json::<Value>);
    writer.fault(&failure, given.retry_after, &mut out);
    let (mut replies, broken) = json_lines::read(Reader::new(sse::from_json::<Value>), &[&out]);
    assert!(broken.is_none() && replies.len() == 1, "{out:?}");
    given.check(&replies.remove(0).expect_err("it is a fault"));
}

/// WHATWG HTML, section 9.2.6, and the number of a line that is too long.
fn parse(body: &[u8], limit: usize) -> (Vec<Event>, Option<u64>) {
    let mut events = Vec::new();
    let mut next = Event::default();
    let mut id = None;
    for (index, (line, ended)) in lines(body).into_iter().enumerate() {
        let number = index as u64 + 1;
        if line.len() > limit {
            return (events, Some(number));
        }
        if !ended {
            break;
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| index == 0).unwrap_or(line);
        if line.is_empty() {
            if next.data.is_none() {
                next.event = None;
            } else {
                let mut event = std::mem::take(&mut next);
                event.id = id.clone().filter(|id: &String| !id.is_empty());
                event.event = event.event.filter(|event| !event.is_empty());
                events.push(event);
            }
            continue;
        }
        let (name, value) = crate::halves(line, b':');
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = String::from_utf8_lossy(value).into_owned();
        match name {
            b"event" => next.event = Some(value),
            b"data" => {
                let data = next.data.map_or(value.clone(), |data| format!("{data}\n{value}"));
                if data.len() > limit {
                    return (events, Some(number));
                }
                next.data = Some(data);
            }
            b"id" if !value.contains('\0') => id = Some(value),
            b"retry"
                if !value.is_empty() && !value.contains(|digit: char| !digit.is_ascii_digit()) =>
            {
                next.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
    }
    (events, None)
}

/// Returns the lines, and of each whether it ends; the last one does not.
fn lines(body: &[u8]) -> Vec<(&[u8], bool)> {
    let mut lines = Vec::new();
    let mut rest = body;
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        lines.push((&rest[..end], true));
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    lines.push((rest, false));
    lines
}
