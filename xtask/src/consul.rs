//! A real Consul agent, for the live tests.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    apt,
    clock::Stopwatch,
    process::{Bounds, Group},
    step::{Result, capture},
};

const FOLDER: &str = "target/tools/consul";
const LOG: &str = "target/xtask/consul.log";
/// The last Debian release that has Consul: 1.8.7.
const SUITE: &str = "bullseye";
/// It answers in well under a second.
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
        let newer = knows_grpc_tls(&capture(Command::new(program).arg("version"))?);
        // Another process may take a port between our look and the agent's: then it ends, and the next has new ones.
        for attempt in 1.. {
            let [http, dns, server, lan, wan] = free_ports()?;
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, http));
            let log = File::create(LOG)?;
            let mut command = Command::new(program);
            command
                .args(["agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", "-node=kit"])
                .args(["-grpc-port=-1", "-hcl=disable_update_check = true"])
                .arg(format!("-http-port={http}"))
                .arg(format!("-dns-port={dns}"))
                .arg(format!("-server-port={server}"))
                .arg(format!("-serf-lan-port={lan}"))
                .arg(format!("-serf-wan-port={wan}"))
                .stdout(log.try_clone()?)
                .stderr(log);
            if newer {
                command.arg("-grpc-tls-port=-1");
            }
            let mut agent = Group::start(&mut command)?;
            match ready(&mut agent, addr, bounds)? {
                true => {
                    let dns = SocketAddr::from((Ipv4Addr::LOCALHOST, dns));
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

/// Waits until the agent has elected itself: before that it takes no registration.
fn ready(agent: &mut Group, addr: SocketAddr, bounds: &Bounds) -> Result<bool> {
    let clock = Stopwatch::start();
    while clock.elapsed() < START && agent.ended()?.is_none() {
        bounds.check()?;
        if leader(addr).is_ok_and(|reply| has_leader(&reply)) {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(false)
}

fn leader(addr: SocketAddr) -> io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&addr, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(b"GET /v1/status/leader HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
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

/// Ports that are free for TCP and UDP, all different.
fn free_ports() -> io::Result<[u16; 5]> {
    let mut held = Vec::new();
    while held.len() < 5 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener, socket));
        }
    }
    Ok([held[0].0, held[1].0, held[2].0, held[3].0, held[4].0])
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
    fn free_ports_are_five_different_ones() {
        let mut ports = free_ports().unwrap().to_vec();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5);
    }
}
