//! A real etcd, of one node or several, for the live tests.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
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
    step::Result,
};

const FOLDER: &str = "target/tools/etcd";
const OUT: &str = "target/xtask";
/// Those that `cargo xtask certificates` writes.
const CERTIFICATES: &str = "kit-transport/http/tests/tls";
/// A release with etcd 3.4.
const SUITE: &str = "bookworm";
/// It answers in about a second, once most of its nodes are there.
const START: Duration = Duration::from_secs(20);

/// etcd's program: the one on PATH, or Debian's.
pub(crate) fn provide(bounds: &Bounds) -> Result<PathBuf> {
    let folder = Path::new(FOLDER);
    apt::provide_unpacked("etcd", "--version", "etcd-server", SUITE, folder, bounds)
}

/// A running cluster; dropped, it and its data are gone.
#[derive(Debug)]
pub(crate) struct Etcd {
    /// Where its nodes answer clients.
    pub(crate) addrs: Vec<SocketAddr>,
    /// Where they say, without TLS, how they are.
    health: Vec<SocketAddr>,
    nodes: Vec<Group>,
    // After the nodes that write there.
    _data: TempDir,
}

impl Etcd {
    /// Starts `nodes` nodes, which answer plainly.
    pub(crate) fn start(program: &Path, nodes: usize, bounds: &Bounds) -> Result<Self> {
        Self::start_by("http", program, nodes, bounds)
    }

    /// Starts one node, which speaks TLS with clients that have a certificate, those of the tests.
    pub(crate) fn start_tls(program: &Path, bounds: &Bounds) -> Result<Self> {
        Self::start_by("https", program, 1, bounds)
    }

    fn start_by(scheme: &str, program: &Path, nodes: usize, bounds: &Bounds) -> Result<Self> {
        // Another process may take a port between our look and a node's: then it ends, and the next has new ones.
        for attempt in 1.. {
            let mut etcd = Self::launch(scheme, program, nodes)?;
            match etcd.ready(bounds)? {
                true => return Ok(etcd),
                false if attempt < 3 => {}
                false => break,
            }
        }
        let mut said = String::new();
        for node in 0..nodes {
            said.push_str(&fs::read_to_string(log(scheme, node))?);
        }
        Err(format!("etcd did not start; it said:\n{said}").into())
    }

    fn launch(scheme: &str, program: &Path, nodes: usize) -> Result<Self> {
        fs::create_dir_all(OUT)?;
        let data = tempfile::Builder::new().prefix("etcd").tempdir_in(OUT)?;
        let ports = free_ports(3 * nodes)?;
        let (clients, others) = ports.split_at(nodes);
        let (peers, health) = others.split_at(nodes);
        let members = members(peers);
        let mut started = Vec::new();
        for node in 0..nodes {
            let log = File::create(log(scheme, node))?;
            let client = format!("{scheme}://127.0.0.1:{}", clients[node]);
            let peer = format!("http://127.0.0.1:{}", peers[node]);
            let health = format!("http://127.0.0.1:{}", health[node]);
            let mut command = Command::new(program);
            command
                .args(["--name", &name(node), "--initial-cluster", &members])
                .arg("--data-dir")
                .arg(data.path().join(name(node)))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--listen-metrics-urls", &health])
                .stdout(log.try_clone()?)
                .stderr(log);
            if scheme == "https" {
                let file = |name: &str| Path::new(CERTIFICATES).join(name);
                command
                    .arg("--client-cert-auth")
                    .arg("--trusted-ca-file")
                    .arg(file("authority.pem"));
                command.arg("--cert-file").arg(file("server.pem"));
                command.arg("--key-file").arg(file("server.key"));
            }
            // What the environment says of another etcd is not meant for this one.
            for (variable, _) in std::env::vars_os() {
                if variable.to_string_lossy().starts_with("ETCD_") {
                    command.env_remove(variable);
                }
            }
            started.push(Group::start(&mut command)?);
        }
        let at =
            |ports: &[u16]| ports.iter().map(|port| (Ipv4Addr::LOCALHOST, *port).into()).collect();
        let (addrs, health) = (at(clients), at(health));
        Ok(Self { addrs, health, nodes: started, _data: data })
    }

    /// Waits until every node knows a leader: before that it answers nothing.
    fn ready(&mut self, bounds: &Bounds) -> Result<bool> {
        let clock = Stopwatch::start();
        while clock.elapsed() < START {
            for node in &mut self.nodes {
                if node.ended()?.is_some() {
                    return Ok(false);
                }
            }
            bounds.check()?;
            if self.health.iter().all(|addr| health(*addr).is_ok_and(|reply| is_healthy(&reply))) {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(false)
    }

    /// Its nodes, as a client wants them: `host:port`, with commas.
    pub(crate) fn addresses(&self) -> String {
        let addresses: Vec<_> = self.addrs.iter().map(ToString::to_string).collect();
        addresses.join(",")
    }
}

fn name(node: usize) -> String {
    format!("kit-{node}")
}

fn log(scheme: &str, node: usize) -> PathBuf {
    Path::new(OUT).join(format!("etcd-{scheme}-{node}.log"))
}

/// What each node is told of all.
fn members(peers: &[u16]) -> String {
    let member = |(node, port)| format!("{}=http://127.0.0.1:{port}", name(node));
    peers.iter().enumerate().map(member).collect::<Vec<_>>().join(",")
}

fn health(addr: SocketAddr) -> io::Result<String> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&addr, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn is_healthy(reply: &str) -> bool {
    reply.split(' ').nth(1) == Some("200") && reply.contains(r#""health":"true""#)
}

/// Ports that are free, all different.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held: Vec<_> = (0..count).map(bind).collect::<io::Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_once_it_is_healthy() {
        assert!(is_healthy("HTTP/1.0 200 OK\r\n\r\n{\"health\":\"true\"}"));
        assert!(is_healthy("HTTP/1.0 200 OK\r\n\r\n{\"health\":\"true\",\"reason\":\"\"}"));
        assert!(!is_healthy("HTTP/1.0 503 Service Unavailable\r\n\r\n{\"health\":\"false\"}"));
        assert!(!is_healthy(""));
    }

    #[test]
    fn each_node_knows_all() {
        let expected = "kit-0=http://127.0.0.1:1,kit-1=http://127.0.0.1:2";
        assert_eq!(members(&[1, 2]), expected);
    }

    #[test]
    fn free_ports_are_different_ones() {
        let mut ports = free_ports(6).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
    }
}
