//! A server in a process of its own, which is this program once more.

use crate::BoxError;
use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};

/// A server's process, killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Says that this process is a server that is ready, to who [started](Server::start) it.
#[macro_export]
macro_rules! say_ready {
    ($port:expr) => {
        println!("ready {}", $port)
    };
}

impl Server {
    /// Starts this program with the arguments, and waits until it says where it
    /// listens.
    ///
    /// # Errors
    ///
    /// Fails if it does not start, or says something else.
    pub fn start(arguments: &[&str]) -> Result<Self, BoxError> {
        let mut command = Command::new(env::current_exe()?);
        command.args(arguments);
        Self::start_by(&mut command)
    }

    /// Starts it by another command.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_by(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("it has an output")?;
        let mut server = Self { child, address: (Ipv4Addr::LOCALHOST, 0).into() };
        let mut line = String::new();
        block_in_place(|| BufReader::new(out).read_line(&mut line))?;
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        server.address.set_port(port.ok_or("the server did not start")?);
        Ok(server)
    }

    /// Tells it to end.
    ///
    /// # Errors
    ///
    /// Fails if there is no such process.
    pub fn terminate(&self) -> Result<(), BoxError> {
        let kill = format!("kill -s TERM {}", self.child.id());
        crate::process::run(Command::new("sh").args(["-c", &kill]))
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// Fails if it does not come in time.
    pub async fn end(mut self, limit: Duration) -> Result<ExitStatus, BoxError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > limit {
                return Err("the server did not end".into());
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Returns how much memory it has, and how much it had at most, in KiB.
    ///
    /// # Errors
    ///
    /// Fails if it has ended.
    pub fn memory(&self) -> Result<[u64; 2], BoxError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            number.and_then(|number| number.trim().parse().ok()).ok_or("the server has ended")
        };
        Ok([field("VmRSS:")?, field("VmHWM:")?])
    }

    /// Returns how long its threads were on a processor.
    ///
    /// # Errors
    ///
    /// Fails if it has ended.
    pub fn cpu(&self) -> Result<Duration, BoxError> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let said = fs::read_to_string(task?.path().join("schedstat"))?;
            let on: u64 = said.split(' ').next().ok_or("it is empty")?.parse()?;
            nanos += on;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
