//! What exporters and pipelines are made of, and by which variables. That they export is
//! shown by `otlp.rs`, `zipkin.rs` and `exporters_tls.rs`, and by the greeter's live test.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_trace::otel::{Otlp, Pipeline, Zipkin};
use std::{collections::HashMap, error::Error};

/// The certificates are those of `cargo xtask certificates`.
const AUTHORITY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls/authority.pem");

fn from_env(variables: &[(&str, &str)]) -> Result<Option<Otlp>, String> {
    let variables: HashMap<_, _> = variables
        .iter()
        .map(|(name, value)| (format!("OTEL_{name}"), (*value).to_owned()))
        .collect();
    Otlp::from_env(|name| variables.get(name).cloned())
        .map_err(|error| error.source().map_or_else(String::new, ToString::to_string))
}

fn debug(variables: &[(&str, &str)]) -> String {
    format!("{:?}", from_env(variables).unwrap().unwrap())
}

#[tokio::test]
async fn an_address_is_checked() {
    Otlp::grpc("http://localhost:4317").unwrap();
    Otlp::grpc("https://collector.example").unwrap();
    for bad in ["", "localhost:4317", "ftp://there", "http://"] {
        assert!(Otlp::grpc(bad).is_err() && Otlp::http(bad).is_err(), "{bad}");
        assert!(Zipkin::new(bad).is_err(), "{bad}");
    }
    Zipkin::new("http://localhost:9411/api/v2/spans").unwrap();
    let http = |address| format!("{:?}", Otlp::http(address).unwrap());
    assert!(http("http://there:4318").contains("http://there:4318/v1/traces"));
    assert!(http("http://there:4318/mine").contains("http://there:4318/mine"));
}

#[tokio::test]
async fn the_environment_is_read_by_the_specification() {
    assert!(debug(&[]).contains("http://localhost:4318/v1/traces"));
    let base = ("EXPORTER_OTLP_ENDPOINT", "http://there:1/base/");
    assert!(debug(&[base]).contains("http://there:1/base/v1/traces"));
    let own = ("EXPORTER_OTLP_TRACES_ENDPOINT", "http://there:2/mine");
    assert!(debug(&[base, own]).contains("http://there:2/mine"));
    assert!(debug(&[("EXPORTER_OTLP_PROTOCOL", "grpc")]).contains("Grpc"));
    let both =
        [("EXPORTER_OTLP_PROTOCOL", "grpc"), ("EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")];
    assert!(debug(&both).contains("Http"));
    for off in [("SDK_DISABLED", "TRUE"), ("TRACES_EXPORTER", "none")] {
        assert!(from_env(&[off]).unwrap().is_none(), "{off:?}");
    }
    for (name, value) in [("EXPORTER_OTLP_TIMEOUT", "250"), ("EXPORTER_OTLP_TRACES_TIMEOUT", "250")]
    {
        let shown = debug(&[("EXPORTER_OTLP_TIMEOUT", "1"), (name, value)]);
        assert!(shown.contains("timeout: 250ms"), "{shown}");
    }
    assert!(debug(&[]).contains("timeout: 10s"), "{}", debug(&[]));
    assert!(debug(&[("EXPORTER_OTLP_COMPRESSION", "none")]).contains("gzip: false"));
    for empty in ["EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TIMEOUT", "TRACES_EXPORTER"] {
        let shown = debug(&[(empty, "")]);
        let unset = shown.contains("localhost:4318/v1/traces") && shown.contains("timeout: 10s");
        assert!(unset, "{empty}: {shown}");
    }
}

#[tokio::test]
async fn a_variable_that_cannot_be_used_is_named_as_it_is_called() {
    for (name, value, wanted) in [
        ("TRACES_EXPORTER", "jaeger", "otlp or none"),
        ("EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"),
        ("EXPORTER_OTLP_TRACES_PROTOCOL", "udp", "grpc or http/protobuf"),
        ("EXPORTER_OTLP_ENDPOINT", "there", "http://HOST:PORT or https://HOST:PORT"),
        ("EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://there", "http://HOST:PORT or https://HOST:PORT"),
        ("EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds, from 1"),
        ("EXPORTER_OTLP_TIMEOUT", "0", "milliseconds, from 1"),
        ("EXPORTER_OTLP_TRACES_TIMEOUT", "-1", "milliseconds, from 1"),
        ("EXPORTER_OTLP_CERTIFICATE", "/nowhere", "a file of certificates (PEM)"),
        ("EXPORTER_OTLP_CLIENT_KEY", "/mine", "a client of your own in its place"),
        ("EXPORTER_OTLP_CLIENT_CERTIFICATE", "/mine", "a client of your own in its place"),
    ] {
        let said = from_env(&[(name, value)]).unwrap_err();
        assert_eq!(said, format!("OTEL_{name} cannot be {value:?}: give {wanted}"));
    }
    let said = from_env(&[("EXPORTER_OTLP_COMPRESSION", "zip")]).unwrap_err();
    let wanted = if cfg!(feature = "gzip") { "gzip or none" } else { "none" };
    assert!(said.ends_with(&format!(": give {wanted}")), "{said}");
    let gzip = from_env(&[("EXPORTER_OTLP_COMPRESSION", "gzip")]);
    assert_eq!(gzip.is_ok(), cfg!(feature = "gzip"));
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let said = from_env(&[
        ("EXPORTER_OTLP_TIMEOUT", "soon"),
        ("EXPORTER_OTLP_ENDPOINT", "https://me:secret@"),
        ("EXPORTER_OTLP_HEADERS", "secret"),
        ("EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
    ]);
    let said = said.unwrap_err();
    for name in ["TIMEOUT", "ENDPOINT", "HEADERS", "CERTIFICATE"] {
        assert!(said.contains(&format!("OTEL_EXPORTER_OTLP_{name} cannot be")), "{said}");
    }
    assert!(!said.contains("secret"), "{said}");
}

#[tokio::test]
async fn authorities_are_read_from_a_file() {
    for protocol in ["grpc", "http/protobuf"] {
        let made = from_env(&[
            ("EXPORTER_OTLP_PROTOCOL", protocol),
            ("EXPORTER_OTLP_ENDPOINT", "https://collector.example"),
            ("EXPORTER_OTLP_CERTIFICATE", AUTHORITY),
        ]);
        made.unwrap().unwrap();
    }
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let address = "https://collector.example";
        for otlp in [Otlp::grpc(address).unwrap(), Otlp::http(address).unwrap()] {
            assert!(otlp.authorities(pem.as_bytes()).is_err(), "{pem}");
        }
    }
}

