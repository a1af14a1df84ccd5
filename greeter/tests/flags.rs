//! Flags and environment.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    flags::{
        At, Call, Command, Concurrency, Jwks, Jwt, Listen, Mistakes, Place, ReadyWhen, Said,
        Sample, Serve, Shown, Source, Target, Tls, Token, Trace, Traces, Trusted, Watch, parse,
    },
    log::Format,
};
use kit_limit::rate::Rate;
use proptest::prelude::{any, prop, prop_oneof};
use std::time::Duration;

const ENVIRONMENT: [(&str, &str); 30] = [
    ("GREETER_HTTP_ADDR", "127.0.0.1:1"),
    ("GREETER_GRPC_ADDR", "127.0.0.1:2"),
    ("GREETER_DEBUG_ADDR", "127.0.0.1:3"),
    ("GREETER_DEBUG_TOKEN_FILE", "token"),
    ("GREETER_TLS_CERT", "tls.crt"),
    ("GREETER_TLS_KEY", "tls.key"),
    ("GREETER_TLS_CLIENT_CA", "ca.crt"),
    ("GREETER_JWT_JWKS", "jwks.json"),
    ("GREETER_JWT_ISSUER", "https://login.example"),
    ("GREETER_JWT_AUDIENCE", "hello"),
    ("GREETER_BASIC_HTPASSWD", "users"),
    ("GREETER_RATE_LIMIT", "100/s"),
    ("GREETER_CONCURRENCY_LIMIT", "adaptive"),
    ("GREETER_BREAKER_FAILURES", "7"),
    ("GREETER_CONSUL_ADDR", "consul:8501"),
    ("GREETER_SERVICE_NAME", "hello"),
    ("GREETER_ADVERTISE_ADDR", "10.0.0.1"),
    ("GREETER_TAGS", "blue,eu"),
    ("GREETER_METADATA", "team=a,tier=1="),
    ("GREETER_READY_WHEN", "registered"),
    ("GREETER_DRAIN_DELAY", "2s"),
    ("GREETER_DRAIN_TIMEOUT", "3s"),
    ("GREETER_UPSTREAM", "grpc://other:9120"),
    ("GREETER_TRACE_OTLP", "grpc://collector:4317"),
    ("GREETER_TRACE_SAMPLE", "0.25"),
    ("GREETER_TRACE_TRUST", "local"),
    ("GREETER_LOG", "warn"),
    ("GREETER_LOG_FORMAT", "json"),
    ("GREETER_LOG_SAMPLE", "10"),
    ("GREETER_TIMEOUT", "4s"),
];

/// Reads a command line, split at its spaces, in an environment.
fn read_in(line: &str, environment: &[(&str, &str)]) -> Result<Command, Mistakes> {
    let words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
    parse(words, |name| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    })
}

fn read(line: &str) -> Result<Command, Mistakes> {
    read_in(line, &[])
}

#[track_caller]
fn serve_in(line: &str, environment: &[(&str, &str)]) -> Serve {
    match read_in(line, environment) {
        Ok(Command::Serve(serve)) => serve,
        other => panic!("{line:?} became {other:?}"),
    }
}

#[track_caller]
fn serve(line: &str) -> Serve {
    serve_in(line, &[])
}

#[track_caller]
fn call(line: &str) -> Call {
    match read(line) {
        Ok(Command::Call(call)) => call,
        other => panic!("{line:?} became {other:?}"),
    }
}

#[track_caller]
fn printed(line: &str) -> String {
    match read(line) {
        Ok(Command::Print(text)) => text,
        other => panic!("{line:?} became {other:?}"),
    }
}

/// The mistakes of a command line.
#[track_caller]
fn mistakes(line: &str) -> Vec<String> {
    match read(line) {
        Err(mistakes) => mistakes.lines().to_vec(),
        other => panic!("{line:?} became {other:?}"),
    }
}

/// Checks that there is one mistake, which says all of `parts`.
#[track_caller]
fn assert_mistake(line: &str, parts: &[&str]) {
    let said = mistakes(line);
    assert_eq!(said.len(), 1, "{line:?}: {said:?}");
    for part in parts {
        assert!(said[0].contains(part), "{line:?}: {part:?} is not in {:?}", said[0]);
    }
}

fn listen(flag: &'static str, host: Option<&str>, port: u16) -> Listen {
    Listen { flag, at: At::Port { host: host.map(str::to_owned), port } }
}

fn consul(addr: &str) -> Option<Place> {
    Some(Place::Consul(addr.to_owned()))
}

/// What becomes of traces unless more is said.
fn traces() -> Trace {
    Trace { otlp: None, sample: Sample::Millionths(1_000_000), trust: Trusted::All }
}

// ===== serve =====

#[test]
fn without_flags_it_serves_where_the_article_does() {
    let expected = Serve {
        http: listen("--http-addr", None, 9110),
        grpc: listen("--grpc-addr", None, 9120),
        debug: listen("--debug-addr", Some("127.0.0.1"), 9100),
        debug_token: None,
        tls: None,
        jwt: None,
        htpasswd: None,
        rate_limit: None,
        concurrency_limit: None,
        breaker_failures: 5,
        registry: None,
        service: "greeter".to_owned(),
        advertise: None,
        tags: Vec::new(),
        metadata: Vec::new(),
        ready_when: ReadyWhen::Serving,
        drain_delay: Duration::ZERO,
        drain_timeout: Duration::from_secs(20),
        upstream: None,
        trace: traces(),
        log: "info".to_owned(),
        log_format: Format::Logfmt,
        log_sample: None,
        said: Said::default(),
    };
    assert_eq!(serve(""), expected);
    assert_eq!(serve("serve"), expected);
}

