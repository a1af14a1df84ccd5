//! Flags and environment: all of it is checked before anything starts, and
//! every mistake is named at once.

use crate::log::Format;
use clap::{Arg, ArgAction, Command as Clap, builder::styling::Styles};
use kit_sd::{Address, consul::Agent};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    time::Duration,
};
use tracing_subscriber::EnvFilter;

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Print this and end: help, or the version.
    Print(String),
    /// Serve.
    Serve(Serve),
    /// Call a greeter.
    Call(Call),
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
    /// The registry's agent, if the greeter is to be registered.
    pub consul: Option<String>,
    /// The name under which it is registered.
    pub service: String,
    /// The host under which others reach it, if that is said.
    pub advertise: Option<String>,
    /// How long to go on serving once the registry was told of the end.
    pub drain_delay: Duration,
    /// How long what is in flight may take to finish.
    pub drain_timeout: Duration,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: Format,
}

/// What to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where the greeter is.
    pub target: Target,
    /// Whom to greet.
    pub name: String,
    /// How long the call may take.
    pub timeout: Duration,
}

/// Where a greeter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At `HOST:PORT`, over HTTP.
    Http(String),
    /// At `HOST:PORT`, over gRPC.
    Grpc(String),
    /// Where Consul says.
    Consul {
        /// The agent.
        addr: String,
        /// The name of the service.
        service: String,
    },
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The flag that said so.
    pub flag: &'static str,
    /// The host; none is all interfaces.
    pub host: Option<String>,
    /// The port; 0 is any that is free.
    pub port: u16,
}

/// What is wrong with the flags and the environment, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

/// A flag: its name, its environment variable, the name of its value, its
/// default as the help shows it, and what it does.
struct Flag {
    name: &'static str,
    env: Option<&'static str>,
    value: &'static str,
    default: &'static str,
    help: &'static str,
}

const HTTP: Flag = Flag {
    name: "http-addr",
    env: Some("GREETER_HTTP_ADDR"),
    value: "HOST:PORT",
    default: ":9110",
    help: "Where HTTP listens; :PORT is all interfaces, port 0 any that is free",
};
const GRPC: Flag = Flag {
    name: "grpc-addr",
    env: Some("GREETER_GRPC_ADDR"),
    value: "HOST:PORT",
    default: ":9120",
    help: "Where gRPC listens",
};
const DEBUG: Flag = Flag {
    name: "debug-addr",
    env: Some("GREETER_DEBUG_ADDR"),
    value: "HOST:PORT",
    default: "127.0.0.1:9100",
    help: "Where the debug port listens (/health/live, /health/ready, /metrics, /debug/build); \
           keep it from strangers",
};
const CONSUL: Flag = Flag {
    name: "consul-addr",
    env: Some("GREETER_CONSUL_ADDR"),
    value: "HOST:PORT",
    default: "",
    help: "The Consul agent to register with, or to ask where a greeter is",
};
const SERVICE: Flag = Flag {
    name: "service-name",
    env: Some("GREETER_SERVICE_NAME"),
    value: "NAME",
    default: "greeter",
    help: "The name in Consul; the gRPC port is NAME-grpc",
};
const ADVERTISE: Flag = Flag {
    name: "advertise-addr",
    env: Some("GREETER_ADVERTISE_ADDR"),
    value: "HOST",
    default: "",
    help: "The host under which others reach this greeter; by default the address by which \
           this machine reaches Consul",
};
const DRAIN_DELAY: Flag = Flag {
    name: "drain-delay",
    env: Some("GREETER_DRAIN_DELAY"),
    value: "DURATION",
    default: "",
    help: "How long to serve on after deregistering, until callers know; by default 1s with a \
           registry, else 0s",
};
const DRAIN_TIMEOUT: Flag = Flag {
    name: "drain-timeout",
    env: Some("GREETER_DRAIN_TIMEOUT"),
    value: "DURATION",
    default: "20s",
    help: "How long requests in flight may take to finish at the end",
};
const LOG: Flag = Flag {
    name: "log",
    env: Some("GREETER_LOG"),
    value: "FILTER",
    default: "info",
    help: "What is logged: error, warn, info, debug or trace, also by target (info,hyper=warn)",
};
const LOG_FORMAT: Flag = Flag {
    name: "log-format",
    env: Some("GREETER_LOG_FORMAT"),
    value: "FORMAT",
    default: "logfmt",
    help: "How: logfmt or json, one line for each event, on standard error",
};
const TIMEOUT: Flag = Flag {
    name: "timeout",
    env: Some("GREETER_TIMEOUT"),
    value: "DURATION",
    default: "5s",
    help: "How long the call may take, discovery and retries included",
};