#[tokio::test]
async fn headers_are_secrets() {
    let shown = debug(&[("EXPORTER_OTLP_HEADERS", "api-key=s%20ecret, x-tenant=blue")]);
    assert!(
        shown.contains("api-key") && !shown.contains("ecret") && !shown.contains("blue"),
        "{shown}"
    );
    let said = from_env(&[("EXPORTER_OTLP_HEADERS", "api key=secret")]).unwrap_err();
    assert!(!said.contains("secret"), "{said}");
}

fn pipeline(variables: &[(&str, &str)]) -> Result<String, String> {
    let variables: HashMap<_, _> = variables
        .iter()
        .map(|(name, value)| (format!("OTEL_{name}"), (*value).to_owned()))
        .collect();
    Pipeline::from_env("greeter", |name| variables.get(name).cloned())
        .map(|pipeline| format!("{pipeline:?}"))
        .map_err(|error| error.to_string())
}

#[test]
fn a_pipeline_is_read_by_the_specification() {
    let same = format!("{:?}", Pipeline::new(kit_trace::otel::resource("greeter")));
    assert_eq!(pipeline(&[]).unwrap(), same, "the defaults are the specification's");
    let shown = pipeline(&[
        ("SERVICE_NAME", "other"),
        ("TRACES_SAMPLER", "always_off"),
        ("BSP_MAX_QUEUE_SIZE", "100"),
        ("BSP_SCHEDULE_DELAY", "250"),
        ("BSP_EXPORT_TIMEOUT", "1500"),
    ]);
    let shown = shown.unwrap();
    for said in [
        "other",
        "Share(0.0), by_parent: false",
        "queue: 100",
        "batch: 100",
        "delay: 250ms",
        "timeout: 1.5s",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let sizes = [("BSP_MAX_QUEUE_SIZE", "4096"), ("BSP_MAX_EXPORT_BATCH_SIZE", "1024")];
    let shown = pipeline(&sizes).unwrap();
    assert!(shown.contains("queue: 4096") && shown.contains("batch: 1024"), "{shown}");
    assert!(pipeline(&sizes[..1]).unwrap().contains("batch: 512"));
    assert!(pipeline(&sizes[1..]).unwrap().contains("batch: 1024"));
    assert!(pipeline(&[("BSP_SCHEDULE_DELAY", "0")]).unwrap().contains("delay: 0ns"));
}

#[test]
fn of_a_pipeline_too_all_that_is_wrong_is_said_at_once() {
    for (name, value) in [
        ("BSP_MAX_QUEUE_SIZE", "0"),
        ("BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("BSP_MAX_EXPORT_BATCH_SIZE", "2049"),
        ("BSP_SCHEDULE_DELAY", "-5"),
        ("BSP_EXPORT_TIMEOUT", "0"),
        ("TRACES_SAMPLER", "sometimes"),
        ("RESOURCE_ATTRIBUTES", "nonsense"),
    ] {
        let said = pipeline(&[(name, value)]).unwrap_err();
        assert!(said.starts_with(&format!("OTEL_{name} cannot be {value:?}: give ")), "{said}");
        assert!(!said.contains(';'), "{said}");
    }
    let said = pipeline(&[
        ("BSP_MAX_QUEUE_SIZE", "10"),
        ("BSP_MAX_EXPORT_BATCH_SIZE", "11"),
        ("BSP_EXPORT_TIMEOUT", "1s"),
        ("TRACES_SAMPLER", "sometimes"),
    ]);
    let said = said.unwrap_err();
    assert_eq!(said.matches("cannot be").count(), 3, "{said}");
    assert!(said.contains(r#"BATCH_SIZE cannot be "11": give no more than OTEL_BSP_MAX_QUEUE"#));
}
