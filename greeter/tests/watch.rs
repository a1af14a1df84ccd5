//! What `greeter watch` shows.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::watch::{Style, watch};
use kit_sd::{Health, Instance, Instances, Publisher};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tokio::task::yield_now;

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// Lets the watch see all there is, and returns what it wrote since.
    async fn take(&self) -> String {
        for _ in 0..10 {
            yield_now().await;
        }
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    /// The lines, without their times, each of which is one.
    async fn lines(&self) -> Vec<String> {
        let text = self.take().await;
        let line = |line: &str| {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
            rest.to_owned()
        };
        text.lines().map(line).collect()
    }
}

fn start(style: Style) -> (Publisher, Written, tokio::task::JoinHandle<io::Result<()>>) {
    let (publisher, instances) = Instances::channel("hello");
    let written = Written::default();
    let out = written.clone();
    (publisher, written, tokio::spawn(async move { watch(instances, style, out).await }))
}

fn instance(n: u8) -> Instance {
    Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap()).id(format!("hello-{n}"))
}

#[tokio::test]
async fn every_change_is_a_line_with_its_time() {
    let (publisher, written, watching) = start(Style::Lines);
    assert!(written.lines().await.is_empty());
    let full = instance(1).tag("blue").tag("eu").version("1.2.0").zone("a").metadata("team", "x");
    publisher.publish([full.clone(), instance(2)]);
    assert_eq!(
        written.lines().await,
        [
            "+ hello-1 10.0.0.1:80 passing weight=1 version=1.2.0 zone=a tags=blue,eu team=x",
            "+ hello-2 10.0.0.2:80 passing weight=1",
            "= fresh, 2 instances",
        ]
    );
    publisher.publish([full.health(Health::Draining), instance(3)]);
    assert_eq!(
        written.lines().await,
        [
            "- hello-2 10.0.0.2:80 passing weight=1",
            "~ hello-1 10.0.0.1:80 draining weight=1 version=1.2.0 zone=a tags=blue,eu team=x",
            "+ hello-3 10.0.0.3:80 passing weight=1",
        ]
    );
    publisher.fail("refused");
    assert_eq!(written.lines().await, ["= stale: refused, 2 instances"]);
    // The same failure again is no news.
    publisher.fail("refused");
    assert!(written.lines().await.is_empty());
    drop(publisher);
    assert_eq!(written.lines().await, ["= stale: nobody follows the registry, 2 instances"]);
    watching.await.unwrap().unwrap();
}

#[tokio::test]
async fn on_a_terminal_the_set_is_a_table_drawn_anew() {
    let (publisher, written, _watching) = start(Style::Table);
    publisher.publish([instance(1).tag("blue"), instance(10).zone("eu-1a").weight(12)]);
    let text = written.take().await;
    let (head, table) = text.strip_prefix("\x1b[2J\x1b[H").unwrap().split_once("\n\n").unwrap();
    assert!(head.starts_with("hello: 2 instances, fresh (20"), "{head}");
    assert_eq!(
        table,
        "ID        ADDRESS      HEALTH   WEIGHT  VERSION  ZONE   TAGS\n\
         hello-1   10.0.0.1:80  passing  1       -        -      blue\n\
         hello-10  10.0.0.10:80  passing  12      -        eu-1a\n"
            .replace("10.0.0.1:80  ", "10.0.0.1:80   ")
            .replace("ADDRESS      ", "ADDRESS       ")
    );
}

#[tokio::test]
async fn what_a_registry_says_does_not_move_the_cursor() {
    for style in [Style::Lines, Style::Table] {
        let (publisher, written, _watching) = start(style);
        let evil = "\x1b[2Jgone\nHELLO";
        publisher.publish([instance(1).id(evil).tag(evil).metadata(evil, evil).zone(evil)]);
        let text = written.take().await;
        let text = text.strip_prefix("\x1b[2J\x1b[H").unwrap_or(&text);
        assert!(!text.contains('\x1b') && !text.contains("\nHELLO"), "{text:?}");
    }
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_it() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (publisher, instances) = Instances::channel("hello");
    publisher.publish([instance(1)]);
    let error = watch(instances, Style::Lines, Gone).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
