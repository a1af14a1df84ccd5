use bytes::Bytes;
use http::{Request, Uri};
use kit_transport_http::{DecodeError, form, query};
use serde::{Deserialize, Serialize};

/// A message with a field of each sort that forms have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    loud: Option<bool>,
    #[serde(default)]
    count: i16,
    letter: Option<char>,
    #[serde(default)]
    tone: Tone,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tone {
    #[default]
    Warm,
    Cool,
}

type Pairs = Vec<(String, String)>;

/// Forms and queries: the text of one.
pub fn urlencoded(data: &[u8]) {
    let request = Request::new(Bytes::copy_from_slice(data));
    let read = form::decode::<Pairs>(&request);
    assert_eq!(read.as_ref().ok(), pairs(data).as_ref());
    if let Ok(pairs) = read {
        round_trip(&pairs);
    }
    match form::decode::<Message>(&request) {
        Ok(message) => round_trip(&message),
        Err(DecodeError::Malformed { part, field, message }) => {
            assert_eq!(part, "body");
            assert!(field.is_none_or(|field| (1..=256).contains(&field.len())));
            assert!(!message.is_empty());
        }
        Err(error) => panic!("{error}"),
    }

    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = format!("/?{text}").parse::<Uri>() else { return };
    if uri.query() == Some(text) {
        let mut asked = Request::new(Bytes::new());
        *asked.uri_mut() = uri;
        assert_eq!(query::decode::<Pairs>(&asked).ok(), pairs(data));
        let (asked, sent) = (query::decode::<Message>(&asked), form::decode::<Message>(&request));
        assert_eq!(asked.ok(), sent.ok());
    }
}

fn round_trip<T>(message: &T)
where
    T: std::fmt::Debug + Clone + PartialEq + Serialize + serde::de::DeserializeOwned,
{
    let body = form::encode(message).expect("what was read can be written").into_body();
    assert!(body.is_ascii());
    let read = form::decode::<T>(&Request::new(body)).expect("what is written can be read");
    assert_eq!(read, *message);
}

/// The URL standard, `application/x-www-form-urlencoded` parsing; but bytes
/// that are no text are refused.
fn pairs(data: &[u8]) -> Option<Pairs> {
    data.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = crate::halves(pair, b'=');
            let decoded = |text: &[u8]| {
                let text: Vec<u8> =
                    text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
                String::from_utf8(crate::percent_decoded(&text)).ok()
            };
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}
