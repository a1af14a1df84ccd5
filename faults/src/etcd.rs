//! etcd, which can be failed.

use crate::{
    BoxError,
    backend::{Backend, Fault, TTL, answers},
    process::{Net, Process, ask, free_ports},
};
use kit_sd::{
    Instance,
    etcd::{self, Client as _},
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// One member of a cluster.
#[derive(Debug)]
struct Node {
    process: Option<Process>,
    ports: [u16; 2],
}

/// etcd, of one node or of three.
#[derive(Debug)]
pub struct Etcd {
    program: PathBuf,
    fault: Fault,
    nodes: Vec<Node>,
    net: Option<Net>,
    /// Which node the fault is done to.
    victim: usize,
    client: etcd::Etcd,
    folder: TempDir,
}

impl Etcd {
    fn host(&self) -> &'static str {
        if self.net.is_some() { Net::THERE } else { "127.0.0.1" }
    }

    fn data(&self, at: usize) -> PathBuf {
        self.folder.path().join(at.to_string())
    }

    fn run(&mut self, at: usize) -> Result<(), BoxError> {
        let host = self.host();
        let member =
            |(at, node): (usize, &Node)| format!("kit-{at}=http://{host}:{}", node.ports[1]);
        let members: Vec<_> = self.nodes.iter().enumerate().map(member).collect();
        let [client, peer] = self.nodes[at].ports.map(|port| format!("http://{host}:{port}"));
        let mut command = match &self.net {
            Some(net) => net.command(&self.program),
            None => Command::new(&self.program),
        };
        command.args(["--name", &format!("kit-{at}"), "--initial-cluster", &members.join(",")]);
        command.arg("--data-dir").arg(self.data(at));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        let log = self.folder.path().join(format!("{at}.log"));
        self.nodes[at].process = Some(Process::start(&mut command, &log)?);
        Ok(())
    }

    /// Which node leads: the one that names itself.
    async fn leader(&self) -> Result<usize, BoxError> {
        for (at, node) in self.nodes.iter().enumerate() {
            let address = SocketAddr::from(([127, 0, 0, 1], node.ports[0]));
            let said = ask(address, "POST", "/v3/maintenance/status", "{}").await?;
            let value = |name: &str| {
                let (_, rest) = said.split_once(&format!("\"{name}\":\""))?;
                rest.split('"').next()
            };
            if value("member_id").is_some() && value("member_id") == value("leader") {
                return Ok(at);
            }
        }
        Err("no node leads".into())
    }
}

impl Backend for Etcd {
    const NAME: &'static str = "etcd";
    type Registrar = etcd::Registrar;
    type Instancer = etcd::Instancer;

    async fn start(program: &Path, fault: Fault) -> Result<Self, BoxError> {
        let net = (fault == Fault::Partitioned).then(Net::make).transpose()?;
        let count = if fault == Fault::Leaderless { 3 } else { 1 };
        let ports: [u16; 6] = free_ports()?;
        let node = |at: usize| Node { process: None, ports: [ports[2 * at], ports[2 * at + 1]] };
        let nodes: Vec<_> = (0..count).map(node).collect();
        let host = if net.is_some() { Net::THERE } else { "127.0.0.1" };
        let addresses = nodes.iter().map(|node| format!("{host}:{}", node.ports[0]));
        let client = etcd::Etcd::new(addresses)?;
        let (program, folder) = (program.to_owned(), tempfile::tempdir()?);
        let mut etcd = Self { program, fault, nodes, net, victim: 0, client, folder };
        for at in 0..count {
            etcd.run(at)?;
        }
        answers(&etcd).await?;
        if fault == Fault::Leaderless {
            etcd.victim = etcd.leader().await?;
        }
        Ok(etcd)
    }

    fn registrar(&self, instance: Instance) -> Self::Registrar {
        etcd::Registrar::new(self.client.clone(), instance).ttl(TTL)
    }

    fn instancer(&self, service: &str) -> Self::Instancer {
        etcd::Instancer::new(self.client.clone(), service)
    }

    fn fail(&mut self) -> Result<(), BoxError> {
        let process = &mut self.nodes[self.victim].process;
        match (self.fault, &self.net) {
            (Fault::Partitioned, Some(net)) => net.cut(),
            (Fault::Paused, _) => process.as_ref().map_or(Ok(()), |one| one.signal("STOP")),
            _ => process.take().map_or(Ok(()), Process::kill),
        }
    }

    fn mend(&mut self) -> Result<(), BoxError> {
        match (self.fault, &self.net) {
            (Fault::Partitioned, Some(net)) => net.mend(),
            (Fault::Paused, _) => {
                let process = &self.nodes[self.victim].process;
                process.as_ref().map_or(Ok(()), |one| one.signal("CONT"))
            }
            (Fault::Leaderless, _) => Ok(()),
            (Fault::Wiped, _) => {
                fs::remove_dir_all(self.data(0))?;
                self.run(0)
            }
            _ => self.run(0),
        }
    }

    async fn answers(&self) -> bool {
        self.client.list("/kit-nobody/").await.is_ok()
    }
}