/// What every flag of `serve` says, set at once.
fn all() -> Serve {
    Serve {
        http: listen("--http-addr", Some("127.0.0.1"), 1),
        grpc: listen("--grpc-addr", Some("127.0.0.1"), 2),
        debug: listen("--debug-addr", Some("127.0.0.1"), 3),
        debug_token: Some("token".into()),
        tls: Some(Tls {
            cert: "tls.crt".into(),
            key: "tls.key".into(),
            client_ca: Some("ca.crt".into()),
        }),
        jwt: Some(jwt(Jwks::File("jwks.json".into()))),
        htpasswd: Some("users".into()),
        rate_limit: Some(Rate::per_second(100)),
        concurrency_limit: Some(Concurrency::Adaptive),
        breaker_failures: 7,
        registry: consul("consul:8501"),
        service: "hello".to_owned(),
        advertise: Some("10.0.0.1".to_owned()),
        tags: vec!["blue".to_owned(), "eu".to_owned()],
        metadata: vec![("team".to_owned(), "a".to_owned()), ("tier".to_owned(), "1=".to_owned())],
        ready_when: ReadyWhen::Registered,
        drain_delay: Duration::from_secs(2),
        drain_timeout: Duration::from_secs(3),
        upstream: Some(Target::Grpc("other:9120".to_owned())),
        trace: Trace {
            otlp: Some(Traces::Grpc("http://collector:4317".to_owned())),
            sample: Sample::Millionths(250_000),
            trust: Trusted::Local,
        },
        log: "warn".to_owned(),
        log_format: Format::Json,
        log_sample: Some(10),
        said: Said::default(),
    }
}

#[test]
fn every_flag_may_have_one_dash_or_two_and_its_value_after_a_space_or_an_equals_sign() {
    let flags = ENVIRONMENT.iter().filter(|(name, _)| *name != "GREETER_TIMEOUT");
    let flags: Vec<_> = flags
        .map(|(name, value)| {
            (name["GREETER_".len()..].to_ascii_lowercase().replace('_', "-"), *value)
        })
        .collect();
    for dashes in ["-", "--"] {
        for between in [" ", "="] {
            let line: Vec<_> = flags
                .iter()
                .map(|(name, value)| format!("{dashes}{name}{between}{value}"))
                .collect();
            assert_eq!(serve(&line.join(" ")), all());
        }
    }
}

#[test]
fn every_flag_has_a_variable() {
    assert_eq!(serve_in("", &ENVIRONMENT), all());
}

#[test]
fn a_flag_goes_before_its_variable() {
    let serve = serve_in("--service-name other", &ENVIRONMENT);
    assert_eq!(serve, Serve { service: "other".to_owned(), ..all() });
}

#[test]
fn an_empty_variable_is_none() {
    let empty = ENVIRONMENT.map(|(name, _)| (name, ""));
    assert_eq!(serve_in("", &empty), serve(""));
}

#[test]
fn a_port_alone_is_all_interfaces_and_port_0_any_that_is_free() {
    for (value, host, port) in [
        (":9110", None, 9110),
        (":0", None, 0),
        ("127.0.0.1:0", Some("127.0.0.1"), 0),
        ("localhost:65535", Some("localhost"), 65535),
        ("my-host.example:80", Some("my-host.example"), 80),
        ("[::1]:9110", Some("::1"), 9110),
    ] {
        let serve = serve(&format!("--http-addr {value}"));
        assert_eq!(serve.http, listen("--http-addr", host, port));
        assert_eq!(serve.http.to_string(), value);
    }
}

#[test]
fn a_socket_that_was_passed_is_named_by_its_place() {
    let serve = serve("--http-addr fd:0 --grpc-addr fd:1");
    assert_eq!(serve.http, Listen { flag: "--http-addr", at: At::Passed(0) });
    assert_eq!(serve.grpc.to_string(), "fd:1");
    assert_mistake("--http-addr fd:x", &["--http-addr", "write fd:0 for the first socket passed"]);
    assert_mistake(
        "--http-addr fd:2 --debug-addr fd:2",
        &["--http-addr and --debug-addr are both socket 2", "give each its own"],
    );
}

#[test]
fn the_files_of_tls_go_together() {
    let files = |line: &str| serve(line).tls;
    let expected = Tls { cert: "a".into(), key: "b".into(), client_ca: None };
    assert_eq!(files("--tls-cert a --tls-key b"), Some(expected));
    assert_mistake("--tls-cert a", &["--tls-cert and --tls-key go together"]);
    assert_mistake("--tls-key b --tls-client-ca c", &["--tls-cert and --tls-key go together"]);
    assert_mistake("--tls-client-ca c", &["--tls-client-ca goes with", "give all three"]);
}

fn jwt(jwks: Jwks) -> Jwt {
    Jwt { jwks, issuer: "https://login.example".to_owned(), audience: "hello".to_owned() }
}

