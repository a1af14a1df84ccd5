use std::time::Duration;

/// How long the parts of a connection's life may last, and how much may be in
/// one. The defaults are listed on the front page, with their sources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) sniff: Duration,
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
    pub(crate) ping: Duration,
    pub(crate) pong: Duration,
    pub(crate) connections: usize,
    pub(crate) streams: u32,
}

/// Of one HTTP/1 head, in bytes.
pub(crate) const HTTP1_BUFFER: usize = 64 * 1024;
/// Of one HTTP/2 header list, in bytes as RFC 9113 counts them.
pub(crate) const HTTP2_HEADERS: u32 = 16 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            sniff: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(20),
            connections: 10_000,
            streams: 200,
        }
    }
}
