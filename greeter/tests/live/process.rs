//! A greeter that runs, and what ends with the test.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};
use tokio::time::Instant;

/// More than any one thing here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// Tries until it has something, and fails when it has waited for too long.
#[track_caller]
pub(crate) fn until<T>(limit: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} for {what}");
        thread::sleep(PAUSE);
    }
}

/// The program, without what the environment might tell it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greeter"));
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("GREETER_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end, which comes soon.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Output {
    finish(program().args(args))
}

/// Runs a program to its end, which comes soon.
#[track_caller]
pub(crate) fn finish(program: &mut Command) -> Output {
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Running(child);
    let mut stdout = child.0.stdout.take().unwrap();
    let mut stderr = child.0.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).map(|_| text).unwrap()
    });
    let status = child.wait(LIMIT);
    let mut text = Vec::new();
    stdout.read_to_end(&mut text).unwrap();
    Output { status, stdout: text, stderr: errors.join().unwrap() }
}

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        until(limit, "the end of the greeter", || self.0.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A greeter that serves on ports of loopback.
#[derive(Debug)]
pub(crate) struct Greeter {
    process: Running,
    /// Held, so that the process can go on writing.
    _stdout: BufReader<ChildStdout>,
    log: Receiver<String>,
    pub(crate) http: String,
    pub(crate) grpc: String,
    pub(crate) debug: String,
}

impl Greeter {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_by(program(), more)
    }

    /// As [`start`](Self::start), by a command that the arguments follow.
    pub(crate) fn start_by(mut command: Command, more: &[&str]) -> Self {
        for port in ["--http-addr", "--grpc-addr", "--debug-addr"] {
            if !more.contains(&port) {
                command.args([port, "127.0.0.1:0"]);
            }
        }
        command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        let stderr = BufReader::new(process.0.stderr.take().unwrap());
        let (lines, log) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                eprintln!("{line}");
                // The test may be over.
                let _ = lines.send(line);
            }
        });
        let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
        let s = if more.contains(&"--tls-cert") { "s" } else { "" };
        let mut address = |name: &str, scheme: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let begin = format!("{name} listens on {scheme}://");
            let address = line.trim_end().strip_prefix(&begin);
            address.unwrap_or_else(|| panic!("{line:?} does not begin with {begin:?}")).to_owned()
        };
        let http = address("HTTP", &format!("http{s}"));
        let grpc = address("gRPC", &format!("grpc{s}"));
        let debug = address("debug", "http");
        let greeter = Self { process, _stdout: stdout, log, http, grpc, debug };
        until(LIMIT, "readiness", || {
            get(&greeter.debug, "/health/ready").filter(|reply| reply.starts_with("HTTP/1.1 200 "))
        });
        greeter
    }

    /// Sends a signal: `INT` or `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.0.id().to_string();
        // The shell's own `kill`: a small machine has no other.
        let kill = format!("kill -s {name} {id}");
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits until a line of its log has this.
    #[track_caller]
    pub(crate) fn logs(&self, what: &str) {
        let said = |line: String| line.contains(what).then_some(());
        until(LIMIT, what, || self.log.try_recv().ok().and_then(said));
    }

    /// Waits for its end, and returns the exit code and what it logged.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let status = self.process.wait(LIMIT);
        (status.code(), self.log.iter().collect())
    }
}

/// A whole reply, or nothing if nobody is there.
pub(crate) fn get(address: &str, target: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: greeter\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    Some(reply)
}

/// What the driver of the live tests sets.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("set {name}, or run cargo xtask test"))
}