#[test]
fn what_tokens_must_be_goes_together() {
    let flags = [
        ("--jwt-jwks", "jwks.json"),
        ("--jwt-issuer", "https://login.example"),
        ("--jwt-audience", "hello"),
    ];
    for chosen in 0..8 {
        let is_given = |at: usize| chosen >> at & 1 == 1;
        let (given, missing): (Vec<_>, Vec<_>) = (0..3).partition(|at| is_given(*at));
        let line: Vec<_> =
            given.iter().map(|at| format!("{}={}", flags[*at].0, flags[*at].1)).collect();
        let line = line.join(" ");
        match chosen {
            0 => assert_eq!(serve(&line).jwt, None),
            7 => assert_eq!(serve(&line).jwt, Some(jwt(Jwks::File("jwks.json".into())))),
            _ => {
                let missing: Vec<_> = missing.iter().map(|at| flags[*at].0).collect();
                let give = format!("give {} too", missing.join(" and "));
                assert_mistake(&line, &["go together", &give]);
                // Nor do users by password stand in for what is missing.
                assert_mistake(&format!("{line} --basic-htpasswd users"), &[&give]);
            }
        }
    }
    assert_eq!(serve("--basic-htpasswd users").htpasswd, Some("users".into()));
    assert_eq!(serve("--basic-htpasswd users").jwt, None);
    // The environment completes what the command line begins.
    let environment =
        [("GREETER_JWT_ISSUER", "https://login.example"), ("GREETER_JWT_AUDIENCE", "hello")];
    assert_eq!(
        serve_in("--jwt-jwks jwks.json", &environment).jwt,
        Some(jwt(Jwks::File("jwks.json".into()))),
    );
    // One that is no good is told, and not that it is missing; what is missing is.
    let said = mistakes("--jwt-jwks http://a.example/ --jwt-issuer= --basic-htpasswd=");
    assert_eq!(said.len(), 4, "{said:?}");
    for part in [
        "--jwt-jwks \"http://a.example/\": keys of another machine",
        "--jwt-issuer \"\": it is empty",
        "--basic-htpasswd \"\": it is empty",
        "give --jwt-audience too",
    ] {
        assert!(said.iter().any(|said| said.contains(part)), "{part:?} is not in {said:?}");
    }
}

#[test]
fn keys_are_in_a_file_or_fetched_where_nobody_can_change_them() {
    let jwks = |value: &str| {
        let line = format!("--jwt-jwks={value} --jwt-issuer=a --jwt-audience=b");
        serve(&line).jwt.unwrap().jwks
    };
    for file in ["jwks.json", "/etc/a/b", "./a:b", "http:"] {
        assert_eq!(jwks(file), Jwks::File(file.into()));
    }
    for url in
        ["https://a.example/keys?x=y", "http://localhost:1/", "http://127.0.0.1/a", "http://[::1]/"]
    {
        assert_eq!(jwks(url), Jwks::Url(url.parse().unwrap()));
    }
    for (url, what) in [
        ("http://a.example/keys", "over https only"),
        ("ftp://a.example/keys", "over https only"),
        ("https://user:word@a.example/keys", "it has a user"),
        ("://a.example", "write https://HOST/PATH"),
        ("https://", "write https://HOST/PATH"),
        ("https://a b/", "write https://HOST/PATH"),
    ] {
        let said = read_in(
            "",
            &[
                ("GREETER_JWT_JWKS", url),
                ("GREETER_JWT_ISSUER", "a"),
                ("GREETER_JWT_AUDIENCE", "b"),
            ],
        );
        let said = said.unwrap_err();
        assert_eq!(said.lines().len(), 1, "{said}");
        for part in ["GREETER_JWT_JWKS", what, "or the path of a file"] {
            assert!(said.lines()[0].contains(part), "{part:?} is not in {said}");
        }
    }
}

#[test]
fn an_address_that_is_none_is_told_with_its_value_and_what_to_write() {
    for (value, advice) in [
        ("9110", "write HOST:PORT"),
        ("localhost", "write HOST:PORT"),
        ("localhost:", "number from 0 to 65535"),
        (":65536", "number from 0 to 65535"),
        (":-1", "number from 0 to 65535"),
        (":http", "number from 0 to 65535"),
        ("::1:9110", "in brackets"),
        ("[::1:9110", "in brackets"),
        ("a/b:9110", "neither an IP address nor a DNS name"),
        ("300.1.1.1:9110", "neither an IP address nor a DNS name"),
    ] {
        for flag in ["--http-addr", "--grpc-addr", "--debug-addr"] {
            let quoted = format!("{value:?}");
            assert_mistake(&format!("{flag} {value}"), &[flag, &quoted, advice]);
        }
    }
}

#[test]
fn durations_have_a_unit() {
    for (value, expected) in [
        ("0s", Duration::ZERO),
        ("500ms", Duration::from_millis(500)),
        ("20s", Duration::from_secs(20)),
        ("2m", Duration::from_mins(2)),
        ("4294967295ms", Duration::from_millis(4_294_967_295)),
    ] {
        assert_eq!(serve(&format!("--drain-timeout {value}")).drain_timeout, expected);
    }
    for value in ["20", "s", "ms", "-1s", "1.5s", "1h", "1s2", "4294967296s", "s20"] {
        assert_mistake(&format!("--drain-timeout={value}"), &["--drain-timeout", value]);
    }
}

