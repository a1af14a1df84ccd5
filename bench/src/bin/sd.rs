//! What a set of instances costs: `sd WHAT HOW`, where WHAT is `read`, `update`,
//! `shared` or `decode`, and HOW a number of times, to be counted, or `time`.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kit_bench::{BoxError, say, slow_down};
use kit_sd::{
    Address, Instance, Instances, Publisher,
    consul::{Agent, Client, Query},
};
use std::{convert::Infallible, env, fmt::Write, hint::black_box, sync::Arc, thread};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot, time::Instant};

/// Instances in the set.
const SIZE: u16 = 10_000;
/// Reads between two chances to waste something.
const CHUNK: u64 = 100;
/// Rounds that are timed, of which the middle counts; an odd number.
const ROUNDS: u64 = 101;
/// Reads in such a round.
const READS: u64 = 10_000;

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let what = args.next().ok_or("what?")?;
    let how = args.next().ok_or("how many times, or `time`?")?;
    let times = match &*how {
        "time" => None,
        times => Some(times.parse()?),
    };
    match &*what {
        "read" => read(times),
        "update" => update(times, false),
        "shared" => update(times, true),
        "decode" => decode(times),
        _ => Err("there is no such job".into()),
    }
}

/// One of the set, with what an instance has.
fn instance(number: u16, round: u64) -> Result<Instance, BoxError> {
    let host = format!("10.0.{}.{}", number >> 8, number & 255);
    let instance = Instance::new("hello", Address::new(&host, 1 + number)?)
        .id(format!("hello-{number:05}"))
        .tag("v1")
        .tag("blue")
        .metadata("team", "a")
        .version("1.2.3")
        .zone("eu-1a");
    // One of them is another each time.
    Ok(if number == SIZE / 2 { instance.metadata("round", round.to_string()) } else { instance })
}

fn set(round: u64) -> Result<Vec<Instance>, BoxError> {
    (0..SIZE).map(|number| instance(number, round)).collect()
}

fn read(times: Option<u64>) -> Result<(), BoxError> {
    let (publisher, mut instances) = Instances::channel("hello");
    publisher.publish(set(0)?);
    let mut chunk = |reads: u64| {
        for _ in 0..reads {
            let _ = black_box(black_box(&mut instances).current());
        }
    };
    let Some(times) = times else {
        return timed(|_| Ok(()), |()| chunk(READS), READS);
    };
    for _ in 0..times / CHUNK {
        chunk(CHUNK);
        slow_down();
    }
    say("")
}

/// From the decoded set to a subscriber that has it.
fn update(times: Option<u64>, is_shared: bool) -> Result<(), BoxError> {
    let (publisher, mut instances) = Instances::channel("hello");
    publisher.publish(set(0)?);
    let runtime = kit_bench::runtime()?;
    let first = runtime.block_on(instances.changed()).ok_or("a set")?;
    let prepare = |round: u64| -> Result<Update, BoxError> {
        if !is_shared {
            return Ok(Update::Whole(set(round)?));
        }
        let mut all = first.instances.to_vec();
        let middle = usize::from(SIZE / 2);
        all[middle] = Arc::new(instance(SIZE / 2, round)?);
        Ok(Update::Shared(all))
    };
    let mut seen = |update: Update| {
        update.publish(&publisher);
        let seen = runtime.block_on(instances.changed());
        slow_down();
        black_box(seen);
    };
    let Some(times) = times else { return timed(|round| prepare(round + 1), seen, 1) };
    for round in 1..=times {
        seen(prepare(round)?);
    }
    say("")
}

enum Update {
    Whole(Vec<Instance>),
    Shared(Vec<Arc<Instance>>),
}

impl Update {
    fn publish(self, publisher: &Publisher) {
        match self {
            Self::Whole(all) => publisher.publish(all),
            Self::Shared(all) => _ = publisher.publish_shared(all, None),
        }
    }
}

/// Says the middle of the nanoseconds that one of `each` took.
fn timed<T>(
    mut prepare: impl FnMut(u64) -> Result<T, BoxError>,
    mut work: impl FnMut(T),
    each: u64,
) -> Result<(), BoxError> {
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let prepared = prepare(round)?;
        let begun = Instant::now();
        work(prepared);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        took.push(begun.elapsed().as_secs_f64() * 1e9 / each as f64);
    }
    took.sort_by(f64::total_cmp);
    say(took[took.len() / 2])
}

/// From the answer's bytes on loopback to the decoded set.
fn decode(times: Option<u64>) -> Result<(), BoxError> {
    let body = answer()?;
    let (told, port) = oneshot::channel();
    thread::spawn(move || serve(&body, told));
    let runtime = kit_bench::runtime()?;
    let port = runtime.block_on(port)?;
    let agent = Agent::new(&format!("127.0.0.1:{port}"))?.size(64 << 20);
    let query = Query::new("hello");
    let ask = |()| {
        let answer = runtime.block_on(agent.health(&query));
        assert!(answer.is_ok_and(|answer| answer.entries.len() == usize::from(SIZE)));
        slow_down();
    };
    let Some(times) = times else { return timed(|_| Ok(()), ask, 1) };
    (0..times).for_each(|_| ask(()));
    say("")
}

fn serve(body: &Bytes, told: oneshot::Sender<u16>) -> Result<(), BoxError> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        told.send(listener.local_addr()?.port()).map_err(|_| "nobody asks")?;
        loop {
            let (stream, _) = listener.accept().await?;
            let body = body.clone();
            let reply = service_fn(move |_: Request<Incoming>| {
                let reply = Response::builder()
                    .header("x-consul-index", "1")
                    .body(Full::new(body.clone()))
                    .unwrap_or_default();
                async move { Ok::<_, Infallible>(reply) }
            });
            // Whoever asked has what it wants, or does not.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), reply).await;
        }
    })
}

/// What Consul answers, with its checks.
fn answer() -> Result<Bytes, BoxError> {
    let mut text = "[".to_owned();
    for number in 0..SIZE {
        let comma = if number == 0 { "" } else { "," };
        let (high, low, port) = (number >> 8, number & 255, 1 + number);
        write!(
            text,
            r#"{comma}{{"Node":{{"ID":"7f0ed1f7","Node":"n-{number}","Address":"10.0.{high}.{low}","Datacenter":"dc1","TaggedAddresses":{{"lan":"10.0.{high}.{low}","wan":"10.0.{high}.{low}"}},"Meta":{{"consul-network-segment":""}},"CreateIndex":7,"ModifyIndex":9}},"Service":{{"ID":"hello-{number:05}","Service":"hello","Tags":["v1","blue"],"Address":"10.0.{high}.{low}","Meta":{{"team":"a","version":"1.2.3","zone":"eu-1a"}},"Port":{port},"Weights":{{"Passing":1,"Warning":1}},"EnableTagOverride":false,"CreateIndex":12,"ModifyIndex":12}},"Checks":[{{"Node":"n-{number}","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing","Notes":"","Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Definition":{{}},"CreateIndex":7,"ModifyIndex":7}},{{"Node":"n-{number}","CheckID":"service:hello-{number:05}","Name":"Service 'hello' check","Status":"passing","Notes":"","Output":"","ServiceID":"hello-{number:05}","ServiceName":"hello","ServiceTags":["v1","blue"],"Definition":{{}},"CreateIndex":12,"ModifyIndex":12}}]}}"#
        )?;
    }
    text.push(']');
    Ok(text.into())
}
