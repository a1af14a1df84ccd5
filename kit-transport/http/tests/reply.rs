//! Replies that know their status and headers: Go kit's cases of `StatusCoder`
//! and `Headerer`, for JSON and protobuf.

#![cfg(all(feature = "json", feature = "protobuf"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, HeaderValue, StatusCode, header};
use kit_transport_http::{Reply, as_reply, json, protobuf};

#[derive(Clone, PartialEq, serde::Serialize, prost::Message)]
struct Teapot {
    #[prost(uint32, tag = "1")]
    status: u32,
}

impl Reply for Teapot {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status.try_into().unwrap()).unwrap()
    }

    fn headers(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.append(header::VARY, HeaderValue::from_static("User-Agent"));
        if self.status == 402 {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pay+json"));
        }
    }
}

#[derive(serde::Serialize)]
struct Plain;

impl Reply for Plain {}

fn all(headers: &HeaderMap, name: header::HeaderName) -> Vec<&HeaderValue> {
    headers.get_all(name).iter().collect()
}

#[test]
fn a_reply_says_its_status_and_headers_and_all_of_their_values() {
    let response = as_reply(json::encode)(Teapot { status: 418 }).unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(all(response.headers(), header::VARY), ["Origin", "User-Agent"]);
    assert_eq!(all(response.headers(), header::CONTENT_TYPE), ["application/json"]);
    assert_eq!(response.body(), r#"{"status":418}"#);

    let response = as_reply(protobuf::encode)(Teapot { status: 418 }).unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(all(response.headers(), header::CONTENT_TYPE), ["application/x-protobuf"]);
    assert_eq!(protobuf::reply::<Teapot>(&response).unwrap().status, 418);
}

#[test]
fn a_header_of_the_reply_takes_the_place_of_the_codecs() {
    let response = as_reply(json::encode)(Teapot { status: 402 }).unwrap();
    assert_eq!(response.status(), StatusCode::PAYMENT_REQUIRED);
    assert_eq!(all(response.headers(), header::CONTENT_TYPE), ["application/pay+json"]);
}

#[test]
fn a_status_without_a_body_has_none_and_no_type_of_it() {
    for status in [204, 205, 304] {
        let response = as_reply(json::encode)(Teapot { status }).unwrap();
        assert_eq!(u32::from(response.status().as_u16()), status);
        assert!(response.body().is_empty(), "{status}");
        assert!(!response.headers().contains_key(header::CONTENT_TYPE), "{status}");
        assert_eq!(all(response.headers(), header::VARY), ["Origin", "User-Agent"]);
    }
}

#[test]
fn a_reply_that_says_nothing_is_200_by_the_codec() {
    let response = as_reply(json::encode)(Plain).unwrap();
    assert_eq!((response.status(), response.headers().len()), (StatusCode::OK, 1));
    assert_eq!(response.body(), "null");
}
