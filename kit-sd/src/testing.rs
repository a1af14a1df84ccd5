//! What every registry must do, as a suite that runs against one: ours, and
//! yours.
//!
//! A [`Backend`] says how instances get into a registry and how they are
//! followed; [`follows`] then tells whether its [`Instancer`] does what this
//! crate promises. One whose instances register themselves is a [`Registry`]
//! too, and [`registers`] tells of its [`Registrar`].
//!
//! ```
//! use kit_sd::{Instance, Instancer, Publisher, testing::{self, Backend}};
//! use std::{collections::BTreeMap, sync::Arc};
//! use tokio::sync::watch;
//!
//! /// A registry in memory.
//! struct Memory(watch::Sender<BTreeMap<String, Instance>>);
//!
//! struct Following(watch::Receiver<BTreeMap<String, Instance>>, String);
//!
//! impl Instancer for Following {
//!     fn service(&self) -> &str {
//!         &self.1
//!     }
//!
//!     async fn run(mut self, publisher: Publisher) {
//!         loop {
//!             let all: Vec<_> = self.0.borrow_and_update().values().cloned().collect();
//!             publisher.publish(all.into_iter().filter(|one| one.service == self.1));
//!             if self.0.changed().await.is_err() {
//!                 return;
//!             }
//!         }
//!     }
//! }
//!
//! impl Backend for Memory {
//!     type Instancer = Following;
//!
//!     fn instancer(&self, service: &str) -> Following {
//!         Following(self.0.subscribe(), service.to_owned())
//!     }
//!
//!     async fn put(&self, instance: &Instance) {
//!         self.0.send_modify(|all| _ = all.insert(instance.id.clone(), instance.clone()));
//!     }
//!
//!     async fn remove(&self, instance: &Instance) {
//!         self.0.send_modify(|all| _ = all.remove(&instance.id));
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), testing::Failed> {
//! testing::follows(&Memory(watch::Sender::default())).await
//! # }
//! ```

use crate::{
    Follower, Health, Instance, Instancer, Instances, Keeper, Publisher, Registrar, Snapshot, Watch,
};
use std::{
    error, fmt, process,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use tokio::time::{sleep, timeout};

/// A registry under test: how instances get into it, and are followed.
pub trait Backend: Sync {
    /// What follows it.
    type Instancer: Instancer;

    /// Follows a service.
    fn instancer(&self, service: &str) -> Self::Instancer;

    /// Puts an instance into the registry, in place of one of its id.
    fn put(&self, instance: &Instance) -> impl Future<Output = ()> + Send;

    /// Takes an instance out of the registry.
    fn remove(&self, instance: &Instance) -> impl Future<Output = ()> + Send;

    /// Says what of an instance comes back: all of it, by default.
    fn keeps(&self) -> Keeps {
        Keeps::default()
    }

    /// Returns how long a change may take to be seen; 2 s by default.
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// A registry in which instances register themselves.
pub trait Registry: Backend {
    /// What registers one.
    type Registrar: Registrar;

    /// Registers an instance.
    fn registrar(&self, instance: Instance) -> Self::Registrar;
}

/// What of an instance a registry keeps, beside its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Keeps {
    /// Its id; else the registry makes one of its own, the same each time.
    pub id: bool,
    /// Its tags.
    pub tags: bool,
    /// Its metadata.
    pub metadata: bool,
    /// Its version.
    pub version: bool,
    /// Its zone.
    pub zone: bool,
    /// Its weight.
    pub weight: bool,
    /// How it is.
    pub health: bool,
}

/// A registry does not do what it must.
#[derive(Debug)]
pub struct Failed {
    case: &'static str,
    what: String,
}

type Result<T = ()> = std::result::Result<T, Failed>;

/// Runs the cases of an instancer, one after the other, each on a service of
/// its own.
///
/// # Errors
///
/// Names the first case that fails, and what was seen.
///
/// # Panics
///
/// Panics outside of a tokio runtime.
pub async fn follows<B: Backend>(backend: &B) -> Result {
    let suite = Suite(backend);
    suite.an_instance_comes_with_all_that_is_kept_and_goes().await?;
    suite.the_set_is_sorted_and_one_that_goes_takes_no_other_along().await?;
    suite.one_that_is_put_twice_is_one_and_a_change_is_seen().await?;
    suite.a_service_is_no_prefix_of_another().await?;
    suite.who_comes_late_sees_all().await?;
    suite.dropped_it_ends_at_once().await
}

/// Runs the cases of a registrar, one after the other.
///
/// # Errors
///
/// Names the first case that fails, and what was seen.
///
/// # Panics
///
/// Panics outside of a tokio runtime.
pub async fn registers<B: Registry>(backend: &B) -> Result {
    let suite = Suite(backend);
    suite.registering_twice_is_as_once_and_so_is_deregistering().await?;
    suite.one_that_is_lost_is_registered_again().await?;
    suite.what_it_says_of_an_instance_is_seen().await?;
    suite.deregistered_it_is_gone_and_another_stays().await
}

struct Suite<'a, B>(&'a B);

/// A set that is followed, and what is expected of it.
struct Following {
    case: &'static str,
    instances: Instances,
    patience: Duration,
    keeps: Keeps,
    _watch: Watch,
}

// ===== impl Suite =====

impl<B: Backend> Suite<'_, B> {
    fn follow(&self, case: &'static str, service: &str) -> Following {
        // Nothing is doubted here: the last instance that goes is to be seen.
        let watch = Follower::new(self.0.instancer(service)).grace(Duration::ZERO).spawn();
        Following {
            case,
            instances: watch.instances(),
            patience: self.0.patience(),
            keeps: self.0.keeps(),
            _watch: watch,
        }
    }

    async fn an_instance_comes_with_all_that_is_kept_and_goes(&self) -> Result {
        let service = name();
        let mut seen = self.follow("an instance comes with all that is kept, and goes", &service);
        let one = instance(&service, 1)
            .tag("v1")
            .tag("blue")
            .metadata("team", "a b/c=ä")
            .version("1.10.0")
            .zone("eu-1a")
            .weight(3);
        self.0.put(&one).await;
        seen.shows(&[&one]).await?;
        self.0.remove(&one).await;
        seen.shows(&[]).await
    }

    async fn the_set_is_sorted_and_one_that_goes_takes_no_other_along(&self) -> Result {
        let service = name();
        let mut seen =
            self.follow("the set is sorted, and one that goes takes no other along", &service);
        let all: Vec<_> = (1..=4).map(|n| instance(&service, n)).collect();
        for at in [2, 0, 3, 1] {
            self.0.put(&all[at]).await;
        }
        seen.shows(&all.iter().collect::<Vec<_>>()).await?;
        self.0.remove(&all[1]).await;
        seen.shows(&[&all[0], &all[2], &all[3]]).await?;
        for one in &all {
            self.0.remove(one).await;
        }
        seen.shows(&[]).await
    }

    async fn one_that_is_put_twice_is_one_and_a_change_is_seen(&self) -> Result {
        let service = name();
        let mut seen = self.follow("one that is put twice is one, and a change is seen", &service);
        let one = instance(&service, 1).tag("old");
        self.0.put(&one).await;
        self.0.put(&one).await;
        seen.shows(&[&one]).await?;
        let other = instance(&service, 1).tag("new");
        self.0.put(&other).await;
        seen.shows(&[&other]).await?;
        self.0.remove(&other).await;
        seen.shows(&[]).await
    }

    async fn a_service_is_no_prefix_of_another(&self) -> Result {
        let short = name();
        let long = format!("{short}-more");
        let case = "a service is no prefix of another";
        let (mut of_short, mut of_long) = (self.follow(case, &short), self.follow(case, &long));
        let (one, other) = (instance(&short, 1), instance(&long, 2));
        self.0.put(&other).await;
        self.0.put(&one).await;
        of_long.shows(&[&other]).await?;
        of_short.shows(&[&one]).await?;
        self.0.remove(&one).await;
        of_short.shows(&[]).await?;
        of_long.shows(&[&other]).await?;
        self.0.remove(&other).await;
        Ok(())
    }

    async fn who_comes_late_sees_all(&self) -> Result {
        let service = name();
        let case = "who comes late sees all";
        let all = [instance(&service, 1), instance(&service, 2)];
        for one in &all {
            self.0.put(one).await;
        }
        self.follow(case, &service).shows(&[&all[0], &all[1]]).await?;
        self.follow(case, &service).shows(&[&all[0], &all[1]]).await?;
        for one in &all {
            self.0.remove(one).await;
        }
        Ok(())
    }

    async fn dropped_it_ends_at_once(&self) -> Result {
        let service = name();
        let case = "dropped, it ends at once";
        let one = instance(&service, 1);
        self.0.put(&one).await;
        let (publisher, instances) = Instances::channel(service.as_str());
        let mut running = tokio::spawn(run(self.0.instancer(&service), publisher));
        let mut seen = instances.clone();
        let first = seen.wait_for(|seen| !seen.instances.is_empty());
        let first = timeout(self.0.patience(), first).await;
        self.0.remove(&one).await;
        if first.is_err() {
            return Err(Failed { case, what: "it found nothing".to_owned() });
        }
        // In the middle of what it does next, most likely a wait.
        sleep(Duration::from_millis(50)).await;
        running.abort();
        match timeout(Duration::from_millis(100), &mut running).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Failed { case, what: "it goes on 100 ms after its end".to_owned() }),
        }
    }
}

