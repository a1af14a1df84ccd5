//! Against three Consul servers, at `KIT_CONSUL_CLUSTER`: each `host:port=pid`,
//! with commas. The process of one is stopped for a while, and goes on.
#![cfg(feature = "consul")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Follower, Instance, Instances, Keeper, Registration, Watch,
    consul::{Agent, Consistency, Instancer, Registrar, TtlCheck},
};
use std::{
    env,
    process::{self, Command},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::RwLock,
    time::{Instant, sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);

/// One test stops the leader: it is alone meanwhile.
static WHOLE: RwLock<()> = RwLock::const_new(());

/// One server of the cluster.
#[derive(Debug, Clone)]
struct Server {
    address: String,
    pid: String,
}

fn servers() -> [Server; 3] {
    let cluster =
        env::var("KIT_CONSUL_CLUSTER").expect("set KIT_CONSUL_CLUSTER to host:port=pid,..");
    let server = |one: &str| {
        let (address, pid) = one.split_once('=').expect("host:port=pid");
        Server { address: address.to_owned(), pid: pid.to_owned() }
    };
    cluster.split(',').map(server).collect::<Vec<_>>().try_into().expect("three servers")
}

impl Server {
    fn agent(&self) -> Agent {
        Agent::new(&self.address).unwrap()
    }

    /// Registers an instance with this server, and keeps it there.
    async fn register(&self, service: &str, id: &str) -> Registration {
        let instance = Instance::new(service, "127.0.0.1:1".parse().unwrap()).id(id);
        let registrar = Registrar::new(self.agent(), instance).check(TtlCheck::new(SECOND * 3));
        Keeper::new(registrar).register().await.unwrap()
    }

    /// What this server answers in a second, if it is 200.
    async fn get(&self, path: &str) -> Option<serde_json::Value> {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.ok()?;
            let ask = format!("GET {path} HTTP/1.0\r\nhost: consul\r\n\r\n");
            stream.write_all(ask.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            head.lines().next()?.contains(" 200 ").then(|| serde_json::from_str(body).ok())?
        };
        timeout(SECOND, exchange).await.ok()?
    }

    /// Which server leads, by its name, as this one knows.
    async fn leader(&self) -> Option<String> {
        let said = self.get("/v1/operator/raft/configuration?stale").await?;
        let leader = said["Servers"].as_array()?.iter().find(|server| server["Leader"] == true)?;
        Some(leader["Node"].as_str()?.to_owned())
    }

    /// Whether what this server is told reaches a leader that a majority follows.
    async fn reaches_the_leader(&self) -> Option<()> {
        self.get("/v1/catalog/nodes?consistent").await.map(drop)
    }

    fn signal(&self, name: &str) {
        let kill =
            Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.pid)]).status();
        assert!(kill.unwrap().success());
    }
}

/// Goes on when it is dropped.
struct Stopped<'a>(&'a Server);

impl<'a> Stopped<'a> {
    fn new(server: &'a Server) -> Self {
        server.signal("STOP");
        Self(server)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal("CONT");
    }
}

/// A name that no other test, nor another run of this one, uses.
fn service(name: &str) -> String {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("kit-{}-{nanos}-{name}", process::id())
}

fn instancer(agent: Agent, service: &str) -> Instancer<Agent> {
    Instancer::new(agent, service).passing(true)
}

async fn sees(seen: &mut Instances, limit: Duration, ids: &[&str]) {
    let is_so = |seen: &kit_sd::Snapshot| {
        seen.revision > 0 && seen.instances.iter().map(|one| &*one.id).eq(ids.iter().copied())
    };
    let shown = timeout(limit, seen.wait_for(is_so)).await;
    shown.unwrap_or_else(|_| panic!("not {ids:?}: {:?}", seen.snapshot())).unwrap();
}

/// Waits until `so` says something.
async fn soon<T>(what: &str, limit: Duration, so: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(said) = so().await {
            return said;
        }
        assert!(begun.elapsed() < limit, "{what}: not in {limit:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs three Consul servers at KIT_CONSUL_CLUSTER"]
async fn what_one_server_is_told_each_tells() {
    let _whole = WHOLE.read().await;
    let [first, second, third] = servers();
    let service = service("told");
    let follow = |agent| -> Watch {
        Follower::new(instancer(agent, &service)).grace(Duration::ZERO).spawn()
    };
    let watches = [
        follow(second.agent()),
        follow(third.agent().consistency(Consistency::Consistent)),
        follow(second.agent().consistency(Consistency::Stale)),
    ];
    let mut all = watches.each_ref().map(Watch::instances);
    let registration = first.register(&service, "one").await;
    for seen in &mut all {
        sees(seen, SECOND * 2, &["one"]).await;
    }
    registration.deregister().await.unwrap();
    for seen in &mut all {
        sees(seen, SECOND * 2, &[]).await;
    }
}

#[tokio::test]
#[ignore = "needs three Consul servers at KIT_CONSUL_CLUSTER"]
async fn a_leader_that_falls_silent_loses_nobody() {
    let _whole = WHOLE.write().await;
    let servers = servers();
    let leads = soon("a leader", SECOND * 5, || servers[0].leader()).await;
    let at: usize = leads.strip_prefix("kit-").and_then(|at| at.parse().ok()).unwrap();
    let (leader, keeper, follower) = (&servers[at], &servers[(at + 1) % 3], &servers[(at + 2) % 3]);

    let service = service("silent");
    let _kept = keeper.register(&service, "one").await;
    let watch = Watch::spawn(instancer(follower.agent(), &service));
    let mut seen = watch.instances();
    sees(&mut seen, SECOND * 2, &["one"]).await;
    let lost = tokio::spawn({
        let mut seen = watch.instances();
        async move { seen.wait_for(|seen| seen.instances.is_empty()).await }
    });

    let stopped = Stopped::new(leader);
    let next = soon("another leader", SECOND * 10, async || {
        follower.leader().await.filter(|next| *next != leads)
    });
    next.await;
    // A server that has not heard of the election yet sends what it is told to the old
    // leader, and tries again a minute later: that is Consul's, not what is tested here.
    for server in [keeper, follower] {
        soon("a way to the leader", SECOND * 5, || server.reaches_the_leader()).await;
    }
    // The two that are left are enough to register.
    let _second = keeper.register(&service, "two").await;
    sees(&mut seen, SECOND * 3, &["one", "two"]).await;

    drop(stopped);
    // It leads no more, and knows it: the next test has a whole cluster.
    let knows = soon("the old leader's word", SECOND * 10, async || {
        leader.leader().await.filter(|next| *next != leads)
    });
    knows.await;
    assert!(!lost.is_finished(), "the set was empty for a while");
    lost.abort();
}
