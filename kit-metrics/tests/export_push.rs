//! When a registry is pushed, what is reported of it, and how it ends.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_metrics::{
    Inspect, Inspector, Recorder, Registry,
    export::{Error, Event, Export, Push, Status},
    registry::{Reading, Value},
};
use metrics::{Counter, Key, Level, Metadata};
use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// An exporter that does as it is told, and remembers what it was given.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    jobs: Vec<u64>,
    does: Does,
    dropped: u64,
}

#[derive(Clone, Copy, Default)]
enum Does {
    #[default]
    Take,
    Refuse(&'static str),
    Hang,
    Wait(Duration),
}

impl Server {
    fn does(&self, does: Does) {
        self.0.lock().unwrap().does = does;
    }

    fn jobs(&self) -> Vec<u64> {
        self.0.lock().unwrap().jobs.clone()
    }
}

impl Export for Server {
    async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
        let does = {
            let mut inner = self.0.lock().unwrap();
            match reading.get("jobs", &[]) {
                Some(Value::Counter(jobs)) => inner.jobs.push(*jobs),
                other => panic!("{other:?}"),
            }
            inner.does
        };
        match does {
            Does::Take => Ok(()),
            Does::Refuse(why) => Err(Error::other(why)),
            Does::Hang => pending().await,
            Does::Wait(time) => {
                sleep(time).await;
                Ok(())
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.0.lock().unwrap().dropped
    }
}

fn registry() -> (Registry, Counter) {
    let registry = Registry::new();
    let jobs = registry.register_counter(&Key::from_name("jobs"), &METADATA);
    (registry, jobs)
}

/// A push that runs until the sender is used.
struct Running {
    end: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), Error>>,
    status: Status,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Running {
    fn start(push: Push<Server>) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let push = push.on_event(move |event| heard.lock().unwrap().push(event.clone()));
        let (end, ends) = oneshot::channel();
        let status = push.status();
        let task = tokio::spawn(push.run(async { drop(ends.await) }));
        Self { end, task, status, events }
    }

    async fn stop(self) -> Result<(), Error> {
        self.end.send(()).unwrap();
        self.task.await.unwrap()
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_pushed_at_each_tick_and_flushed_at_the_end() {
    let (registry, jobs) = registry();
    let server = Server::default();
    let push = Push::new(registry, server.clone()).every(Duration::from_secs(10));
    let running = Running::start(push);
    jobs.increment(1);
    sleep(Duration::from_millis(10_001)).await;
    jobs.increment(1);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(server.jobs(), [1, 2]);
    jobs.increment(1);
    running.stop().await.unwrap();
    assert_eq!(server.jobs(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_flush_is_bounded_and_says_that_it_failed() {
    let (registry, _jobs) = registry();
    let server = Server::default();
    server.does(Does::Hang);
    let push = Push::new(registry, server.clone()).limit(Duration::from_secs(2));
    let running = Running::start(push);
    let begun = Instant::now();
    let error = running.stop().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_export_under_way_ends_before_the_flush() {
    let (registry, jobs) = registry();
    let server = Server::default();
    server.does(Does::Wait(Duration::from_secs(3)));
    let push = Push::new(registry, server.clone()).every(Duration::from_secs(10));
    let running = Running::start(push);
    sleep(Duration::from_secs(11)).await;
    jobs.increment(1);
    running.stop().await.unwrap();
    assert_eq!(server.jobs(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_its_limit_and_no_more() {
    let (registry, _jobs) = registry();
    let server = Server::default();
    server.does(Does::Hang);
    let push = Push::new(registry, server.clone())
        .every(Duration::from_secs(1))
        .limit(Duration::from_millis(1500));
    let running = Running::start(push);
    sleep(Duration::from_secs(10)).await;
    server.does(Does::Take);
    sleep(Duration::from_secs(2)).await;
    assert!(running.status.is_up());
    assert!(running.status.failures() >= 3, "{:?}", running.status);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_once_for_each_change() {
    let (registry, _jobs) = registry();
    let server = Server::default();
    let push = Push::new(registry, server.clone()).every(Duration::from_secs(1));
    let running = Running::start(push);
    sleep(Duration::from_millis(1500)).await;
    server.does(Does::Refuse("no room"));
    sleep(Duration::from_secs(3)).await;
    server.does(Does::Refuse("go away"));
    sleep(Duration::from_secs(2)).await;
    server.does(Does::Take);
    sleep(Duration::from_secs(2)).await;
    let failing = |error: &str| Event::Failing { error: error.to_owned() };
    let recovered = Event::Recovered { failures: 5 };
    assert_eq!(running.events(), [failing("no room"), failing("go away"), recovered]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_it_does_is_counted() {
    struct Said(Vec<String>);
    impl Inspector for Said {
        fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
            self.0.push(format!("{name}{labels:?} {value}"));
        }
        fn gauge(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: f64) {
            self.0.push(format!("{name}{labels:?} {value}"));
        }
    }
    let (registry, _jobs) = registry();
    let server = Server::default();
    server.0.lock().unwrap().dropped = 7;
    let push = Push::new(registry, server.clone()).every(Duration::from_secs(1));
    let running = Running::start(push);
    assert!(!running.status.is_up());
    sleep(Duration::from_millis(2500)).await;
    server.does(Does::Refuse("no room"));
    sleep(Duration::from_secs(1)).await;
    let mut said = Said(Vec::new());
    running.status.inspect(&mut said);
    assert_eq!(
        said.0,
        [
            r#"metrics_exports_total[("exporter", "server")] 2"#,
            r#"metrics_export_failures_total[("exporter", "server")] 1"#,
            r#"metrics_export_dropped_points_total[("exporter", "server")] 7"#,
            r#"metrics_export_up[("exporter", "server")] 0"#,
        ]
    );
    running.stop().await.unwrap_err();
}

#[test]
fn a_push_is_sent_to_a_task() {
    fn is_send<T: Send>(_: T) {}
    let push = Push::new(Registry::new(), Server::default());
    is_send(push.run(pending()));
}