#[test]
fn a_rate_is_a_number_in_a_second_a_minute_or_an_hour() {
    for (value, expected) in [
        ("100/s", Rate::per_second(100)),
        ("6000/m", Rate::per_minute(6000)),
        ("100000/h", Rate::per_hour(100_000)),
        ("1/h", Rate::per_hour(1)),
        ("4294967295/s", Rate::per_second(u32::MAX)),
    ] {
        assert_eq!(serve(&format!("--rate-limit {value}")).rate_limit, Some(expected), "{value}");
    }
    for value in ["100", "s", "100/", "100/ms", "100/d", "100s", "100/s/s"] {
        assert_mistake(&format!("--rate-limit {value}"), &["--rate-limit", value, "100/s, 6000/m"]);
    }
    assert_mistake("--rate-limit 0/s", &["\"0/s\"", "write 1 or more"]);
    for value in ["-1/s", "1.5/s", "/s", "x/s", "4294967296/s"] {
        assert_mistake(&format!("--rate-limit={value}"), &["--rate-limit", value, "whole number"]);
    }
}

#[test]
fn concurrency_is_adaptive_or_a_number() {
    let limit = |value: &str| serve(&format!("--concurrency-limit {value}")).concurrency_limit;
    assert_eq!(limit("adaptive"), Some(Concurrency::Adaptive));
    assert_eq!(limit("64"), Some(Concurrency::Fixed(64)));
    for value in ["0", "-1", "1.5", "Adaptive", "auto", "99999999999999999999"] {
        let line = format!("--concurrency-limit={value}");
        assert_mistake(&line, &["--concurrency-limit", value, "write adaptive"]);
    }
}

#[test]
fn a_breaker_may_be_never() {
    assert_eq!(serve("--breaker-failures 0").breaker_failures, 0);
    for value in ["-1", "1.5", "never", "4294967296"] {
        assert_mistake(&format!("--breaker-failures={value}"), &["--breaker-failures", value]);
    }
}

#[test]
fn with_a_registry_it_serves_on_for_a_second() {
    assert_eq!(serve("--consul-addr consul:8500").drain_delay, Duration::from_secs(1));
    assert_eq!(serve("--consul-addr consul:8500 --drain-delay 0s").drain_delay, Duration::ZERO);
}

#[test]
fn other_values_are_checked_too() {
    for (line, parts) in [
        ("--service-name a_b", ["--service-name", "letters, digits and hyphens"]),
        ("--log-sample some", ["--log-sample", "write a whole number"]),
        ("--log-format xml", ["--log-format", "write logfmt or json"]),
        ("--log access=loud", ["--log", "access=loud"]),
        ("--log !!", ["--log", "write info, or info,access=warn"]),
        ("--advertise-addr 0.0.0.0", ["--advertise-addr", "all interfaces"]),
        ("--advertise-addr a:1", ["--advertise-addr", "neither an IP address nor a DNS name"]),
        ("--consul-addr nowhere:x", ["--consul-addr", "nowhere:x"]),
    ] {
        assert_mistake(line, &parts);
    }
    let longest = "a".repeat(58);
    assert_eq!(serve(&format!("--service-name {longest}")).service, longest);
    assert_mistake(&format!("--service-name {longest}a"), &["1 to 58"]);
    assert_eq!(serve("--log info,access=warn").log, "info,access=warn");
}

// ===== the article's spellings =====

#[test]
fn the_articles_spellings_mean_what_they_mean_there() {
    for dashes in ["-", "--"] {
        for between in [" ", "="] {
            let line = [
                ("http.addr", "10.0.0.1"),
                ("http.port", "8110"),
                ("grpc-addr", ":8120"),
                ("debug.addr", ":8100"),
                ("consul.addr", "10.0.0.2"),
                ("consul.port", "8501"),
            ]
            .map(|(name, value)| format!("{dashes}{name}{between}{value}"));
            let serve = serve(&line.join(" "));
            assert_eq!(serve.advertise.as_deref(), Some("10.0.0.1"));
            assert_eq!(serve.http, listen("-http.port", None, 8110));
            assert_eq!(serve.grpc, listen("--grpc-addr", None, 8120));
            assert_eq!(serve.debug, listen("-debug.addr", None, 8100));
            assert_eq!(serve.registry, consul("10.0.0.2:8501"));
        }
    }
}

#[test]
fn the_articles_host_is_advertised_and_http_listens_on_all_interfaces() {
    let serve = serve("-http.addr localhost");
    assert_eq!(serve.advertise.as_deref(), Some("localhost"));
    assert_eq!(serve.http, listen("--http-addr", None, 9110));
}

#[test]
fn the_articles_registry_has_consuls_port_unless_it_is_said() {
    assert_eq!(serve("-consul.addr consul").registry, consul("consul:8500"));
    assert_eq!(serve("-consul.addr ::1").registry, consul("[::1]:8500"));
}

