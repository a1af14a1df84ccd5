use crate::{framing::HeadLimits, pace::Rate};
use std::time::Duration;

/// How long the parts of a connection's life may last, and how much may be in
/// one. The defaults are listed on the front page, with their sources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) handshake: Duration,
    pub(crate) sniff: Duration,
    pub(crate) head: Duration,
    pub(crate) body: Rate,
    pub(crate) reply: Rate,
    pub(crate) idle: Duration,
    pub(crate) age: Option<Duration>,
    pub(crate) age_grace: Duration,
    pub(crate) quiet: Duration,
    pub(crate) ping: Duration,
    pub(crate) pong: Duration,
    pub(crate) connections: usize,
    pub(crate) of_peer: Option<usize>,
    pub(crate) heads: HeadLimits,
    pub(crate) streams: u32,
    pub(crate) resets: usize,
    pub(crate) frame: u32,
    pub(crate) header_list: u32,
    pub(crate) send_buffer: usize,
}

/// What stays above the head that we allow, and hyper holds before it parses.
pub(crate) const ABOVE: usize = 8 * 1024;
/// The least that hyper takes.
pub(crate) const LEAST_BUFFER: usize = 8 * 1024;

impl Default for Limits {
    fn default() -> Self {
        let rate = Rate { bytes: 240, patience: Duration::from_secs(10) };
        Self {
            handshake: Duration::from_secs(10),
            sniff: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: rate,
            reply: rate,
            idle: Duration::from_secs(75),
            age: None,
            age_grace: Duration::MAX,
            quiet: Duration::from_secs(2),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(20),
            connections: 10_000,
            of_peer: None,
            heads: HeadLimits { line: 8 * 1024, head: 16 * 1024, fields: 100 },
            streams: 200,
            resets: 20,
            frame: 16 * 1024,
            header_list: 16 * 1024,
            send_buffer: 64 * 1024,
        }
    }
}
