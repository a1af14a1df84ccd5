//! Real Consul, for the live tests: an agent in dev mode, and three servers that elect one of them.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    apt,
    clock::Stopwatch,
    process::{Bounds, Group},
    step::{Result, capture},
};

const FOLDER: &str = "target/tools/consul";
const OUT: &str = "target/xtask";
const LOG: &str = "target/xtask/consul.log";
/// The fewest of which one may be lost.
const SERVERS: usize = 3;
/// The last Debian release that has Consul: 1.8.7.
const SUITE: &str = "bullseye";
/// One alone answers in well under a second, three take about five.
const START: Duration = Duration::from_secs(20);

/// The agent's program: the one on PATH, or Debian's.
pub(crate) fn provide(bounds: &Bounds) -> Result<PathBuf> {
    apt::provide_unpacked("consul", "version", "consul", SUITE, Path::new(FOLDER), bounds)
}

/// A running agent in dev mode: nothing is kept; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Consul {
    pub(crate) addr: SocketAddr,
    pub(crate) dns: SocketAddr,
    _agent: Group,
}

impl Consul {
    pub(crate) fn start(program: &Path, bounds: &Bounds) -> Result<Self> {
        let newer = is_newer(program)?;
        // Another process may take a port between our look and the agent's: then it ends, and the next has new ones.
        for attempt in 1.. {
            let ports = Ports::free::<1>()?[0];
            let mut agent = Group::start(ports.agent(program, newer, "kit", LOG)?.arg("-dev"))?;
            let addr = ports.http();
            match ready(&mut [&mut agent], &[addr], bounds)? {
                true => {
                    let dns = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.dns));
                    return Ok(Self { addr, dns, _agent: agent });
                }
                false if attempt < 3 => {}
                false => break,
            }
        }
        let log = fs::read_to_string(LOG)?;
        Err(format!("consul did not start; it said:\n{log}").into())
    }
}

/// Three running servers; dropped, they and what they kept are gone.
#[derive(Debug)]
pub(crate) struct Cluster {
    servers: Vec<(SocketAddr, Group)>,
    // After the servers that write there.
    _data: TempDir,
}

impl Cluster {
    pub(crate) fn start(program: &Path, bounds: &Bounds) -> Result<Self> {
        let newer = is_newer(program)?;
        for attempt in 1.. {
            let mut cluster = Self::launch(program, newer)?;
            let addrs: Vec<_> = cluster.servers.iter().map(|(addr, _)| *addr).collect();
            let mut groups: Vec<_> = cluster.servers.iter_mut().map(|(_, group)| group).collect();
            match ready(&mut groups, &addrs, bounds)? {
                true => return Ok(cluster),
                false if attempt < 3 => {}
                false => break,
            }
        }
        let mut said = String::new();
        for at in 0..SERVERS {
            said.push_str(&fs::read_to_string(server_log(at))?);
        }
        Err(format!("three consul servers did not start; they said:\n{said}").into())
    }

    fn launch(program: &Path, newer: bool) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("consul").tempdir_in(OUT)?;
        let all = Ports::free::<SERVERS>()?;
        let mut servers = Vec::new();
        for (at, ports) in all.iter().enumerate() {
            let name = format!("kit-{at}");
            let mut server = ports.agent(program, newer, &name, &server_log(at))?;
            server.arg("-server").arg(format!("-bootstrap-expect={SERVERS}"));
            server.arg("-data-dir").arg(data.path().join(&name));
            // As fast as its documentation recommends for production.
            server.arg("-hcl=performance { raft_multiplier = 1 }");
            server.args(all.map(|other| format!("-retry-join=127.0.0.1:{}", other.lan)));
            servers.push((ports.http(), Group::start(&mut server)?));
        }
        Ok(Self { servers, _data: data })
    }

    /// Its servers, as the tests want them: `host:port=pid`, with commas.
    pub(crate) fn servers(&self) -> String {
        let servers = self.servers.iter().map(|(addr, group)| format!("{addr}={}", group.id()));
        servers.collect::<Vec<_>>().join(",")
    }
}

fn server_log(at: usize) -> String {
    format!("{OUT}/consul-{at}.log")
}

fn is_newer(program: &Path) -> Result<bool> {
    Ok(knows_grpc_tls(&capture(Command::new(program).arg("version"))?))
}

/// What one agent listens on.
#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    dns: u16,
    server: u16,
    lan: u16,
    wan: u16,
}

