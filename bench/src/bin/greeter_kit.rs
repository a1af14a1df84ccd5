//! The greeter as shipped, its logs at warn.

use greeter::{
    flags::{self, Command},
    listen::Ports,
    log,
    registry::{Consul, Registry},
};
use kit_bench::{BoxError, job, say, serve_until_told};
use kit_sd::consul::Agent;
use kit_serve::Sockets;

const FLAGS: [&str; 4] = [
    "--http-addr=127.0.0.1:0",
    "--grpc-addr=127.0.0.1:0",
    "--debug-addr=127.0.0.1:0",
    "--log=warn",
];

fn main() -> Result<(), BoxError> {
    let job = job()?;
    let flags = match flags::parse(FLAGS, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => return Err(format!("these flags mean {other:?}").into()),
    };
    log::install(&flags.log, flags.log_format);
    let mut passed = Sockets::from_env();
    serve_until_told(async || {
        let (signals, ports) = (kit_run::signals()?, Ports::bind(&flags, &mut passed).await?);
        let registry = None::<Registry<Consul<Agent>>>;
        greeter::serve::serve(&flags, ports, registry, signals, |at| match &*job {
            "hello" => say(at.http.port()),
            _ => say(at.grpc.port()),
        })
        .await
    })
}
