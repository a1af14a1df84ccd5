use std::{
    fmt, io,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// What asks a process to stop, or to reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT, or Ctrl-C.
    Interrupt,
    /// SIGTERM, by which an init system or an orchestrator stops a process.
    Terminate,
    /// SIGHUP, which asks to read the configuration anew, not to stop.
    Hangup,
}

/// Where a [`Group`](crate::Group) hears that it is to stop; [`signals`] makes
/// it.
///
/// What asks by another way (a service manager, a test) sends through a
/// channel:
///
/// ```
/// use kit_run::{Signal, Signals};
///
/// let (sender, receiver) = tokio::sync::mpsc::channel(2);
/// let signals = Signals::from(receiver);
/// # sender.try_send(Signal::Terminate).unwrap();
/// ```
#[derive(Debug)]
pub struct Signals(Source);

#[derive(Debug)]
enum Source {
    #[cfg(unix)]
    Process {
        interrupt: tokio::signal::unix::Signal,
        terminate: tokio::signal::unix::Signal,
        hangup: Option<tokio::signal::unix::Signal>,
    },
    #[cfg(windows)]
    Process {
        interrupt: tokio::signal::windows::CtrlC,
    },
    Channel(mpsc::Receiver<Signal>),
}

/// Listens for SIGINT and SIGTERM; on Windows for Ctrl-C.
///
/// From here on they do not end the process any more, whether or not anybody
/// asks what is returned.
///
/// # Errors
///
/// When the system refuses to set a handler.
///
/// # Panics
///
/// Outside a tokio runtime, or in one without I/O.
pub fn signals() -> io::Result<Signals> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals(Source::Process {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: None,
        }))
    }
    #[cfg(windows)]
    {
        Ok(Signals(Source::Process { interrupt: tokio::signal::windows::ctrl_c()? }))
    }
}

// ===== impl Signals =====

impl Signals {
    /// Listens for SIGHUP too, for [`on_reload`](crate::Group::on_reload); does
    /// nothing where there is none.
    ///
    /// Unless this is called SIGHUP ends the process, as it does by default
    /// when its terminal is closed.
    ///
    /// # Errors
    ///
    /// When the system refuses to set a handler.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without I/O.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nothing to set"))]
    pub fn and_hangup(mut self) -> io::Result<Self> {
        #[cfg(unix)]
        if let Source::Process { hangup, .. } = &mut self.0 {
            use tokio::signal::unix::{SignalKind, signal};
            *hangup = Some(signal(SignalKind::hangup())?);
        }
        Ok(self)
    }

    /// `None` says that no more will come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        match &mut self.0 {
            #[cfg(unix)]
            Source::Process { interrupt, terminate, hangup } => {
                if interrupt.poll_recv(cx).is_ready() {
                    return Poll::Ready(Some(Signal::Interrupt));
                }
                if terminate.poll_recv(cx).is_ready() {
                    return Poll::Ready(Some(Signal::Terminate));
                }
                match hangup {
                    Some(hangup) => hangup.poll_recv(cx).map(|_| Some(Signal::Hangup)),
                    None => Poll::Pending,
                }
            }
            #[cfg(windows)]
            Source::Process { interrupt } => {
                interrupt.poll_recv(cx).map(|_| Some(Signal::Interrupt))
            }
            Source::Channel(receiver) => receiver.poll_recv(cx),
        }
    }
}

impl From<mpsc::Receiver<Signal>> for Signals {
    fn from(receiver: mpsc::Receiver<Signal>) -> Self {
        Self(Source::Channel(receiver))
    }
}

// ===== impl Signal =====

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        })
    }
}