impl Ports {
    /// Ports that are free for TCP and UDP, all different.
    fn free<const N: usize>() -> io::Result<[Self; N]> {
        let mut held = Vec::new();
        while held.len() < 5 * N {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
                held.push((port, listener, socket));
            }
        }
        let port = |at: usize| held[at].0;
        Ok(std::array::from_fn(|at| Self {
            http: port(5 * at),
            dns: port(5 * at + 1),
            server: port(5 * at + 2),
            lan: port(5 * at + 3),
            wan: port(5 * at + 4),
        }))
    }

    fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.http).into()
    }

    /// What starts an agent on them; it is not yet said whether it is a server.
    fn agent(&self, program: &Path, newer: bool, node: &str, log: &str) -> Result<Command> {
        let log = File::create(log)?;
        let mut command = Command::new(program);
        command
            .args(["agent", "-bind=127.0.0.1", "-client=127.0.0.1", &format!("-node={node}")])
            .args(["-grpc-port=-1", "-hcl=disable_update_check = true"])
            .arg(format!("-http-port={}", self.http))
            .arg(format!("-dns-port={}", self.dns))
            .arg(format!("-server-port={}", self.server))
            .arg(format!("-serf-lan-port={}", self.lan))
            .arg(format!("-serf-wan-port={}", self.wan))
            .stdout(log.try_clone()?)
            .stderr(log);
        if newer {
            command.arg("-grpc-tls-port=-1");
        }
        Ok(command)
    }
}

/// Waits until each agent knows a leader, and that they are so many: before that they take no registration.
fn ready(agents: &mut [&mut Group], addrs: &[SocketAddr], bounds: &Bounds) -> Result<bool> {
    let clock = Stopwatch::start();
    while clock.elapsed() < START {
        for agent in &mut *agents {
            if agent.ended()?.is_some() {
                return Ok(false);
            }
        }
        bounds.check()?;
        let knows = |addr: &SocketAddr| {
            ask(*addr, "/v1/status/leader").is_ok_and(|reply| has_leader(&reply))
                && ask(*addr, "/v1/status/peers").is_ok_and(|reply| peers(&reply) == addrs.len())
        };
        if addrs.iter().all(knows) {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(false)
}

fn ask(addr: SocketAddr, path: &str) -> io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&addr, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

/// The body is a list of the servers' addresses.
fn peers(reply: &str) -> usize {
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    serde_json::from_str::<Vec<String>>(body).map_or(0, |peers| peers.len())
}

/// The body is the leader's address in quotes, empty while there is none.
fn has_leader(reply: &str) -> bool {
    let ok = reply.split(' ').nth(1) == Some("200");
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim());
    ok && body.len() > 2 && body.starts_with('"')
}

/// From 1.14 on a dev agent listens for gRPC over TLS too, on a fixed port; older ones do not know the flag.
fn knows_grpc_tls(version: &str) -> bool {
    let number =
        version.lines().next().and_then(|line| line.split_once(" v")).map_or("", |pair| pair.1);
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(1), Some(14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_ready_once_it_has_a_leader() {
        let reply = |body: &str| format!("HTTP/1.0 200 OK\r\nVary: x\r\n\r\n{body}");
        assert!(has_leader(&reply("\"127.0.0.1:8300\"")));
        assert!(!has_leader(&reply("\"\"")));
        assert!(!has_leader("HTTP/1.0 500 Internal Server Error\r\n\r\n\"no cluster leader\""));
        assert!(!has_leader(""));
    }

    #[test]
    fn the_flag_for_grpc_over_tls_is_newer_than_1_13() {
        assert!(!knows_grpc_tls("Consul v1.8.7\nProtocol 2"));
        assert!(knows_grpc_tls("Consul v1.14.0\nRevision x"));
        assert!(knows_grpc_tls("Consul v2.0.0-dev"));
        assert!(!knows_grpc_tls(""));
    }

    #[test]
    fn a_server_knows_as_many_as_it_lists() {
        let reply = |body: &str| format!("HTTP/1.0 200 OK\r\nVary: x\r\n\r\n{body}");
        assert_eq!(peers(&reply(r#"["127.0.0.1:1","127.0.0.1:2","127.0.0.1:3"]"#)), 3);
        assert_eq!(peers(&reply("[]")), 0);
        assert_eq!(peers("HTTP/1.0 500 Internal Server Error\r\n\r\nno"), 0);
    }

    #[test]
    fn free_ports_are_different_ones() {
        let all = Ports::free::<3>().unwrap();
        let mut ports: Vec<_> =
            all.iter().flat_map(|p| [p.http, p.dns, p.server, p.lan, p.wan]).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 15);
    }
}
