//! The flags: what each is called, and what its help says.

use super::article::OLD;

/// A flag: its name, its environment variable, the name of its value, its
/// default as the help shows it, and what it does.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) env: Option<&'static str>,
    pub(super) value: &'static str,
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

pub(super) const HTTP: Flag = Flag {
    name: "http-addr",
    env: Some("GREETER_HTTP_ADDR"),
    value: "HOST:PORT",
    default: ":9110",
    help: "Where HTTP listens; :PORT is all interfaces, port 0 any that is free, fd:N socket N \
           of those that systemd passed",
};
pub(super) const GRPC: Flag = Flag {
    name: "grpc-addr",
    env: Some("GREETER_GRPC_ADDR"),
    value: "HOST:PORT",
    default: ":9120",
    help: "Where gRPC listens",
};
pub(super) const DEBUG: Flag = Flag {
    name: "debug-addr",
    env: Some("GREETER_DEBUG_ADDR"),
    value: "HOST:PORT",
    default: "127.0.0.1:9100",
    help: "Where the debug port listens (/health/live, /health/ready, /health/startup, /metrics, \
           and /debug, which lists the others); keep it from strangers",
};
pub(super) const DEBUG_TOKEN: Flag = Flag {
    name: "debug-token-file",
    env: Some("GREETER_DEBUG_TOKEN_FILE"),
    value: "PATH",
    default: "",
    help: "The token, of 16 characters or more, that lets who is not on this machine change \
           something at the debug port, or take a profile, as Authorization: Bearer",
};
pub(super) const TLS_CERT: Flag = Flag {
    name: "tls-cert",
    env: Some("GREETER_TLS_CERT"),
    value: "PATH",
    default: "",
    help: "The certificate, and those between it and its authority, in PEM: HTTP and gRPC then \
           speak TLS; read anew when it changes, and at SIGHUP",
};
pub(super) const TLS_KEY: Flag = Flag {
    name: "tls-key",
    env: Some("GREETER_TLS_KEY"),
    value: "PATH",
    default: "",
    help: "The key of --tls-cert, in PEM",
};
pub(super) const TLS_CLIENT_CA: Flag = Flag {
    name: "tls-client-ca",
    env: Some("GREETER_TLS_CLIENT_CA"),
    value: "PATH",
    default: "",
    help: "The authorities, in PEM, one of which must have signed a client's certificate",
};
pub(super) const JWT_JWKS: Flag = Flag {
    name: "jwt-jwks",
    env: Some("GREETER_JWT_JWKS"),
    value: "FILE|URL",
    default: "",
    help: "The public keys (JWKS) of those who sign tokens: whoever asks for a greeting must then \
           show one, or a password; a file, or an https:// URL, read anew as they change",
};
pub(super) const JWT_ISSUER: Flag = Flag {
    name: "jwt-issuer",
    env: Some("GREETER_JWT_ISSUER"),
    value: "ISSUER",
    default: "",
    help: "Who makes the tokens: their iss",
};
pub(super) const JWT_AUDIENCE: Flag = Flag {
    name: "jwt-audience",
    env: Some("GREETER_JWT_AUDIENCE"),
    value: "AUDIENCE",
    default: "",
    help: "Whom the tokens are for: their aud",
};
pub(super) const BASIC_HTPASSWD: Flag = Flag {
    name: "basic-htpasswd",
    env: Some("GREETER_BASIC_HTPASSWD"),
    value: "PATH",
    default: "",
    help: "The users who may ask for a greeting by name and password, as htpasswd -B writes them; \
           read anew when it changes, and at SIGHUP",
};
pub(super) const RATE_LIMIT: Flag = Flag {
    name: "rate-limit",
    env: Some("GREETER_RATE_LIMIT"),
    value: "RATE",
    default: "",
    help: "How many greetings each caller may ask for, by name where it is known, else by \
           address: 100/s, 6000/m, 100000/h; the others are refused (429); a stream or a chat counts \
           once",
};
pub(super) const CONCURRENCY_LIMIT: Flag = Flag {
    name: "concurrency-limit",
    env: Some("GREETER_CONCURRENCY_LIMIT"),
    value: "adaptive|N",
    default: "",
    help: "How many greetings are worked on at once, of streams and chats until they begin: as many \
           as go well, or a number; the others are refused (503), those first whose \
           x-request-criticality is sheddable, which is believed",
};
pub(super) const BREAKER_FAILURES: Flag = Flag {
    name: "breaker-failures",
    env: Some("GREETER_BREAKER_FAILURES"),
    value: "N",
    default: "5",
    help: "After how many failures in a row greetings are refused for a while; 0 is never",
};
pub(super) const COUNT: Flag = Flag {
    name: "count",
    env: None,
    value: "N",
    default: "1",
    help: "How many greetings to ask for, one after the other",
};
/// As [`RATE_LIMIT`] and [`BREAKER_FAILURES`], for calls; without a variable, for a
/// server's is not meant for those who call from beside it.
pub(super) const CALL_RATE: Flag = Flag {
    env: None,
    help: "How many of them to ask for in a time, evenly: 10/s, 600/m, 36000/h; by default as \
           many as there are answers",
    ..RATE_LIMIT
};
pub(super) const CALL_FAILURES: Flag = Flag {
    env: None,
    help: "After how many failures in a row the greeter is left alone for a while; 0 is never",
    ..BREAKER_FAILURES
};
pub(super) const OUT: Flag = Flag {
    name: "out",
    env: None,
    value: "FOLDER",
    default: ".",
    help: "Where greeter-key.pem and greeter-jwks.json are, or are made",
};
pub(super) const SUBJECT: Flag = Flag {
    name: "subject",
    env: None,
    value: "NAME",
    default: "Ada",
    help: "Whom the token is about: its sub",
};
pub(super) const SCOPE: Flag = Flag {
    name: "scope",
    env: None,
    value: "SCOPES",
    default: "",
    help: "What it is good for: names with spaces between them",
};
pub(super) const LIFETIME: Flag = Flag {
    name: "lifetime",
    env: None,
    value: "DURATION",
    default: "60m",
    help: "How long it is valid",
};
pub(super) const CONSUL: Flag = Flag {
    name: "consul-addr",
    env: Some("GREETER_CONSUL_ADDR"),
    value: "HOST:PORT",
    default: "",
    help: "The Consul agent to register with, or to ask where a greeter is",
};
#[cfg(feature = "etcd")]
pub(super) const ETCD: Flag = Flag {
    name: "etcd-addr",
    env: Some("GREETER_ETCD_ADDR"),
    value: "HOST:PORT,..",
    default: "",
    help: "The members of etcd to register with, or to ask where greeters are",
};
pub(super) const TAGS: Flag = Flag {
    name: "tags",
    env: Some("GREETER_TAGS"),
    value: "TAG,..",
    default: "",
    help: "Words by which others choose this greeter in the registry",
};
pub(super) const METADATA: Flag = Flag {
    name: "metadata",
    env: Some("GREETER_METADATA"),
    value: "NAME=VALUE,..",
    default: "",
    help: "Facts about this greeter in the registry",
};
pub(super) const READY_WHEN: Flag = Flag {
    name: "ready-when",
    env: Some("GREETER_READY_WHEN"),
    value: "serving|registered",
    default: "serving",
    help: "When /health/ready says so: as soon as it serves, or only once the registry knows it",
};
pub(super) const DNS: Flag = Flag {
    name: "dns",
    env: None,
    value: "NAME",
    default: "",
    help: "The name whose SRV records are watched",
};
pub(super) const DNS_ADDR: Flag = Flag {
    name: "dns-addr",
    env: None,
    value: "IP:PORT",
    default: "",
    help: "The name server that is asked for them; by default the system's",
};
pub(super) const FILE: Flag = Flag {
    name: "file",
    env: None,
    value: "PATH",
    default: "",
    help: "The file of instances, JSON or TOML, that is watched",
};
pub(super) const SERVICE: Flag = Flag {
    name: "service-name",
    env: Some("GREETER_SERVICE_NAME"),
    value: "NAME",
    default: "greeter",
    help: "The name in the registry; the gRPC port is NAME-grpc",
};
pub(super) const ADVERTISE: Flag = Flag {
    name: "advertise-addr",
    env: Some("GREETER_ADVERTISE_ADDR"),
    value: "HOST",
    default: "",
    help: "The host under which others reach this greeter; by default the address by which \
           this machine reaches the registry",
};
pub(super) const DRAIN_DELAY: Flag = Flag {
    name: "drain-delay",
    env: Some("GREETER_DRAIN_DELAY"),
    value: "DURATION",
    default: "",
    help: "How long to serve on after deregistering, until callers know; by default 1s with a \
           registry, else 0s",
};
pub(super) const DRAIN_TIMEOUT: Flag = Flag {
    name: "drain-timeout",
    env: Some("GREETER_DRAIN_TIMEOUT"),
    value: "DURATION",
    default: "20s",
    help: "How long requests in flight may take to finish at the end",
};
pub(super) const LOG: Flag = Flag {
    name: "log",
    env: Some("GREETER_LOG"),
    value: "FILTER",
    default: "info",
    help: "What is logged: error, warn, info, debug or trace, also by target (info,hyper=warn)",
};
pub(super) const LOG_FORMAT: Flag = Flag {
    name: "log-format",
    env: Some("GREETER_LOG_FORMAT"),
    value: "FORMAT",
    default: "logfmt",
    help: "How: logfmt or json, or pretty for a person; one line for each event, on standard error",
};
pub(super) const LOG_SAMPLE: Flag = Flag {
    name: "log-sample",
    env: Some("GREETER_LOG_SAMPLE"),
    value: "N",
    default: "",
    help: "How many requests of each route are logged in a second, of those that went well; of \
           more than that one in a hundred; by default all are",
};
pub(super) const TRACE_OTLP: Flag = Flag {
    name: "trace-otlp",
    env: Some("GREETER_TRACE_OTLP"),
    value: "URL",
    default: "",
    help: "The collector that spans are sent to, by OTLP: grpc://HOST:4317, http://HOST:4318 or \
           https://; by default none is sent, and what came with a request goes on as it is",
};
pub(super) const TRACE_SAMPLE: Flag = Flag {
    name: "trace-sample",
    env: Some("GREETER_TRACE_SAMPLE"),
    value: "RATIO|N/s",
    default: "1",
    help: "How many of the traces that begin here are recorded: a share, from 0 to 1, or so many \
           in a second; of the others their callers decide",
};
pub(super) const TRACE_TRUST: Flag = Flag {
    name: "trace-trust",
    env: Some("GREETER_TRACE_TRUST"),
    value: "all|local|none",
    default: "all",
    help: "Whose traces go on here: everybody's, those of this machine and of networks of one's \
           own, or nobody's; any other request begins a trace",
};
pub(super) const UPSTREAM: Flag = Flag {
    name: "upstream",
    env: Some("GREETER_UPSTREAM"),
    value: "URL",
    default: "",
    help: "The greeter that is asked for greetings in place of this one: http://HOST:PORT or \
           grpc://HOST:PORT",
};
pub(super) const TIMEOUT: Flag = Flag {
    name: "timeout",
    env: Some("GREETER_TIMEOUT"),
    value: "DURATION",
    default: "5s",
    help: "How long each call may take, retries included; the first one, discovery too",
};

