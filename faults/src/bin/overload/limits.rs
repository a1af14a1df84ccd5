//! Three times as many calls as a service can answer, whoever waits for them:
//! with a limit that adapts, and without.

use crate::serve::{HELD, SLOTS};
use http::{Method, StatusCode};
use kit_endpoint::{Criticality, Request as Call};
use kit_faults::{BoxError, server::Server, table::Table};
use kit_transport_http::{CallError, Client, Pool, PoolOptions, json, query};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tower::ServiceExt;

/// Calls a second: three times what can be answered.
const CALLS: u32 = 2400;
/// One of so many is critical, the rest can be shed.
const CRITICAL: u32 = 4;
/// What is not yet counted, for the limit has to be found.
const FINDS: Duration = Duration::from_secs(5);
const COUNTED: Duration = Duration::from_secs(30);
/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a call went: when it was due, whether it is critical, how long it took.
struct Done {
    due: Instant,
    is_critical: bool,
    took: Duration,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Answered,
    Refused,
    /// Refused without a word on when to come back.
    Dismissed,
    Failed,
}

pub(crate) async fn run(table: &mut Table) -> Result<(), BoxError> {
    let (alone, _) = load("bare", 100, Duration::from_secs(5), false).await?;
    let unloaded = percentile(&alone, 99);
    table.row("100 calls a second", "p99", millis(unloaded), "-", true);
    for (which, is_judged) in [("gradient2", true), ("aimd", false), ("bare", false)] {
        let (all, begun) = load(which, CALLS, FINDS + COUNTED, false).await?;
        rows(table, which, is_judged, unloaded, &counted(all, begun));
    }
    let (all, begun) = load("gradient2", CALLS, FINDS + COUNTED, true).await?;
    shed(table, &counted(all, begun));
    Ok(())
}

/// Those that were due once the limit was found.
fn counted(all: Vec<Done>, begun: Instant) -> Vec<Done> {
    all.into_iter().filter(|done| done.due >= begun + FINDS).collect()
}

fn rows(table: &mut Table, which: &str, is_judged: bool, unloaded: Duration, all: &[Done]) {
    let fault = format!("{CALLS} calls a second, {}", described(which));
    let count = |how: How| all.iter().filter(|done| done.how == how).count();
    let answered = count(How::Answered);
    let capacity = f64::from(SLOTS) / HELD.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let rate = answered as f64 / COUNTED.as_secs_f64();
    let (measured, bar) = (format!("{rate:.0} a second"), format!("{:.0}", capacity * 0.9));
    let row = |table: &mut Table, what: &str, measured: String, bar: String, is_met: bool| {
        let bar = if is_judged { bar } else { "-".to_owned() };
        table.row(&fault, what, measured, bar, is_met || !is_judged);
    };
    row(table, "answered", measured, bar, rate >= capacity * 0.9);
    let p99 = percentile(all, 99);
    row(table, "p99 of those", millis(p99), millis(unloaded * 2), p99 <= unloaded * 2);
    let (refused, dismissed) = (count(How::Refused), count(How::Dismissed));
    let measured = format!("{refused} of {}", all.len() - answered);
    let is_met = refused + answered == all.len();
    row(table, "the rest: 503 or 429 with Retry-After", measured, "all".to_owned(), is_met);
    let failed = format!("{}, {dismissed} without Retry-After", count(How::Failed));
    row(table, "failed otherwise, or after 1 s", failed, "0".to_owned(), is_met);
}

fn shed(table: &mut Table, all: &[Done]) {
    let fault =
        format!("the same, limited by Gradient2, one in {CRITICAL} critical, the rest sheddable");
    for (what, is_critical) in
        [("critical ones answered", true), ("sheddable ones answered", false)]
    {
        let of: Vec<_> = all.iter().filter(|done| done.is_critical == is_critical).collect();
        let answered = of.iter().filter(|done| done.how == How::Answered).count();
        let measured = format!("{answered} of {}", of.len());
        let is_met = !is_critical || answered * 100 >= of.len() * 95;
        table.row(&fault, what, measured, if is_critical { "95 %" } else { "-" }, is_met);
    }
}

fn described(which: &str) -> String {
    match which {
        "bare" => "without a limit".to_owned(),
        "aimd" => "limited by AIMD, a call lost after 20 ms".to_owned(),
        _ => "limited by Gradient2".to_owned(),
    }
}

fn percentile(all: &[Done], percent: usize) -> Duration {
    let answered = all.iter().filter(|done| done.how == How::Answered);
    let mut took: Vec<_> = answered.map(|done| done.took).collect();
    took.sort();
    took.get(took.len() * percent / 100).copied().unwrap_or_default()
}

fn millis(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

/// Makes the calls when they are due, whatever becomes of those before.
async fn load(
    which: &str,
    rate: u32,
    lasts: Duration,
    is_mixed: bool,
) -> Result<(Vec<Done>, Instant), BoxError> {
    let server = Server::start(&["serve", which])?;
    let uri: http::Uri = format!("http://{}/", server.address).parse()?;
    let pool: Pool = Pool::new(PoolOptions::new().connect(PATIENCE).idle_per_host(4000));
    let client = Client::new(pool, query::request(Method::GET, uri), json::reply::<u32>);
    let all = Arc::new(Mutex::new(Vec::new()));
    let mut calls = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < lasts {
        let due = ticks.tick().await;
        number += 1;
        let is_critical = !is_mixed || number % CRITICAL == 0;
        let (client, all) = (client.clone(), Arc::clone(&all));
        calls.spawn(async move {
            let mut call = Call::new(());
            if is_mixed {
                let class =
                    if is_critical { Criticality::Critical } else { Criticality::Sheddable };
                call.extensions_mut().insert(class);
            }
            let reply = timeout(PATIENCE, client.oneshot(call)).await;
            let how = reply.map_or(How::Failed, |reply| how(&reply));
            let done = Done { due, is_critical, took: due.elapsed(), how };
            all.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        });
        while calls.try_join_next().is_some() {}
    }
    while calls.join_next().await.is_some() {}
    let all = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((all, begun))
}

fn how(reply: &Result<u32, CallError>) -> How {
    match reply {
        Ok(_) => How::Answered,
        Err(CallError::Rejected(rejection)) => {
            let status = rejection.status;
            let is_refusal = status == StatusCode::SERVICE_UNAVAILABLE
                || status == StatusCode::TOO_MANY_REQUESTS;
            match rejection.retry_after {
                Some(_) if is_refusal => How::Refused,
                None if is_refusal => How::Dismissed,
                _ => How::Failed,
            }
        }
        Err(_) => How::Failed,
    }
}
