//! JSON lines as a format: bytes to items and back, whatever the chunks.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "json-lines")]

use bytes::{Bytes, BytesMut};
use http::Response;
use kit_endpoint::{Details, Fault, Kind};
use kit_transport_http::{
    Rejection,
    json_lines::{Lines, Reader, Replies, Writer},
    stream::{ReadError, ReadItems, WriteItems},
};
use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
struct Hello {
    name: String,
}

/// Reads all of `chunks`, each item and the error at the end, if there is one.
fn read<R: ReadItems>(mut reader: R, chunks: &[&[u8]]) -> (Vec<R::Item>, Option<ReadError>) {
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
            Some(Err(error)) => {
                assert!(reader.next_item().is_none(), "there is more after an error");
                return (items, Some(error));
            }
            None => return (items, None),
        }
    }
}

fn names(body: &str) -> Vec<String> {
    let (items, error) = read(Reader::<Hello>::new(), &[body.as_bytes()]);
    assert!(error.is_none(), "{error:?}");
    items.into_iter().map(|hello| hello.name).collect()
}

fn error(body: &str) -> ReadError {
    read(Reader::<Hello>::new().line_limit(64), &[body.as_bytes()]).1.expect("it can be read")
}

/// Cuts `bytes` where `cuts` say.
fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn each_line_is_an_item() {
    assert_eq!(names("{\"name\":\"Ada\"}\n{\"name\":\"Bob\"}\n"), ["Ada", "Bob"]);
}

#[test]
fn the_last_line_needs_no_end_and_lines_may_end_in_crlf() {
    assert_eq!(names("{\"name\":\"Ada\"}\r\n{\"name\":\"Bob\"}"), ["Ada", "Bob"]);
    assert_eq!(names("{\"name\":\"Ada\"}\r\n{\"name\":\"Bob\"}\r"), ["Ada", "Bob"]);
}

#[test]
fn a_last_reply_without_an_end_is_cut_and_no_item() {
    for last in ["12", "{\"name\":\"Ada\"}", "{\"error\":{}}", "12\r", " ", "{\"na"] {
        let body = format!("1\n{last}");
        for chunks in [&[body.as_bytes()][..], &[b"1\n", last.as_bytes()]] {
            let (items, error) = read(Replies::<Value>::new(), chunks);
            assert_eq!(items.len(), 1, "{last:?}");
            let Some(ReadError::BrokeOff(why)) = error else { panic!("{last:?} {error:?}") };
            assert_eq!(why.to_string(), "the last line has no end");
        }
    }
    for body in ["", "\n", "1\n", "1\r\n", "1\n\n"] {
        let (_, error) = read(Replies::<Value>::new(), &[body.as_bytes()]);
        assert!(error.is_none(), "{body:?} {error:?}");
    }
}

#[test]
fn empty_lines_are_left_out() {
    assert_eq!(names("\n\r\n  \t\n{\"name\":\"Ada\"}\n\n"), ["Ada"]);
    assert_eq!(names(""), [""; 0]);
    assert_eq!(names("\n \n"), [""; 0]);
}

#[test]
fn a_line_that_cannot_be_read_is_named_with_its_field() {
    let fault = error("{\"name\":\"Ada\"}\n\n{\"name\":7}\n{\"name\":\"Bob\"}\n");
    let ReadError::Malformed { line: 3, field: Some(field), .. } = &fault else {
        panic!("{fault:?}")
    };
    assert_eq!(field, "name");
    assert_eq!(
        fault.to_string(),
        "cannot read `name` in line 3: invalid type: integer `7`, expected a string at column 9"
    );
    assert_eq!(fault.kind(), Kind::InvalidArgument);
    let mut details = Details::default();
    fault.describe(&mut details);
    assert_eq!(details.violations()[0].field, "name");
    assert!(details.violations()[0].description.starts_with("line 3: "));
}

