//! What systemd is told of a service (`sd_notify(3)`).

use crate::Event;
use sd_notify::NotifyState;
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// How often it is tried to say that the service is ready.
const AGAIN: Duration = Duration::from_secs(1);

type Tell = Arc<dyn Fn(&[NotifyState<'_>]) -> io::Result<()> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Systemd {
    tell: Tell,
    /// How long it may hear nothing.
    watchdog: Option<Duration>,
    /// It was told that the service is ready.
    ready: Arc<AtomicBool>,
}

// ===== impl Systemd =====

impl Systemd {
    /// The one that started this process, if one did.
    pub(crate) fn from_env() -> Self {
        Self::new(Arc::new(sd_notify::notify), sd_notify::watchdog_enabled())
    }

    fn new(tell: Tell, watchdog: Option<Duration>) -> Self {
        Self { tell, watchdog, ready: Arc::default() }
    }

    /// Says that the service is ready once it is, and from then on that it is
    /// alive, twice in the time that systemd waits for that.
    pub(crate) async fn keep(self, mut readiness: watch::Receiver<bool>) {
        if readiness.wait_for(|ready| *ready).await.is_err() {
            return;
        }
        while (self.tell)(&[NotifyState::Ready]).is_err() {
            sleep(AGAIN).await;
        }
        self.ready.store(true, Ordering::Relaxed);
        let Some(every) = self.watchdog.map(|limit| limit / 2).filter(|every| !every.is_zero())
        else {
            return;
        };
        let mut next = Instant::now();
        loop {
            // One that is lost is made up for by the next.
            _ = (self.tell)(&[NotifyState::Watchdog]);
            next += every;
            sleep_until(next).await;
        }
    }

    /// Says what happens to the group, where systemd has a word for it.
    pub(crate) fn hear(&self, event: Event<'_>) {
        let is_ready = self.ready.load(Ordering::Relaxed);
        // Who sent a signal to stop or to reload knows anyway.
        _ = match event {
            Event::Stopping(_) => (self.tell)(&[NotifyState::Stopping]),
            // The word for the end of a reload is that it is ready.
            Event::Reloading | Event::Reloaded | Event::NotReloaded(_) if !is_ready => Ok(()),
            Event::Reloading => NotifyState::monotonic_usec_now()
                .and_then(|now| (self.tell)(&[NotifyState::Reloading, now])),
            Event::Reloaded | Event::NotReloaded(_) => (self.tell)(&[NotifyState::Ready]),
            Event::Phase(_) | Event::Forced(_) => Ok(()),
        };
    }
}

impl fmt::Debug for Systemd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Systemd").field("watchdog", &self.watchdog).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Group, Reason, Signal};
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// What was told, and when.
    type Told = Arc<Mutex<Vec<(Duration, String)>>>;

    fn systemd(watchdog: Option<Duration>, fails: usize) -> (Systemd, Told) {
        let (told, begun) = (Told::default(), Instant::now());
        let all = Arc::clone(&told);
        let tell: Tell = Arc::new(move |states: &[NotifyState<'_>]| {
            let words: Vec<_> = states.iter().map(ToString::to_string).collect();
            let mut all = all.lock().unwrap();
            all.push((begun.elapsed(), words.join(" ")));
            if all.len() > fails { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
        });
        (Systemd::new(tell, watchdog), told)
    }

    fn words(told: &Told) -> Vec<String> {
        told.lock().unwrap().iter().map(|(_, word)| word.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn it_hears_that_the_service_is_ready_once_it_is() {
        let (systemd, told) = systemd(None, 0);
        let (ready, readiness) = watch::channel(false);
        let kept = tokio::spawn(systemd.keep(readiness));
        sleep(Duration::from_mins(1)).await;
        assert!(words(&told).is_empty());
        ready.send_replace(true);
        kept.await.unwrap();
        assert_eq!(*told.lock().unwrap(), [(Duration::from_mins(1), "READY=1".to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_again_until_it_hears() {
        let (systemd, told) = systemd(None, 2);
        systemd.keep(watch::channel(true).1).await;
        let times: Vec<_> = told.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(times, [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_fed_twice_in_the_time_of_its_watchdog() {
        let (systemd, told) = systemd(Some(Duration::from_secs(10)), 0);
        let fed = systemd.keep(watch::channel(true).1);
        tokio::time::timeout(Duration::from_secs(12), fed).await.unwrap_err();
        let told = told.lock().unwrap();
        let fed: Vec<_> = told[1..].iter().map(|(at, word)| (at.as_secs(), &**word)).collect();
        assert_eq!(fed, [(0, "WATCHDOG=1"), (5, "WATCHDOG=1"), (10, "WATCHDOG=1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_never_ready_is_not_said_to_be() {
        let (systemd, told) = systemd(Some(Duration::from_secs(10)), 0);
        let (ready, readiness) = watch::channel(false);
        drop(ready);
        systemd.keep(readiness).await;
        assert!(words(&told).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_tells_it_of_its_life() {
        let (systemd, told) = systemd(None, 0);
        let (signal, signals) = mpsc::channel(4);
        let stop = async move {
            sleep(Duration::from_secs(1)).await;
            signal.send(Signal::Hangup).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            signal.send(Signal::Terminate).await.unwrap();
        };
        let group = Group::new()
            .background("stop", stop)
            .signals(signals)
            .on_reload(|| async {})
            .systemd(systemd, watch::channel(true).1);
        group.run().await.unwrap();
        let words = words(&told);
        assert_eq!(words[0], "READY=1");
        assert!(words[1].starts_with("RELOADING=1 MONOTONIC_USEC="), "{words:?}");
        assert_eq!(words[2..], ["READY=1", "STOPPING=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_before_it_is_ready_does_not_say_that_it_is() {
        let (systemd, told) = systemd(None, 0);
        for event in [Event::Reloading, Event::Reloaded, Event::NotReloaded("no file")] {
            systemd.hear(event);
        }
        assert!(words(&told).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_word_is_not_told() {
        let (systemd, told) = systemd(None, 0);
        systemd.hear(Event::Phase("drain"));
        systemd.hear(Event::Forced(Signal::Terminate));
        assert!(words(&told).is_empty());
        systemd.hear(Event::Stopping(Reason::Asked));
        assert_eq!(words(&told), ["STOPPING=1"]);
    }
}
