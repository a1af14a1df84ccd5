//! A writer that waits for nobody.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Inspect, Inspector};
use kit_trace::log::{Queue, Writer};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// Longer than any of this takes.
const LONG: Duration = Duration::from_secs(30);

/// Takes what is written to it as often as it may.
struct Slow {
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
    asked: Sender<()>,
    may: Receiver<io::Result<()>>,
}

struct Reader {
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
    asked: Receiver<()>,
    may: Sender<io::Result<()>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asked.send(()).unwrap();
        self.may.recv().unwrap_or_else(|_| panic!("nobody reads it any more"))?;
        self.taken.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn slow(size: usize) -> (Queue, Writer, Reader) {
    let ((asked, was), (may, allowed)) = (channel(), channel());
    let taken = Arc::default();
    let (queue, writer) =
        Queue::new(Slow { taken: Arc::clone(&taken), asked, may: allowed }, size).unwrap();
    (queue, writer, Reader { taken, asked: was, may })
}

fn say(queue: &Queue, line: &str) {
    let mut to = queue;
    assert_eq!(to.write(line.as_bytes()).unwrap(), line.len());
    to.flush().unwrap();
}

#[derive(Default)]
struct Seen(BTreeMap<String, u64>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: u64) {
        self.0.insert(name.to_owned(), value);
    }

    fn gauge(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: f64) {
        self.0.insert(name.to_owned(), format!("{value}").parse().unwrap());
    }
}

/// Written, dropped, failed, and the bytes that wait.
fn seen(queue: &Queue) -> [u64; 4] {
    let mut seen = Seen::default();
    queue.inspect(&mut seen);
    ["written_total", "dropped_total", "failed_total", "bytes"]
        .map(|name| seen.0[&format!("log_queue_{name}")])
}

impl Reader {
    fn text(&self) -> String {
        String::from_utf8(self.taken.lock().unwrap().concat()).unwrap()
    }
}

#[test]
fn lines_are_written_in_order_and_many_at_once() {
    let (queue, writer, reader) = slow(1024);
    say(&queue, "1\n");
    reader.asked.recv_timeout(LONG).unwrap();
    // While the first is written the others come together.
    (2..=9).for_each(|line| say(&queue, &format!("{line}\n")));
    assert_eq!(seen(&queue), [0, 0, 0, 16]);
    reader.may.send(Ok(())).unwrap();
    reader.may.send(Ok(())).unwrap();
    assert!(writer.finish(LONG));
    assert_eq!(reader.text(), "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(reader.taken.lock().unwrap().len(), 2);
    assert_eq!(seen(&queue), [9, 0, 0, 0]);
}

#[test]
fn a_reader_that_stands_still_stops_nobody_and_what_has_no_room_is_counted() {
    let (queue, writer, reader) = slow(8);
    say(&queue, "1234567\n");
    reader.asked.recv_timeout(LONG).unwrap();
    say(&queue, "abc\n");
    say(&queue, "def\n");
    // None of these waits, and what came first is kept.
    (0..100).for_each(|_| say(&queue, "x\n"));
    assert_eq!(seen(&queue), [0, 100, 0, 8]);
    reader.may.send(Ok(())).unwrap();
    reader.may.send(Ok(())).unwrap();
    assert!(writer.finish(LONG));
    assert_eq!(reader.text(), "1234567\nabc\ndef\n");
    assert_eq!(seen(&queue), [3, 100, 0, 0]);
}

#[test]
fn a_line_longer_than_the_queue_is_dropped_and_the_next_is_not() {
    let (queue, writer, reader) = slow(8);
    say(&queue, "123456789\n");
    say(&queue, "1\n");
    reader.may.send(Ok(())).unwrap();
    assert!(writer.finish(LONG));
    assert_eq!(reader.text(), "1\n");
    assert_eq!(seen(&queue), [1, 1, 0, 0]);
}

#[test]
fn the_end_waits_no_longer_than_it_may() {
    let (queue, writer, reader) = slow(1024);
    say(&queue, "1\n");
    reader.asked.recv_timeout(LONG).unwrap();
    assert!(!writer.finish(Duration::from_millis(1)));
    // After it, nothing is taken any more.
    say(&queue, "2\n");
    assert_eq!(seen(&queue)[1], 1);
    reader.may.send(Ok(())).unwrap();
}

#[test]
fn a_writer_that_is_dropped_writes_what_there_is() {
    let (queue, writer, reader) = slow(1024);
    say(&queue, "1\n");
    reader.may.send(Ok(())).unwrap();
    drop(writer);
    assert_eq!(reader.text(), "1\n");
    say(&queue, "2\n");
    assert_eq!(seen(&queue), [1, 1, 0, 0]);
}

#[test]
fn a_writer_that_fails_once_is_asked_again() {
    let (queue, writer, reader) = slow(1024);
    say(&queue, "1\n");
    reader.asked.recv_timeout(LONG).unwrap();
    reader.may.send(Err(io::Error::other("the disk is full"))).unwrap();
    say(&queue, "2\n");
    reader.may.send(Ok(())).unwrap();
    reader.may.send(Ok(())).unwrap();
    assert!(writer.finish(LONG));
    assert_eq!(seen(&queue)[2..], [1, 0]);
    assert_eq!(reader.text(), "2\n");
}

#[test]
fn a_writer_that_panics_stops_nobody() {
    let (queue, writer, reader) = slow(1024);
    say(&queue, "1\n");
    reader.asked.recv_timeout(LONG).unwrap();
    say(&queue, "2\n");
    drop(reader.may);
    assert!(!writer.finish(LONG));
    say(&queue, "3\n");
    assert_eq!(seen(&queue)[..3], [0, 1, 2]);
}

#[test]
fn an_empty_queue_ends_at_once() {
    let (_, writer, _) = slow(1024);
    assert!(writer.finish(LONG));
}
