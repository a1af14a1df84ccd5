//! The commands: what the flags of each come to.

use super::{
    At, Call, Jwt, Listen, Place, Said, Serve, Source, Target, Tls, Token, Trace, Trusted, Watch,
    reader::Reader,
    table::{
        BASIC_HTPASSWD, BREAKER_FAILURES, CALL_FAILURES, CALL_RATE, CONCURRENCY_LIMIT, COUNT,
        DEBUG_TOKEN, DNS, DNS_ADDR, DRAIN_DELAY, DRAIN_TIMEOUT, FILE, GRPC, JWT_AUDIENCE,
        JWT_ISSUER, JWT_JWKS, LIFETIME, LOG, LOG_FORMAT, LOG_SAMPLE, METADATA, OUT, RATE_LIMIT,
        READY_WHEN, SCOPE, SERVICE, SHOWN, SUBJECT, TAGS, TIMEOUT, TLS_CERT, TLS_CLIENT_CA,
        TLS_KEY, TRACE_OTLP, TRACE_SAMPLE, TRACE_TRUST, UPSTREAM,
    },
    value::{
        concurrency, count, duration, jwks, listen, metadata, name_server, number, path, rate,
        ready_when, sample, service_name, shown, tags, target_of, text, traces, trusted,
    },
};
use kit_trace::log::{Filter, UnknownFormat};
use std::time::Duration;

/// Who makes the tokens of `greeter token`, and whom they are for.
const NAME: &str = "greeter";

// ===== impl Reader =====