#[test]
fn a_line_that_is_no_json_is_named_too() {
    let fault = error("{\"name\":\"Ada\"}\n{\"name\n");
    assert!(matches!(&fault, ReadError::Malformed { line: 2, field: None, .. }), "{fault:?}");
    assert!(!fault.to_string().contains("line 1"), "{fault}");
}

#[test]
fn a_line_over_the_limit_ends_the_stream_before_it_has_come() {
    let long = format!("{{\"name\":\"{}", "x".repeat(100));
    for body in [long.clone(), format!("{long}\"}}\n")] {
        let fault = error(&format!("{{\"name\":\"Ada\"}}\n{body}"));
        assert!(matches!(fault, ReadError::TooLong { line: 2, limit: 64 }), "{fault:?}");
        assert_eq!(fault.kind(), Kind::PayloadTooLarge);
    }
}

#[test]
fn the_limit_is_for_each_line_and_does_not_count_its_end() {
    for end in ["\n", "\r\n", "\r", ""] {
        for (length, fits) in [(64, true), (65, false)] {
            let line = format!("\"{}\"", "x".repeat(length - 2));
            let body = format!("{line}\n{line}\r\n{line}{end}");
            let (items, error) = read(Reader::<String>::new().line_limit(64), &[body.as_bytes()]);
            assert_eq!((items.len(), error.is_none()), if fits { (3, true) } else { (0, false) });
        }
    }
}

#[test]
fn a_line_within_a_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"1\n22\n");
    let mut lines = Lines::new(10);
    lines.push(chunk.clone());
    let line = lines.next_line().unwrap().unwrap();
    assert_eq!(line.as_ptr(), chunk.as_ptr());
    assert_eq!(lines.number(), 1);
}

#[test]
fn after_an_error_nothing_is_held() {
    let mut lines = Lines::new(4);
    lines.push(Bytes::from_static(b"1\n12345"));
    assert_eq!(lines.next_line().unwrap().unwrap(), "1");
    assert!(matches!(lines.next_line(), Err(ReadError::TooLong { line: 2, limit: 4 })));
    for _ in 0..2 {
        let chunk = Bytes::from(b"\n2\n3".to_vec());
        lines.push(chunk.clone());
        assert!(chunk.is_unique(), "{lines:?}");
        assert_eq!(lines.next_line().unwrap(), None);
    }
    assert_eq!(lines.finish().unwrap(), None);
    assert_eq!(lines.number(), 2);
}

