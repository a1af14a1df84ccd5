//! Flags and environment: all of it is checked before anything starts, and
//! every mistake is named at once.

mod article;
mod command;
mod help;
mod reader;
mod table;
mod value;

use self::{
    help::help,
    reader::{Asked, Reader},
    table::{CALL, SERVE, TOKEN, WATCH},
    value::not_utf8,
};
use crate::log::Format;
use http::{HeaderValue, Uri};
use kit_limit::rate::Rate;
use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, time::Duration};

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is read once")]
pub enum Command {
    /// Print this and end: help, or the version.
    Print(String),
    /// Serve.
    Serve(Serve),
    /// Call a greeter.
    Call(Call),
    /// Watch who is found.
    Watch(Watch),
    /// Make a token.
    Token(Token),
}

/// How to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// Where HTTP listens.
    pub http: Listen,
    /// Where gRPC listens.
    pub grpc: Listen,
    /// Where the debug port listens.
    pub debug: Listen,
    /// The file of the token that lets who is elsewhere change something there.
    pub debug_token: Option<PathBuf>,
    /// The certificates, if HTTP and gRPC are to speak TLS.
    pub tls: Option<Tls>,
    /// What the tokens of callers must be, if some get in by one.
    pub jwt: Option<Jwt>,
    /// The users, if some get in by name and password.
    pub htpasswd: Option<PathBuf>,
    /// How many greetings each caller may ask for, if that is limited.
    pub rate_limit: Option<Rate>,
    /// How many are worked on at once, if that is limited.
    pub concurrency_limit: Option<Concurrency>,
    /// After how many failures in a row greetings are refused for a while; 0 is
    /// never.
    pub breaker_failures: u32,
    /// The registry, if the greeter is to be registered.
    pub registry: Option<Place>,
    /// The name under which it is registered.
    pub service: String,
    /// The host under which others reach it, if that is said.
    pub advertise: Option<String>,
    /// Words by which it is chosen in the registry.
    pub tags: Vec<String>,
    /// Facts about it in the registry.
    pub metadata: Vec<(String, String)>,
    /// When it says that it is ready.
    pub ready_when: ReadyWhen,
    /// How long to go on serving once the registry was told of the end.
    pub drain_delay: Duration,
    /// How long what is in flight may take to finish.
    pub drain_timeout: Duration,
    /// The greeter that is asked in place of this one, if there is one.
    pub upstream: Option<Target>,
    /// What becomes of traces.
    pub trace: Trace,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: Format,
    /// How many requests of each route that went well are logged in a second, if not all.
    pub log_sample: Option<u32>,
    /// What all of it was called.
    pub said: Said,
}

/// The flags as they were said, and the defaults of the others.
///
/// Two are always equal: how it was said makes no command another.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[serde(transparent)]
pub struct Said(BTreeMap<&'static str, String>);

/// How many greetings are worked on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as go well.
    Adaptive,
    /// So many.
    Fixed(usize),
}

/// The files of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificates.
    pub cert: PathBuf,
    /// Their key.
    pub key: PathBuf,
    /// The authorities of clients, if they must show a certificate.
    pub client_ca: Option<PathBuf>,
}

/// What a token must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// The keys by which it may be signed.
    pub jwks: Jwks,
    /// Who must have made it.
    pub issuer: String,
    /// Whom it must be for.
    pub audience: String,
}

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// At a server.
    Url(Uri),
}

/// The token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who makes it.
    pub issuer: String,
    /// Whom it is for.
    pub audience: String,
    /// Whom it is about.
    pub subject: String,
    /// What it is good for.
    pub scope: Option<String>,
    /// How long it is valid.
    pub lifetime: Duration,
    /// The folder of the keys.
    pub out: PathBuf,
}

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An agent of Consul.
    Consul(String),
    /// The members of etcd.
    #[cfg(feature = "etcd")]
    Etcd(Vec<String>),
}

/// When the greeter says that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyWhen {
    /// As soon as it serves: a registry that is down stops nothing.
    Serving,
    /// Once the registry has taken it, and from then on whatever becomes of
    /// the registry.
    Registered,
}

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Where instances are looked for.
    pub source: Source,
    /// The name of the service.
    pub service: String,
}

/// Where instances are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a registry.
    Registry(Place),
    /// In the SRV records of a name.
    Dns {
        /// The name.
        name: String,
        /// The name server; none is the system's.
        server: Option<std::net::SocketAddr>,
    },
    /// In a file.
    File(PathBuf),
}

