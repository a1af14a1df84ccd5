//! Registries that can be failed.

use crate::{
    BoxError,
    process::{Net, Process, ask, free_ports},
};
use kit_sd::{
    Instance, Instancer, Registrar,
    consul::{self, Agent, Client, TtlCheck},
};
use std::{
    fs, net,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// How long an instance is believed to live after a heartbeat.
pub const TTL: Duration = Duration::from_secs(3);

/// What is done to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is killed, and started again with what it knew.
    Killed,
    /// It is killed, and started again with nothing.
    Wiped,
    /// It is stopped, and goes on.
    Paused,
    /// The leader of three is killed, and stays away.
    Leaderless,
    /// It is cut off, and joined again.
    Partitioned,
}

/// A registry under a fault.
pub trait Backend: Sized {
    /// What it is called.
    const NAME: &'static str;
    /// What registers with it.
    type Registrar: Registrar;
    /// What follows it.
    type Instancer: Instancer;

    /// Starts it so that the fault can be done to it, and waits until it
    /// answers.
    fn start(program: &Path, fault: Fault) -> impl Future<Output = Result<Self, BoxError>>;

    /// Registers an instance, which lapses after [`TTL`].
    fn registrar(&self, instance: Instance) -> Self::Registrar;

    /// Follows a service.
    fn instancer(&self, service: &str) -> Self::Instancer;

    /// Does the fault.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be done.
    fn fail(&mut self) -> Result<(), BoxError>;

    /// Undoes it; the leader stays away.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be undone.
    fn mend(&mut self) -> Result<(), BoxError>;

    /// Whether it answers a question about a service.
    fn answers(&self) -> impl Future<Output = bool> + Send;
}

/// Waits until the registry answers, and returns when it did.
///
/// # Errors
///
/// Fails if it does not within 30 s.
pub async fn answers<B: Backend>(backend: &B) -> Result<Instant, BoxError> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if timeout(Duration::from_secs(1), backend.answers()).await.unwrap_or(false) {
            return Ok(Instant::now());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{} does not answer", B::NAME).into())
}

/// One server of a cluster.
#[derive(Debug)]
struct Node {
    /// Fails only while it is away.
    process: Option<Process>,
    folder: PathBuf,
    ports: [u16; 5],
}

/// Consul.
#[derive(Debug)]
pub struct Consul {
    program: PathBuf,
    fault: Fault,
    nodes: Vec<Node>,
    net: Option<Net>,
    folder: TempDir,
    agent: Agent,
}

impl Consul {
    fn host(&self) -> &'static str {
        if self.net.is_some() { Net::THERE } else { "127.0.0.1" }
    }

    fn run(&mut self, at: usize) -> Result<(), BoxError> {
        let host = self.host();
        let join: Vec<_> = self.nodes.iter().map(|node| node.ports[1]).collect();
        let is_cluster = self.nodes.len() > 1;
        let node = &mut self.nodes[at];
        let [http, lan, wan, server, dns] = node.ports;
        let mut command = match &self.net {
            Some(net) => net.command(&self.program),
            None => Command::new(&self.program),
        };
        command.args(["agent", "-grpc-port=-1", "-hcl=disable_update_check = true"]);
        command.arg(format!("-bind={host}")).arg(format!("-client={host}"));
        command.arg(format!("-node=kit-{at}")).arg(format!("-dns-port={dns}"));
        command.arg(format!("-http-port={http}")).arg(format!("-server-port={server}"));
        command.arg(format!("-serf-lan-port={lan}")).arg(format!("-serf-wan-port={wan}"));
        match self.fault {
            Fault::Killed | Fault::Leaderless => {
                command.args(["-server", "-data-dir"]).arg(&node.folder);
                let expect = if is_cluster { 3 } else { 1 };
                command.arg(format!("-bootstrap-expect={expect}"));
                // As fast as its documentation recommends for production.
                command.arg("-hcl=performance { raft_multiplier = 1 }");
                for port in join.into_iter().filter(|_| is_cluster) {
                    command.arg(format!("-retry-join={host}:{port}"));
                }
            }
            _ => _ = command.arg("-dev"),
        }
        let log = self.folder.path().join(format!("{at}.log"));
        node.process = Some(Process::start(&mut command, &log)?);
        Ok(())
    }

    /// Which node leads.
    async fn leader(&self) -> Result<usize, BoxError> {
        let address = net::SocketAddr::from(([127, 0, 0, 1], self.nodes[0].ports[0]));
        let said = ask(address, "GET", "/v1/status/leader", "").await?;
        let leads = |node: &Node| said.contains(&format!(":{}\"", node.ports[3]));
        self.nodes.iter().position(leads).ok_or_else(|| format!("no leader in {said:?}").into())
    }
}

impl Backend for Consul {
    const NAME: &'static str = "Consul";
    type Registrar = consul::Registrar<Agent>;
    type Instancer = consul::Instancer<Agent>;

    async fn start(program: &Path, fault: Fault) -> Result<Self, BoxError> {
        let net = (fault == Fault::Partitioned).then(Net::make).transpose()?;
        let folder = tempfile::tempdir()?;
        let count = if fault == Fault::Leaderless { 3 } else { 1 };
        let ports: [u16; 15] = free_ports()?;
        let node = |at: usize| {
            let ports = std::array::from_fn(|port| ports[5 * at + port]);
            Node { process: None, folder: folder.path().join(at.to_string()), ports }
        };
        let nodes: Vec<_> = (0..count).map(node).collect();
        let agent = Agent::new("127.0.0.1")?;
        let program = program.to_owned();
        let mut consul = Self { program, fault, nodes, net, folder, agent };
        for at in 0..count {
            consul.run(at)?;
        }
        let host = consul.host();
        let of = |at: usize| Agent::new(&format!("{host}:{}", consul.nodes[at].ports[0]));
        consul.agent = of(0)?;
        answers(&consul).await?;
        if fault == Fault::Leaderless {
            // We ask one that does not lead, and stays.
            let (leader, begun) = (consul.leader().await?, Instant::now());
            consul.agent = of((leader + 1) % count)?;
            answers(&consul).await?;
            // All three have to know each other.
            sleep(Duration::from_secs(3).saturating_sub(begun.elapsed())).await;
            consul.nodes.swap(0, leader);
        }
        Ok(consul)
    }

    fn registrar(&self, instance: Instance) -> Self::Registrar {
        consul::Registrar::new(self.agent.clone(), instance).check(TtlCheck::new(TTL))
    }

    fn instancer(&self, service: &str) -> Self::Instancer {
        consul::Instancer::new(self.agent.clone(), service).passing(true)
    }

    fn fail(&mut self) -> Result<(), BoxError> {
        let process = &mut self.nodes[0].process;
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
                self.nodes[0].process.as_ref().map_or(Ok(()), |one| one.signal("CONT"))
            }
            (Fault::Leaderless, _) => Ok(()),
            _ => self.run(0),
        }
    }

    async fn answers(&self) -> bool {
        let query = consul::Query::new("kit-nobody");
        self.agent.ping().await.is_ok() && self.agent.health(&query).await.is_ok()
    }
}

impl Drop for Consul {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.process = None;
            _ = fs::remove_dir_all(&node.folder);
        }
    }
}