pub(super) const SHOWN: Flag = Flag {
    name: "token",
    env: Some("GREETER_TOKEN"),
    value: "TOKEN|@FILE",
    default: "",
    help: "The token to show to the greeter, or after @ the file that has it, which others do not \
           see in the list of processes; it is sent in plain text",
};

/// The flags of `greeter serve`.
pub(super) const SERVE: &[&Flag] = &[
    &HTTP,
    &GRPC,
    &DEBUG,
    &DEBUG_TOKEN,
    &TLS_CERT,
    &TLS_KEY,
    &TLS_CLIENT_CA,
    &JWT_JWKS,
    &JWT_ISSUER,
    &JWT_AUDIENCE,
    &BASIC_HTPASSWD,
    &RATE_LIMIT,
    &CONCURRENCY_LIMIT,
    &BREAKER_FAILURES,
    &CONSUL,
    #[cfg(feature = "etcd")]
    &ETCD,
    &SERVICE,
    &ADVERTISE,
    &TAGS,
    &METADATA,
    &READY_WHEN,
    &DRAIN_DELAY,
    &DRAIN_TIMEOUT,
    &UPSTREAM,
    &TRACE_OTLP,
    &TRACE_SAMPLE,
    &TRACE_TRUST,
    &LOG,
    &LOG_FORMAT,
    &LOG_SAMPLE,
    &OLD[0],
    &OLD[1],
    &OLD[2],
    &OLD[3],
    &OLD[4],
];

/// The flags of `greeter call`.
pub(super) const CALL: &[&Flag] = &[
    &CONSUL,
    #[cfg(feature = "etcd")]
    &ETCD,
    &SERVICE,
    &SHOWN,
    &TIMEOUT,
    &COUNT,
    &CALL_RATE,
    &CALL_FAILURES,
    &TRACE_OTLP,
    &TRACE_SAMPLE,
    &OLD[3],
    &OLD[4],
];

/// The flags of `greeter token`.
pub(super) const TOKEN: &[&Flag] = &[&JWT_ISSUER, &JWT_AUDIENCE, &SUBJECT, &SCOPE, &LIFETIME, &OUT];

/// The flags of `greeter watch`.
pub(super) const WATCH: &[&Flag] = &[
    &CONSUL,
    #[cfg(feature = "etcd")]
    &ETCD,
    &DNS,
    &DNS_ADDR,
    &FILE,
    &SERVICE,
    &OLD[3],
    &OLD[4],
];