/// The spellings of the article that this greeter grew from; they mean here
/// what they mean there.
const OLD: [Flag; 5] = [
    Flag {
        name: "http.addr",
        env: None,
        value: "HOST",
        default: "",
        help: "The host to advertise: HTTP listens on all interfaces",
    },
    Flag { name: "http.port", env: None, value: "PORT", default: "", help: "--http-addr :PORT" },
    Flag {
        name: "debug.addr",
        env: None,
        value: "HOST:PORT",
        default: "",
        help: "--debug-addr HOST:PORT",
    },
    Flag {
        name: "consul.addr",
        env: None,
        value: "HOST",
        default: "",
        help: "--consul-addr HOST:8500",
    },
    Flag {
        name: "consul.port",
        env: None,
        value: "PORT",
        default: "",
        help: "The port of -consul.addr",
    },
];

const SERVE: &[&Flag] = &[
    &HTTP,
    &GRPC,
    &DEBUG,
    &CONSUL,
    &SERVICE,
    &ADVERTISE,
    &DRAIN_DELAY,
    &DRAIN_TIMEOUT,
    &LOG,
    &LOG_FORMAT,
    &OLD[0],
    &OLD[1],
    &OLD[2],
    &OLD[3],
    &OLD[4],
];
const CALL: &[&Flag] = &[&CONSUL, &SERVICE, &TIMEOUT, &OLD[3], &OLD[4]];

const ABOUT: &str = "The greeter: a small service over HTTP and gRPC, and its client.

Without flags it needs nothing else: it serves GET /greeting?name=Ada and GET /health over HTTP, \
greeter.v1.Greeter/Greeting over gRPC, and a debug port on loopback.";

const AFTER: &str = "Commands:
  greeter [serve] [FLAGS]               serve, until SIGINT or SIGTERM
  greeter call http://HOST:PORT NAME    print a greeting, over HTTP
  greeter call grpc://HOST:PORT NAME    over gRPC
  greeter call --consul-addr ADDR NAME  from an instance that Consul knows
  greeter call --help                   print the flags of call
  greeter help                          print this

A flag may have one dash or two, and its value after = or a space. A flag goes before its \
environment variable, and an empty variable is none. Durations are written 500ms, 20s or 2m.

Exit codes: 0, it went well; 1, it did not; 2, the flags or the environment are wrong.";

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
    let is_call = args.peek().is_some_and(|first| first == "call");
    if is_call || args.peek().is_some_and(|first| first == "serve") {
        args.next();
    }
    let mut reader = Reader::new(if is_call { CALL } else { SERVE }, &env);
    reader.mistakes = mistakes;
    let asked = if help_asked { Some(Asked::Help) } else { reader.read(args) };
    if let Some(text) = asked {
        return Ok(Command::Print(match text {
            Asked::Version => format!("greeter {}\n", env!("CARGO_PKG_VERSION")),
            Asked::Help if is_call => help("greeter call", CALL),
            Asked::Help => help("greeter", SERVE),
        }));
    }
    let command =
        if is_call { reader.call().map(Command::Call) } else { reader.serve().map(Command::Serve) };
    match command {
        Some(command) if reader.mistakes.is_empty() => Ok(command),
        _ => Err(Mistakes(reader.mistakes)),
    }
}

enum Asked {
    Help,
    Version,
}

struct Reader<'a> {
    flags: &'a [&'a Flag],
    env: &'a dyn Fn(&str) -> Option<OsString>,
    given: BTreeMap<&'static str, String>,
    words: Vec<String>,
    mistakes: Vec<String>,
}

// ===== impl Reader =====

impl<'a> Reader<'a> {
    fn new(flags: &'a [&'a Flag], env: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        let (given, words, mistakes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { flags, env, given, words, mistakes }
    }