impl Reader<'_> {
    /// What `greeter serve` is told.
    pub(super) fn serve(&mut self) -> Option<Serve> {
        self.article_conflicts();
        let words = std::mem::take(&mut self.words);
        self.mistakes.extend(words.iter().map(|word| {
            format!(
                "{word:?} is neither a flag nor a command: the commands are serve, call, watch, \
                 token and help"
            )
        }));
        let http = self.http();
        let debug = self.debug();
        let debug_token = self.value(&DEBUG_TOKEN, path);
        let grpc = self.value(&GRPC, |value| listen("--grpc-addr", value));
        let tls = self.tls();
        let jwt = self.jwt();
        let htpasswd = self.value(&BASIC_HTPASSWD, path);
        let rate_limit = self.value(&RATE_LIMIT, rate);
        let concurrency_limit = self.value(&CONCURRENCY_LIMIT, concurrency);
        let breaker_failures = self.value(&BREAKER_FAILURES, number);
        let registry = self.registry();
        let service = self.value(&SERVICE, service_name);
        let advertise = self.advertise();
        let tags = self.value(&TAGS, tags).unwrap_or_default();
        let metadata = self.value(&METADATA, metadata).unwrap_or_default();
        let ready_when = self.value(&READY_WHEN, ready_when);
        let drain_delay = self.value(&DRAIN_DELAY, duration);
        let drain_delay = drain_delay.unwrap_or(Duration::from_secs(registry.is_some().into()));
        let drain_timeout = self.value(&DRAIN_TIMEOUT, duration);
        let upstream = self.value(&UPSTREAM, target_of);
        let trace = self.trace();
        let trust = self.value(&TRACE_TRUST, trusted);
        let log = self.value(&LOG, |value| {
            let hint = "write info, or info,access=warn";
            Filter::new(value).map(|_| value.to_owned()).map_err(|why| format!("{why}: {hint}"))
        });
        let log_format = self.value(&LOG_FORMAT, |value| {
            value.parse().map_err(|why: UnknownFormat| why.to_string())
        });
        let log_sample = self.value(&LOG_SAMPLE, number);
        for (one, other) in [(&http, &grpc), (&http, &debug), (&grpc, &debug)] {
            self.overlap(one.as_ref(), other.as_ref());
        }
        Some(Serve {
            http: http?,
            grpc: grpc?,
            debug: debug?,
            debug_token,
            tls,
            jwt,
            htpasswd,
            rate_limit,
            concurrency_limit,
            breaker_failures: breaker_failures?,
            registry,
            service: service?,
            advertise,
            tags,
            metadata,
            ready_when: ready_when?,
            drain_delay,
            drain_timeout: drain_timeout?,
            upstream,
            trace: Trace { trust: trust?, ..trace? },
            log: log?,
            log_format: log_format?,
            log_sample,
            said: Said(std::mem::take(&mut self.said)),
        })
    }

    /// What `greeter call` is told.
    pub(super) fn call(&mut self) -> Option<Call> {
        let registry = self.registry();
        let service = self.value(&SERVICE, service_name);
        let timeout = self.value(&TIMEOUT, duration);
        let count = self.value(&COUNT, count);
        let rate_limit = self.value(&CALL_RATE, rate);
        let breaker_failures = self.value(&CALL_FAILURES, number);
        let trace = self.trace();
        // Said apart, as a mistake names what it is in.
        let token = self.value(&SHOWN, |value| Ok(shown(value))).transpose();
        if let Err(why) = &token {
            self.mistakes.push(format!("--token: {why}"));
        }
        let token = token.ok().flatten();
        let (target, name) = match (&*std::mem::take(&mut self.words), registry) {
            ([target, name], _) => match target_of(target) {
                Ok(target) => (Some(target), name.clone()),
                Err(why) => {
                    self.mistakes.push(format!("{target:?}: {why}"));
                    (None, name.clone())
                }
            },
            ([name], Some(at)) => {
                (service.map(|service| Target::Found { at, service }), name.clone())
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
        Some(Call {
            target: target?,
            name,
            token,
            timeout: timeout?,
            count: count?,
            rate_limit,
            breaker_failures: breaker_failures?,
            trace: trace?,
        })
    }

    /// What `greeter watch` is told.
    pub(super) fn watch(&mut self) -> Option<Watch> {
        let words = std::mem::take(&mut self.words);
        self.mistakes.extend(words.iter().map(|word| format!("watch takes flags, not {word:?}")));
        let registry = self.registry().map(Source::Registry);
        let server = self.value(&DNS_ADDR, name_server);
        let dns = self.value(&DNS, |name| Ok(name.to_owned()));
        if server.is_some() && dns.is_none() {
            self.mistakes.push("--dns-addr goes with --dns NAME: give both".to_owned());
        }
        let dns = dns.map(|name| Source::Dns { name, server });
        let file = self.value(&FILE, |path| Ok(Source::File(path.into())));
        let service = self.value(&SERVICE, service_name);
        let mut sources = [registry, dns, file].into_iter().flatten();
        let source = sources.next();
        if source.is_none() || sources.next().is_some() {
            self.mistakes.push(
                "watch takes one place where greeters are looked for: --consul-addr ADDR, \
                 --dns NAME, --file PATH, or, in a build with etcd, --etcd-addr ADDR"
                    .to_owned(),
            );
        }
        Some(Watch { source: source?, service: service? })
    }

    /// The registry, which is one.
    fn registry(&mut self) -> Option<Place> {
        let consul = self.consul().map(Place::Consul);
        #[cfg(feature = "etcd")]
        if let Some(members) = self.value(&super::table::ETCD, super::value::members) {
            if consul.is_some() {
                let mistake = "--consul-addr and --etcd-addr are two registries: give one of them";
                self.mistakes.push(mistake.to_owned());
            }
            return Some(Place::Etcd(members));
        }
        consul
    }

    /// What becomes of traces, but whom they are believed of.
    fn trace(&mut self) -> Option<Trace> {
        let otlp = self.value(&TRACE_OTLP, traces);
        let sample = self.value(&TRACE_SAMPLE, sample)?;
        Some(Trace { otlp, sample, trust: Trusted::All })
    }

    /// The files of TLS, which go together.
    fn tls(&mut self) -> Option<Tls> {
        let cert = self.value(&TLS_CERT, path);
        let key = self.value(&TLS_KEY, path);
        let client_ca = self.value(&TLS_CLIENT_CA, path);
        match (cert, key) {
            (Some(cert), Some(key)) => return Some(Tls { cert, key, client_ca }),
            (None, None) if client_ca.is_none() => {}
            (None, None) => self.mistakes.push(
                "--tls-client-ca goes with --tls-cert and --tls-key: give all three".to_owned(),
            ),
            _ => self.mistakes.push("--tls-cert and --tls-key go together: give both".to_owned()),
        }
        None
    }

    /// What tokens must be, which goes together.
    fn jwt(&mut self) -> Option<Jwt> {
        let flags = [&JWT_JWKS, &JWT_ISSUER, &JWT_AUDIENCE];
        let missing: Vec<_> = flags.iter().filter(|flag| !self.is_given(flag)).collect();
        if matches!(missing.len(), 1 | 2) {
            let missing: Vec<_> = missing.iter().map(|flag| format!("--{}", flag.name)).collect();
            let missing = missing.join(" and ");
            self.mistakes.push(format!(
                "--jwt-jwks, --jwt-issuer and --jwt-audience go together: give {missing} too"
            ));
        }
        let jwks = self.value(&JWT_JWKS, jwks);
        let issuer = self.value(&JWT_ISSUER, text);
        let audience = self.value(&JWT_AUDIENCE, text);
        Some(Jwt { jwks: jwks?, issuer: issuer?, audience: audience? })
    }

    /// What `greeter token` is told.
    pub(super) fn token(&mut self) -> Option<Token> {
        let words = std::mem::take(&mut self.words);
        self.mistakes.extend(words.iter().map(|word| format!("token takes flags, not {word:?}")));
        let issuer = self.value(&JWT_ISSUER, text).unwrap_or_else(|| NAME.to_owned());
        let audience = self.value(&JWT_AUDIENCE, text).unwrap_or_else(|| NAME.to_owned());
        let subject = self.value(&SUBJECT, text);
        let scope = self.value(&SCOPE, text);
        let lifetime = self.value(&LIFETIME, |value| match duration(value)? {
            lifetime if lifetime < Duration::from_secs(1) => Err("write 1s or more".to_owned()),
            lifetime => Ok(lifetime),
        });
        let out = self.value(&OUT, path);
        Some(Token { issuer, audience, subject: subject?, scope, lifetime: lifetime?, out: out? })
    }

    /// Says that two servers cannot listen at one place.
    fn overlap(&mut self, one: Option<&Listen>, other: Option<&Listen>) {
        let (Some(one), Some(other)) = (one, other) else { return };
        let what = match (&one.at, &other.at) {
            (At::Port { host, port }, At::Port { host: another, port: same })
                if port == same && *port != 0 =>
            {
                let everywhere = host.is_none() || another.is_none();
                (everywhere || host == another).then(|| format!("port {port}"))
            }
            (At::Passed(socket), At::Passed(same)) if socket == same => {
                Some(format!("socket {socket}"))
            }
            _ => None,
        };
        if let Some(what) = what {
            let (a, b) = (one.flag, other.flag);
            self.mistakes.push(format!("{a} and {b} are both {what}: give each its own"));
        }
    }
}
