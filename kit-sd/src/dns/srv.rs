use super::{
    Answer, Error, Family, Lookup, Record, Timing,
    question::{Question, Told, follow, sooner},
};
use crate::{Address, Backoff, Host, Instance, InvalidAddress, Publisher};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// Follows the SRV records of a name (RFC 2782).
///
/// The [module](super) says when it asks and what it believes.
///
/// - **Priority.** The set is those of the lowest number, which is the most
///   preferred; the next priority is looked at only if nothing of that one can
///   be dialled. Whether an instance answers is not DNS's to know: one that is
///   down is found out by calling it.
/// - **Weight** is the instance's [weight](Instance::weight). If all are 0, as
///   RFC 2782 asks for when there is nothing to choose, all are 1. Beside
///   others, 0 is "only where there is no other"; RFC 2782 would give it a very
///   small share.
/// - **Port 0**, and a target that nobody can dial: that record is left out. If
///   nothing is left, the answer counts as a failure, and the set stays.
/// - **The target `.`**, alone, says that there is decidedly no such service:
///   the answer is believed as any that is empty.
/// - **The host** is the target's name, so that the client resolves it when it
///   connects, and can check a certificate against it;
///   [`resolve`](Self::resolve) asks for its addresses. The id of an instance
///   is `service-host-port`, in lower case without the dot at the end, and does
///   not change with priority or weight.
#[derive(Debug)]
pub struct Srv<L> {
    asked: Asked<L>,
    timing: Timing,
    backoff: Backoff,
}

#[derive(Debug)]
struct Asked<L> {
    lookup: L,
    name: Arc<str>,
    service: Arc<str>,
    resolve: Option<Family>,
}

/// The addresses of the targets, as far as they were needed.
type Resolved = BTreeMap<String, Answer<IpAddr>>;

// ===== impl Srv =====

impl<L: Lookup> Srv<L> {
    /// Follows `name`, `_grpc._tcp.hello.example.com` for one. Nothing is asked
    /// before it runs; a name that cannot be is a failure that is published
    /// then.
    pub fn new(lookup: L, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        let service = name.trim_end_matches('.').into();
        let asked = Asked { lookup, name, service, resolve: None };
        Self { asked, timing: Timing::new(), backoff: Backoff::of_registry() }
    }

    /// Sets the name of the service; the DNS name by default.
    #[must_use]
    pub fn service(mut self, service: impl Into<Arc<str>>) -> Self {
        self.asked.service = service.into();
        self
    }

    /// Makes an instance of each address of a target: for targets whose names
    /// only this resolver knows, as it is with Consul.
    ///
    /// Addresses that came beside the records are used, the others asked for,
    /// one target after the other. Their TTLs count too. A target without an
    /// address is left out; one that cannot be asked for makes the answer a
    /// failure. The target's name is in the metadata as `target`.
    #[must_use]
    pub const fn resolve(mut self, family: Family) -> Self {
        self.asked.resolve = Some(family);
        self
    }

    /// Sets when it asks.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Sets the pauses after failures: [`Backoff::of_registry`] by default.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}

impl<L: Lookup> crate::Instancer for Srv<L> {
    fn service(&self) -> &str {
        &self.asked.service
    }

    async fn run(self, publisher: Publisher) {
        follow(self.asked, self.timing, self.backoff, publisher).await;
    }
}

// ===== impl Asked =====

impl<L: Lookup> Question for Asked<L> {
    async fn ask(&self) -> Result<Told, Error> {
        let Answer { records, mut ttl } = self.lookup.srv(&self.name).await?;
        if records.is_empty() {
            return Ok(Told::unknown(ttl));
        }
        let count = records.len();
        // The name of no host: it says something only where nothing else does.
        let hosts: Vec<_> = records.into_iter().filter(|one| one.target != ".").collect();
        if hosts.is_empty() {
            return Ok(Told::unavailable(ttl));
        }
        let mut invalid: Option<InvalidAddress> = None;
        let mut priorities: BTreeMap<u16, Vec<(Record, Address)>> = BTreeMap::new();
        for mut record in hosts {
            record.target = record.target.trim_end_matches('.').to_ascii_lowercase();
            match Address::new(&record.target, record.port) {
                Ok(address) => {
                    priorities.entry(record.priority).or_default().push((record, address));
                }
                Err(error) => invalid = invalid.or(Some(error)),
            }
        }
        if let Some(source) = invalid
            && priorities.is_empty()
        {
            return Err(Error::Unusable { records: count, source });
        }
        let mut resolved = Resolved::new();
        for group in priorities.into_values() {
            let instances = self.instances(group, &mut resolved, &mut ttl).await?;
            if !instances.is_empty() {
                return Ok(Told::found(instances, ttl));
            }
        }
        // There are targets, and none of them has an address.
        Ok(Told::unknown(ttl))
    }
}

impl<L: Lookup> Asked<L> {
    /// Returns the instances of one priority.
    async fn instances(
        &self,
        group: Vec<(Record, Address)>,
        resolved: &mut Resolved,
        ttl: &mut Option<Duration>,
    ) -> Result<Vec<Instance>, Error> {
        let nothing_to_choose = group.iter().all(|(record, _)| record.weight == 0);
        let mut instances = Vec::with_capacity(group.len());
        for (record, address) in group {
            let weight = if nothing_to_choose { 1 } else { u32::from(record.weight) };
            let instance = |address| Instance::new(&*self.service, address).weight(weight);
            let (Some(family), Host::Name(_)) = (self.resolve, address.host()) else {
                instances.push(instance(address));
                continue;
            };
            let target = record.target;
            let answer = match resolved.entry(target.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let beside = record.addresses.map(|answer| answer.only(family));
                    let answer = match beside.filter(|answer| !answer.records.is_empty()) {
                        Some(answer) => answer,
                        None => self.lookup.addresses(&target, family).await?.only(family),
                    };
                    *ttl = sooner(*ttl, answer.ttl);
                    unknown.insert(answer)
                }
            };
            for ip in &answer.records {
                if let Ok(address) = Address::try_from(SocketAddr::new(*ip, record.port)) {
                    instances.push(instance(address).metadata("target", &*target));
                }
            }
        }
        Ok(instances)
    }
}