    /// Sorts the arguments into flags and words.
    fn read(&mut self, args: impl Iterator<Item = String>) -> Option<Asked> {
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            if arg == "--" {
                self.words.extend(args);
                break;
            }
            let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
                self.words.push(arg);
                continue;
            };
            match flag {
                "h" | "help" => return Some(Asked::Help),
                "V" | "version" => return Some(Asked::Version),
                _ => {}
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let Some(flag) = SERVE.iter().chain(CALL).find(|flag| flag.name == name) else {
                self.mistakes.push(format!("there is no flag {arg}"));
                continue;
            };
            if !self.flags.iter().any(|flag| flag.name == name) {
                self.mistakes.push(format!("--{name} is a flag of the other command"));
            }
            match value.or_else(|| args.next_if(|next| !next.starts_with('-'))) {
                Some(value) => {
                    if self.given.insert(flag.name, value).is_some() {
                        self.mistakes.push(format!("--{name} is given twice"));
                    }
                }
                None => self.mistakes.push(format!("--{name} needs a value: {}", flag.value)),
            }
        }
        None
    }

    /// Reads one flag, from the command line or the environment, or its
    /// default; an empty variable is none.
    fn value<T>(
        &mut self,
        flag: &Flag,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (name, value) = match (self.given.get(flag.name), flag.env) {
            (Some(value), _) => (format!("--{}", flag.name), value.clone()),
            (None, Some(env)) => match (self.env)(env).filter(|value| !value.is_empty()) {
                Some(value) => match value.into_string() {
                    Ok(value) => (env.to_owned(), value),
                    Err(value) => {
                        self.mistakes.push(not_utf8(env, &value));
                        return None;
                    }
                },
                None => (format!("--{}", flag.name), flag.default.to_owned()),
            },
            (None, None) => return None,
        };
        if value.is_empty() && flag.default.is_empty() && !self.given.contains_key(flag.name) {
            return None;
        }
        match parse(&value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.mistakes.push(format!("{name} {value:?}: {why}"));
                None
            }
        }
    }

    /// Says that two flags say the same thing.
    fn conflict(&mut self, old: &Flag, new: &Flag) {
        if self.given.contains_key(old.name) && self.given.contains_key(new.name) {
            let (old, new) = (old.name, new.name);
            self.mistakes.push(format!("-{old} and --{new} say the same: give one of them"));
        }
    }

    /// Says that two servers cannot listen at one place.
    fn overlap(&mut self, one: Option<&Listen>, other: Option<&Listen>) {
        let (Some(one), Some(other)) = (one, other) else { return };
        let everywhere = one.host.is_none() || other.host.is_none();
        if one.port == other.port && one.port != 0 && (everywhere || one.host == other.host) {
            let (a, b, port) = (one.flag, other.flag, one.port);
            self.mistakes.push(format!("{a} and {b} are both port {port}: give each its own"));
        }
    }

    fn serve(&mut self) -> Option<Serve> {
        let [http_host, http_port, old_debug, ..] = &OLD;
        for (old, new) in
            [(http_host, &HTTP), (http_host, &ADVERTISE), (http_port, &HTTP), (old_debug, &DEBUG)]
        {
            self.conflict(old, new);
        }
        let words = std::mem::take(&mut self.words);
        self.mistakes.extend(words.iter().map(|word| {
            format!(
                "{word:?} is neither a flag nor a command: the commands are serve, call and help"
            )
        }));
        let http = match self.value(http_port, port) {
            Some(port) => Some(Listen { flag: "-http.port", host: None, port }),
            None => self.value(&HTTP, |value| listen("--http-addr", value)),
        };
        let debug = if self.given.contains_key(old_debug.name) {
            self.value(old_debug, |value| listen("-debug.addr", value))
        } else {
            self.value(&DEBUG, |value| listen("--debug-addr", value))
        };
        let grpc = self.value(&GRPC, |value| listen("--grpc-addr", value));
        let consul = self.consul();
        let service = self.value(&SERVICE, service_name);
        let advertise = self.value(http_host, host).or_else(|| self.value(&ADVERTISE, host));
        let drain_delay = self.value(&DRAIN_DELAY, duration);
        let drain_delay = drain_delay.unwrap_or(Duration::from_secs(consul.is_some().into()));
        let drain_timeout = self.value(&DRAIN_TIMEOUT, duration);
        let log = self.value(&LOG, |value| match EnvFilter::try_new(value) {
            Ok(_) => Ok(value.to_owned()),
            Err(error) => Err(format!("{error}: write info, or info,access=warn")),
        });
        let log_format = self.value(&LOG_FORMAT, |value| value.parse().map_err(str::to_owned));
        for (one, other) in [(&http, &grpc), (&http, &debug), (&grpc, &debug)] {
            self.overlap(one.as_ref(), other.as_ref());
        }
        Some(Serve {
            http: http?,
            grpc: grpc?,
            debug: debug?,
            consul,
            service: service?,
            advertise,
            drain_delay,
            drain_timeout: drain_timeout?,
            log: log?,
            log_format: log_format?,
        })
    }

    fn call(&mut self) -> Option<Call> {
        let consul = self.consul();
        let service = self.value(&SERVICE, service_name);
        let timeout = self.value(&TIMEOUT, duration);
        let (target, name) = match (&*std::mem::take(&mut self.words), consul) {
            ([target, name], _) => match target_of(target) {
                Ok(target) => (Some(target), name.clone()),
                Err(why) => {
                    self.mistakes.push(format!("{target:?}: {why}"));
                    (None, name.clone())
                }
            },
            ([name], Some(addr)) => {
                (service.map(|service| Target::Consul { addr, service }), name.clone())
            }
            _ => {
                self.mistakes.push(
                    "call takes where the greeter is and whom to greet: \
                     greeter call http://HOST:PORT NAME, or --consul-addr ADDR NAME"
                        .to_owned(),
                );
                (None, String::new())
            }
        };
        Some(Call { target: target?, name, timeout: timeout? })
    }

    fn consul(&mut self) -> Option<String> {
        let [.., old_host, old_port] = &OLD;
        self.conflict(old_host, &CONSUL);
        self.conflict(old_port, &CONSUL);
        if self.given.contains_key(old_port.name) && !self.given.contains_key(old_host.name) {
            self.mistakes.push("-consul.port goes with -consul.addr HOST: give both".to_owned());
        }
        let port = self.value(old_port, port);
        match self.value(old_host, host) {
            Some(host) => match Address::new(&host, port.unwrap_or(8500)) {
                Ok(address) => Some(address.to_string()),
                Err(error) => {
                    self.mistakes.push(format!("-consul.addr {host:?}: {error}"));
                    None
                }
            },
            None => self.value(&CONSUL, |value| match Agent::new(value) {
                Ok(_) => Ok(value.to_owned()),
                Err(error) => Err(error.to_string()),
            }),
        }
    }
}

