//! What connections cost that are idle: 10,000 of them, each after one request.

use kit_faults::{BoxError, server::Server, table::Table};
use std::{env, net::SocketAddr, process::Command, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

const CONNECTIONS: usize = 10_000;
const RUNS: usize = 5;
const BUSY: usize = 16;
const REQUESTS: usize = 1_000;
/// How often they are asked; the least counts, since what else the machine does
/// only adds to it.
const BATCHES: usize = 15;

pub(crate) async fn run(table: &mut Table) -> Result<(), BoxError> {
    let (mut bytes, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let [ours, bare] = [measure("kit").await?, measure("hyper").await?];
        bytes.push([ours.bytes, bare.bytes]);
        costs.push([ours.costs, bare.costs]);
    }
    let fault = format!("{CONNECTIONS} idle HTTP/1.1 connections");
    let [ours, bare] = [0, 1].map(|at| median(bytes.iter().map(|pair| pair[at])));
    let (ratio, spread) = spread(bytes.iter().map(|pair| pair[0] / pair[1]));
    let measured = format!("{ratio:.3} times ({spread}; {ours:.0} B, bare hyper {bare:.0} B)");
    table.row(&fault, "memory of each, beside bare hyper", measured, "1.200 times", ratio <= 1.2);
    for (name, at, bar) in [("kit_serve", 0, Some(1.05)), ("bare hyper", 1, None)] {
        let of = |when: usize| costs.iter().map(move |pair| pair[at][when] * 1e6);
        let ratios = costs.iter().map(|pair| pair[at][1] / pair[at][0]);
        let ((ratio, spread), alone) = (self::spread(ratios), median(of(0)));
        let beside = median(of(1));
        let what = format!("the busy ones' CPU time for a request beside them, {name}");
        let measured = format!("{ratio:.3} times ({spread}; {beside:.1} us, alone {alone:.1} us)");
        let met = bar.is_none_or(|bar| ratio <= bar);
        table.row(&fault, &what, measured, bar.map_or("shown", |_| "1.050 times"), met);
    }
    Ok(())
}

/// Starts one on a processor of its own, by `taskset`: what it takes depends on
/// whom it shares one with more than on what is asked here.
fn start_pinned(which: &str) -> Result<Server, BoxError> {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(env::current_exe()?).args(["serve", which]);
    Server::start_by(&mut command)
}

/// What one server took.
struct Taken {
    /// Memory of an idle connection, in bytes.
    bytes: f64,
    /// Seconds on a processor for a request, alone and beside the idle ones.
    costs: [f64; 2],
}

#[expect(clippy::cast_precision_loss, reason = "it is less than 2^52")]
async fn measure(which: &str) -> Result<Taken, BoxError> {
    let server = start_pinned(which)?;
    batch(&server).await?;
    let alone = cost(&server).await?;
    let [before, _] = server.memory()?;
    let mut idle = Vec::new();
    while idle.len() < CONNECTIONS {
        let mut batch = JoinSet::new();
        for _ in 0..100 {
            batch.spawn(connect(server.address));
        }
        while let Some(stream) = batch.join_next().await {
            idle.push(stream??);
        }
    }
    sleep(Duration::from_millis(500)).await;
    let [after, _] = server.memory()?;
    let beside = cost(&server).await?;
    drop(idle);
    let bytes = after.saturating_sub(before) as f64 * 1024.0 / CONNECTIONS as f64;
    Ok(Taken { bytes, costs: [alone, beside] })
}

async fn connect(address: SocketAddr) -> Result<TcpStream, BoxError> {
    let mut stream = TcpStream::connect(address).await?;
    ask(&mut stream).await?;
    Ok(stream)
}

async fn ask(stream: &mut TcpStream) -> Result<(), BoxError> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut part = [0; 1024];
    let mut length = 0;
    while !part[..length].ends_with(b"hello") {
        match stream.read(&mut part[length..]).await? {
            0 => return Err("it was closed".into()),
            read => length += read,
        }
    }
    Ok(())
}

/// Seconds on a processor for each request of those over busy connections.
async fn cost(server: &Server) -> Result<f64, BoxError> {
    let mut batches = Vec::new();
    while batches.len() < BATCHES {
        batches.push(batch(server).await?);
    }
    Ok(batches.into_iter().fold(f64::INFINITY, f64::min))
}

#[expect(clippy::cast_precision_loss, reason = "it is less than 2^52")]
async fn batch(server: &Server) -> Result<f64, BoxError> {
    let address = server.address;
    let before = server.cpu()?;
    let mut busy = JoinSet::new();
    for _ in 0..BUSY {
        busy.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            for _ in 0..REQUESTS {
                ask(&mut stream).await?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(done) = busy.join_next().await {
        done??;
    }
    let took = server.cpu()?.saturating_sub(before);
    Ok(took.as_secs_f64() / (BUSY * REQUESTS) as f64)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The middle, and from where to where they are.
fn spread(values: impl Iterator<Item = f64>) -> (f64, String) {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let (first, last) = (values[0], values[values.len() - 1]);
    (values[values.len() / 2], format!("{first:.3} to {last:.3}"))
}
