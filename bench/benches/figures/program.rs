//! Programs of either side, and what drives them.

use crate::{
    BoxError,
    count::{callgrind, collected, scratch},
};
use greeter::pb::{GreetingRequest, greeter_client::GreeterClient};
use kit_bench::{
    LITTER, TURNS,
    pb::{Ask, bench_client::BenchClient},
};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};
use tokio::{runtime::Runtime, sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{metadata::MetadataValue, transport::Channel};

/// glibc's allocator keeps what it has. Else it gives memory of 1 MiB back to the
/// kernel and asks for it again, at each request or never, as its heap happens to
/// lie: from 37 to 80 page faults a request, and twice the time, on either side.
const KEEP_MEMORY: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=134217728",
);

/// What is asked, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// `GET /greeting?name=Ada`, with the headers of a browser's `fetch`.
    Get,
    /// The same, of the greeter.
    Hello,
    /// `POST /echo` of so many bytes.
    Echo(usize),
    /// A unary call.
    Greet,
    /// The greeter's.
    Greeting,
    /// A message of one call of these shapes.
    Many,
    Gather,
    Chat,
    /// One greeting, with a token, of a server that is told which layers it has.
    Stack {
        is_grpc: bool,
        told: &'static str,
    },
}

/// A program of one side, and what it is to waste for each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    pub(crate) program: &'static str,
    /// The server that it calls, if it is a client.
    pub(crate) calls: Option<&'static str>,
    pub(crate) job: Job,
    pub(crate) turns: u64,
    pub(crate) litter: u64,
}

/// What a run cost the program.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    /// None were counted without callgrind.
    pub(crate) instructions: u64,
}

/// A program that runs, and is asked.
pub(crate) struct Running {
    driver: Driver,
    program: Program,
    /// The server of a client: it is not what is measured.
    server: Option<Program>,
    /// By which a server is asked only once it sleeps.
    rest: Option<Rest>,
    log: Option<PathBuf>,
}

struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
}

/// A request with a head of one length or another: how fast the kernel copies a
/// body depends on where in a line of the cache it begins, by more than 5 %.
/// Where a program's heap is laid out otherwise by 32 bytes, that is seen, and not
/// what the program does.
struct Asked {
    heads: Vec<String>,
    /// A head, right before the body, behind what a longer one takes.
    bytes: Vec<u8>,
    body: usize,
    turn: usize,
}

/// What a program does, as the kernel tells.
struct Rest(File);

/// The one processor that this thread, and the programs it starts, keep to.
///
/// Else the kernel places the two that talk on one processor or on two, anew for
/// each pair of programs, and waking a sleeper on another processor costs who
/// wakes it more than the request does.
pub(crate) struct OneProcessor {
    before: String,
}

enum Driver {
    Http {
        stream: TcpStream,
        request: Asked,
        reply: Vec<u8>,
        expect: usize,
    },
    Grpc {
        runtime: Runtime,
        channel: Channel,
        job: Job,
    },
    /// A client, by its standard input.
    Lines(ChildStdin),
}

// ===== impl Job =====

impl Job {
    /// Returns how a server is told of it.
    fn for_server(self) -> String {
        match self {
            Self::Echo(_) => "echo".to_owned(),
            Self::Stack { told, .. } => told.to_owned(),
            other => other.for_client(),
        }
    }