// ===== values =====

#[expect(clippy::unnecessary_debug_formatting, reason = "quoted and escaped, as all values are")]
fn not_utf8(what: &str, value: &OsStr) -> String {
    format!("{what} {value:?} is not UTF-8: write it in UTF-8")
}

fn listen(flag: &'static str, value: &str) -> Result<Listen, String> {
    let hint = "write HOST:PORT, or :PORT for all interfaces";
    let (host, number) = value.rsplit_once(':').ok_or(hint)?;
    let port = port(number)?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(Some(inner)) => Some(inner),
        None if !host.contains(':') => Some(host).filter(|host| !host.is_empty()),
        _ => return Err("write an IPv6 address in brackets: [::1]:9110".to_owned()),
    };
    if let Some(host) = host {
        self::host(host)?;
    }
    Ok(Listen { flag, host: host.map(str::to_owned), port })
}

fn port(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| "the port must be a number from 0 to 65535".to_owned())
}

fn host(value: &str) -> Result<String, String> {
    Address::new(value, 1).map(|_| value.to_owned()).map_err(|error| error.to_string())
}

fn service_name(value: &str) -> Result<String, String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if matches!(value.len(), 1..=58) && value.bytes().all(valid) {
        Ok(value.to_owned())
    } else {
        // A label of DNS has 63 bytes, and the gRPC port adds five.
        Err("write 1 to 58 letters, digits and hyphens".to_owned())
    }
}

fn duration(value: &str) -> Result<Duration, String> {
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = value.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err("write a whole number and ms, s or m: 500ms, 20s".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "the number is too large or missing")?;
    Ok(Duration::from_millis(u64::from(number) * millis))
}

fn target_of(value: &str) -> Result<Target, String> {
    let hint = "write http://HOST:PORT or grpc://HOST:PORT";
    let (scheme, rest) = value.split_once("://").ok_or(hint)?;
    let target = match scheme {
        "http" => Target::Http,
        "grpc" => Target::Grpc,
        _ => return Err(format!("{scheme:?} is not a scheme of the greeter: {hint}")),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(format!("it has a path, and the greeter's is known: {hint}"));
    }
    if authority.contains('@') {
        return Err(format!("it has a user, and the greeter asks for none: {hint}"));
    }
    match authority.parse::<Address>() {
        Ok(address) => Ok(target(address.to_string())),
        Err(error) => Err(format!("{error}: {hint}")),
    }
}

// ===== help =====

fn help(name: &'static str, flags: &[&Flag]) -> String {
    let args = flags.iter().map(|flag| {
        let mut about = vec![flag.help.to_owned()];
        if !flag.default.is_empty() {
            about.push(format!("[default: {}]", flag.default));
        }
        if let Some(env) = flag.env {
            about.push(format!("[env: {env}]"));
        }
        let arg = Arg::new(flag.name).long(flag.name).value_name(flag.value).help(about.join(" "));
        match flag.env {
            Some(_) => arg,
            None => arg.help_heading("The article's spellings"),
        }
    });
    let mut command = Clap::new(name)
        .about(ABOUT)
        .after_help(AFTER)
        .styles(Styles::plain())
        .disable_help_flag(true)
        .override_usage(match name {
            "greeter" => "greeter [serve] [FLAGS]",
            _ => "greeter call http://HOST:PORT|grpc://HOST:PORT NAME [FLAGS]",
        })
        .arg(Arg::new("help").long("help").action(ArgAction::Help).help("Print this"))
        .args(args);
    let help = command.render_long_help().to_string();
    // The article writes one dash, which clap gives single letters alone.
    OLD.iter().fold(help, |help, flag| {
        help.replace(&format!("--{}", flag.name), &format!("-{}", flag.name))
    })
}

// ===== impl Listen =====

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        if host.contains(':') {
            write!(f, "[{host}]:{}", self.port)
        } else {
            write!(f, "{host}:{}", self.port)
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
