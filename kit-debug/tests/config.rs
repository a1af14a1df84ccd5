//! A configuration without its secrets.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use kit_debug::{
    Debug,
    config::{REDACTED, Redactor, Secret},
};
use proptest::prelude::{prop, prop_oneof, proptest};
use serde_json::{Value, json};
use tower::ServiceExt;

fn redact(value: &Value) -> Value {
    Redactor::new().redact(value).unwrap().as_value().clone()
}

#[test]
fn a_key_that_sounds_like_a_secret_hides_what_it_has() {
    for key in [
        "password",
        "PASSWORD",
        "db_password",
        "dbPassword",
        "DBPassword",
        "db-password-2",
        "passwd",
        "pwd",
        "passphrase",
        "secret",
        "client_secret",
        "clientSecrets",
        "token",
        "access_token",
        "accessToken",
        "AUTH-TOKEN",
        "tokens",
        "key",
        "api_key",
        "apiKey",
        "apikey",
        "APIKEY",
        "X-Api-Key",
        "private.key",
        "signing_keys",
        "credentials",
        "authorization",
        "Cookie",
        "set-cookie",
        "auth",
        "dsn",
        "connection_string",
        "ConnectionString",
        "salt",
        "pin",
        "session_id",
        "bearer",
        "aws_access_key_id",
        "AWSSecretAccessKey",
        "pass",
    ] {
        let shown =
            redact(&json!({ key: "hunter2", "deep": [{ key: { "a": ["hunter2"], "n": 7 } }] }));
        assert_eq!(shown, json!({ key: REDACTED, "deep": [{ key: REDACTED }] }), "{key}");
    }
}

#[test]
fn others_are_shown() {
    let config = json!({
        "monkey": "a", "keyboard": "b", "passenger": "c", "author": "d", "compass": 1, "spin": 2, "bypass": 3,
        "port": 9110, "debug": true, "none": null, "ratio": 0.5, "tags": ["blue", "eu"],
        "url": "https://example.com/path?name=Ada&page=2#top", "mail": "ada@example.com", "equation": "a=b",
    });
    assert_eq!(redact(&config), config);
}

#[test]
fn that_something_is_not_set_or_is_on_is_no_secret() {
    let config = json!({ "token": null, "require_token": true, "password": 7 });
    assert_eq!(
        redact(&config),
        json!({ "token": null, "require_token": true, "password": REDACTED })
    );
}

#[test]
fn names_beside_their_values_count() {
    let config = json!({
        "env": [{ "name": "DB_PASSWORD", "value": "hunter2" }, { "name": "HOME", "value": "/root" }],
        "pairs": [["token", "hunter2"], ["tier", "1"]],
        "labels": [{ "key": "api_key", "value": "hunter2" }, { "Name": "secret", "Value": ["hunter2"] }],
    });
    let shown = json!({
        "env": [{ "name": "DB_PASSWORD", "value": REDACTED }, { "name": "HOME", "value": "/root" }],
        "pairs": [["token", REDACTED], ["tier", "1"]],
        "labels": [{ "key": "api_key", "value": REDACTED }, { "Name": "secret", "Value": REDACTED }],
    });
    assert_eq!(redact(&config), shown);
}

#[test]
fn the_users_of_urls_are_left_out() {
    for (text, shown) in [
        ("postgres://app:hunter2@db/x", "postgres://[redacted]@db/x"),
        ("redis://:hunter2@cache:6379", "redis://[redacted]@cache:6379"),
        ("https://hunter2@example.com/?q=a@b", "https://[redacted]@example.com/?q=a@b"),
        (
            "amqp://a:hunter2@one,amqp://b:hunter2@two",
            "amqp://[redacted]@one,amqp://[redacted]@two",
        ),
        ("postgres://app:hunt@er2@db/x", "postgres://[redacted]@db/x"),
        ("postgres://app:hunter2/@db/x", "postgres://[redacted]@db/x"),
        ("postgres://app:hunter2?@db/x", "postgres://[redacted]@db/x"),
        ("see http://a:hunter2@b now", "see http://[redacted]@b now"),
    ] {
        assert_eq!(redact(&json!(text)), json!(shown), "{text}");
    }
}

#[test]
fn pairs_in_text_are_left_out_by_their_names() {
    for (text, shown) in [
        ("https://x/?token=hunter2&page=2", "https://x/?token=[redacted]&page=2"),
        ("https://x/?page=2&api_key=hunter2#top", "https://x/?page=2&api_key=[redacted]#top"),
        ("host=db user=app password=hunter2", "host=db user=app password=[redacted]"),
        ("--password=hunter2", "--password=[redacted]"),
        ("Server=db;Password=hunter2;", "Server=db;Password=[redacted];"),
        ("secret==hunter2", "secret=[redacted]"),
    ] {
        assert_eq!(redact(&json!(text)), json!(shown), "{text}");
    }
}