/// What to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where the greeter is.
    pub target: Target,
    /// Whom to greet.
    pub name: String,
    /// What is shown to the greeter, if it asks who calls.
    pub token: Option<Shown>,
    /// How long each call may take; the first one, with discovery.
    pub timeout: Duration,
    /// How many calls there are, one after the other.
    pub count: u32,
    /// How many calls there are in a time, if they are not to go as fast as they can.
    pub rate_limit: Option<Rate>,
    /// After how many failures in a row the greeter is left alone for a while; 0 is
    /// never.
    pub breaker_failures: u32,
    /// What becomes of traces.
    pub trace: Trace,
}

/// What becomes of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Where spans are sent to, if they are.
    pub otlp: Option<Traces>,
    /// Which of those that begin here are recorded.
    pub sample: Sample,
    /// Whose go on here.
    pub trust: Trusted,
}

/// A collector, which is sent spans by OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traces {
    /// Over gRPC, at `http://HOST:PORT`.
    Grpc(String),
    /// Over HTTP, at a URL.
    Http(String),
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// So many of a million.
    Millionths(u32),
    /// So many in a second.
    PerSecond(u32),
}

/// Whose traces go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// Everybody's.
    All,
    /// Those of this machine, and of networks of one's own.
    Local,
    /// Nobody's.
    None,
}

/// A token to show. Its `Debug` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// As the header that it goes into.
    Token(HeaderValue),
    /// In a file.
    File(PathBuf),
}

/// Where a greeter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At `HOST:PORT`, over HTTP.
    Http(String),
    /// At `HOST:PORT`, over gRPC.
    Grpc(String),
    /// Where a registry says.
    Found {
        /// The registry.
        at: Place,
        /// The name of the service.
        service: String,
    },
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The flag that said so.
    pub flag: &'static str,
    /// What it said.
    pub at: At,
}

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// A port of this machine.
    Port {
        /// The host; none is all interfaces.
        host: Option<String>,
        /// The port; 0 is any that is free.
        port: u16,
    },
    /// One of the sockets that were passed to the process, counted from 0.
    Passed(usize),
}

/// What is wrong with the flags and the environment, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

/// Reads the arguments, without the program's own name, and the environment,
/// in which an empty variable is none.
///
/// # Errors
///
/// Fails with all that is wrong.
pub fn parse(
    args: impl IntoIterator<Item: Into<OsString>>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, Mistakes> {
    let mut mistakes = Vec::new();
    let args = args.into_iter().map(|arg| {
        arg.into().into_string().unwrap_or_else(|arg| {
            mistakes.push(not_utf8("the argument", &arg));
            arg.to_string_lossy().into_owned()
        })
    });
    let args: Vec<_> = args.collect();
    let mut args = args.into_iter().peekable();
    let help_asked = args.next_if(|first| first == "help").is_some();
    let word = args.next_if(|first| matches!(&**first, "serve" | "call" | "watch" | "token"));
    let (name, flags) = match word.as_deref() {
        Some("call") => ("greeter call", CALL),
        Some("watch") => ("greeter watch", WATCH),
        Some("token") => ("greeter token", TOKEN),
        _ => ("greeter", SERVE),
    };
    let mut reader = Reader::new(flags, &env);
    reader.mistakes = mistakes;
    let asked = if help_asked { Some(Asked::Help) } else { reader.read(args) };
    if let Some(text) = asked {
        return Ok(Command::Print(match text {
            Asked::Version => format!("greeter {}\n", env!("CARGO_PKG_VERSION")),
            Asked::Help => help(name, flags),
        }));
    }
    let command = match word.as_deref() {
        Some("call") => reader.call().map(Command::Call),
        Some("watch") => reader.watch().map(Command::Watch),
        Some("token") => reader.token().map(Command::Token),
        _ => reader.serve().map(Command::Serve),
    };
    match command {
        Some(command) if reader.mistakes.is_empty() => Ok(command),
        _ => Err(Mistakes(reader.mistakes)),
    }
}

// ===== impl Said =====

impl PartialEq for Said {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Said {}

// ===== impl Listen =====

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Port { host: Some(host), port } if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            At::Port { host, port } => write!(f, "{}:{port}", host.as_deref().unwrap_or_default()),
            At::Passed(socket) => write!(f, "fd:{socket}"),
        }
    }
}

// ===== impl Mistakes =====

impl Mistakes {
    /// Returns them, one line each.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.0 {
            writeln!(f, "greeter: {mistake}")?;
        }
        writeln!(f, "greeter: see greeter --help")
    }
}

impl std::error::Error for Mistakes {}