impl<B: Registry> Suite<'_, B> {
    async fn registering_twice_is_as_once_and_so_is_deregistering(&self) -> Result {
        let service = name();
        let case = "registering twice is as once, and so is deregistering";
        let mut seen = self.follow(case, &service);
        let one = instance(&service, 1);
        let registrar = self.0.registrar(one.clone());
        for _ in 0..2 {
            done(case, "register", registrar.register(Health::Passing).await)?;
            let known = done(case, "renew", registrar.renew(Health::Passing).await)?;
            expect(case, known, "it does not know what it was just told")?;
        }
        seen.shows(&[&one]).await?;
        for _ in 0..2 {
            done(case, "deregister", registrar.deregister().await)?;
            let known = done(case, "renew", registrar.renew(Health::Passing).await)?;
            expect(case, !known, "it still knows what was deregistered")?;
        }
        seen.shows(&[]).await
    }

    async fn one_that_is_lost_is_registered_again(&self) -> Result {
        let service = name();
        let case = "one that is lost is registered again";
        let mut seen = self.follow(case, &service);
        let one = instance(&service, 1);
        let registrar = self.0.registrar(one.clone());
        let period = registrar.period();
        let kept = Keeper::new(registrar).register().await;
        let kept = done(case, "register", kept)?;
        seen.shows(&[&one]).await?;
        // By another hand: the one that keeps it does not know.
        done(case, "deregister", self.0.registrar(one.clone()).deregister().await)?;
        let mut status = kept.status();
        let again = status.wait_for(|status| status.registrations == 2);
        let again = timeout(period.mul_f64(1.2) + self.0.patience(), again).await;
        expect(case, again.is_ok(), "it was not registered again within its period")?;
        seen.shows(&[&one]).await?;
        done(case, "deregister", kept.deregister().await)?;
        seen.shows(&[]).await
    }

    async fn what_it_says_of_an_instance_is_seen(&self) -> Result {
        let service = name();
        let case = "what it says of an instance is seen";
        let mut seen = self.follow(case, &service);
        let one = instance(&service, 1);
        let registrar = self.0.registrar(one.clone());
        for health in [Health::Passing, Health::Draining, Health::Critical, Health::Passing] {
            if registrar.can_say(health) && self.0.keeps().health {
                done(case, "register", registrar.register(health).await)?;
                seen.shows(&[&one.clone().health(health)]).await?;
                let known = done(case, "renew", registrar.renew(health).await)?;
                expect(case, known, "it does not know what it was just told")?;
                seen.shows(&[&one.clone().health(health)]).await?;
            }
        }
        done(case, "deregister", registrar.deregister().await)
    }

    async fn deregistered_it_is_gone_and_another_stays(&self) -> Result {
        let service = name();
        let case = "deregistered it is gone, and another stays";
        let mut seen = self.follow(case, &service);
        let (one, other) = (instance(&service, 1), instance(&service, 2));
        let keep = async |instance: &Instance| {
            Keeper::new(self.0.registrar(instance.clone())).register().await
        };
        let of_one = done(case, "register", keep(&one).await)?;
        let of_other = done(case, "register", keep(&other).await)?;
        seen.shows(&[&one, &other]).await?;
        done(case, "deregister", of_one.deregister().await)?;
        seen.shows(&[&other]).await?;
        done(case, "deregister", of_other.deregister().await)?;
        seen.shows(&[]).await
    }
}

