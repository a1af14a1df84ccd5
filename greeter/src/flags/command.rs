//! The commands: what the flags of each come to.

use super::{
    Call, Listen, Serve, Target,
    reader::Reader,
    table::{DRAIN_DELAY, DRAIN_TIMEOUT, GRPC, LOG, LOG_FORMAT, SERVICE, TIMEOUT},
    value::{duration, listen, service_name, target_of},
};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

// ===== impl Reader =====

impl Reader<'_> {
    /// What `greeter serve` is told.
    pub(super) fn serve(&mut self) -> Option<Serve> {
        self.article_conflicts();
        let words = std::mem::take(&mut self.words);
        self.mistakes.extend(words.iter().map(|word| {
            format!(
                "{word:?} is neither a flag nor a command: the commands are serve, call and help"
            )
        }));
        let http = self.http();
        let debug = self.debug();
        let grpc = self.value(&GRPC, |value| listen("--grpc-addr", value));
        let consul = self.consul();
        let service = self.value(&SERVICE, service_name);
        let advertise = self.advertise();
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

    /// What `greeter call` is told.
    pub(super) fn call(&mut self) -> Option<Call> {
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

    /// Says that two servers cannot listen at one place.
    fn overlap(&mut self, one: Option<&Listen>, other: Option<&Listen>) {
        let (Some(one), Some(other)) = (one, other) else { return };
        let everywhere = one.host.is_none() || other.host.is_none();
        if one.port == other.port && one.port != 0 && (everywhere || one.host == other.host) {
            let (a, b, port) = (one.flag, other.flag, one.port);
            self.mistakes.push(format!("{a} and {b} are both port {port}: give each its own"));
        }
    }
}
