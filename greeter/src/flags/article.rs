//! The article's spellings, and the flags that each of them stands for.

use super::{
    At, Listen,
    reader::Reader,
    table::{ADVERTISE, CONSUL, DEBUG, Flag, HTTP},
    value::{host, listen, port},
};
use kit_sd::{Address, consul::Agent};

/// The spellings of the article that this greeter grew from; they mean here
/// what they mean there.
pub(super) const OLD: [Flag; 5] = [
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

// ===== impl Reader =====

impl Reader<'_> {
    /// Says which flags of `greeter serve` are given in both spellings.
    pub(super) fn article_conflicts(&mut self) {
        let [http_host, http_port, old_debug, ..] = &OLD;
        for (old, new) in
            [(http_host, &HTTP), (http_host, &ADVERTISE), (http_port, &HTTP), (old_debug, &DEBUG)]
        {
            self.conflict(old, new);
        }
    }

    /// Where HTTP listens: `-http.port`, or else the flag of today.
    pub(super) fn http(&mut self) -> Option<Listen> {
        let [_, http_port, ..] = &OLD;
        match self.value(http_port, port) {
            Some(port) => Some(Listen { flag: "-http.port", at: At::Port { host: None, port } }),
            None => self.value(&HTTP, |value| listen("--http-addr", value)),
        }
    }

    /// Where the debug port listens: `-debug.addr`, or else the flag of today.
    pub(super) fn debug(&mut self) -> Option<Listen> {
        let [_, _, old_debug, ..] = &OLD;
        if self.given.contains_key(old_debug.name) {
            self.value(old_debug, |value| listen("-debug.addr", value))
        } else {
            self.value(&DEBUG, |value| listen("--debug-addr", value))
        }
    }

    /// The host to advertise: `-http.addr`, or else the flag of today.
    pub(super) fn advertise(&mut self) -> Option<String> {
        let [http_host, ..] = &OLD;
        self.value(http_host, host).or_else(|| self.value(&ADVERTISE, host))
    }

    /// The agent of the registry: `-consul.addr` with `-consul.port`, or else the
    /// flag of today.
    pub(super) fn consul(&mut self) -> Option<String> {
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

    /// Says that two flags say the same thing.
    fn conflict(&mut self, old: &Flag, new: &Flag) {
        if self.given.contains_key(old.name) && self.given.contains_key(new.name) {
            let (old, new) = (old.name, new.name);
            self.mistakes.push(format!("-{old} and --{new} say the same: give one of them"));
        }
    }
}
