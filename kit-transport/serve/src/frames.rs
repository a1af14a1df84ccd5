//! Frames of HTTP/2 that ask for work and bring none (RFC 9113, section 10.5).
//!
//! h2 answers each PING and each SETTINGS, and reads on: a peer that reads the
//! answers may send them for ever, at a processor's cost. Here they are counted
//! by the heads of the frames, which is all of them that is looked at.

use std::{mem, time::Duration};
use tokio::time::Instant;

const HEAD: usize = 9;
/// How many are borne in [`TIME`] while nothing but answers to them is written.
/// Who reads a reply sends one or two for each part of it, to open a window and
/// to measure the path; who keeps a connection alive, one in some seconds.
const MOST: u32 = 1_000;
const TIME: Duration = Duration::from_secs(10);
/// What is written for PING, and for SETTINGS, in bytes.
const PONG: u64 = 17;
const SETTLED: u64 = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
/// `END_STREAM` of DATA, ACK of SETTINGS and PING.
const FIRST_FLAG: u8 = 1;

#[derive(Debug)]
pub(crate) struct Frames {
    head: [u8; HEAD],
    /// How much of the head came.
    came: usize,
    /// What is left of the payload.
    payload: usize,
    /// Frames without work since the last with some, and how much is written to
    /// answer them.
    idle: u32,
    answers: u64,
    /// When there were as many as are borne, and what was written then.
    since: Option<(Instant, u64)>,
}

// ===== impl Frames =====

impl Frames {
    pub(crate) const fn new() -> Self {
        Self { head: [0; HEAD], came: 0, payload: 0, idle: 0, answers: 0, since: None }
    }

    /// Looks at what came, after so many bytes were `written` in all; says
    /// whether it is borne.
    pub(crate) fn read(&mut self, mut bytes: &[u8], written: u64) -> bool {
        loop {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return true;
            }
            let more = (HEAD - self.came).min(bytes.len());
            self.head[self.came..self.came + more].copy_from_slice(&bytes[..more]);
            self.came += more;
            bytes = &bytes[more..];
            if self.came < HEAD {
                return true;
            }
            self.came = 0;
            if !self.head(written) {
                return false;
            }
        }
    }

    fn head(&mut self, written: u64) -> bool {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_first = flags & FIRST_FLAG != 0;
        match kind {
            DATA if self.payload == 0 && !is_first => {}
            DATA | HEADERS | CONTINUATION => {
                self.idle = 0;
                return true;
            }
            SETTINGS if !is_first => self.answers += SETTLED,
            PING if !is_first => self.answers += PONG,
            _ => {}
        }
        self.idle += 1;
        self.idle < MOST || self.is_borne(written)
    }

    fn is_borne(&mut self, written: u64) -> bool {
        let now = Instant::now();
        let answers = mem::take(&mut self.answers);
        self.idle = 0;
        // Replies that are on their way are work too: a byte for each would do,
        // and the head of a frame has nine.
        let before = self.since.replace((now, written));
        before.is_none_or(|(since, already)| {
            now.saturating_duration_since(since) >= TIME
                || written.saturating_sub(already) > answers + u64::from(MOST)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize, kind: u8, flags: u8) -> Vec<u8> {
        let length = u32::try_from(length).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + usize::from(length[3]) + (usize::from(length[2]) << 8), 0);
        frame
    }

    fn ping() -> Vec<u8> {
        frame(8, PING, 0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_not_borne() {
        for flood in [
            ping(),
            frame(6, SETTINGS, 0),
            frame(0, DATA, 0),
            frame(5, 2, 0),
            frame(4, 8, 0),
            frame(300, 0xfe, 0),
            // Answers to what was not asked, and ends of what was not begun.
            frame(8, PING, 1),
            frame(4, 3, 0),
        ] {
            let mut frames = Frames::new();
            assert!(frames.read(&flood.repeat(1_999), 0));
            assert!(!frames.read(&flood, 0), "{:?}", &flood[..HEAD]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_one_in_any_pieces() {
        let flood = ping().repeat(2_000);
        for length in 1..20 {
            let mut frames = Frames::new();
            assert!(!flood.chunks(length).all(|piece| frames.read(piece, 0)), "{length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_slow_keeps_a_connection_alive() {
        let mut frames = Frames::new();
        for _ in 0..20_000 {
            assert!(frames.read(&ping(), 0));
            tokio::time::sleep(Duration::from_millis(11)).await;
        }
    }

    /// As gRPC for Go reads a stream: a window and a measurement for each message.
    #[tokio::test(start_paused = true)]
    async fn who_reads_short_messages_may_measure_at_each() {
        let (mut frames, mut written) = (Frames::new(), 0);
        for _ in 0..20_000 {
            // The message, which is empty, and the pong.
            written += 9 + 5 + PONG;
            assert!(frames.read(&[frame(4, 8, 0), ping()].concat(), written));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_brings_work_may_ask_for_answers() {
        for work in [frame(1, DATA, 0), frame(0, DATA, 1), frame(30, HEADERS, 4)] {
            let mut frames = Frames::new();
            for _ in 0..20 {
                assert!(frames.read(&ping().repeat(900), 0));
                assert!(frames.read(&work, 0));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_cancels_what_it_asks_for_is_h2s_to_count() {
        let mut frames = Frames::new();
        let cancelled = [frame(30, HEADERS, 5), frame(4, 3, 0)].concat();
        assert!(frames.read(&cancelled.repeat(10_000), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_long_reply_may_measure_the_path() {
        let mut frames = Frames::new();
        let mut written = 0;
        for _ in 0..20_000 {
            written += 40;
            assert!(frames.read(&ping(), written));
        }
        // The reply is over, and only answers are written.
        let is_borne = (0..3_000).all(|_| {
            written += PONG;
            frames.read(&ping(), written)
        });
        assert!(!is_borne);
    }
}
