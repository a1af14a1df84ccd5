//! `churn PROGRAM`: what is left behind by 10,000 changes of membership.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use kit_faults::{
    BoxError,
    backend::{Backend, Consul, Fault},
    load::{Load, until},
    table::Table,
};
use kit_sd::{Address, Follower, Health, Instance, Registrar};
use std::{env, fs, path::Path, process::ExitCode, time::Duration};
use tokio::{runtime::Handle, time::Instant};

/// Changes before the first look, so that what is made once is there.
const FIRST: u32 = 1000;
const CHANGES: u32 = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// What a process holds.
struct Held {
    tasks: usize,
    descriptors: usize,
    /// Resident, in KiB.
    memory: f64,
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let program = env::args().nth(1).ok_or("usage: churn CONSUL")?;
    let consul = Consul::start(Path::new(&program), Fault::Wiped).await?;
    let watch = Follower::new(consul.instancer("churn")).grace(Duration::ZERO).spawn();
    let instances = watch.instances();
    let load = Load::start(instances.clone(), 1);
    let mut table = Table::new();

    let begun = Instant::now();
    change(&consul, &instances, FIRST).await?;
    let before = held()?;
    change(&consul, &instances, CHANGES).await?;
    let after = held()?;
    let took = begun.elapsed().as_secs_f64();
    let what = format!("after {CHANGES} changes more than after {FIRST} ({took:.0} s)");
    let row = |table: &mut Table, name: &str, before: usize, after: usize| {
        let measured = format!("{after} beside {before}");
        table.row(&format!("{name}, {what}"), "in all", measured, "as many", after <= before);
    };
    row(&mut table, "tasks", before.tasks, after.tasks);
    row(&mut table, "file descriptors", before.descriptors, after.descriptors);
    let ratio = after.memory / before.memory;
    table.row(
        &format!("memory, {what}"),
        "resident",
        format!("{:.0} KiB beside {:.0}: {ratio:.3} times", after.memory, before.memory),
        "1.05 times",
        ratio <= 1.05,
    );
    drop(load);
    Ok(ExitCode::from(u8::from(table.is_red())))
}

/// Has instances come and go, one change after the other, each of them seen.
async fn change(
    consul: &Consul,
    instances: &kit_sd::Instances,
    changes: u32,
) -> Result<(), BoxError> {
    let mut there = Vec::new();
    for number in 0..changes {
        let wanted = if number % 20 < 10 {
            // Nobody listens there: an endpoint is made of it all the same.
            let port = u16::try_from(1 + number % 1000)?;
            let instance = Instance::new("churn", Address::new("127.0.0.1", port)?);
            let registrar = consul.registrar(instance.id(format!("churn-{number}")));
            registrar.register(Health::Passing).await?;
            there.push(registrar);
            there.len()
        } else {
            there.pop().ok_or("it is there")?.deregister().await?;
            there.len()
        };
        let seen = |seen: &kit_sd::Snapshot| seen.instances.len() == wanted;
        until("the change", Instant::now(), SECOND * 5, instances, seen).await?;
    }
    Ok(())
}

fn held() -> Result<Held, BoxError> {
    let status = fs::read_to_string("/proc/self/status")?;
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
        .ok_or("the kernel does not say")?;
    Ok(Held {
        tasks: Handle::current().metrics().num_alive_tasks(),
        descriptors: fs::read_dir("/proc/self/fd")?.count(),
        memory,
    })
}
