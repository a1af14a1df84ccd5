use super::{Changes, Client, Error, Etcd, Layout, LeftOut, Told, entries::Entries};
use crate::{Backoff, Doubt, Publisher, error::chain, pace::Pace};
use std::{fmt, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Follows the instances of one service: lists them, and watches from there.
///
/// See the [module](super) for its rules. A failure is published and tried
/// again ([`Backoff::of_registry`]). Keys that are no instances are left out.
pub struct Instancer<C = Etcd> {
    client: C,
    service: String,
    layout: Layout,
    backoff: Backoff,
    sink: Option<Sink>,
    /// The cluster that answered, and its highest revision.
    seen: Option<(u64, i64)>,
}

type Sink = Box<dyn Fn(&LeftOut) + Send + Sync>;

// ===== impl Instancer =====

impl<C: Client> Instancer<C> {
    /// Follows `service`. Nothing is sent before it runs.
    pub fn new(client: C, service: impl Into<String>) -> Self {
        Self {
            client,
            service: service.into(),
            layout: Layout::default(),
            backoff: Backoff::of_registry(),
            sink: None,
            seen: None,
        }
    }

    /// Sets where in etcd the instances are, and how they are written.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Tells `sink` of each key that is no instance, whenever it is read. It
    /// must not block.
    #[must_use]
    pub fn on_left_out(mut self, sink: impl Fn(&LeftOut) + Send + Sync + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Sets the pauses after failures.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    fn left_out(&self, left: impl IntoIterator<Item = LeftOut>) {
        if let Some(sink) = &self.sink {
            left.into_iter().for_each(|one| sink(&one));
        }
    }

    /// Publishes all there is, and returns its revision, and whether the set is
    /// another than before.
    async fn list(
        &mut self,
        entries: &mut Entries,
        publisher: &Publisher,
    ) -> Result<(i64, bool), Error> {
        let listing = self.client.list(entries.folder()).await?;
        let (cluster, revision) = (listing.cluster, listing.revision);
        let went_back =
            self.seen.is_some_and(|(seen, highest)| seen != cluster || revision < highest);
        self.seen = Some((cluster, revision));
        self.left_out(entries.replace(listing.entries));
        let doubt = went_back.then_some(Doubt::WentBack);
        Ok((revision, publisher.publish_shared(entries.instances(), doubt)))
    }

    /// Publishes the changes after this revision, until their history is lost.
    async fn follow(
        &mut self,
        listed: i64,
        entries: &mut Entries,
        publisher: &Publisher,
    ) -> Result<(), Error> {
        let mut watch = self.client.watch(entries.folder(), listed + 1).await?;
        // When the last set was published, and when the next is due.
        let (mut last, mut due) = (None::<Instant>, None);
        let ended = loop {
            let told = match due {
                Some(due) => timeout_at(due, watch.next()).await.ok(),
                None => Some(watch.next().await),
            };
            match told {
                // Another than who was listed: what it has is not what we wait for.
                Some(Ok(Told::Changes { revision, .. })) if revision < listed => break Ok(()),
                Some(Ok(Told::Changes { revision, changes })) => {
                    self.backoff.reset();
                    if let Some((_, highest)) = &mut self.seen {
                        *highest = revision.max(*highest);
                    }
                    if changes.is_empty() {
                        continue;
                    }
                    let left: Vec<_> =
                        changes.into_iter().filter_map(|one| entries.apply(one)).collect();
                    self.left_out(left);
                    let now = Instant::now();
                    due = due.or(Some(last.map_or(now, |last| now.max(last + BREATH))));
                    if due > Some(now) {
                        continue;
                    }
                }
                Some(Ok(Told::Compacted)) => break Ok(()),
                Some(Err(error)) => break Err(error),
                None => {}
            }
            publisher.publish_shared(entries.instances(), None);
            (last, due) = (Some(Instant::now()), None);
        };
        if due.is_some() {
            publisher.publish_shared(entries.instances(), None);
        }
        ended
    }
}

/// How long a set is shown before the next one is: each costs as much as there
/// are instances, and in a large service there is always one that changes.
const BREATH: Duration = Duration::from_millis(20);

impl<C: Client> crate::Instancer for Instancer<C> {
    fn service(&self) -> &str {
        &self.service
    }

    async fn run(mut self, publisher: Publisher) {
        let mut entries = Entries::new(self.layout.clone(), &self.service);
        let mut pace = Pace::new();
        let mut is_down = false;
        loop {
            pace.wait().await;
            let begun = Instant::now();
            let listed = async {
                if is_down {
                    // First whether anybody is there, for that is soon known.
                    self.client.ping(entries.folder()).await?;
                }
                self.list(&mut entries, &publisher).await
            };
            let listed = listed.await;
            pace.round(matches!(listed, Ok((_, true))));
            let failed = match listed {
                Ok((listed, _)) => {
                    is_down = false;
                    self.follow(listed, &mut entries, &publisher).await.err()
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failed {
                publisher.fail(chain(&error));
                // From try to try, not from the end of one to the next: who is
                // silent makes each take its time.
                let from = if is_down { begun } else { Instant::now() };
                is_down = true;
                sleep_until(from + self.backoff.pause()).await;
            }
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for Instancer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instancer")
            .field("client", &self.client)
            .field("service", &self.service)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}