fn written<T>(item: T) -> String
where
    Writer: WriteItems<T, Error: std::fmt::Debug>,
{
    let mut out = BytesMut::new();
    Writer::new().item(item, &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn an_item_that_looks_like_a_fault_is_still_an_item() {
    let item = json!({"error": {"status": 404}});
    let line = written(&item);
    assert_eq!(line, " {\"error\":{\"status\":404}}\n");
    let (items, error) = read(Replies::<Value>::new(), &[line.as_bytes()]);
    assert!(error.is_none());
    assert_eq!(items[0].as_ref().unwrap(), &item);
}

#[test]
fn json_that_is_written_already_stays_on_one_line() {
    let raw = RawValue::from_string("{\n\"error\":\r\n1}".to_owned()).unwrap();
    assert_eq!(written(&raw), "{ \"error\":  1}\n");
    let raw = RawValue::from_string("{\"error\":\n1}".to_owned()).unwrap();
    assert_eq!(written(&raw), " {\"error\": 1}\n");
}

#[test]
fn what_is_no_json_is_not_written() {
    let keys = BTreeMap::from([((), 1)]);
    assert!(Writer::new().item(keys, &mut BytesMut::new()).is_err());
}

fn fault(problem: &'static str, wait: Option<Duration>) -> String {
    let mut out = BytesMut::new();
    let failure = Response::new(Bytes::from_static(problem.as_bytes()));
    WriteItems::<()>::fault(&Writer::new(), &failure, wait, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn rejection(line: &str) -> Rejection {
    let (mut items, error) = read(Replies::<Hello>::new(), &[line.as_bytes()]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items.len(), 1);
    items.remove(0).unwrap_err()
}

#[test]
fn a_fault_is_the_last_line_and_comes_back_as_it_was() {
    let line = fault(
        "{\n\"status\": 404,\r\n\"detail\": \"nobody is called Eve\", \"kind\": \"NOT_FOUND\"}",
        Some(Duration::from_micros(1_200_001)),
    );
    assert!(line.ends_with(",\"retryAfterMs\":1201}\n"), "{line}");
    assert_eq!(line.matches(['\n', '\r']).count(), 1, "{line}");
    let rejection = rejection(&format!("{line}{{\"name\":\"Ada\"}}\n"));
    assert_eq!((rejection.status.as_u16(), rejection.kind), (404, Kind::NotFound));
    assert_eq!(rejection.detail.unwrap(), "nobody is called Eve");
    assert_eq!(rejection.retry_after, Some(Duration::from_millis(1201)));
}

#[test]
fn a_fault_in_words_is_a_json_string() {
    let line = fault("no such \"name\"\n", None);
    assert_eq!(line, "{\"error\":\"no such \\\"name\\\"\\n\"}\n");
    let rejection = rejection(&line);
    assert_eq!((rejection.status.as_u16(), rejection.kind), (500, Kind::Internal));
    assert_eq!(rejection.detail.unwrap(), "no such \"name\"\n");
}

#[test]
fn requests_have_no_faults() {
    let (items, error) = read(Reader::<Value>::new(), &[b"{\"error\":1}\n2\n"]);
    assert!(error.is_none());
    assert_eq!(items, [json!({"error": 1}), json!(2)]);
}

/// What a fuzzer would begin with.
const CORPUS: &[&[u8]] = &[
    b"",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"1\n2\n3",
    b"{\"name\":\"Ada\"}\r\n",
    b"{\"error\":",
    b"{\"error\":}\n",
    b"{\"error\":null}\n",
    b"{\"error\":{\"status\":99999}}\n",
    b"{\"error\":{},\"retryAfterMs\":-1}\n",
    b"{\"error\":{},\"retryAfterMs\":18446744073709551615}\n",
    b"\xff\xfe\n",
    b"\xef\xbb\xbf1\n",
    b"\"\\ud800\"\n",
    b"1\n\0\n",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
    b"1\r2\r\n",
    b"   \r\r\n",
    b"1e999\n",
];

fn seen(limit: usize, chunks: &[&[u8]]) -> String {
    format!(
        "{:?} {:?}",
        read(Reader::<Value>::new().line_limit(limit), chunks),
        read(Replies::<Value>::new().line_limit(limit), chunks),
    )
}

#[test]
fn the_corpus_is_read_byte_by_byte_as_at_once() {
    for bytes in CORPUS {
        for limit in [0, 1, 5, 1 << 20] {
            let bytewise: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(seen(limit, &bytewise), seen(limit, &[bytes]), "{bytes:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_split_into_chunks_gives_the_same_items(
        bytes in prop::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'"'), Just(b'1'), any::<u8>()],
            0..64,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in 0_usize..32,
    ) {
        prop_assert_eq!(seen(limit, &split(&bytes, &cuts)), seen(limit, &[&bytes]));
    }

    #[test]
    fn what_is_written_comes_back(
        items in prop::collection::vec(
            ("(error|name|\\PC*)", any::<String>(), prop::option::of(any::<i64>())), 0..8,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let items: Vec<_> = items.into_iter().map(|(key, text, number)| {
            json!({key: [json!(text), json!(number)]})
        }).collect();
        let body: String = items.iter().map(written).collect();
        let (back, error) = read(Replies::<Value>::new(), &split(body.as_bytes(), &cuts));
        prop_assert!(error.is_none());
        let back: Vec<_> = back.into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(back, items);
    }
}