    /// Returns how a client is told of it.
    fn for_client(self) -> String {
        match self {
            Self::Echo(size) => size.to_string(),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    fn driver(self, port: u16) -> Result<Driver, BoxError> {
        let (request, expect) = match self {
            Self::Get | Self::Hello => {
                let head = |agent: &str| {
                    format!(
                        "GET /greeting?name=Ada HTTP/1.1\r\nhost: localhost\r\n\
                         user-agent: {agent}\r\naccept: */*\r\naccept-encoding: gzip\r\n\r\n"
                    )
                };
                (Asked::new(head, 0), r#"{"greeting":"Hello, Ada!"}"#.len())
            }
            Self::Stack { is_grpc: false, .. } => {
                let token = kit_bench::stack::token()?;
                let head = |agent: &str| {
                    format!(
                        "GET /greeting?name=Ada HTTP/1.1\r\nhost: localhost\r\n\
                         user-agent: {agent}\r\naccept: */*\r\naccept-encoding: gzip\r\n\
                         authorization: Bearer {token}\r\n\r\n"
                    )
                };
                (Asked::new(head, 0), r#"{"greeting":"Hello, Ada!"}"#.len())
            }
            Self::Echo(size) => {
                let head = |agent: &str| {
                    format!(
                        "POST /echo HTTP/1.1\r\nhost: localhost\r\nuser-agent: {agent}\r\n\
                         accept: */*\r\ncontent-length: {size}\r\n\r\n"
                    )
                };
                (Asked::new(head, size), size)
            }
            job => {
                let runtime = kit_bench::runtime()?;
                let channel = Channel::from_shared(format!("http://127.0.0.1:{port}"))?;
                let channel = runtime.block_on(channel.connect())?;
                return Ok(Driver::Grpc { runtime, channel, job });
            }
        };
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Driver::Http { stream, request, reply: vec![0; 256 << 10], expect })
    }
}

// ===== impl Side =====

impl Side {
    /// Runs it for so many requests, and says what they and its start cost.
    pub(crate) fn cost(self, requests: u64, instructions: bool) -> Result<Cost, BoxError> {
        let mut running = self.start(instructions)?;
        running.rest = match running.server {
            None => Some(Rest::of(&running.program)?),
            Some(_) => None,
        };
        running.ask(requests)?;
        running.end()
    }

    /// Starts it, under callgrind if its instructions are to be counted.
    pub(crate) fn start(self, instructions: bool) -> Result<Running, BoxError> {
        let name = Path::new(self.program).file_name().ok_or("no name")?.to_string_lossy();
        let log = instructions.then(|| scratch(&format!("{name}.log")));
        let mut command = match &log {
            Some(log) => {
                let [valgrind, args @ ..] = callgrind(log);
                let mut command = Command::new(valgrind);
                command.args(args).arg(self.program);
                command
            }
            None => Command::new(self.program),
        };
        command.env(TURNS, self.turns.to_string()).env(LITTER, self.litter.to_string());
        command.envs([KEEP_MEMORY]);
        let Some(server) = self.calls else {
            let mut program = Program::start(command.arg(self.job.for_server()))?;
            let driver = self.job.driver(program.line()?.parse()?)?;
            return Ok(Running { driver, program, server: None, rest: None, log });
        };
        let mut server = Command::new(server);
        let mut server = Program::start(server.arg(self.job.for_server()).envs([KEEP_MEMORY]))?;
        let port = server.line()?;
        let mut program = Program::start(command.args([port, self.job.for_client()]))?;
        let input = program.child.stdin.take().ok_or("no input")?;
        let (driver, server) = (Driver::Lines(input), Some(server));
        Ok(Running { driver, program, server, rest: None, log })
    }
}

// ===== impl Running =====

impl Running {
    pub(crate) fn ask(&mut self, requests: u64) -> Result<(), BoxError> {
        let rest = || self.rest.as_ref().map_or(Ok(()), Rest::wait);
        match &mut self.driver {
            Driver::Http { stream, request, reply, expect } => (0..requests).try_for_each(|_| {
                rest()?;
                http(stream, request.next(self.rest.is_some()), reply, *expect)
            }),
            Driver::Grpc { runtime, channel, job } => {
                runtime.block_on(grpc(channel, *job, requests, rest))
            }
            Driver::Lines(input) => {
                writeln!(input, "{requests}")?;
                match &*self.program.line()? {
                    "done" => Ok(()),
                    other => Err(format!("the client said `{other}`").into()),
                }
            }
        }
    }

    /// Returns for how many nanoseconds the program was on a processor.
    pub(crate) fn on_cpu(&self) -> Result<u64, BoxError> {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", self.program.child.id()))?;
        Ok(stat.split(' ').next().ok_or("no time")?.parse()?)
    }

    pub(crate) fn end(mut self) -> Result<Cost, BoxError> {
        drop(self.driver);
        // Some serve until this.
        drop(self.program.child.stdin.take());
        let last = self.program.line()?;
        self.program.wait()?;
        if let Some(server) = &mut self.server {
            server.line()?;
            server.wait()?;
        }
        let (allocations, bytes) = last.split_once(' ').ok_or("no count of allocations")?;
        let instructions = self.log.as_deref().map(collected).transpose()?;
        Ok(Cost {
            allocations: allocations.parse()?,
            bytes: bytes.parse()?,
            instructions: instructions.unwrap_or_default(),
        })
    }
}

// ===== impl Program =====

impl Program {
    fn start(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let out = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, out })
    }

    fn line(&mut self) -> Result<String, BoxError> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn wait(&mut self) -> Result<(), BoxError> {
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

// ===== impl Asked =====

impl Asked {
    /// The bytes of a line of the cache.
    const LINE: usize = 64;

    fn new(head: impl Fn(&str) -> String, body: usize) -> Self {
        let heads: Vec<_> =
            (0..Self::LINE).map(|longer| head(&format!("kit-bench{:/<longer$}", ""))).collect();
        let longest = heads.last().map_or(0, String::len);
        Self { heads, bytes: vec![b'x'; longest + body], body: longest, turn: 0 }
    }

    /// Returns the next request: always the shortest if it is for counting, where
    /// a byte more is an instruction more.
    fn next(&mut self, counting: bool) -> &[u8] {
        let head = self.heads[if counting { 0 } else { self.turn % Self::LINE }].as_bytes();
        self.turn += 1;
        let start = self.body - head.len();
        self.bytes[start..self.body].copy_from_slice(head);
        &self.bytes[start..]
    }
}

// ===== impl Rest =====

impl Rest {
    /// How long a program may work on one request, under callgrind.
    const PATIENCE: Duration = Duration::from_mins(1);

    fn of(program: &Program) -> io::Result<Self> {
        File::open(format!("/proc/{}/stat", program.child.id())).map(Self)
    }

    /// Waits until the program sleeps. What comes sooner is read in passing or
    /// after one more wait, as chance has it, and a wait is a tenth of the
    /// instructions of a request.
    fn wait(&self) -> Result<(), BoxError> {
        let begun = Instant::now();
        let mut stat = [0; 256];
        while begun.elapsed() < Self::PATIENCE {
            let length = self.0.read_at(&mut stat, 0)?;
            // Behind the name, which is in brackets and may have some itself.
            let name = stat[..length].iter().rposition(|byte| *byte == b')');
            match name.and_then(|end| stat.get(end + 2)) {
                Some(b'S') => return Ok(()),
                Some(b'R' | b'D') => thread::yield_now(),
                _ => return Err("the program is not there any more".into()),
            }
        }
        Err("the program does not come to rest".into())
    }
}

// ===== impl OneProcessor =====

impl OneProcessor {
    /// Keeps to the last processor of those that are allowed, until it is
    /// dropped. Called by the first thread, whose id is the process's. Returns
    /// none where there is no `taskset`: times are taken all the same.
    pub(crate) fn keep() -> Option<Self> {
        // "pid 7's current affinity list: 0,2-3"
        let before = taskset(None)?.trim().rsplit(' ').next()?.to_owned();
        let last = before.rsplit([',', '-']).next()?;
        taskset(Some(last))?;
        Some(Self { before })
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        let _ = taskset(Some(&self.before));
    }
}

/// Reads or writes on which processors this thread runs, by the tool of
/// util-linux.
fn taskset(list: Option<&str>) -> Option<String> {
    let output = Command::new("taskset")
        .arg("-cp")
        .args(list)
        .arg(std::process::id().to_string())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One request of a keep-alive connection, and its whole reply.
fn http(
    stream: &mut TcpStream,
    request: &[u8],
    reply: &mut [u8],
    expect: usize,
) -> Result<(), BoxError> {
    stream.write_all(request)?;
    let mut length = 0;
    let body = loop {
        match stream.read(&mut reply[length..])? {
            0 => return Err("the server hung up".into()),
            more => length += more,
        }
        if let Some(head) = reply[..length].windows(4).position(|end| end == b"\r\n\r\n") {
            break head + 4;
        }
    };
    if !reply.starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(&reply[..length]).into());
    }
    let mut read = length - body;
    while read < expect {
        match stream.read(reply)? {
            0 => return Err("the server hung up".into()),
            more => read += more,
        }
    }
    if read == expect { Ok(()) } else { Err(format!("{read} bytes for {expect}").into()) }
}

fn ada(count: u32) -> Ask {
    Ask { name: "Ada".to_owned(), count }
}

/// So many calls after one another, each once the server is at `rest`, or so
/// many messages of one.
async fn grpc(
    channel: &Channel,
    job: Job,
    messages: u64,
    rest: impl Fn() -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let mut client = BenchClient::new(channel.clone());
    let greets =
        |greeting: &str| if greeting == "Hello, Ada!" { Ok(()) } else { Err(greeting.to_owned()) };
    match job {
        Job::Many => {
            let mut replies = client.many(ada(messages.try_into()?)).await?.into_inner();
            for _ in 0..messages {
                greets(&replies.message().await?.ok_or("too few replies")?.greeting)?;
            }
            if replies.message().await?.is_some() {
                return Err("too many replies".into());
            }
        }
        Job::Gather => {
            let asks = tokio_stream::iter((0..messages).map(|_| ada(0)));
            greets(&client.gather(asks).await?.into_inner().greeting)?;
        }
        Job::Chat => {
            let (sender, asks) = mpsc::channel(1);
            sender.send(ada(0)).await?;
            let mut replies = client.chat(ReceiverStream::new(asks)).await?.into_inner();
            for left in (0..messages).rev() {
                greets(&replies.message().await?.ok_or("too few replies")?.greeting)?;
                if left > 0 {
                    sender.send(ada(0)).await?;
                }
            }
            drop(sender);
            if replies.message().await?.is_some() {
                return Err("too many replies".into());
            }
        }
        Job::Greeting => {
            let mut client = GreeterClient::new(channel.clone());
            for _ in 0..messages {
                rest()?;
                let ask = GreetingRequest { name: "Ada".to_owned() };
                greets(&client.greeting(ask).await?.into_inner().greeting)?;
            }
        }
        Job::Stack { .. } => {
            let token =
                format!("Bearer {}", kit_bench::stack::token()?).parse::<MetadataValue<_>>()?;
            for _ in 0..messages {
                rest()?;
                let mut ask = tonic::Request::new(ada(0));
                ask.metadata_mut().insert("authorization", token.clone());
                greets(&client.greet(ask).await?.into_inner().greeting)?;
            }
        }
        _ => {
            for _ in 0..messages {
                rest()?;
                greets(&client.greet(ada(0)).await?.into_inner().greeting)?;
            }
        }
    }
    Ok(())
}
