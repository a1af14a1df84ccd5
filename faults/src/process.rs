//! Processes that are killed, stopped and cut off, and that end with us.

use crate::BoxError;
use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A process that is killed when it is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it; what it says goes to `log`.
    ///
    /// # Errors
    ///
    /// Fails if it does not start.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, BoxError> {
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn()?))
    }

    /// Sends a signal: `KILL`, `STOP` or `CONT`.
    ///
    /// # Errors
    ///
    /// Fails if there is no such process.
    pub fn signal(&self, name: &str) -> Result<(), BoxError> {
        run(Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.0.id())]))
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be waited for.
    pub fn kill(mut self) -> Result<(), BoxError> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Runs a command to its end.
///
/// # Errors
///
/// Fails if it does.
pub fn run(command: &mut Command) -> Result<(), BoxError> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Returns ports of loopback that are free for TCP and UDP, all different.
///
/// # Errors
///
/// Fails if there are none.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut held = Vec::new();
    while held.len() < N {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener, socket));
        }
    }
    Ok(std::array::from_fn(|at| held[at].0))
}

/// A network of two hosts, we and another, that can be cut; gone when it is
/// dropped. It needs root, and iproute2.
#[derive(Debug)]
pub struct Net {
    name: String,
}

impl Net {
    /// Where the other host is.
    pub const THERE: &'static str = "10.231.77.2";

    /// Makes it.
    ///
    /// # Errors
    ///
    /// Fails if `ip` is not there, or may not.
    pub fn make() -> Result<Self, BoxError> {
        let net = Self { name: format!("kit{}", std::process::id() % 100_000) };
        let (inner, outer) = (format!("{}i", net.name), format!("{}o", net.name));
        let here = |words: &str| run(Command::new("ip").args(words.split(' ')));
        here(&format!("netns add {}", net.name))?;
        here(&format!("link add {outer} type veth peer name {inner} netns {}", net.name))?;
        here(&format!("addr add 10.231.77.1/30 dev {outer}"))?;
        here(&format!("link set {outer} up"))?;
        net.there(&format!("addr add {}/30 dev {inner}", Self::THERE))?;
        net.there(&format!("link set {inner} up"))?;
        net.there("link set lo up")?;
        Ok(net)
    }

    /// Runs `ip` at the other host.
    fn there(&self, words: &str) -> Result<(), BoxError> {
        run(Command::new("ip").args(["-n", &self.name]).args(words.split(' ')))
    }

    /// Returns what runs `program` at the other host.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Cuts the wire: what is sent is lost, and nobody is told.
    ///
    /// # Errors
    ///
    /// Fails if `ip` does.
    pub fn cut(&self) -> Result<(), BoxError> {
        self.there(&format!("link set {}i down", self.name))
    }

    /// Mends it.
    ///
    /// # Errors
    ///
    /// Fails if `ip` does.
    pub fn mend(&self) -> Result<(), BoxError> {
        self.there(&format!("link set {}i up", self.name))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        _ = run(Command::new("ip").args(["link", "del", &format!("{}o", self.name)]));
        _ = run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// Asks an HTTP server.
///
/// # Errors
///
/// Fails if it says nothing.
pub async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, BoxError> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    Ok(reply)
}