#[test]
fn two_spellings_of_one_thing_are_a_conflict_that_is_told() {
    for (line, old, new) in [
        ("-http.addr a --http-addr :1", "-http.addr", "--http-addr"),
        ("-http.port 1 --http-addr :1", "-http.port", "--http-addr"),
        ("-http.addr a --advertise-addr a", "-http.addr", "--advertise-addr"),
        ("-debug.addr :1 --debug-addr :1", "-debug.addr", "--debug-addr"),
        ("-consul.addr a --consul-addr a:1", "-consul.addr", "--consul-addr"),
        (
            "-consul.addr a -consul.port 1 --advertise-addr b -http.addr b",
            "-http.addr",
            "--advertise-addr",
        ),
    ] {
        assert_mistake(line, &[old, new, "give one of them"]);
    }
}

#[test]
fn a_port_of_a_registry_without_its_host_is_told() {
    assert_mistake("-consul.port 8501", &["-consul.port", "-consul.addr HOST"]);
    assert_eq!(mistakes("-consul.port 1 --consul-addr a:1").len(), 2);
}

#[test]
fn the_articles_spelling_goes_before_the_variable() {
    let serve = serve_in("-http.addr localhost -consul.addr other", &ENVIRONMENT);
    assert_eq!(serve.advertise.as_deref(), Some("localhost"));
    assert_eq!(serve.registry, consul("other:8500"));
}

#[test]
fn mistakes_in_the_articles_spellings_are_told_as_they_were_written() {
    assert_mistake("-http.port x", &["-http.port", "\"x\"", "number from 0 to 65535"]);
    assert_mistake("-http.addr a:1", &["-http.addr", "\"a:1\""]);
    assert_mistake("-consul.addr a:1", &["-consul.addr", "\"a:1\""]);
}

// ===== mistakes =====

