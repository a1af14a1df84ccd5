//! `outages consul PROGRAM` (or `etcd`): what becomes of 500 calls a second
//! while their registry is killed, wiped, paused, without a leader or cut off.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use kit_faults::{
    BoxError,
    backend::{Backend, Consul, Fault, TTL, answers},
    load::{Load, Server, until},
    table::Table,
};
use kit_sd::{Follower, Instances, State, Watch};
use std::{env, path::Path, process::ExitCode, time::Duration};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
/// How long a fault lasts.
const OUTAGE: Duration = Duration::from_secs(10);
const RATE: u32 = 500;
/// The grace of the set that is watched until it is over.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [which, program, only @ ..] = &arguments[..] else {
        return Err("usage: outages consul|etcd PROGRAM [killed|wiped|paused|..]".into());
    };
    let mut table = Table::new();
    match which.as_str() {
        "consul" => all::<Consul>(Path::new(program), only, &mut table).await?,
        #[cfg(feature = "etcd")]
        "etcd" => all::<kit_faults::etcd::Etcd>(Path::new(program), only, &mut table).await?,
        other => return Err(format!("{other:?} is no registry of this build").into()),
    }
    Ok(ExitCode::from(u8::from(table.is_red())))
}

async fn all<B: Backend>(
    program: &Path,
    only: &[String],
    table: &mut Table,
) -> Result<(), BoxError> {
    let wanted = |what: &str| only.is_empty() || only.iter().any(|only| only == what);
    if wanted("latency") {
        latency::<B>(program, table).await?;
    }
    let faults =
        [Fault::Killed, Fault::Wiped, Fault::Paused, Fault::Leaderless, Fault::Partitioned];
    for fault in faults.into_iter().filter(|fault| wanted(&format!("{fault:?}").to_lowercase())) {
        if let Err(error) = outage::<B>(program, fault, table).await {
            table.row(&name::<B>(fault), "the run", error, "to its end", false);
        }
    }
    Ok(())
}

fn name<B: Backend>(fault: Fault) -> String {
    let fault = match fault {
        Fault::Killed => "killed for 10 s",
        Fault::Wiped => "killed for 10 s and wiped",
        Fault::Paused => "paused for 10 s",
        Fault::Leaderless => "its leader killed",
        Fault::Partitioned => "cut off for 10 s",
    };
    format!("{} {fault}", B::NAME)
}

/// From registering to being seen, which the start of a server is part of, and from deregistering to being gone.
async fn latency<B: Backend>(program: &Path, table: &mut Table) -> Result<(), BoxError> {
    const TIMES: usize = 200;
    let backend = B::start(program, Fault::Killed).await?;
    let watch = Follower::new(backend.instancer("latency")).grace(Duration::ZERO).spawn();
    let instances = watch.instances();
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        let mut server = Server::start("latency", 1, |one| backend.registrar(one)).await?;
        came.push(until("one", begun, SECOND, &instances, |seen| seen.instances.len() == 1).await?);
        let begun = Instant::now();
        server.registration.take().ok_or("it is registered")?.deregister().await?;
        went.push(
            until("none", begun, SECOND, &instances, |seen| seen.instances.is_empty()).await?,
        );
        server.end().await;
    }
    for (what, mut times) in [("registering to seen", came), ("deregistering to gone", went)] {
        times.sort_by(f64::total_cmp);
        let (median, p99) = (times[TIMES / 2], times[TIMES * 99 / 100]);
        let what = format!("{what}, p99 of {TIMES} (median {median:.1} ms)");
        table.most(B::NAME, &what, p99, 50.0, "ms");
    }
    Ok(())
}

