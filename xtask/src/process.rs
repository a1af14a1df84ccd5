//! Processes that end: each within a bound, with all that it started, and at once when we are told to stop.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    clock::Stopwatch,
    step::{Result, line},
};

/// The bounds of a run: a time for all of it, and SIGINT or SIGTERM.
///
/// Once it listens, a signal no longer kills this process: whoever waits hears it, returns, and drops what it started.
#[derive(Debug)]
pub(crate) struct Bounds {
    clock: Stopwatch,
    limit: Duration,
    interrupted: Arc<AtomicBool>,
}

impl Bounds {
    pub(crate) fn listen(limit: Duration) -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupt, mut terminate) = {
            let _context = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            flag.store(true, Ordering::Relaxed);
        });
        Ok(Self { clock: Stopwatch::start(), limit, interrupted })
    }

    /// Fails when the whole run must end.
    pub(crate) fn check(&self) -> Result {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".into());
        }
        if self.clock.elapsed() > self.limit {
            let limit = self.limit.as_secs() / 60;
            return Err(format!("the run took longer than its {limit} minutes").into());
        }
        Ok(())
    }

    /// Runs a command in the open, until it ends or the whole run must.
    pub(crate) fn run(&self, command: &mut Command) -> Result {
        let line = line(command);
        println!("$ {line}");
        match Group::start(command)?.wait(self, self.limit)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("`{line}` ended with {status}").into()),
            None => Err(format!("`{line}` did not end").into()),
        }
    }
}

/// A process and all that it starts, in a process group of its own; dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Group(Child);

impl Group {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        match command.stdin(Stdio::null()).process_group(0).spawn() {
            Ok(child) => Ok(Self(child)),
            Err(error) => Err(format!("`{}` did not start: {error}", line(command)).into()),
        }
    }

    /// Waits for its end; `None` when the limit came first.
    ///
    /// # Errors
    /// When the whole run must end.
    pub(crate) fn wait(&mut self, bounds: &Bounds, limit: Duration) -> Result<Option<ExitStatus>> {
        let clock = Stopwatch::start();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            bounds.check()?;
            if clock.elapsed() > limit {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The number of the process that was started, and of its group.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The shell's own `kill`: a group cannot be killed by std, and a small machine has no other.
        let kill = format!("kill -s KILL -- -{}", self.0.id());
        _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn bounds(limit: Duration) -> Bounds {
        let interrupted = Arc::new(AtomicBool::new(false));
        Bounds { clock: Stopwatch::start(), limit, interrupted }
    }

    fn shell(script: &str) -> Group {
        Group::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_process_that_ends_tells_its_status() {
        let status = shell("exit 3").wait(&bounds(LONG), LONG).unwrap();
        assert_eq!(status.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_process_that_hangs_ends_at_the_limit() {
        let status = shell("exec sleep 25").wait(&bounds(LONG), Duration::ZERO).unwrap();
        assert_eq!(status, None);
    }

    #[test]
    fn a_run_out_of_time_or_interrupted_ends_every_wait() {
        let late = shell("exec sleep 25").wait(&bounds(Duration::ZERO), LONG).unwrap_err();
        assert!(late.to_string().contains("took longer"), "{late}");
        let bounds = bounds(LONG);
        bounds.interrupted.store(true, Ordering::Relaxed);
        let told = shell("exec sleep 25").wait(&bounds, LONG).unwrap_err();
        assert_eq!(told.to_string(), "interrupted");
    }

    #[test]
    fn what_a_process_started_dies_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // The grandchild alone holds the pipe open, so reading ends when it dies.
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 25 > \"$0\" & wait"]).arg(&fifo);
        let group = Group::start(&mut command).unwrap();
        let pipe = std::fs::File::open(&fifo).unwrap();
        let clock = Stopwatch::start();
        drop(group);
        assert_eq!(io::read_to_string(pipe).unwrap(), "");
        assert!(clock.elapsed() < Duration::from_secs(10), "it lived on for {clock}");
    }
}