#[test]
fn all_mistakes_are_named_at_once() {
    let environment = [("GREETER_LOG_FORMAT", "xml"), ("GREETER_GRPC_ADDR", "x")];
    let line = "--http-addr y --what=1 serve --drain-delay 1 --rate-limit 1 --concurrency-limit=0 \
                --breaker-failures x --log";
    let said = read_in(line, &environment).unwrap_err();
    let text = said.to_string();
    for part in [
        "GREETER_LOG_FORMAT \"xml\"",
        "GREETER_GRPC_ADDR \"x\"",
        "--http-addr \"y\"",
        "there is no flag --what",
        "\"serve\" is neither a flag nor a command",
        "--drain-delay \"1\"",
        "--rate-limit \"1\"",
        "--concurrency-limit \"0\"",
        "--breaker-failures \"x\"",
        "--log needs a value: FILTER",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert_eq!(said.lines().len(), 10, "{text}");
    assert!(text.lines().all(|line| line.starts_with("greeter: ")), "{text}");
    assert!(text.ends_with("greeter: see greeter --help\n"), "{text}");
}

#[test]
fn two_servers_at_one_place_are_a_mistake() {
    for (line, flags) in [
        ("--http-addr :7000 --grpc-addr :7000", "--http-addr and --grpc-addr are both port 7000"),
        ("--http-addr :9100", "--http-addr and --debug-addr are both port 9100"),
        ("-http.port 9120", "-http.port and --grpc-addr are both port 9120"),
        (
            "--grpc-addr 127.0.0.1:7 --debug-addr 127.0.0.1:7",
            "--grpc-addr and --debug-addr are both port 7",
        ),
    ] {
        assert_mistake(line, &[flags, "give each its own"]);
    }
    for line in [
        "--http-addr :0 --grpc-addr :0 --debug-addr :0",
        "--http-addr 127.0.0.1:7000 --grpc-addr 127.0.0.2:7000",
    ] {
        serve(line);
    }
}

#[test]
fn an_unknown_flag_is_told() {
    for flag in ["--http_addr", "-x", "--", "---http-addr=:1", "--http-addr-=:1"] {
        match flag {
            // This one ends the flags.
            "--" => drop(serve(flag)),
            _ => assert_mistake(flag, &["there is no flag", flag]),
        }
    }
}

#[test]
fn a_flag_that_is_given_twice_is_told() {
    assert_mistake("--log info -log=warn", &["--log is given twice"]);
}

#[test]
fn a_flag_does_not_take_the_next_flag_for_its_value() {
    assert_mistake("--log --drain-delay 1s", &["--log needs a value"]);
    assert_mistake("--log", &["--log needs a value: FILTER"]);
}

#[test]
fn an_empty_value_is_a_mistake_and_not_the_default() {
    for flag in [
        "http-addr",
        "consul-addr",
        "advertise-addr",
        "service-name",
        "log-format",
        "basic-htpasswd",
        "rate-limit",
        "concurrency-limit",
        "breaker-failures",
    ] {
        assert_mistake(&format!("--{flag}="), &[flag]);
    }
}

// ===== call =====

#[test]
fn call_takes_where_and_whom() {
    let second = Duration::from_secs;
    for (line, target, timeout) in [
        ("call http://localhost:9110 Ada", Target::Http("localhost:9110".into()), second(5)),
        ("call http://127.0.0.1:1/ Ada", Target::Http("127.0.0.1:1".into()), second(5)),
        ("call grpc://[::1]:9120 Ada", Target::Grpc("[::1]:9120".into()), second(5)),
        ("call --timeout 2s grpc://a:1 Ada", Target::Grpc("a:1".into()), second(2)),
        ("call grpc://a:1 Ada --timeout=2s", Target::Grpc("a:1".into()), second(2)),
        (
            "call --consul-addr consul:8500 Ada",
            Target::Found { at: consul("consul:8500").unwrap(), service: "greeter".into() },
            second(5),
        ),
        (
            "call -consul.addr consul -consul.port 8501 --service-name hello Ada",
            Target::Found { at: consul("consul:8501").unwrap(), service: "hello".into() },
            second(5),
        ),
    ] {
        assert_eq!(
            call(line),
            Call {
                target,
                name: "Ada".to_owned(),
                token: None,
                timeout,
                count: 1,
                rate_limit: None,
                breaker_failures: 5,
                trace: traces(),
            },
            "{line}"
        );
    }
}

#[test]
fn call_has_a_count_a_rate_and_a_breaker_of_its_own() {
    let line = "call --count 30 --rate-limit 10/s --breaker-failures 0 http://a:1 Ada";
    let Call { count, rate_limit, breaker_failures, .. } = call(line);
    assert_eq!((count, breaker_failures), (30, 0));
    assert_eq!(rate_limit, Some(Rate::per_second(10)));
    assert_mistake("call --count 0 http://a:1 Ada", &["--count", "write 1 or more"]);
    assert_mistake("call --count many http://a:1 Ada", &["--count", "whole number"]);
    assert_mistake("call --rate-limit 1 http://a:1 Ada", &["--rate-limit", "100/s"]);
    assert_mistake("call --concurrency-limit 1 http://a:1 Ada", &["is a flag of another command"]);
    assert_mistake("--count 1", &["--count is a flag of another command"]);
    // What is said to a server is not said to those who call from beside it.
    match read_in("call http://a:1 Ada", &ENVIRONMENT[10..13]) {
        Ok(Command::Call(call)) => {
            assert_eq!((call.rate_limit, call.breaker_failures), (None, 5));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn call_may_show_a_token_which_no_mistake_tells() {
    let token = |line: &str| call(line).token.unwrap();
    let shown = token("call --token a.b-c_d http://a:1 Ada");
    let Shown::Token(header) = &shown else { panic!("{shown:?}") };
    assert_eq!(header, "Bearer a.b-c_d");
    assert!(!format!("{shown:?}").contains("a.b-c_d"), "{shown:?}");
    assert_eq!(token("call --token=@a/b http://a:1 Ada"), Shown::File("a/b".into()));
    let environment = [("GREETER_TOKEN", "@c")];
    match read_in("call grpc://a:1 Ada", &environment) {
        Ok(Command::Call(call)) => assert_eq!(call.token, Some(Shown::File("c".into()))),
        other => panic!("{other:?}"),
    }
    for line in ["call --token=secret! http://a:1 Ada", "call --token= http://a:1 Ada"] {
        assert_mistake(line, &["--token: it is not a bearer token"]);
        assert!(!mistakes(line)[0].contains("secret"), "{:?}", mistakes(line));
    }
    assert_mistake("call --token @ http://a:1 Ada", &["--token: it is empty"]);
    assert_mistake("--token a", &["--token is a flag of another command"]);
}

#[test]
fn call_greets_a_name_like_a_flag_after_two_dashes() {
    assert_eq!(call("call http://a:1 -- --help").name, "--help");
}

#[test]
fn call_without_where_or_whom_is_told_what_to_write() {
    for line in ["call", "call Ada", "call http://a:1", "call http://a:1 Ada Grace"] {
        assert_mistake(line, &["greeter call http://HOST:PORT NAME"]);
    }
    for target in ["a:1", "https://a:1", "ftp://a:1", "://a:1"] {
        assert_mistake(&format!("call {target} Ada"), &[target, "grpc://HOST:PORT"]);
    }
    for target in ["http://a", "http://a:0", "grpc://:1", "http://a:1/x", "http://u@a:1"] {
        assert_mistake(&format!("call {target} Ada"), &[target]);
    }
}

#[test]
fn of_a_target_that_is_none_the_first_thing_wrong_is_told() {
    for (target, what) in [
        ("ftp://x", "\"ftp\" is not a scheme"),
        ("ftp://u@x/y", "\"ftp\" is not a scheme"),
        ("http://a:1/greeting", "it has a path"),
        ("http://a/greeting?name=Ada", "it has a path"),
        ("grpc://a:1#x", "it has a path"),
        ("http://user:word@a:1", "it has a user"),
        ("http://a", "no port"),
    ] {
        assert_mistake(&format!("call {target} Ada"), &[what, "http://HOST:PORT"]);
    }
}

#[cfg(unix)]
#[test]
fn text_that_is_not_utf8_is_a_mistake_that_is_named() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};
    let broken = || OsString::from_vec(b"caf\xE9".to_vec());
    let said = parse(["call".into(), "http://a:1".into(), broken()], |_| None).unwrap_err();
    assert_eq!(said.lines().len(), 1, "{said}");
    assert!(said.lines()[0].contains(r#"the argument "caf\xE9" is not UTF-8"#), "{said}");

    let environment = |name: &str| (name == "GREETER_SERVICE_NAME").then(broken);
    let said = parse([""; 0], environment).unwrap_err();
    assert_eq!(said.lines().len(), 1, "{said}");
    assert!(said.lines()[0].contains(r#"GREETER_SERVICE_NAME "caf\xE9" is not UTF-8"#), "{said}");
}

#[test]
fn call_has_no_flags_of_serve() {
    let said = "is a flag of another command";
    assert_mistake("call --http-addr :1 http://a:1 Ada", &["--http-addr", said]);
    assert_mistake("--timeout 1s", &["--timeout", said]);
}

#[test]
fn tags_facts_and_readiness_that_are_none_are_named() {
    assert_mistake("--tags blue,,eu", &["--tags", "commas between them"]);
    assert_mistake("--metadata team", &["--metadata", "team=a,tier=1"]);
    assert_mistake("--metadata =a", &["--metadata", "team=a,tier=1"]);
    assert_mistake("--metadata a=1,b=2,a=3", &["--metadata", "\"a\" is there twice"]);
    assert_mistake("--ready-when later", &["--ready-when", "serving or registered"]);
}

// ===== watch =====

#[test]
fn watch_takes_one_place() {
    let watch = |line: &str| match read(line) {
        Ok(Command::Watch(watch)) => watch,
        other => panic!("{other:?}"),
    };
    let registry = consul("consul:8500").map(Source::Registry).unwrap();
    let dns = |server: Option<&str>| Source::Dns {
        name: "hello.test".to_owned(),
        server: server.map(|server| server.parse().unwrap()),
    };
    for (line, source, service) in [
        ("watch --consul-addr consul:8500", registry.clone(), "greeter"),
        ("watch -consul.addr consul --service-name hello", registry, "hello"),
        ("watch --dns hello.test", dns(None), "greeter"),
        ("watch --dns hello.test --dns-addr [::1]:53", dns(Some("[::1]:53")), "greeter"),
        ("watch --file a/b.json", Source::File("a/b.json".into()), "greeter"),
    ] {
        assert_eq!(watch(line), Watch { source, service: service.to_owned() }, "{line}");
    }
    let one = "watch takes one place";
    assert_mistake("watch", &[one, "--consul-addr", "--dns", "--file"]);
    assert_mistake("watch --dns a --file b", &[one]);
    assert_mistake("watch --file a --dns-addr 127.0.0.1:53", &["--dns-addr goes with --dns"]);
    assert_mistake("watch --dns a --dns-addr nowhere", &["--dns-addr", "127.0.0.1:53"]);
    assert_mistake("watch --file a Ada", &["watch takes flags", "Ada"]);
    assert_mistake("watch --file a --http-addr :1", &["--http-addr is a flag of another command"]);
}

// ===== token =====

#[test]
fn token_says_what_is_in_it_and_where_its_key_is() {
    let token = |line: &str, environment: &[(&str, &str)]| match read_in(line, environment) {
        Ok(Command::Token(token)) => token,
        other => panic!("{other:?}"),
    };
    let usual = Token {
        issuer: "greeter".to_owned(),
        audience: "greeter".to_owned(),
        subject: "Ada".to_owned(),
        scope: None,
        lifetime: Duration::from_hours(1),
        out: ".".into(),
    };
    assert_eq!(token("token", &[]), usual);
    let line = "token --jwt-issuer a --jwt-audience b --subject c --scope d --lifetime 2s --out e";
    let all = Token {
        issuer: "a".to_owned(),
        audience: "b".to_owned(),
        subject: "c".to_owned(),
        scope: Some("d".to_owned()),
        lifetime: Duration::from_secs(2),
        out: "e".into(),
    };
    assert_eq!(token(line, &ENVIRONMENT), all);
    let of_serve =
        Token { issuer: "https://login.example".to_owned(), audience: "hello".to_owned(), ..usual };
    assert_eq!(token("token", &ENVIRONMENT), of_serve);
    assert_mistake("token Ada", &["token takes flags", "Ada"]);
    assert_mistake("token --lifetime 0s", &["--lifetime", "write 1s or more"]);
    assert_mistake("token --lifetime 999ms", &["--lifetime", "write 1s or more"]);
    assert_mistake("token --out=", &["--out", "it is empty"]);
    assert_mistake("token --jwt-jwks a", &["--jwt-jwks is a flag of another command"]);
    assert_mistake("--subject a", &["--subject is a flag of another command"]);
}

// ===== help =====

#[test]
fn help_names_every_flag_variable_and_default() {
    let text = printed("--help");
    for (name, _) in ENVIRONMENT.iter().filter(|(name, _)| *name != "GREETER_TIMEOUT") {
        assert!(text.contains(&format!("[env: {name}]")), "{name} is not in\n{text}");
        let flag = format!("--{}", name["GREETER_".len()..].to_ascii_lowercase().replace('_', "-"));
        assert!(text.contains(&flag), "{flag} is not in\n{text}");
    }
    for part in [
        " -http.addr <",
        " -http.port <",
        " -debug.addr <",
        " -consul.addr <",
        " -consul.port <",
        "[default: :9110]",
        "[default: :9120]",
        "[default: 127.0.0.1:9100]",
        "greeter call --help",
        "an empty variable is none",
        "Exit codes",
        "500ms",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn the_commands_are_a_table() {
    let text = printed("--help");
    let commands = text.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let column = |line: &str| {
        let (command, _) = line.trim_start().split_once("  ").unwrap();
        let begin = line.find(command).unwrap() + command.len();
        begin + line[begin..].find(|c| c != ' ').unwrap()
    };
    let columns: Vec<_> = commands.lines().map(column).collect();
    assert!(columns.iter().all(|column| *column == columns[0]), "{commands}");
}

#[test]
fn help_of_call_names_its_flags_and_not_those_of_serve() {
    let text = printed("call --help");
    for part in [
        "--timeout",
        "GREETER_TIMEOUT",
        "GREETER_TOKEN",
        "--count",
        "--rate-limit",
        "--breaker-failures",
        "[default: 1]",
        "--consul-addr",
        "--service-name",
        "[default: 5s]",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("--http-addr"), "{text}");
}

#[test]
fn help_and_version_go_before_mistakes() {
    for line in ["-h", "-help", "--help", "--what --help", "serve --help", "help", "help serve"] {
        assert!(printed(line).contains("Usage: greeter [serve]"), "{line}");
    }
    for line in ["call --help", "help call"] {
        assert!(printed(line).contains("Usage: greeter call"), "{line}");
    }
    for line in ["token --help", "help token"] {
        assert!(printed(line).contains("Usage: greeter token [FLAGS]"), "{line}");
        assert!(!printed(line).contains("The article's spellings"), "{line}");
    }
    for line in ["watch --help", "help watch"] {
        assert!(printed(line).contains("Usage: greeter watch"), "{line}");
    }
    for line in ["-V", "-version", "--version", "call --version"] {
        assert_eq!(printed(line), format!("greeter {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_filter_of_the_log_that_its_reader_would_panic_on_is_a_mistake() {
    let filter = " \u{112c2}%`\u{f88}\u{1f201}.\u{17bdd}=/\u{a5}";
    let said = read_in("", &[("GREETER_LOG", filter)]).unwrap_err();
    assert_eq!(said.lines().len(), 1, "{said}");
    assert!(said.lines()[0].contains("GREETER_LOG"), "{said}");
    assert!(said.lines()[0].contains("write info"), "{said}");
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(
        args in prop::collection::vec(
            prop_oneof![
                "(call|serve|watch|token|--|Ada|https?://a:1|grpc://\\[::1\\]:1)",
                "--?[a-z.-]{0,12}(=.{0,12})?",
                "--?(http-addr|http.addr|http.port|consul.addr|consul.port|log|drain-delay|tags|metadata|dns|file|jwt-jwks|jwt-issuer|jwt-audience|basic-htpasswd|rate-limit|concurrency-limit|breaker-failures|count|scope|lifetime|out)",
                ".{0,16}",
                "\\[?[0-9a-f:.]{0,12}\\]?:[0-9]{0,6}",
                "[0-9]{0,12}(ms|s|m|/s|/m|/h)?",
            ],
            0..8,
        ),
        variable in prop::option::of(any::<String>()),
    ) {
        let _ = parse(args, |_| variable.clone().map(Into::into));
    }
}

// ===== traces =====

#[test]
fn a_collector_is_reached_over_grpc_or_http() {
    let otlp = |value| serve(&format!("--trace-otlp {value}")).trace.otlp.unwrap();
    assert_eq!(otlp("grpc://there:4317"), Traces::Grpc("http://there:4317".to_owned()));
    assert_eq!(otlp("http://there:4318"), Traces::Http("http://there:4318".to_owned()));
    assert_eq!(otlp("https://there/mine"), Traces::Http("https://there/mine".to_owned()));
    for wrong in ["there:4317", "ftp://there", "grpc://", "http://ada@there"] {
        let said = read(&format!("--trace-otlp {wrong}")).unwrap_err().to_string();
        assert!(said.contains("--trace-otlp") && said.contains("write grpc://HOST:4317"), "{said}");
    }
}

#[test]
fn a_sample_is_a_share_or_a_rate() {
    let sample = |value| serve(&format!("--trace-sample {value}")).trace.sample;
    for (value, share) in
        [("0", 0), ("1", 1_000_000), ("1.0", 1_000_000), ("0.01", 10_000), ("0.000001", 1)]
    {
        assert_eq!(sample(value), Sample::Millionths(share), "{value}");
    }
    assert_eq!(sample("10/s"), Sample::PerSecond(10));
    for wrong in ["2", "1.1", ".5", "1.", "-1", "0.0000001", "0/s", "1/m", "all"] {
        let said = read(&format!("--trace-sample={wrong}")).unwrap_err().to_string();
        assert!(said.contains("write a share from 0 to 1"), "{said}");
    }
}

#[test]
fn trust_and_an_upstream_are_checked() {
    assert_eq!(serve("--trace-trust none").trace.trust, Trusted::None);
    let said = read("--trace-trust some").unwrap_err().to_string();
    assert!(said.contains("write all, local or none"), "{said}");
    let upstream = serve("--upstream http://other:9110").upstream;
    assert_eq!(upstream, Some(Target::Http("other:9110".to_owned())));
    let said = read("--upstream other:9110").unwrap_err().to_string();
    assert!(said.contains("--upstream") && said.contains("write http://HOST:PORT"), "{said}");
    assert_eq!(
        call("call --trace-otlp http://there:4318 http://a:1 Ada").trace.otlp,
        Some(Traces::Http("http://there:4318".to_owned()))
    );
}
