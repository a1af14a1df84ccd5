//! Where the time of the CPU goes.

mod profile;

use self::profile::Profile;
use axum::{
    extract::RawQuery,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use kit_endpoint::{AsHttp, Details, Fault, Kind};
use pprof::{ProfilerGuard, ProfilerGuardBuilder};
use prost::Message;
use std::{error::Error, fmt, io::Write, ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::sleep,
};

/// How long it is watched; by default as `net/http/pprof` does.
const SECONDS: Range = Range { name: "seconds", allowed: 1..=60, default: 30 };
/// How often in a second of CPU time; by default pprof-rs's, which no other rhythm
/// falls in with.
const FREQUENCY: Range = Range { name: "frequency", allowed: 1..=1000, default: 99 };

/// Parts of the paths of libraries amid whose own functions no stack is walked: a
/// signal may find them holding the lock that the walk takes (pprof-rs's README). Each
/// is as long as it takes to be in no path of the program itself.
const NOT_WALKED: [&str; 9] = [
    "/ld-linux",
    "/ld-musl",
    "/ld64.so",
    "/libc-",
    "/libc.",
    "/libgcc_s",
    "/libpthread",
    "/libunwind",
    "vdso.so",
];

/// Profiles one at a time: there is one timer of CPU time in a process.
#[derive(Debug, Clone)]
pub(crate) struct Profiler(Arc<Semaphore>);

struct Range {
    name: &'static str,
    allowed: RangeInclusive<u32>,
    default: u32,
}

/// A profile that is being taken. Dropped, it stops.
struct Running {
    guard: ProfilerGuard<'static>,
    /// Another may begin after the guard is gone: fields drop in order.
    _one: OwnedSemaphorePermit,
}

/// There is no profile.
#[derive(Debug)]
enum NoProfile {
    OutOfRange(&'static Range),
    Unknown,
    Busy,
    Failed(Box<dyn Error + Send + Sync>),
}

// ===== impl Profiler =====

impl Profiler {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    pub(crate) async fn page(self, RawQuery(query): RawQuery) -> Response {
        let profile = async {
            let [seconds, frequency] = asked(query.as_deref().unwrap_or_default())?;
            self.profile(Duration::from_secs(seconds.into()), frequency).await
        };
        match profile.await {
            Ok(profile) => {
                let headers = [
                    (header::CONTENT_TYPE, "application/octet-stream"),
                    (header::CONTENT_DISPOSITION, "attachment; filename=\"profile.pb.gz\""),
                ];
                (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), profile)
                    .into_response()
            }
            Err(none) => AsHttp::reply(&none).into_response(),
        }
    }

    /// Whoever drops it stops it: at once while it watches, else when the step is
    /// done that is not async.
    async fn profile(&self, during: Duration, frequency: u32) -> Result<Vec<u8>, NoProfile> {
        let one = Arc::clone(&self.0).try_acquire_owned().map_err(|_| NoProfile::Busy)?;
        let start = move || {
            let frequency = i32::try_from(frequency).unwrap_or(i32::MAX);
            let builder = ProfilerGuardBuilder::default().frequency(frequency);
            #[cfg(any(
                target_arch = "x86_64",
                target_arch = "aarch64",
                target_arch = "riscv64",
                target_arch = "loongarch64"
            ))]
            let builder = builder.blocklist(&NOT_WALKED);
            builder.build().map(|guard| Running { guard, _one: one })
        };
        // It reads the symbols of the program the first time, and of a page of them each
        // time: too long for a worker.
        let running =
            spawn_blocking(start).await.map_err(failed)?.map_err(|error| match error {
                pprof::Error::Running => NoProfile::Busy,
                error => failed(error),
            })?;
        sleep(during).await;
        spawn_blocking(move || running.finish()).await.map_err(failed)?
    }
}

impl Running {
    fn finish(self) -> Result<Vec<u8>, NoProfile> {
        let report = self.guard.report().build_unresolved().map_err(failed)?;
        // The signals end before the names are looked up; the next may begin after.
        let Self { guard, _one: one } = self;
        drop(guard);
        let profile = Profile::of(&report).encode_to_vec();
        drop((report, one));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&profile).and_then(|()| gzip.finish()).map_err(failed)
    }
}

/// Reads the query, in which a parameter that is not known is a mistake.
fn asked(query: &str) -> Result<[u32; 2], NoProfile> {
    let mut asked = [SECONDS.default, FREQUENCY.default];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (range, place) = match name {
            "seconds" => (&SECONDS, &mut asked[0]),
            "frequency" => (&FREQUENCY, &mut asked[1]),
            _ => return Err(NoProfile::Unknown),
        };
        let value = value.parse().ok().filter(|value| range.allowed.contains(value));
        *place = value.ok_or(NoProfile::OutOfRange(range))?;
    }
    Ok(asked)
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> NoProfile {
    NoProfile::Failed(error.into())
}

// ===== impl NoProfile =====

impl fmt::Display for NoProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(Range { name, allowed, .. }) => {
                write!(f, "{name} is a whole number from {} to {}", allowed.start(), allowed.end())
            }
            Self::Unknown => f.write_str("the parameters are seconds and frequency"),
            Self::Busy => f.write_str("a profile is being taken: ask again when it is done"),
            Self::Failed(_) => f.write_str("the profile cannot be taken"),
        }
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Error for NoProfile {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

impl Fault for NoProfile {
    fn kind(&self) -> Kind {
        match self {
            Self::OutOfRange(_) | Self::Unknown => Kind::InvalidArgument,
            Self::Busy => Kind::Aborted,
            Self::Failed(_) => Kind::Internal,
        }
    }

    fn describe(&self, details: &mut Details) {
        let (field, what) = match self {
            Self::OutOfRange(range) => (range.name, self.to_string()),
            Self::Busy => {
                details.reason("PROFILING").domain("kit");
                return;
            }
            _ => return,
        };
        details.violation(field, what);
    }
}
