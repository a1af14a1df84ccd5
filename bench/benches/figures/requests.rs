//! Instructions and allocations of one request, ours beside the bare stack's.

use crate::{
    BoxError, Row,
    count::{SLACK, callgrind, collected, scratch},
    layers::turns,
    slower, spread,
};
use kit_bench::{
    LITTER, TURNS,
    pb::{GreetingRequest, greeter_client::GreeterClient},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
};
use tonic::transport::Channel;

const FEW: u64 = 500;
const MANY: u64 = 2500;
const PAIRS: usize = 5;

#[derive(Clone, Copy)]
enum Load {
    Http,
    Grpc,
}

struct Case {
    instructions: &'static str,
    allocations: &'static str,
    ours: &'static str,
    bare: &'static str,
    load: Load,
    bar: f64,
    /// The ratio when the table was committed.
    committed: f64,
}

/// How many more allocations are let pass. There were none more when the table
/// was committed, the bar that was set is 2, and 5 % of ours is 0.45 at the least.
const ALLOCATIONS: f64 = 0.2;

const CASES: [Case; 2] = [
    Case {
        instructions: "HTTP request, instructions",
        allocations: "HTTP request, allocations",
        ours: env!("CARGO_BIN_EXE_http_kit"),
        bare: env!("CARGO_BIN_EXE_http_hyper"),
        load: Load::Http,
        bar: 1.10,
        committed: 1.055,
    },
    Case {
        instructions: "gRPC request, instructions",
        allocations: "gRPC request, allocations",
        ours: env!("CARGO_BIN_EXE_grpc_kit"),
        bare: env!("CARGO_BIN_EXE_grpc_tonic"),
        load: Load::Grpc,
        bar: 1.05,
        committed: 1.022,
    },
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for case in CASES {
        rows.extend(case.rows()?);
    }
    Ok(rows)
}

// ===== impl Case =====

impl Case {
    fn rows(&self) -> Result<[Row; 2], BoxError> {
        let (program, other) = (Side::new(self.ours), Side::new(self.bare));
        // One at a time: an allocation has instructions too.
        let (mut slowed, mut littered) = (program, program);
        if let Some(percent) = slower() {
            slowed.turns = turns(per_request(program, self.load, instructions)?, percent);
            littered.litter = thousandths(per_request(program, self.load, allocations)?, percent);
        }
        let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let one = per_request(slowed, self.load, instructions)?;
            let other = per_request(other, self.load, instructions)?;
            ratios.push(one / other);
            ours.push(one);
            bare.push(other);
        }
        let (ours, ..) = spread(ours);
        let (bare, ..) = spread(bare);
        let (ratio, least, most) = spread(ratios);
        let bar = self.bar.min(self.committed * SLACK);
        let instructions = Row {
            name: self.instructions,
            ours: format!("{ours:.0}"),
            bare: format!("{bare:.0}"),
            value: format!("{ratio:.3} times ({least:.3} to {most:.3})"),
            bar: format!("{bar:.3} times"),
            met: ratio <= bar,
        };
        let ours = per_request(littered, self.load, allocations)?;
        let bare = per_request(other, self.load, allocations)?;
        let allocations = Row {
            name: self.allocations,
            ours: format!("{ours:.2}"),
            bare: format!("{bare:.2}"),
            value: format!("{:+.2}", ours - bare),
            bar: format!("+{ALLOCATIONS}"),
            met: ours - bare <= ALLOCATIONS,
        };
        Ok([instructions, allocations])
    }
}

/// Returns how many thousandths of an allocation are a few percent more.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn thousandths(allocations: f64, percent: f64) -> u64 {
    (allocations * percent * 10.0).ceil() as u64
}

/// What one more request costs, of whatever `count` counts.
fn per_request(
    program: Side,
    load: Load,
    count: fn(Side, Load, u64) -> Result<u64, BoxError>,
) -> Result<f64, BoxError> {
    let (few, many) = (count(program, load, FEW)?, count(program, load, MANY)?);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
}

fn allocations(program: Side, load: Load, requests: u64) -> Result<u64, BoxError> {
    let mut program = Program::start(&mut program.command(&[]))?;
    load.run(program.port, requests)?;
    program.last_line()
}

fn instructions(program: Side, load: Load, requests: u64) -> Result<u64, BoxError> {
    let log = scratch("callgrind.log");
    let mut program = Program::start(&mut program.command(&callgrind(&log)))?;
    load.run(program.port, requests)?;
    program.last_line()?;
    collected(&log)
}

/// A program of one side, and what it is to waste for each request.
#[derive(Clone, Copy)]
struct Side {
    program: &'static str,
    turns: u64,
    litter: u64,
}

// ===== impl Side =====

impl Side {
    const fn new(program: &'static str) -> Self {
        Self { program, turns: 0, litter: 0 }
    }

    /// Returns how it is run, by `runner`.
    fn command(self, runner: &[String]) -> Command {
        let mut command = match runner {
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(self.program);
                command
            }
            [] => Command::new(self.program),
        };
        command.env(TURNS, self.turns.to_string()).env(LITTER, self.litter.to_string());
        command
    }
}

/// A server that serves one connection.
struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

// ===== impl Program =====

impl Program {
    fn start(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let mut out = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        out.read_line(&mut line)?;
        Ok(Self { child, out, port: line.trim().parse()? })
    }

    fn last_line(&mut self) -> Result<u64, BoxError> {
        let mut line = String::new();
        self.out.read_to_string(&mut line)?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the server ended with {status}").into());
        }
        Ok(line.trim().parse()?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

// ===== impl Load =====

impl Load {
    fn run(self, port: u16, requests: u64) -> Result<(), BoxError> {
        match self {
            Self::Http => http(port, requests),
            Self::Grpc => grpc(port, requests),
        }
    }
}

/// One keep-alive connection, a request after the other, with the headers that
/// a browser's `fetch` would send.
fn http(port: u16, requests: u64) -> Result<(), BoxError> {
    const REQUEST: &[u8] = b"GET /greeting?name=Ada HTTP/1.1\r\nhost: localhost\r\n\
        user-agent: kit-bench\r\naccept: */*\r\naccept-encoding: gzip\r\n\r\n";
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    let mut reply = [0; 1024];
    for _ in 0..requests {
        stream.write_all(REQUEST)?;
        let mut length = 0;
        while !reply[..length].ends_with(b"}") {
            match stream.read(&mut reply[length..])? {
                0 => return Err("the server hung up".into()),
                more => length += more,
            }
        }
        if !reply[..length].ends_with(b"{\"greeting\":\"Hello, Ada!\"}") {
            return Err(String::from_utf8_lossy(&reply[..length]).into());
        }
    }
    Ok(())
}

/// One connection of tonic's client, a call after the other.
fn grpc(port: u16, requests: u64) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let channel = Channel::from_shared(format!("http://127.0.0.1:{port}"))?.connect().await?;
        let mut client = GreeterClient::new(channel);
        for _ in 0..requests {
            let request = GreetingRequest { name: "Ada".to_owned() };
            let reply = client.greeting(request).await?.into_inner();
            if reply.greeting != "Hello, Ada!" {
                return Err(reply.greeting.into());
            }
        }
        Ok(())
    })
}
