//! What exporters are made of; that they export is shown over the wire, by the greeter's
//! live test.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_trace::otel::{Otlp, Zipkin};
use std::collections::HashMap;

fn from_env(variables: &[(&str, &str)]) -> Result<Option<Otlp>, String> {
    let variables: HashMap<_, _> = variables
        .iter()
        .map(|(name, value)| (format!("OTEL_{name}"), (*value).to_owned()))
        .collect();
    Otlp::from_env(|name| variables.get(name).cloned()).map_err(|error| {
        std::error::Error::source(&error).map_or_else(String::new, ToString::to_string)
    })
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
    for (name, value) in [
        ("TRACES_EXPORTER", "jaeger"),
        ("EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("EXPORTER_OTLP_ENDPOINT", "there"),
        ("EXPORTER_OTLP_HEADERS", "nonsense"),
    ] {
        assert!(from_env(&[(name, value)]).is_err(), "{name}={value}");
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