/// For its type: a task of an async block would borrow.
async fn run<I: Instancer>(instancer: I, publisher: Publisher) {
    instancer.run(publisher).await;
}

fn done<T, E: error::Error + 'static>(
    case: &'static str,
    call: &str,
    result: std::result::Result<T, E>,
) -> Result<T> {
    let what = |error: E| format!("to {call} failed: {}", crate::error::chain(&error));
    result.map_err(|error| Failed { case, what: what(error) })
}

fn expect(case: &'static str, holds: bool, else_: &str) -> Result {
    if holds { Ok(()) } else { Err(Failed { case, what: else_.to_owned() }) }
}

/// A name that no other run and no other case uses.
fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    format!("kit-{}-{nanos}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn instance(service: &str, n: u8) -> Instance {
    // Documentation's own network (RFC 5737): nobody is there.
    let address = crate::Address::try_from(std::net::SocketAddr::from(([192, 0, 2, n], 80)));
    #[expect(clippy::expect_used, reason = "it is an address")]
    Instance::new(service, address.expect("an address")).id(format!("{service}-{n}"))
}

// ===== impl Following =====

impl Following {
    /// Waits until the set is this one.
    async fn shows(&mut self, wanted: &[&Instance]) -> Result {
        let keeps = self.keeps;
        let is_so = |seen: &Snapshot| {
            seen.revision > 0
                && seen.instances.len() == wanted.len()
                && seen.instances.iter().zip(wanted).all(|(seen, wanted)| keeps.same(seen, wanted))
        };
        let shown = timeout(self.patience, self.instances.wait_for(is_so)).await;
        if matches!(shown, Ok(Some(_))) {
            return Ok(());
        }
        let seen = self.instances.snapshot();
        let what = format!(
            "wanted {wanted:#?} within {:?}, and saw {:#?}, {:?}",
            self.patience, seen.instances, seen.state
        );
        Err(Failed { case: self.case, what })
    }
}

// ===== impl Keeps =====

impl Keeps {
    fn same(self, seen: &Instance, wanted: &Instance) -> bool {
        seen.address == wanted.address
            && seen.service == wanted.service
            && (!self.id || seen.id == wanted.id)
            && (!self.tags || seen.tags == wanted.tags)
            && (!self.metadata || seen.metadata == wanted.metadata)
            && (!self.version || seen.version == wanted.version)
            && (!self.zone || seen.zone == wanted.zone)
            && (!self.weight || seen.weight == wanted.weight)
            && (!self.health || seen.health == wanted.health)
    }
}

impl Default for Keeps {
    fn default() -> Self {
        Self {
            id: true,
            tags: true,
            metadata: true,
            version: true,
            zone: true,
            weight: true,
            health: true,
        }
    }
}

// ===== impl Failed =====

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.what)
    }
}

impl error::Error for Failed {}
