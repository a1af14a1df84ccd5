//! An agent as the environment names it.
#![cfg(feature = "consul")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::consul::{Agent, InvalidEnvironment};

fn agent(vars: &[(&str, &str)]) -> Result<String, InvalidEnvironment> {
    let look = |name: &str| {
        vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    Agent::from_vars(look).map(|agent| format!("{agent:?}"))
}

#[test]
fn without_variables_it_is_the_one_on_this_machine() {
    let shown = agent(&[]).unwrap();
    assert!(shown.contains("place: 127.0.0.1:8500, has_tls: false, has_token: false"), "{shown}");
    // An empty one is none.
    assert_eq!(agent(&[("CONSUL_HTTP_ADDR", ""), ("CONSUL_HTTP_TOKEN", "")]).unwrap(), shown);
}

#[test]
fn variables_say_where_and_who() {
    let shown = agent(&[
        ("CONSUL_HTTP_ADDR", "consul.local:8600"),
        ("CONSUL_HTTP_TOKEN", "s3cret"),
        ("CONSUL_HTTP_AUTH", "ada:s3cret"),
        ("CONSUL_NAMESPACE", "team-a"),
        ("CONSUL_PARTITION", "eu"),
    ])
    .unwrap();
    for part in ["place: consul.local:8600", "has_token: true", "team-a", "eu"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("s3cret"));
}

#[test]
fn a_token_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cret\n").unwrap();
    let shown = agent(&[("CONSUL_HTTP_TOKEN_FILE", path.to_str().unwrap())]).unwrap();
    assert!(shown.contains("has_token: true"));
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let error = agent(&[
        ("CONSUL_HTTP_ADDR", "consul.local:8600"),
        ("CONSUL_HTTP_TOKEN", "new\nline"),
        ("CONSUL_HTTP_SSL_VERIFY", "false"),
        ("CONSUL_CAPATH", "/etc/ssl"),
    ])
    .unwrap_err();
    let begins: Vec<_> = error.lines().iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(begins, ["CONSUL_HTTP_TOKEN", "CONSUL_HTTP_SSL_VERIFY", "CONSUL_CAPATH"]);
    let error =
        agent(&[("CONSUL_HTTP_ADDR", "ftp://x"), ("CONSUL_CAPATH", "/etc/ssl")]).unwrap_err();
    assert_eq!(error.lines().len(), 2, "{error}");
    let error = agent(&[("CONSUL_HTTP_TOKEN_FILE", "/nowhere/at/all")]).unwrap_err();
    assert!(error.to_string().starts_with("CONSUL_HTTP_TOKEN_FILE: "), "{error}");
}

#[cfg(feature = "consul-tls")]
#[test]
fn https_has_its_files_read_at_once() {
    let shown =
        agent(&[("CONSUL_HTTP_ADDR", "consul.local"), ("CONSUL_HTTP_SSL", "true")]).unwrap();
    assert!(shown.contains("place: consul.local:8501, has_tls: true"), "{shown}");
    let error =
        agent(&[("CONSUL_HTTP_SSL", "1"), ("CONSUL_CACERT", "/nowhere/at/all")]).unwrap_err();
    assert!(error.to_string().starts_with("CONSUL_CACERT"), "{error}");
}

#[cfg(not(feature = "consul-tls"))]
#[test]
fn https_needs_its_feature() {
    let error = agent(&[("CONSUL_HTTP_SSL", "true")]).unwrap_err();
    assert!(error.to_string().contains("consul-tls"), "{error}");
}
