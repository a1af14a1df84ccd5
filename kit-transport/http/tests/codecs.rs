//! The codecs: there and back, and what a caller is told who gets it wrong.

#![cfg(all(
    feature = "form",
    feature = "json",
    feature = "msgpack",
    feature = "path",
    feature = "protobuf",
    feature = "query"
))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Method, Request, Response, header};
use kit_endpoint::{Details, Fault, Kind};
use kit_transport_http::{
    DecodeError, form, json, msgpack,
    path::{self, Malformed, Template, Unfilled},
    protobuf, query,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
struct User {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    age: u32,
    #[prost(message, repeated, tag = "3")]
    #[serde(default)]
    pets: Vec<Pet>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
struct Pet {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    name: String,
    age: u32,
}

fn ada() -> User {
    User { name: "Ada".to_owned(), age: 36, pets: vec![Pet { name: "Tom".to_owned() }] }
}

fn flat() -> Flat {
    Flat { name: "Ada L & co/é".to_owned(), age: 36 }
}

fn body(body: impl Into<Bytes>) -> Request<Bytes> {
    Request::new(body.into())
}

fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

/// Returns the field that a fault names, and what it says as a whole.
fn told<T: std::fmt::Debug>(result: Result<T, DecodeError>) -> (String, String) {
    let fault = result.expect_err("it is wrong");
    assert_eq!(fault.kind(), Kind::InvalidArgument);
    let mut details = Details::default();
    fault.describe(&mut details);
    let [violation] = details.violations() else { panic!("{details:?}") };
    (violation.field.to_string(), fault.to_string())
}

#[test]
fn each_codec_goes_there_and_back_under_its_own_type() {
    fn check<T: Clone + PartialEq + std::fmt::Debug>(
        message: &T,
        request: &Request<Bytes>,
        read: fn(&Request<Bytes>) -> Result<T, DecodeError>,
        response: &Response<Bytes>,
        reply: fn(&Response<Bytes>) -> Result<T, DecodeError>,
        media_type: &str,
    ) {
        assert_eq!(request.headers()[header::CONTENT_TYPE], media_type);
        assert_eq!((request.method(), request.uri().path()), (&Method::PUT, "/there"));
        assert_eq!(&read(request).unwrap(), message);
        assert_eq!(response.headers()[header::CONTENT_TYPE], media_type);
        assert_eq!(&reply(response).unwrap(), message);
    }
    let (put, uri) = (Method::PUT, "http://localhost/there".parse::<http::Uri>().unwrap());

    let request = json::request(put.clone(), uri.clone())(&ada()).unwrap();
    let response = json::encode(ada()).unwrap();
    check(&ada(), &request, json::decode, &response, json::reply, "application/json");

    let request = msgpack::request(put.clone(), uri.clone())(&ada()).unwrap();
    let response = msgpack::encode(ada()).unwrap();
    check(&ada(), &request, msgpack::decode, &response, msgpack::reply, "application/msgpack");

    let request = protobuf::request(put.clone(), uri.clone())(&ada()).unwrap();
    let response = protobuf::encode(ada()).unwrap();
    let media_type = "application/x-protobuf";
    check(&ada(), &request, protobuf::decode, &response, protobuf::reply, media_type);

    let request = form::request(put, uri)(&flat()).unwrap();
    let response = form::encode(flat()).unwrap();
    let media_type = "application/x-www-form-urlencoded";
    check(&flat(), &request, form::decode, &response, form::reply, media_type);
}

#[test]
fn a_fault_of_json_names_the_field() {
    fn wrong(text: &'static str) -> (String, String) {
        told(json::decode::<User>(&body(text)))
    }
    let (field, message) = wrong(r#"{"name":"Ada","age":36,"pets":[{"name":"Tom"},{"name":5}]}"#);
    assert_eq!(field, "pets[1].name");
    assert!(message.starts_with("cannot read `pets[1].name` in the body: invalid type"));
    assert_eq!(wrong(r#"{"name":"Ada","pets":[]}"#).0, "age", "is missing");
    assert_eq!(wrong(r#"{"name":"Ada","age":1,"pets":[{}]}"#).0, "pets[0].name", "is missing");
    assert_eq!(wrong(r#"{"age":1,"age":1}"#).0, "age", "is there twice");
    assert_eq!(wrong(r#"{"name":"Ada","age":-1}"#).0, "age");
    assert_eq!(wrong(r#"{"name":"Ada","#).0, "body", "is no JSON at all");
    assert_eq!(wrong("5").0, "body");
    assert_eq!(told(json::decode::<Flat>(&body(r#"{"nom":"Ada"}"#))).0, "nom", "is unknown");
}

#[test]
fn a_field_whose_name_has_no_end_is_not_given_back() {
    let long = "x".repeat(4096);
    let text = format!(r#"{{"{long}":"no number"}}"#);
    assert_eq!(told(json::decode::<BTreeMap<String, u8>>(&body(text))).0, "body");
}

#[test]
fn a_fault_of_a_query_or_form_names_the_field() {
    for (text, field) in [
        ("name=Ada&age=old", "age"),
        ("name=Ada", "age"),
        ("name=Ada&name=Bob&age=1", "name"),
        ("nom=Ada", "nom"),
    ] {
        let (query, message) = told(query::decode::<Flat>(&get(&format!("/?{text}"))));
        assert_eq!(query, field, "{text}");
        assert!(message.contains("give each parameter once"), "{message}");
        assert_eq!(told(form::decode::<Flat>(&body(text))).0, field, "{text}");
    }
    assert_eq!(told(form::decode::<Flat>(&body("name=%ff&age=1"))).0, "body");
    assert_eq!(told(form::decode::<Flat>(&body(&b"name=\xff&age=1"[..]))).0, "body");
}

#[test]
fn a_fault_of_msgpack_names_the_field() {
    let bytes = rmp_serde::to_vec_named(&(BTreeMap::from([("name", 5)]))).unwrap();
    assert_eq!(told(msgpack::decode::<Pet>(&body(bytes))).0, "name");
    let bytes = rmp_serde::to_vec_named(&BTreeMap::from([("name", "Ada")])).unwrap();
    assert_eq!(told(msgpack::decode::<User>(&body(bytes))).0, "age", "is missing");
}

#[test]
fn msgpack_takes_fields_by_name_and_in_order_and_one_message() {
    let list = rmp_serde::to_vec(&ada()).unwrap();
    assert_eq!(msgpack::decode::<User>(&body(list.clone())).unwrap(), ada());
    let two = [list.clone(), list].concat();
    let (_, message) = told(msgpack::decode::<User>(&body(two)));
    assert!(message.ends_with("bytes follow the message: send one"), "{message}");
    // 100 000 lists in one another: neither stack nor memory is lost on them.
    told(msgpack::decode::<serde::de::IgnoredAny>(&body(vec![0x91; 100_000])));
}

#[test]
fn a_fault_of_protobuf_names_the_field() {
    // Field 3, a message of 2 bytes: field 1 as a number.
    let (field, message) = told(protobuf::decode::<User>(&body(&[0x1a, 2, 0x08, 1][..])));
    assert_eq!(field, "pets.name");
    assert!(message.contains("invalid wire type"), "{message}");
    let (field, message) = told(protobuf::decode::<User>(&body(&[0xff][..])));
    assert_eq!(
        (field.as_str(), message.as_str()),
        ("body", "cannot read the body: invalid varint")
    );
}

// ===== path =====

fn at<T: DeserializeOwned>(template: &'static str, path: &str) -> Result<T, DecodeError> {
    path::decode(template)(&get(path))
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(u64);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Big,
}

#[test]
fn a_path_is_decoded_by_name_by_position_or_alone() {
    const TEMPLATE: &str = "/users/{name}/ages/{age}";
    let path = "/users/Ada%20L%20&%20co%2F%C3%A9/ages/36";
    assert_eq!(at::<Flat>(TEMPLATE, path).unwrap(), flat());
    assert_eq!(at::<(String, u8)>(TEMPLATE, path).unwrap(), (flat().name, 36));
    assert_eq!(at::<Vec<String>>(TEMPLATE, path).unwrap(), [flat().name, "36".to_owned()]);
    assert_eq!(at::<BTreeMap<String, String>>(TEMPLATE, path).unwrap()["age"], "36");
    assert_eq!(at::<u64>("/users/{id}", "/users/7").unwrap(), 7);
    assert_eq!(at::<Option<i8>>("/users/{id}", "/users/-7").unwrap(), Some(-7));
    assert_eq!(at::<char>("/{c}", "/+").unwrap(), '+', "a plus is no space here");
    assert_eq!(at::<String>("/files/{*path}", "/files/a/b%2Fc").unwrap(), "a/b/c");
    at::<()>("/plain", "/plain").expect_err("unit has no parameters to read");
    assert_eq!(at::<Vec<String>>("/", "/").unwrap(), [""; 0]);

    assert_eq!(at::<Id>("/{id}", "/7").unwrap(), Id(7));
    assert_eq!(at::<Size>("/{size}", "/big").unwrap(), Size::Big);
    assert_eq!(at::<(Size, Id)>("/{size}/{id}", "/small/1").unwrap(), (Size::Small, Id(1)));
    assert_eq!(told(at::<Size>("/{size}", "/huge")).0, "size");
    assert_eq!(told(at::<(Size, Id)>("/{size}/{id}", "/big/x")).0, "id");
}

#[test]
fn a_fault_of_a_path_names_the_parameter() {
    const TEMPLATE: &str = "/users/{name}/ages/{age}";
    let (field, message) = told(at::<Flat>(TEMPLATE, "/users/Ada/ages/old"));
    assert_eq!(field, "age");
    assert_eq!(message, "cannot read `age` in the path: invalid digit found in string");
    assert_eq!(told(at::<Flat>(TEMPLATE, "/users/%ff/ages/1")).0, "name");
    assert_eq!(told(at::<(String, bool)>(TEMPLATE, "/users/a/ages/1")).0, "age");
    for other in
        ["/", "/users", "/users/a/ages/", "/users//ages/1", "/users/a/ages/1/", "/x/a/ages/1"]
    {
        let (field, message) = told(at::<Flat>(TEMPLATE, other));
        assert_eq!(field, "path");
        assert!(message.ends_with("it is not like /users/{name}/ages/{age}"), "{message}");
    }
    told(at::<String>("/files/{*path}", "/files/"));
    told(at::<String>("/{a}/{b}", "/1/2"));
}

#[test]
fn a_template_is_checked_when_it_is_made() {
    for wrong in [
        "", "users", "/{", "/{}", "/{*}", "/a{b}", "/{a}b", "/{a}{b}", "/{*a}/b", "/{a*}", "/}",
        "/{a/b}", "/a?b", "/a#b", "/a b", "/a\n", "/<a>", "/`", "/\x7f",
    ] {
        assert!(Template::parse(wrong).is_err(), "{wrong}");
    }
    for (wrong, why) in [
        ("users", Malformed::Relative),
        ("/a{b}", Malformed::Braces),
        ("/{*a}/b", Malformed::RestNotLast),
        ("/a?b", Malformed::BeyondPath),
        ("/a b", Malformed::NotEncoded),
    ] {
        assert_eq!(Template::parse(wrong), Err(why));
    }
    let template = const { Template::new("/users/{id}/{*rest}") };
    assert_eq!(template.as_str(), "/users/{id}/{*rest}");
    // What no path has may be in a name, which is not in the path.
    assert_eq!(at::<String>("/a%20b/größe/{the id}", "/a%20b/größe/7").unwrap(), "7");
}

#[test]
fn each_parameter_of_a_template_has_a_name_of_its_own() {
    for (wrong, name) in [
        ("/a/{id}/b/{id}", "id"),
        ("/{id}/{id}", "id"),
        ("/{a}/{id}/{*id}", "id"),
        ("/{größe}/{größe}", "größe"),
    ] {
        let why = Template::parse(wrong).unwrap_err();
        assert_eq!(why, Malformed::Repeated { name }, "{wrong}");
        let said = format!("each parameter has a name of its own: {name} is there twice");
        assert_eq!(why.to_string(), said);
    }
    for right in ["/{id}/{ids}", "/{ids}/{id}", "/{a}/{b}/{*c}", "/id/{id}", "/{id}/{*di}"] {
        assert_eq!(Template::parse(right).unwrap().as_str(), right);
    }
}

#[test]
fn a_client_fills_the_template_and_asks_the_rest() {
    let base: http::Uri = "http://localhost:1/api/".parse().unwrap();
    let encode = path::request(Method::GET, base.clone(), "/users/{name}");
    let request = encode(&flat()).unwrap();
    let expected = "http://localhost:1/api/users/Ada%20L%20%26%20co%2F%C3%A9?age=36";
    assert_eq!(request.uri().to_string(), expected);

    let encode = path::request(Method::GET, base.clone(), "/files/{*path}");
    let file = |path| BTreeMap::from([("path", path)]);
    assert_eq!(encode(&file("a/b c")).unwrap().uri().path(), "/api/files/a/b%20c");
    for other_path in ["", ".", "..", "a/../b", "a//b", "/"] {
        let unfilled = encode(&file(other_path)).expect_err(other_path);
        assert!(matches!(&unfilled, Unfilled::Segment { name } if name == "path"), "{unfilled}");
        assert_eq!((unfilled.kind(), unfilled.refused()), (Kind::InvalidArgument, true));
        let mut details = Details::default();
        unfilled.describe(&mut details);
        assert_eq!(details.violations()[0].field, "path");
    }
}

#[test]
fn a_parameter_that_is_missing_is_a_fact_with_its_name() {
    const USER: Template<'_> = Template::new("/users/{id}");
    let missing = USER.uri(&http::Uri::from_static("http://localhost"), &flat()).unwrap_err();
    assert!(matches!(&missing, Unfilled::Missing { name } if name == "id"), "{missing:?}");
    assert_eq!(missing.to_string(), "the parameter id is missing");
    assert_eq!(missing.kind(), Kind::Internal, "no caller can mend it");
    let none = USER.uri(&http::Uri::from_static("http://localhost"), &7).unwrap_err();
    assert!(matches!(none, Unfilled::Encode(_)), "{none:?}");
}

#[test]
fn a_base_keeps_its_path_and_its_query() {
    #[derive(Serialize)]
    struct Find {
        name: &'static str,
        like: Option<&'static str>,
    }
    let template = Template::new("/users/{name}");
    let uri = |base, like| template.uri(&base, &Find { name: "a b", like }).unwrap().to_string();
    for (base, plain, asked) in [
        ("http://h", "http://h/users/a%20b", "http://h/users/a%20b?like=1%262"),
        ("http://h/", "http://h/users/a%20b", "http://h/users/a%20b?like=1%262"),
        ("https://h:1/v1", "https://h:1/v1/users/a%20b", "https://h:1/v1/users/a%20b?like=1%262"),
        (
            "http://h/v1/?key=x",
            "http://h/v1/users/a%20b?key=x",
            "http://h/v1/users/a%20b?key=x&like=1%262",
        ),
        ("http://h?", "http://h/users/a%20b", "http://h/users/a%20b?like=1%262"),
        ("/v1", "/v1/users/a%20b", "/v1/users/a%20b?like=1%262"),
    ] {
        assert_eq!(uri(http::Uri::from_static(base), None), plain);
        assert_eq!(uri(http::Uri::from_static(base), Some("1&2")), asked);
    }
}

proptest! {
    #[test]
    fn what_a_client_puts_into_a_path_the_server_finds(name: String, age: u32) {
        let flat = Flat { name, age };
        let base = http::Uri::from_static("http://localhost");
        let request = path::request(Method::GET, base, "/a/{name}/b/{age}")(&flat);
        if matches!(flat.name.as_str(), "" | "." | "..") {
            request.unwrap_err();
        } else {
            let found = path::decode::<Flat>("/a/{name}/b/{age}")(&request.unwrap()).unwrap();
            prop_assert_eq!(found, flat);
        }
    }

    #[test]
    fn what_a_client_asks_beside_the_path_the_server_finds(
        name in "[^/]{1,9}",
        rest in "[^/]{1,5}(/[^/]{1,5}){0,3}",
        query: String,
    ) {
        #[derive(Serialize)]
        struct Ask<'a> {
            name: &'a str,
            rest: &'a str,
            query: &'a str,
        }
        const TEMPLATE: Template<'_> = Template::new("/a/{name}/b/{*rest}");
        let ask = Ask { name: &name, rest: &rest, query: &query };
        let dots = |text: &str| text.split('/').any(|segment| matches!(segment, "." | ".."));
        match TEMPLATE.uri(&http::Uri::from_static("http://localhost/base"), &ask) {
            Err(_) => prop_assert!(dots(&name) || dots(&rest)),
            Ok(uri) => {
                // The base is stripped by a router.
                let uri = uri.to_string().replace("http://localhost/base", "http://localhost");
                let request = get(&uri);
                let found: (String, String) = TEMPLATE.decode(&request).unwrap();
                prop_assert_eq!(found, (name, rest));
                let found: BTreeMap<String, String> = query::decode(&request).unwrap();
                prop_assert_eq!(found, BTreeMap::from([("query".to_owned(), query)]));
            }
        }
    }

    #[test]
    fn no_template_and_no_path_makes_it_panic(
        template in r"(/|[a-z]|\{|\}|\*|\{[a-z]\}|/\{\*?[a-z]\}){0,8}",
        path in "(/[a-z%0-9+.]{0,4}){1,5}",
    ) {
        if let Ok(template) = Template::parse(&template) {
            let request = get(&path);
            drop(template.decode::<BTreeMap<String, String>>(&request));
            drop(template.decode::<(u8, String)>(&request));
            drop(template.decode::<u8>(&request));
        }
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes: Vec<u8>) {
        let request = body(bytes);
        drop(json::decode::<User>(&request));
        drop(form::decode::<Flat>(&request));
        drop(msgpack::decode::<User>(&request));
        drop(protobuf::decode::<User>(&request));
    }
}
