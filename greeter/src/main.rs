//! Runs the greeter, or calls one.

use greeter::{
    auth, call,
    flags::{self, Command, Place, Serve, Source},
    listen::{self, Addresses, Ports},
    log::{self, Filter, Format},
    registry::{Consul, Registry},
    serve, tls, token,
    trace::{self, Sending},
    watch,
};
use kit_run::{Group, Signals};
use kit_sd::{
    self as sd,
    consul::{self, Agent},
    dns::{Resolver, Srv},
};
use kit_serve::{Listener, Sockets};
use kit_transport::Report;
use std::{
    env,
    io::{IsTerminal, Write, stderr, stdout},
    process::ExitCode,
    time::Duration,
};
use tokio::sync::oneshot;
use tower::BoxError;

/// What was asked for did not work.
const FAILED: u8 = 1;
/// The flags or the environment are wrong.
const USAGE: u8 = 2;

/// What `greeter call` is called in a trace.
const CALLER: &str = "greeter-call";

#[tokio::main]
async fn main() -> ExitCode {
    let mut passed = Sockets::from_env();
    let done = match flags::parse(env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(Command::Print(text)) => say(&text),
        Ok(Command::Serve(flags)) => {
            let filter = Filter::new(&flags.log);
            let installed = filter.map_err(BoxError::from).and_then(|filter| {
                let format = flags.log_format;
                let sending = trace::install(&flags.trace, &flags.service, Some(&filter), format)?;
                Ok((filter, sending))
            });
            match installed {
                Ok((filter, sending)) => {
                    let served = open(&flags, &mut passed, filter, sending.as_ref()).await;
                    end(sending).await;
                    served
                }
                Err(error) => Err(error),
            }
        }
        Ok(Command::Watch(flags)) => watch(flags).await,
        Ok(Command::Token(flags)) => match token::make(&flags) {
            Ok(made) => made.told(stderr()).and_then(|()| say(&format!("{}\n", made.token))),
            Err(error) => Err(error.into()),
        },
        Ok(Command::Call(flags)) => {
            let mut failed = false;
            let tell = |greeting| match greeting {
                Ok(greeting) => say(&format!("{greeting}\n")),
                Err(error) => {
                    failed = true;
                    tell_failure(&error);
                    Ok(())
                }
            };
            // Nothing is logged: what a call comes to is told.
            let called = match trace::install(&flags.trace, CALLER, None, Format::Logfmt) {
                Ok(sending) => {
                    let called = call::call(flags, tell).await;
                    end(sending).await;
                    called
                }
                Err(error) => Err(error),
            };
            match called {
                Ok(()) if failed => return ExitCode::from(FAILED),
                done => done,
            }
        }
        Err(mistakes) => {
            // The exit code tells it too, if nobody reads this.
            let _ = write!(stderr(), "{mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell_failure(&error);
            ExitCode::from(FAILED)
        }
    }
}

/// Sends the spans that are left.
async fn end(sending: Option<Sending>) {
    if let Some(sending) = sending {
        sending.end().await;
    }
}

/// Opens what serving needs of the system, and serves.
async fn open(
    flags: &Serve,
    passed: &mut Sockets,
    filter: Filter,
    sending: Option<&Sending>,
) -> Result<(), BoxError> {
    // It reloads where there is something to, and dies of it nowhere.
    let signals = kit_run::signals()?.and_hangup()?;
    let certificates = flags.tls.as_ref().map(tls::load).transpose()?;
    let gate = auth::open(flags).await?;
    let traces = sending.map(Sending::tracing);
    let log = Some(filter);
    let ports = Ports { gate, traces, log, ..Ports::bind(flags, passed).await? };
    for socket in passed.left() {
        tracing::warn!(socket, "nobody accepts who comes to this socket: pass fd:N to a flag");
    }
    match certificates {
        None => serve(flags, ports, signals).await,
        Some(certificates) => serve(flags, ports.tls(certificates), signals).await,
    }
}

async fn serve<L: Listener, D: Listener>(
    flags: &Serve,
    ports: Ports<L, D>,
    signals: Signals,
) -> Result<(), BoxError> {
    let say = |at: Addresses| say(&at.to_string());
    match &flags.registry {
        None => serve::serve(flags, ports, None::<Registry<Consul<Agent>>>, signals, say).await,
        Some(place @ Place::Consul(addr)) => {
            let consul = Consul(Agent::new(addr)?);
            let registry = listen::registry(flags, place).await.at(consul);
            serve::serve(flags, ports, Some(registry), signals, say).await
        }
        #[cfg(feature = "etcd")]
        Some(place @ Place::Etcd(members)) => {
            let etcd = greeter::registry::Etcd(sd::etcd::Etcd::new(members)?);
            let registry = listen::registry(flags, place).await.at(etcd);
            serve::serve(flags, ports, Some(registry), signals, say).await
        }
    }
}

/// Shows who is found, until a signal comes or nobody reads it any more.
async fn watch(flags: flags::Watch) -> Result<(), BoxError> {
    let flags::Watch { source, service } = flags;
    let watch = match source {
        Source::Registry(Place::Consul(addr)) => {
            sd::Watch::spawn(consul::Instancer::new(Agent::new(&addr)?, service))
        }
        #[cfg(feature = "etcd")]
        Source::Registry(Place::Etcd(members)) => {
            let etcd = sd::etcd::Etcd::new(members)?;
            sd::Watch::spawn(sd::etcd::Instancer::new(etcd, service))
        }
        Source::Dns { name, server } => {
            let resolver = server.map_or_else(Resolver::system, |server| Resolver::new([server]));
            sd::Watch::spawn(Srv::new(resolver, name).service(service))
        }
        Source::File(path) => sd::Watch::spawn(sd::file::Instancer::new(service, path)),
    };
    let out = stdout();
    let style = if out.is_terminal() { watch::Style::Table } else { watch::Style::Lines };
    let shown = watch::watch(watch.instances(), style, out);
    let (stop, stopped) = oneshot::channel::<()>();
    let shown = async move {
        tokio::select! {
            shown = shown => shown,
            _ = stopped => Ok(()),
        }
    };
    let stop = async move { _ = stop.send(()) };
    let group = Group::new().signals(kit_run::signals()?).actor("watch", shown);
    Ok(group.on_shutdown("stop", Duration::from_secs(1), stop).run().await?)
}

/// Says what did not work, to the log or to standard error.
fn tell_failure(error: &BoxError) {
    log::failed(Report(&**error), stderr());
}

/// Writes to standard output; a reader that is gone is no reason to panic.
fn say(text: &str) -> Result<(), BoxError> {
    Ok(stdout().lock().write_all(text.as_bytes())?)
}
