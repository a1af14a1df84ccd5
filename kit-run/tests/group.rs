#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! Groups on a paused clock, with signals from a channel.

use kit_run::{Error, Event, Failure, Group, Signal};
use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep},
};

const SECOND: Duration = Duration::from_secs(1);

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    /// Says `what` after `wait`.
    fn later(&self, what: &'static str, wait: Duration) -> impl Future<Output = ()> + Send + use<> {
        let log = self.clone();
        async move {
            sleep(wait).await;
            log.say(what);
        }
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Says that it was dropped.
struct Dropped(Log, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

async fn fail(text: &'static str, wait: Duration) -> io::Result<()> {
    sleep(wait).await;
    Err(io::Error::other(text))
}

async fn panic_after(wait: Duration) {
    sleep(wait).await;
    panic!("of {}", "itself");
}

async fn tick(ticks: watch::Sender<u32>) {
    loop {
        sleep(SECOND).await;
        ticks.send_modify(|ticks| *ticks += 1);
    }
}

async fn until(mut stop: watch::Receiver<bool>) -> io::Result<()> {
    stop.wait_for(|stop| *stop).await.unwrap();
    Ok(())
}

fn lines(error: &Error) -> Vec<String> {
    error.failures().iter().map(ToString::to_string).collect()
}

async fn timed(group: Group) -> (Result<(), Error>, Duration) {
    let began = Instant::now();
    (group.run().await, began.elapsed())
}

// ----- what ends a group

#[tokio::test(start_paused = true)]
async fn the_first_actor_to_end_ends_all() {
    let log = Log::default();
    let (stop, stopped) = watch::channel(false);
    let group = Group::new()
        .actor("long", until(stopped))
        .actor("short", log.later("short ends", SECOND))
        .on_shutdown("stop", SECOND, async move {
            stop.send_replace(true);
        })
        .on_event({
            let log = log.clone();
            move |event| log.say(&event.to_string())
        });
    let (result, took) = timed(group).await;
    result.unwrap();
    assert_eq!(took, SECOND);
    assert_eq!(log.all(), ["short ends", "stopping: short ended", "stopping: stop"]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_all() {
    for signal in [Signal::Interrupt, Signal::Terminate] {
        let (sender, signals) = mpsc::channel(2);
        let (stop, stopped) = watch::channel(false);
        let (reason, heard) = mpsc::unbounded_channel();
        let group = Group::new()
            .actor("http", until(stopped))
            .on_shutdown("stop", SECOND, async move {
                stop.send_replace(true);
            })
            .on_event(move |event| {
                if let Event::Stopping(why) = event {
                    reason.send(why.to_string()).unwrap();
                }
            })
            .signals(signals);
        let running = tokio::spawn(group.run());
        sleep(SECOND).await;
        assert!(!running.is_finished());
        sender.send(signal).await.unwrap();
        running.await.unwrap().unwrap();
        let mut heard = heard;
        assert_eq!(heard.recv().await.unwrap(), signal.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_ends_all() {
    let (stop, stopped) = watch::channel(false);
    let group = Group::new()
        .actor("http", until(stopped))
        .on_shutdown("stop", SECOND, async move {
            stop.send_replace(true);
        })
        .until(sleep(SECOND * 9));
    let (result, took) = timed(group).await;
    result.unwrap();
    assert_eq!(took, SECOND * 9);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_nothing_can_end_ends() {
    Group::new().run().await.unwrap();
    Group::new().background("done", async {}).run().await.unwrap();
    let (sender, signals) = mpsc::channel(1);
    drop(sender);
    Group::new().signals(signals).run().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_background_actor_may_end_and_is_dropped_after_the_phases() {
    let log = Log::default();
    let (asked, ask) = oneshot::channel::<()>();
    let dropped = Dropped(log.clone(), "dropped");
    let group = Group::new()
        .background("done", async {})
        .background("endless", async move {
            let _dropped = dropped;
            pending::<()>().await;
        })
        .on_shutdown("phase", SECOND * 5, log.later("phase", SECOND))
        .until(async move { drop(ask.await) });
    let running = tokio::spawn(group.run());
    sleep(SECOND * 9).await;
    assert!(log.all().is_empty());
    drop(asked);
    running.await.unwrap().unwrap();
    assert_eq!(log.all(), ["phase", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_background_actor_that_fails_ends_all() {
    let (stop, stopped) = watch::channel(false);
    let group = Group::new()
        .actor("http", until(stopped))
        .background("registrar", fail("no such host", SECOND))
        .on_shutdown("stop", SECOND, async move {
            stop.send_replace(true);
        });
    let (result, took) = timed(group).await;
    assert_eq!(lines(&result.unwrap_err()), ["registrar failed: no such host"]);
    assert_eq!(took, SECOND);
}

// ----- errors

#[tokio::test(start_paused = true)]
async fn errors_are_reported_in_the_order_in_which_they_happened() {
    let group = Group::new()
        .actor("slow", fail("late", SECOND * 4))
        .actor("quick", fail("early", SECOND))
        .on_shutdown("deregister", SECOND * 5, fail("gone", SECOND))
        .on_shutdown("drain", SECOND * 5, fail("still busy", SECOND * 3));
    let error = group.run().await.unwrap_err();
    let expected = [
        "quick failed: early",
        "deregister failed: gone",
        "slow failed: late",
        "drain failed: still busy",
    ];
    assert_eq!(lines(&error), expected);
    assert_eq!(error.to_string(), expected.join("; "));
    assert!(!error.is_forced());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error() {
    let log = Log::default();
    let group = Group::new()
        .actor("http", panic_after(SECOND))
        .on_shutdown("drain", SECOND, panic_after(Duration::ZERO))
        .on_shutdown("flush", SECOND, log.later("flush", Duration::ZERO));
    let error = group.run().await.unwrap_err();
    assert_eq!(lines(&error), ["http panicked: of itself", "drain panicked: of itself"]);
    assert_eq!(log.all(), ["flush"]);
}

// ----- phases

#[tokio::test(start_paused = true)]
async fn phases_run_in_order_while_the_actors_go_on() {
    let log = Log::default();
    let (stop, stopped) = watch::channel(false);
    let ticks = watch::Sender::new(0);
    let ticking = ticks.clone();
    let group = Group::new()
        .actor("http", until(stopped))
        .background("tick", tick(ticking))
        .on_shutdown("one", SECOND * 9, log.later("one", SECOND * 3))
        .on_shutdown("two", SECOND * 9, log.later("two", SECOND * 2))
        .on_shutdown("three", SECOND * 9, log.later("three", SECOND))
        .on_shutdown("stop", SECOND, async move {
            stop.send_replace(true);
        })
        .until(async {});
    let (result, took) = timed(group).await;
    result.unwrap();
    assert_eq!(log.all(), ["one", "two", "three"]);
    assert_eq!(took, SECOND * 6);
    assert!(*ticks.borrow() >= 5);
}

#[tokio::test(start_paused = true)]
async fn a_phase_that_overruns_is_dropped_and_the_next_one_runs() {
    let log = Log::default();
    let dropped = Dropped(log.clone(), "dropped");
    let group = Group::new()
        .on_shutdown("drain", SECOND * 5, async move {
            let _dropped = dropped;
            pending::<()>().await;
        })
        .on_shutdown("flush", SECOND, log.later("flush", SECOND / 2))
        .until(async {});
    let (result, took) = timed(group).await;
    assert_eq!(lines(&result.unwrap_err()), ["drain took longer than 5s"]);
    assert_eq!(log.all(), ["dropped", "flush"]);
    assert_eq!(took.as_millis(), 5500);
}

#[tokio::test(start_paused = true)]
async fn the_whole_takes_30_s_at_most() {
    let log = Log::default();
    let group = Group::new()
        .actor("http", pending::<()>())
        .on_shutdown("one", SECOND * 20, pending::<()>())
        .on_shutdown("two", SECOND * 20, pending::<()>())
        .on_shutdown("three", SECOND * 20, log.later("three", Duration::ZERO))
        .until(async {});
    let (result, took) = timed(group).await;
    let expected = [
        "one took longer than 20s",
        "two took longer than 10s",
        "three was skipped",
        "http was cut",
    ];
    assert_eq!(lines(&result.unwrap_err()), expected);
    assert!(log.all().is_empty());
    assert_eq!(took, SECOND * 30);
}

#[tokio::test(start_paused = true)]
async fn an_actor_is_waited_for_as_long_as_the_whole_may_take() {
    let late = Group::new().actor("late", sleep(SECOND * 4)).until(async {}).limit(SECOND * 5);
    let (result, took) = timed(late).await;
    result.unwrap();
    assert_eq!(took, SECOND * 4);

    let later = Group::new().actor("later", sleep(SECOND * 6)).until(async {}).limit(SECOND * 5);
    let (result, took) = timed(later).await;
    assert_eq!(lines(&result.unwrap_err()), ["later was cut"]);
    assert_eq!(took, SECOND * 5);
}

// ----- the second signal

#[tokio::test(start_paused = true)]
async fn a_second_signal_forces_the_end_and_says_what_was_cut() {
    let log = Log::default();
    let (sender, signals) = mpsc::channel(2);
    let dropped = Dropped(log.clone(), "http dropped");
    let group = Group::new()
        .actor("http", async move {
            let _dropped = dropped;
            pending::<()>().await;
        })
        .background("tick", pending::<()>())
        .on_shutdown("deregister", SECOND, log.later("deregister", Duration::ZERO))
        .on_shutdown("drain", SECOND * 25, pending::<()>())
        .on_shutdown("flush", SECOND, log.later("flush", Duration::ZERO))
        .signals(signals);
    let running = tokio::spawn(group.run());
    let began = Instant::now();
    sender.send(Signal::Terminate).await.unwrap();
    sleep(SECOND).await;
    assert!(!running.is_finished());
    sender.send(Signal::Interrupt).await.unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert!(began.elapsed() < SECOND + SECOND / 10);
    let expected = [
        "drain was broken off",
        "flush was skipped",
        "a second signal, SIGINT, forced the end",
        "http was cut",
    ];
    assert_eq!(lines(&error), expected);
    assert!(error.is_forced());
    assert!(matches!(error.failures()[2], Failure::Forced { signal: Signal::Interrupt }));
    tokio::task::yield_now().await;
    assert_eq!(log.all(), ["deregister", "http dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_does_not_wait_for_actors() {
    let (sender, signals) = mpsc::channel(2);
    let group = Group::new().actor("http", pending::<()>()).signals(signals);
    sender.send(Signal::Terminate).await.unwrap();
    sender.send(Signal::Terminate).await.unwrap();
    let (result, took) = timed(group).await;
    let expected = ["a second signal, SIGTERM, forced the end", "http was cut"];
    assert_eq!(lines(&result.unwrap_err()), expected);
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_of_a_shutdown_that_began_without_one_forces_nothing() {
    let (sender, signals) = mpsc::channel(2);
    let group = Group::new()
        .on_shutdown("drain", SECOND * 5, async { sleep(SECOND * 2).await })
        .until(sleep(SECOND))
        .signals(signals);
    let running = tokio::spawn(group.run());
    sleep(SECOND * 2).await;
    sender.send(Signal::Terminate).await.unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_a_group_drops_its_actors() {
    let log = Log::default();
    let dropped = Dropped(log.clone(), "dropped");
    let group = Group::new().actor("http", async move {
        let _dropped = dropped;
        pending::<()>().await;
    });
    let running = tokio::spawn(group.run());
    sleep(SECOND).await;
    assert!(log.all().is_empty());
    running.abort();
    sleep(SECOND).await;
    assert_eq!(log.all(), ["dropped"]);
}

#[test]
fn errors_are_send_and_sync_and_a_group_can_be_spawned() {
    const fn assert_send_sync<T: Send + Sync>() {}
    const fn assert_send<T: Send>(_: &T) {}
    assert_send_sync::<Error>();
    assert_send(&Group::new().run());
}

#[test]
fn a_group_shows_its_names() {
    let group = Group::new().actor("http", async {}).on_shutdown("drain", SECOND, async {});
    let debug = format!("{group:?}");
    assert!(debug.contains("http") && debug.contains("drain"), "{debug}");
}

// ----- reload

#[tokio::test(start_paused = true)]
async fn sighup_reloads_and_a_reload_that_fails_stops_nothing() {
    let log = Log::default();
    let (sender, signals) = mpsc::channel(8);
    let mut runs = 0;
    let group = Group::new()
        .signals(signals)
        .actor("http", pending::<()>())
        .on_reload(move || {
            runs += 1;
            async move {
                sleep(SECOND).await;
                match runs {
                    1 => Ok(()),
                    2 => Err(io::Error::other("no such file")),
                    _ => panic!("of the third"),
                }
            }
        })
        .limit(Duration::ZERO)
        .on_event({
            let log = log.clone();
            move |event| log.say(&event.to_string())
        });
    let running = tokio::spawn(group.run());
    sender.send(Signal::Hangup).await.unwrap();
    sleep(SECOND / 2).await;
    // Twice while it runs is once more.
    sender.send(Signal::Hangup).await.unwrap();
    sender.send(Signal::Hangup).await.unwrap();
    sleep(SECOND * 3).await;
    sender.send(Signal::Hangup).await.unwrap();
    sleep(SECOND * 3).await;
    let reloads = [
        "reloading",
        "reloaded",
        "reloading",
        "not reloaded: no such file",
        "reloading",
        "not reloaded: it panicked: of the third",
    ];
    assert_eq!(log.all(), reloads);
    assert!(!running.is_finished());
    sender.send(Signal::Terminate).await.unwrap();
    assert!(running.await.unwrap().is_err());
    assert_eq!(log.all()[reloads.len()..], ["stopping: SIGTERM"]);
}

#[tokio::test(start_paused = true)]
async fn sighup_is_no_second_signal() {
    let (sender, signals) = mpsc::channel(8);
    let log = Log::default();
    let group = Group::new().signals(signals).on_reload(|| async {}).on_shutdown(
        "drain",
        SECOND * 5,
        log.later("drained", SECOND * 2),
    );
    let running = tokio::spawn(group.run());
    for signal in [Signal::Terminate, Signal::Hangup, Signal::Hangup] {
        sender.send(signal).await.unwrap();
        sleep(SECOND / 4).await;
    }
    running.await.unwrap().unwrap();
    assert_eq!(log.all(), ["drained"]);
}

#[tokio::test(start_paused = true)]
async fn a_forced_end_is_told_before_anything_is_dropped() {
    let log = Log::default();
    let (sender, signals) = mpsc::channel(8);
    let held = Dropped(log.clone(), "http dropped");
    let group = Group::new()
        .signals(signals)
        .actor("http", async move {
            let _held = held;
            pending::<()>().await;
        })
        .on_event({
            let log = log.clone();
            move |event| log.say(&event.to_string())
        });
    let running = tokio::spawn(group.run());
    for signal in [Signal::Terminate, Signal::Interrupt] {
        sender.send(signal).await.unwrap();
        sleep(SECOND / 4).await;
    }
    assert!(running.await.unwrap().unwrap_err().is_forced());
    let told = ["stopping: SIGTERM", "stopping now: a second signal, SIGINT", "http dropped"];
    assert_eq!(log.all(), told);
}
