//! Server-sent events as a format: bytes to events and back, whatever the
//! chunks. The examples of WHATWG HTML, section 9.2.6, are here.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "sse")]

use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, HeaderValue, Response};
use kit_endpoint::{Fault, Kind};
use kit_transport_http::{
    sse::{self, Event, LastEventId, Parser, Reader, Writer},
    stream::{ReadError, ReadItems, WriteItems},
};
use proptest::prelude::*;
use std::time::Duration;

fn parse(limit: usize, chunks: &[&[u8]]) -> (Vec<Event>, Option<ReadError>) {
    let mut parser = Parser::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        parser.push(Bytes::copy_from_slice(chunk));
        loop {
            match parser.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn events(body: &str) -> Vec<Event> {
    let (events, error) = parse(1 << 20, &[body.as_bytes()]);
    assert!(error.is_none(), "{error:?}");
    events
}

fn write(event: &Event) -> Result<String, String> {
    let mut out = BytesMut::new();
    match Writer::new(sse::event).item(event.clone(), &mut out) {
        Ok(()) => Ok(String::from_utf8(out.to_vec()).unwrap()),
        Err(fault) => {
            assert_eq!(fault.kind(), Kind::Internal);
            Err(kit_transport::Report(&fault).to_string())
        }
    }
}

#[test]
fn an_event_is_written_field_by_field() {
    let event = Event::new("a").event("greeting").id("7").retry(Duration::from_secs(2));
    assert_eq!(write(&event).unwrap(), "event: greeting\nid: 7\nretry: 2000\ndata: a\n\n");
    assert_eq!(write(&Event::new("")).unwrap(), "data: \n\n");
    assert_eq!(write(&Event::default().id("7")).unwrap(), "id: 7\n\n");
    assert_eq!(write(&sse::json([1, 2]).unwrap()).unwrap(), "data: [1,2]\n\n");
}

#[test]
fn no_line_break_in_data_ends_the_event() {
    let event = Event::new("a\n\nevent: b\r\rid: c\r\n\r\nd\n");
    let written = write(&event).unwrap();
    let lines = "data: a\ndata: \ndata: event: b\ndata: \ndata: id: c\ndata: \ndata: d\ndata: \n\n";
    assert_eq!(written, lines);
    assert_eq!(events(&written), [Event::new("a\n\nevent: b\n\nid: c\n\nd\n")]);
}

#[test]
fn an_id_or_a_type_of_several_lines_is_not_written() {
    for event in [
        Event::new("").id("1\n2"),
        Event::new("").id("1\r2"),
        Event::new("").id("1\x002"),
        Event::new("").event("a\nb"),
        Event::new("").event("a\rb"),
    ] {
        let why = write(&event).unwrap_err();
        assert!(why.contains("more than one line"), "{why}");
    }
}

#[test]
fn only_a_fault_is_of_the_type_error() {
    assert!(write(&Event::new("").event("error")).unwrap_err().contains("a fault's"));
}

#[test]
fn the_examples_of_the_standard_are_read_as_it_says() {
    let stocks = events("data: YHOO\ndata: +2\ndata: 10\n\n");
    assert_eq!(stocks, [Event::new("YHOO\n+2\n10")]);

    let body = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    let first = Event::new("first event").id("1");
    assert_eq!(events(body), [first, Event::new("second event"), Event::new(" third event")]);

    assert_eq!(events("data\n\ndata\ndata\n\ndata:"), [Event::new(""), Event::new("\n")]);
    assert_eq!(events("data:test\n\ndata: test\n\n"), [Event::new("test"), Event::new("test")]);
}

#[test]
fn an_id_holds_until_the_next_and_a_type_does_not() {
    let body = "id: 1\nevent: a\ndata: x\n\ndata: y\n\nid: 2\n\ndata: z\n\n";
    let expected =
        [Event::new("x").event("a").id("1"), Event::new("y").id("1"), Event::new("z").id("2")];
    assert_eq!(events(body), expected);
}

#[test]
fn what_is_not_known_or_not_right_is_left_out() {
    let body =
        "color: red\nid: a\0b\nretry: 1s\nretry:\nevent:\ndata: x\n\nevent: lost\n\ndata: y\n\n";
    assert_eq!(events(body), [Event::new("x"), Event::new("y")]);
    assert_eq!(
        events("retry: 7\n\ndata: x\n\n"),
        [Event::new("x").retry(Duration::from_millis(7))]
    );
    assert_eq!(events("\u{feff}data: x\n\n\u{feff}data: y\n\n"), [Event::new("x")]);
    let (events, _) = parse(99, &[b"data: \xff\n\n"]);
    assert_eq!(events, [Event::new("\u{fffd}")]);
}

#[test]
fn a_line_ends_in_lf_cr_or_both() {
    let body = "data: a\r\ndata: b\r\n\r\ndata: c\rdata: d\r\rdata: e\n\r\n";
    assert_eq!(events(body), [Event::new("a\nb"), Event::new("c\nd"), Event::new("e")]);
}

#[test]
fn an_event_that_is_cut_is_none() {
    assert_eq!(events("data: x\n"), []);
    assert_eq!(events("data: x\n\r"), [Event::new("x")]);
}

#[test]
fn an_event_over_the_limit_ends_the_stream() {
    for body in ["data: 12345\n\n", "data: 12", "data:1\ndata:2\ndata:3\ndata:4\n\n", ":       "] {
        let (events, error) = parse(6, &[body.as_bytes()]);
        assert_eq!(events, []);
        assert!(matches!(error, Some(ReadError::TooLong { limit: 6, .. })), "{body} {error:?}");
    }
}

#[test]
fn after_an_error_nothing_is_held() {
    let mut parser = Parser::new(6);
    parser.push(Bytes::from_static(b"id:held\n\ndata:held\ndata:1234567"));
    parser.next_event().unwrap_err();
    for _ in 0..2 {
        let chunk = Bytes::from(b"\n\ndata:held\n\n".to_vec());
        parser.push(chunk.clone());
        assert!(chunk.is_unique(), "{parser:?}");
        assert_eq!(parser.next_event().unwrap(), None);
    }
    assert!(!format!("{parser:?}").contains("held"), "{parser:?}");
}

#[test]
fn after_an_event_that_cannot_be_read_nothing_is_held() {
    let mut reader = Reader::new(sse::from_json::<u32>);
    reader.push(Bytes::from_static(b"data: 1\n\ndata: x\n\ndata: 2\n\n"));
    reader.next_item().unwrap().unwrap().unwrap();
    reader.next_item().unwrap().unwrap_err();
    let chunk = Bytes::from(b"data: 3\n\n".to_vec());
    reader.push(chunk.clone());
    assert!(chunk.is_unique(), "{reader:?}");
    assert!(reader.next_item().is_none());
}

#[test]
fn where_a_reader_left_off_is_among_the_extensions() {
    let mut extensions = Extensions::new();
    let mut headers = HeaderMap::new();
    let writer = Writer::new(sse::event);
    writer.before(&headers, &mut extensions);
    assert_eq!(extensions.get::<LastEventId>(), None);
    headers.insert("last-event-id", HeaderValue::from_bytes("é7".as_bytes()).unwrap());
    writer.before(&headers, &mut extensions);
    assert_eq!(extensions.get::<LastEventId>().unwrap().as_str(), "é7");
}

#[test]
fn a_fault_is_the_last_event_and_comes_back_as_it_was() {
    let mut out = BytesMut::new();
    let problem = "{\n\"status\":503,\"kind\":\"UNAVAILABLE\",\"detail\":\"later\"}";
    let failure = Response::new(Bytes::from_static(problem.as_bytes()));
    let writer = Writer::new(sse::event);
    writer.fault(&failure, Some(Duration::from_micros(1_500)), &mut out);
    let body = String::from_utf8(out.to_vec()).unwrap();
    assert!(body.starts_with("event: error\nretry: 2\ndata: { \"status\":503"), "{body}");

    let mut reader = Reader::new(sse::event);
    reader.push((body + "data: more\n\n").into());
    let rejection = reader.next_item().unwrap().unwrap().unwrap_err();
    assert_eq!((rejection.status.as_u16(), rejection.kind), (503, Kind::Unavailable));
    assert_eq!(rejection.detail.as_deref(), Some("later"));
    assert_eq!(rejection.retry_after, Some(Duration::from_millis(2)));
    assert!(reader.next_item().is_none(), "there is more after a fault");
}

#[test]
fn data_that_cannot_be_read_is_named_with_its_line_and_field() {
    #[derive(Debug, serde::Deserialize)]
    struct Hello {
        #[expect(dead_code, reason = "it is only read")]
        name: String,
    }

    let mut reader = Reader::new(sse::from_json::<Hello>);
    reader.push(Bytes::from_static(b"data: {\"name\":\"Ada\"}\n\ndata: {\"name\":7}\n\n"));
    reader.next_item().unwrap().unwrap().unwrap();
    let fault = reader.next_item().unwrap().unwrap_err();
    let ReadError::Malformed { line: 4, field: Some(field), message } = &fault else {
        panic!("{fault:?}")
    };
    assert_eq!(field, "name");
    assert!(message.starts_with("invalid type"), "{message}");
    assert!(reader.next_item().is_none());
}

/// What a fuzzer would begin with.
const CORPUS: &[&[u8]] = &[
    b"",
    b"\n\n\n",
    b"\r\r\n\n\r",
    b":",
    b"data",
    b"data\n\n",
    b"data:\r\rdata: \r\n\r\n",
    b"\xef\xbb\xbfdata: 1\n\n",
    b"\xef\xbb",
    b"id: 1\0\ndata: x\n\n",
    b"retry: 99999999999999999999999\ndata: x\n\n",
    b"event: error\ndata: no json\n\n",
    b"event: error\n\n",
    b"data: \xf0\x9f\x98\ndata: \x80\n\n",
];

#[test]
fn the_corpus_is_read_byte_by_byte_as_at_once() {
    for bytes in CORPUS {
        for limit in [0, 1, 5, 1 << 20] {
            let bytewise: Vec<_> = bytes.chunks(1).collect();
            let (at_once, by_byte) = (parse(limit, &[bytes]), parse(limit, &bytewise));
            assert_eq!(format!("{at_once:?}"), format!("{by_byte:?}"), "{bytes:?}");
        }
    }
}

fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_split_into_chunks_gives_the_same_events(
        parts in prop::collection::vec(
            prop_oneof![
                Just("\n"), Just("\r"), Just("\n\n"), Just("data"), Just(":"), Just(" "),
                Just("id"), Just("event"), Just("retry: 1"), Just("é\0"), Just("\u{feff}"),
            ],
            0..24,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in 0_usize..48,
    ) {
        let bytes = parts.concat().into_bytes();
        let (at_once, split) = (parse(limit, &[&bytes]), parse(limit, &split(&bytes, &cuts)));
        prop_assert_eq!(format!("{split:?}"), format!("{at_once:?}"));
    }

    #[test]
    fn what_is_written_comes_back(
        items in prop::collection::vec(
            (any::<String>(), "[^\r\n]{0,8}", prop::option::of("[^\r\n\0]{1,8}"), any::<Option<u32>>()),
            0..6,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut body = String::new();
        let mut expected = Vec::new();
        let mut last: Option<String> = None;
        for (data, kind, id, retry) in items {
            let mut event = Event::new(data);
            event.event = (kind != "error" && !kind.is_empty()).then_some(kind);
            event.id = id;
            event.retry = retry.map(|millis| Duration::from_millis(millis.into()));
            body += &write(&event).unwrap();
            event.data = event.data.map(|data| data.replace("\r\n", "\n").replace('\r', "\n"));
            last = event.id.take().or(last);
            event.id.clone_from(&last);
            expected.push(event);
        }
        let (back, error) = parse(1 << 20, &split(body.as_bytes(), &cuts));
        prop_assert!(error.is_none());
        prop_assert_eq!(back, expected);
    }
}