async fn outage<B: Backend>(
    program: &Path,
    fault: Fault,
    table: &mut Table,
) -> Result<(), BoxError> {
    let name = name::<B>(fault);
    let mut backend = B::start(program, fault).await?;
    let mut servers = Vec::new();
    for number in 1..=3 {
        servers.push(Server::start("hello", number, |one| backend.registrar(one)).await?);
    }
    // One that is there until the fault, and then not registered again.
    let ghost = Server::start("ghost", 1, |one| backend.registrar(one)).await?;
    let watch = Watch::spawn(backend.instancer("hello"));
    let of_ghost = Follower::new(backend.instancer("ghost")).grace(GRACE).spawn();
    let (hello, ghosts) = (watch.instances(), of_ghost.instances());
    until("all", Instant::now(), SECOND * 10, &hello, |seen| seen.instances.len() == 3).await?;
    until("the ghost", Instant::now(), SECOND * 10, &ghosts, |seen| seen.instances.len() == 1)
        .await?;
    let load = Load::start(hello.clone(), RATE);
    sleep(SECOND * 2).await;

    let failed = Instant::now();
    backend.fail()?;
    // What is not there to register again is missing afterwards.
    drop(ghost);
    let stale = |seen: &kit_sd::Snapshot| matches!(seen.state, State::Stale { .. });
    let is_brief = fault == Fault::Leaderless;
    match until("a stale set", failed, SECOND * 4, &hello, stale).await {
        Ok(after) => table.most(&name, "stale after", after, 2000.0, "ms"),
        // A new leader may be there before anybody asks.
        Err(_) if is_brief => table.row(&name, "stale after", "never", "2000.0 ms", true),
        Err(error) => return Err(error),
    }
    if !is_brief {
        sleep((failed + OUTAGE).saturating_duration_since(Instant::now())).await;
        let kept = hello.snapshot().instances.len();
        table.row(&name, "instances kept", kept, 3, kept == 3);
    }
    backend.mend()?;
    let back = answers(&backend).await?;
    let whole = |seen: &kit_sd::Snapshot| seen.state == State::Fresh && seen.instances.len() == 3;
    let fresh = until("a fresh set", back, SECOND * 20, &hello, |seen| {
        seen.state.is_up() && seen.instances.len() == 3
    });
    table.most(&name, "believed again after its first answer", fresh.await?, 1000.0, "ms");
    let all = until("all registered again", back, SECOND * 20, &hello, whole).await?;
    table.row(&name, "all registered again", format!("{all:.1} ms"), "by themselves", true);

    if fault == Fault::Wiped {
        grace(&name, &ghosts, table).await?;
    }
    // A server that was restarted is busy with itself for some seconds.
    sleep(SECOND * 5).await;
    leave(&name, &mut servers, &hello, table).await?;
    sleep(SECOND).await;
    let (made, failures, why) = load.counts();
    let measured = match why {
        Some(why) => format!("{failures} of {made}: {why}"),
        None => format!("{failures} of {made}"),
    };
    table.row(&name, "failed calls", measured, 0, failures == 0);
    Ok(())
}

/// That what is missing goes exactly at the end of its grace.
async fn grace(name: &str, ghosts: &Instances, table: &mut Table) -> Result<(), BoxError> {
    let mut since = Instant::now();
    let doubted = |seen: &kit_sd::Snapshot| match seen.state {
        State::Suspect { since: begun, .. } => {
            since = begun;
            true
        }
        _ => false,
    };
    until("a doubt", Instant::now(), SECOND * 5, ghosts, doubted).await?;
    let gone = |seen: &kit_sd::Snapshot| seen.instances.is_empty();
    let after = until("the end of the grace", since, GRACE * 2, ghosts, gone).await?;
    let off = after - GRACE.as_secs_f64() * 1e3;
    table.row(
        name,
        "a suspect set is dropped at its grace of 5 s",
        format!("{off:+.1} ms"),
        "-0 to +50 ms",
        (0.0..50.0).contains(&off),
    );
    Ok(())
}

/// That one that is deregistered leaves at once, and one whose heartbeats end
/// when its time to live is over.
async fn leave(
    name: &str,
    servers: &mut [Server],
    hello: &Instances,
    table: &mut Table,
) -> Result<(), BoxError> {
    let has =
        |id: String| move |seen: &kit_sd::Snapshot| seen.instances.iter().all(|one| one.id != id);
    let [first, second, ..] = servers else { return Err("too few servers".into()) };
    let begun = Instant::now();
    first.registration.take().ok_or("it is registered")?.deregister().await?;
    let gone = until("one that left", begun, SECOND * 5, hello, has(first.instance.id.clone()));
    table.most(name, "deregistered to gone", gone.await?, 50.0, "ms");
    let begun = Instant::now();
    drop(second.registration.take());
    let gone = until("one that lapsed", begun, TTL * 4, hello, has(second.instance.id.clone()));
    let most = TTL.as_secs_f64() * 1e3;
    let lapse = gone.await?;
    table.row(
        name,
        "a TTL of 3 s lapses after the last heartbeat",
        format!("{lapse:.0} ms after its end"),
        format!("{:.0} to {:.0} ms", most * 0.6, most * 1.2),
        (most * 0.6..=most * 1.2).contains(&lapse),
    );
    Ok(())
}
