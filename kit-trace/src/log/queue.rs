use kit_endpoint::{Inspect, Inspector};
use std::{
    fmt, io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

/// A writer that waits for nobody: lines go to a queue, and a thread of its own writes
/// them on.
///
/// A log is read by somebody: a pipe that is full, a disk that is slow. Who writes to
/// it directly waits for that reader, and so does the service. Here it does not: a
/// line is copied into memory, and one for which there is no room is dropped and
/// counted, never waited for. Those that are in the queue already are kept, since what
/// began a trouble says more than what it went on with. What is in the queue is written
/// by as few writes as possible.
///
/// The thread is owned by the [`Writer`] that is made with the queue. When that is
/// dropped it writes what there is, for a second at most; after that lines are dropped.
/// Memory is twice the size of the queue, taken once.
///
/// It has a lock, held for as long as it takes to copy a line; standard error and
/// standard output have one too, held as long as their reader likes.
///
/// (tracing-appender's `NonBlocking` does nearly this. It is bounded by lines, not
/// by bytes, allocates each, writes each by a call of the system, counts none that its
/// writer did not take, prints to standard output when it cannot end, and loses the
/// queue then.)
///
/// ```
/// use kit_trace::log::{Format, Lines, Queue};
/// use tracing_subscriber::prelude::*;
///
/// let (queue, writer) = Queue::new(std::io::stderr(), Queue::SIZE).unwrap();
/// let subscriber = tracing_subscriber::registry().with(Lines::new(Format::Json, queue.clone()));
/// # tracing::subscriber::with_default(subscriber, || tracing::info!("queued"));
/// // The last that the program does.
/// assert!(writer.finish(std::time::Duration::from_secs(5)));
/// ```
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

/// Writes what comes into a [`Queue`], as long as it is there.
#[must_use = "nothing is written any more when it is dropped"]
pub struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread: there are lines, or it is time to end.
    filled: Condvar,
    /// Wakes who waits for the thread: it has ended.
    ended: Condvar,
    size: usize,
}

struct State {
    lines: Vec<u8>,
    /// How many lines there are, and how many the thread has in hand.
    count: u64,
    in_hand: u64,
    ending: bool,
    ended: bool,
    written: u64,
    dropped: u64,
    failed: u64,
}

/// Says that the thread has ended, also if its writer panics.
struct Running(Arc<Shared>);

// ===== impl Queue =====

impl Queue {
    /// The bytes that a queue takes, if you have no better number: 4 MiB, ten thousand
    /// lines and more.
    pub const SIZE: usize = 4 << 20;

    /// How long a [`Writer`] that is dropped goes on.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Makes a queue of at most `size` bytes in front of `writer`, and starts the thread
    /// that writes.
    ///
    /// # Errors
    ///
    /// Fails if no thread can be started.
    pub fn new(writer: impl io::Write + Send + 'static, size: usize) -> io::Result<(Self, Writer)> {
        let state = State {
            lines: Vec::with_capacity(size),
            count: 0,
            in_hand: 0,
            ending: false,
            ended: false,
            written: 0,
            dropped: 0,
            failed: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            filled: Condvar::new(),
            ended: Condvar::new(),
            size,
        });
        let running = Running(Arc::clone(&shared));
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || running.run(writer))?;
        Ok((Self(Arc::clone(&shared)), Writer { shared }))
    }
}

impl io::Write for &Queue {
    /// Takes all of it, or drops it: there is always somebody who counts.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.ended || state.lines.len() + lines.len() > self.0.size {
            state.dropped += 1;
            return Ok(lines.len());
        }
        let asleep = state.lines.is_empty();
        state.lines.extend_from_slice(lines);
        state.count += 1;
        drop(state);
        if asleep {
            self.0.filled.notify_one();
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Inspect for Queue {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let state = self.0.state();
        let (written, dropped, failed) = (state.written, state.dropped, state.failed);
        let bytes = state.lines.len();
        drop(state);
        let help = "Log lines that were written from the queue.";
        inspector.counter("log_queue_written_total", help, &[], written);
        let help = "Log lines for which the queue had no room.";
        inspector.counter("log_queue_dropped_total", help, &[], dropped);
        let help = "Log lines that the writer behind the queue did not take.";
        inspector.counter("log_queue_failed_total", help, &[], failed);
        let help = "Bytes of log lines that wait to be written.";
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        inspector.gauge("log_queue_bytes", help, &[], bytes as f64);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("size", &self.0.size).finish_non_exhaustive()
    }
}

// ===== impl Writer =====

impl Writer {
    /// Writes what is in the queue, for so long at most, and says whether that was all.
    /// It blocks, so it is the last that a program does, behind its runtime.
    #[must_use]
    pub fn finish(self, within: Duration) -> bool {
        let done = self.end(within);
        // What is left is not waited for twice.
        self.shared.state().ended = true;
        done
    }

    fn end(&self, within: Duration) -> bool {
        let mut state = self.shared.state();
        state.ending = true;
        self.shared.filled.notify_one();
        let wait = self.shared.ended.wait_timeout_while(state, within, |state| !state.ended);
        let (state, timed_out) = wait.unwrap_or_else(PoisonError::into_inner);
        !timed_out.timed_out() && state.count + state.in_hand == 0
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Queue::PATIENCE);
        self.shared.state().ended = true;
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ===== impl Running =====

impl Running {
    fn run(&self, mut writer: impl io::Write) {
        let mut lines = Vec::with_capacity(self.0.size);
        loop {
            let state = self.0.state();
            let idle = |state: &mut State| state.lines.is_empty() && !state.ending;
            let wait = self.0.filled.wait_while(state, idle);
            let mut state = wait.unwrap_or_else(PoisonError::into_inner);
            if state.lines.is_empty() {
                return;
            }
            mem::swap(&mut state.lines, &mut lines);
            state.in_hand = mem::take(&mut state.count);
            drop(state);

            // How much of it came through, nobody can tell.
            let done = writer.write_all(&lines).and_then(|()| writer.flush());
            lines.clear();
            let mut state = self.0.state();
            let count = mem::take(&mut state.in_hand);
            match done {
                Ok(()) => state.written += count,
                Err(_) => state.failed += count,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended = true;
        // Nobody writes these any more.
        state.failed += state.count + state.in_hand;
        drop(state);
        self.0.ended.notify_all();
    }
}
