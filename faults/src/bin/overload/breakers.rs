//! Every instance fails every call, and then they are well again: what reaches
//! them meanwhile, how fast the rest is refused, and how it ends.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use kit_breaker::{BreakerLayer, Change, Circuit, Limits, Open, State};
use kit_endpoint::Request as Call;
use kit_faults::{BoxError, table::Table};
use kit_sd::{Balancer, Endpoints, Instance, RoundRobin};
use kit_transport_http::{CallError, Client, json, pool, query};
use std::{
    convert::Infallible,
    error, fmt,
    future::IntoFuture,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tower::{ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

const INSTANCES: u8 = 3;
const CALLS_A_SECOND: u32 = 1000;
/// How long they fail, and how long it goes on after that.
const BROKEN: Duration = Duration::from_secs(20);
const WELL: Duration = Duration::from_secs(25);
/// How long a call may have been on its way when a circuit opened.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// Why a call has no reply.
#[derive(Debug)]
enum Error {
    Open(Open),
    Call(CallError),
}

/// An instance: what reached it, and what its circuit did.
struct One {
    is_broken: Arc<AtomicBool>,
    arrived: Arc<Mutex<Vec<Instant>>>,
    changes: Arc<Mutex<Vec<Change>>>,
    circuit: Circuit,
    instance: Instance,
}

/// How calls went.
#[derive(Default)]
struct Seen {
    refused: Vec<Duration>,
    failed: Vec<Instant>,
    succeeded: u64,
}

pub(crate) async fn run(table: &mut Table) -> Result<(), BoxError> {
    let mut all = Vec::new();
    for number in 0..INSTANCES {
        all.push(One::start(number).await?);
    }
    let pool = pool(Duration::from_millis(500));
    let members = all.iter().map(|one| {
        let uri: http::Uri = format!("http://{}/", one.instance.address).parse()?;
        let client = Client::new(pool.clone(), query::request(Method::GET, uri), json::reply);
        let client = ServiceBuilder::new()
            .layer(BreakerLayer::shared(one.circuit.clone()).classify(is_failure))
            .map_err(Error::Call)
            .service(client);
        Ok::<_, BoxError>((one.instance.clone(), BoxCloneSyncService::new(client)))
    });
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let balancer = Arc::new(RoundRobin::new(Endpoints::fixed(members)));

    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut ticks = interval(Duration::from_secs(1) / CALLS_A_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begun, mut healed, mut calls) = (Instant::now(), None, JoinSet::new());
    while begun.elapsed() < BROKEN + WELL {
        ticks.tick().await;
        if healed.is_none() && begun.elapsed() >= BROKEN {
            for one in &all {
                one.is_broken.store(false, Ordering::Relaxed);
            }
            healed = Some(Instant::now());
        }
        let (balancer, seen) = (Arc::clone(&balancer), Arc::clone(&seen));
        calls.spawn(call(balancer, seen));
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
    rows(table, &all, &mut lock(&seen), healed.ok_or("they were healed")?)
}

async fn call<B>(balancer: Arc<B>, seen: Arc<Mutex<Seen>>)
where
    B: Balancer<Endpoint = BoxCloneSyncService<Call<()>, String, Error>>,
{
    let Ok(endpoint) = balancer.pick() else { return };
    let begun = Instant::now();
    let result = endpoint.oneshot(Call::new(())).await;
    let took = begun.elapsed();
    match result {
        Ok(_) => lock(&seen).succeeded += 1,
        Err(Error::Open(_)) => lock(&seen).refused.push(took),
        Err(Error::Call(_)) => lock(&seen).failed.push(Instant::now()),
    }
}

fn is_failure(result: Result<&String, &Error>) -> bool {
    matches!(result, Err(Error::Call(_)))
}

fn rows(table: &mut Table, all: &[One], seen: &mut Seen, healed: Instant) -> Result<(), BoxError> {
    let fault = format!("{INSTANCES} instances fail all of {CALLS_A_SECOND} calls a second");
    seen.refused.sort();
    let at = |part: usize| seen.refused.get(seen.refused.len() * part / 10_000);
    let millis = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1e3);
    let what = format!("a refusal, p99 of {}", seen.refused.len());
    table.row(
        &fault,
        &what,
        format!("{:.3} ms", millis(at(9900))),
        "1.0 ms",
        millis(at(9900)) < 1.0,
    );
    let most = format!("{:.3} ms", millis(seen.refused.last()));
    table.row(&fault, "a refusal, at most", most, "-", true);

    let (mut probes, mut steps, mut closed, mut open) = (0, 0, Duration::ZERO, Duration::ZERO);
    for one in all {
        let (changes, arrived) = (lock(&one.changes), lock(&one.arrived));
        let opened = changes.first().ok_or("a circuit did not open")?.at;
        let while_broken = |at: &&Instant| **at > opened + ON_ITS_WAY && **at < healed;
        probes += arrived.iter().filter(while_broken).count();
        let is_step = |change: &&Change| change.to == State::HalfOpen && change.at < healed;
        steps += changes.iter().filter(is_step).count();
        let last = changes.iter().rfind(|change| change.to == State::Open && change.at < healed);
        open = open.max(last.and_then(|change| change.open_for).ok_or("it was open")?);
        let last = changes.last().filter(|change| change.to == State::Closed);
        let last = last.ok_or("a circuit did not close")?;
        closed = closed.max(last.at.saturating_duration_since(healed));
    }
    let what = "calls that reached them once they were open";
    let measured = format!("{probes} in {steps} steps");
    table.row(&fault, what, measured, "one a step", probes <= steps && steps > 0);
    let what = "the last circuit closed after";
    let measured = format!("{:.2} s", closed.as_secs_f64());
    let bar = format!("{:.2} s, its step", open.as_secs_f64());
    table.row("they are well again", what, measured, bar, closed < open + ON_ITS_WAY);
    let failed = seen.failed.iter().filter(|at| **at > healed + ON_ITS_WAY).count();
    table.row("they are well again", "failed calls", failed, 0, failed == 0);
    table.row("they are well again", "calls that went well", seen.succeeded, "-", true);
    Ok(())
}

/// Nothing that can panic runs under a lock here.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

// ===== impl One =====

impl One {
    async fn start(number: u8) -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.try_into()?;
        let instance = Instance::new("failing", address).id(format!("failing-{number}"));
        let is_broken = Arc::new(AtomicBool::new(true));
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let (broken, log) = (Arc::clone(&is_broken), Arc::clone(&arrived));
        let service = service_fn(move |_: Request<kit_serve::Incoming>| {
            lock(&log).push(Instant::now());
            let mut reply = Response::new(Full::new(Bytes::from_static(b"\"hello\"")));
            if broken.load(Ordering::Relaxed) {
                *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            async { Ok::<_, Infallible>(reply) }
        });
        let server = kit_serve::serve(listener, service);
        tokio::spawn(async move { _ = server.into_future().await });
        let changes = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&changes);
        let circuit = Circuit::builder("failing", Limits::default())
            .on_change(move |change| lock(&heard).push(change.clone()))
            .build();
        Ok(Self { is_broken, arrived, changes, circuit, instance })
    }
}

// ===== impl Error =====

impl From<Open> for Error {
    fn from(fact: Open) -> Self {
        Self::Open(fact)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(fact) => fact.fmt(f),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl error::Error for Error {}