#[test]
fn what_follows_such_a_name_is_left_out() {
    for (text, shown) in [
        ("Authorization: Bearer hunter2", "Authorization:[redacted]"),
        ("X-Api-Key:hunter2", "X-Api-Key:[redacted]"),
        ("password = hunter2", "password =[redacted]"),
        ("user: a\npassword: hunter2\nhost: b", "user: a\npassword:[redacted]"),
        (r#"{"user":"a","password": "hunter2"}"#, r#"{"user":"a","password":[redacted]"#),
        ("é password: hunter2", "é password:[redacted]"),
        ("password=[redacted]hunter2", "password=[redacted]"),
    ] {
        assert_eq!(redact(&json!(text)), json!(shown), "{text}");
    }
    for text in ["127.0.0.1:9110", "[::1]:9110", "a: b", "token://x", "key:", "info,hyper=warn"] {
        assert_eq!(redact(&json!(text)), json!(text), "{text}");
    }
}

#[test]
fn arguments_after_their_flags_are_left_out() {
    let args =
        json!(["app", "--port", "1", "--db-password", "hunter2", "-v", "--token", "--token", "x"]);
    let shown =
        json!(["app", "--port", "1", "--db-password", REDACTED, "-v", "--token", REDACTED, "x"]);
    assert_eq!(redact(&args), shown);
    assert_eq!(redact(&json!(["--token", "hunter2"])), json!(["--token", REDACTED]));
}

#[test]
fn keys_may_be_added_and_shown() {
    let redactor = Redactor::new().also(["Tenant"]).show(["token_file"]);
    let config = json!({ "tenant": "a", "TOKEN_FILE": "/run/token", "token": "hunter2" });
    let shown = redactor.redact(&config).unwrap();
    let shown = shown.as_value();
    assert_eq!(
        *shown,
        json!({ "tenant": REDACTED, "TOKEN_FILE": "/run/token", "token": REDACTED })
    );
}

#[test]
fn a_secret_shows_itself_nowhere() {
    let secret = Secret::new("hunter2");
    assert_eq!(*secret.expose(), "hunter2");
    let shown =
        format!("{secret} {secret:?} {secret:#?} {}", serde_json::to_string(&secret).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(redact(&json!({ "plain": secret })), json!({ "plain": REDACTED }));
    let read: Secret<String> = serde_json::from_str("\"hunter2\"").unwrap();
    assert_eq!(read.expose(), "hunter2");
}

#[test]
fn what_is_redacted_may_be_printed() {
    let shown = Redactor::new().redact(&json!({ "password": "hunter2" })).unwrap();
    assert_eq!(shown.to_string(), r#"{"password":"[redacted]"}"#);
    assert!(!format!("{shown:?}").contains("hunter2"));
}

#[test]
fn what_is_too_deep_is_left_out() {
    let mut deep = json!("hunter2");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert!(!redact(&deep).to_string().contains("hunter2"));
}

#[test]
fn what_is_no_json_is_an_error() {
    let map = std::collections::BTreeMap::from([(vec![1_u8], 1)]);
    assert!(Redactor::new().redact(&map).is_err());
}

#[tokio::test]
async fn the_page_has_it() {
    let config = Redactor::new().redact(&json!({ "port": 1, "password": "hunter2" })).unwrap();
    let port = Debug::new().config(config).into_router();
    let request = Request::get("/debug/config").body(Body::empty()).unwrap();
    let response = port.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = response.into_body().collect().await.unwrap().to_bytes();
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page, json!({ "port": 1, "password": REDACTED }));
}

proptest! {
    #[test]
    fn no_password_of_a_url_is_left(
        scheme in "[a-z]{1,6}", user in "[a-z]{0,4}", host in "[a-z.]{1,9}", before in "[a-z ]{0,5}",
        // Whatever somebody writes into one as it is.
        noise in "[!-~&&[^ ,\"'@]]{0,5}",
    ) {
        let text = format!("{before}{scheme}://{user}:hunter2{noise}@{host}/x");
        let shown = redact(&json!(text)).to_string();
        assert!(!shown.contains("hunter2"), "{text} {shown}");
    }

    #[test]
    fn whatever_it_is_it_stays_json_of_the_same_keys(
        keys in prop::collection::vec(prop_oneof!["[a-z_]{0,8}", "\\PC{0,8}"], 0..6), text in "\\PC{0,30}",
    ) {
        let config: serde_json::Map<_, _> = keys.into_iter().map(|key| (key, json!(text))).collect();
        let shown = redact(&Value::Object(config.clone()));
        assert!(shown.as_object().unwrap().keys().eq(config.keys()));
    }
}
