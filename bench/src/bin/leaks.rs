//! Whether the time of an answer tells of a secret: `leaks CASE SAMPLES`.
//!
//! Requests of two classes are shown to an authenticator, one or the other as chance
//! has it. It says Welch's t of their times, the largest of those that are cropped at
//! one percentile or another, and the nanoseconds of each class (Reparaz, Balasch,
//! Verbauwhede, "Dude, is my code constant time?", 2017).

use fastrand::Rng;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use kit_auth::{
    Authenticator, Denied, Presented, Reason, Verdict,
    api_key::{ApiKey, StaticKeys},
    basic::{self, Basic, Htpasswd, StaticUsers},
    jwt::{Algorithm, Key, KeySet, SigningKey, Verifier},
};
use kit_bench::{BoxError, SLOWER, runtime, say, spin};
use serde_json::json;
use std::{env, hint::black_box};
use tokio::{runtime::Runtime, time::Instant};

/// How many users there are, or keys, and names that are nobody's: of one or of few
/// the very letters would be seen, as they are decoded.
const KNOWN: usize = 1000;
/// How many characters of a secret are wrong.
const GUESSED: usize = 8;
/// Of which secrets are. The last of base64 of 32 bytes can be any of them, and no
/// other.
const LETTERS: &[u8] = b"AEIMQUYcgkosw048";
/// Samples before those that are kept.
const FIRST: usize = 1000;
/// Turns of an empty loop in which the processor ends what it was at.
const CALM: u64 = 500;
/// Of fewer samples t is not taken.
const FEWEST: f64 = 1000.0;
/// Up to which percentile the times are of this program, for the means that are said.
const SAID: f64 = 0.9;
const KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Of bcrypt at its least cost, and of no password that is tried.
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

/// What is compared: two secrets that are shown, or two names.
#[derive(Clone, Copy)]
enum Classes {
    /// Wrong in its first characters alone, and in its last.
    Prefix,
    /// Right, and wrong.
    Right,
    /// Of somebody and of nobody, with a password that is wrong.
    Name,
}

/// Nanoseconds, and of which class.
type Sample = (f64, usize);

/// Samples of one class, as Welford adds them up.
#[derive(Default, Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

fn main() -> Result<(), BoxError> {
    let mut args = env::args().skip(1);
    let case = args.next().ok_or("which case?")?;
    let many = args.next().ok_or("how many samples?")?.parse()?;
    let mut samples = match &*case {
        "control" => control(many),
        "basic-prefix" => passwords(Classes::Prefix, many),
        "basic-name" => passwords(Classes::Name, many),
        "basic-right" => passwords(Classes::Right, many),
        "htpasswd-name" => hashes(many),
        "key-prefix" => keys(Classes::Prefix, many),
        "key-right" => keys(Classes::Right, many),
        "hs256-prefix" => tokens(Classes::Prefix, many),
        "hs256-right" => tokens(Classes::Right, many),
        other => Err(format!("there is no case `{other}`").into()),
    }?;
    samples.sort_by(|one, other| one.0.total_cmp(&other.0));
    let [one, other] = below(&samples, SAID);
    say(format_args!("{} {} {}", largest_t(&samples), one.mean, other.mean))
}

// ===== the cases =====

/// A comparison that ends where two differ, which must be found.
fn control(many: usize) -> Result<Vec<Sample>, BoxError> {
    let mut rng = Rng::new();
    let password = secret(&mut rng, 4096);
    let right = password.clone();
    let users = move |_: &str, password: &str| (password == right).then_some(());
    let basic = Basic::new("control", users);
    take(&basic, &AUTHORIZATION, Classes::Prefix, many, |class| {
        Ok(basic::header("ada", &Classes::Prefix.secret(class, &password, &mut rng))?)
    })
}

fn passwords(classes: Classes, many: usize) -> Result<Vec<Sample>, BoxError> {
    let mut rng = Rng::new();
    let (known, unknown) = (secrets(&mut rng, 16), secrets(&mut rng, 16));
    let passwords = secrets(&mut rng, 32);
    let users = StaticUsers::new(known.iter().zip(&passwords))?;
    take(&Basic::new("static", users), &AUTHORIZATION, classes, many, |class| {
        let user = rng.usize(..KNOWN);
        let name = classes.name(class, &known[user], &unknown[user]);
        Ok(basic::header(&name, &classes.secret(class, &passwords[user], &mut rng))?)
    })
}

fn hashes(many: usize) -> Result<Vec<Sample>, BoxError> {
    let mut rng = Rng::new();
    let (known, unknown) = (secrets(&mut rng, 16), secrets(&mut rng, 16));
    let lines: Vec<_> = known.iter().map(|name| format!("{name}:{HASH}")).collect();
    let users = Htpasswd::text(lines.join("\n"))?;
    take(&Basic::new("htpasswd", users), &AUTHORIZATION, Classes::Name, many, |class| {
        let user = rng.usize(..KNOWN);
        let name = Classes::Name.name(class, &known[user], &unknown[user]);
        Ok(basic::header(&name, &secret(&mut rng, 32))?)
    })
}

fn keys(classes: Classes, many: usize) -> Result<Vec<Sample>, BoxError> {
    let mut rng = Rng::new();
    let known = secrets(&mut rng, 32);
    let keys = StaticKeys::new(known.iter().map(|key| (key, ())))?;
    take(&ApiKey::new(keys), &KEY, classes, many, |class| {
        Ok(HeaderValue::try_from(classes.secret(class, &known[rng.usize(..KNOWN)], &mut rng))?)
    })
}

fn tokens(classes: Classes, many: usize) -> Result<Vec<Sample>, BoxError> {
    let mut rng = Rng::new();
    let key = [7; 32];
    let token = SigningKey::secret(Algorithm::HS256, &key)?.sign(&json!({
        "iss": "https://login.example", "sub": "5ba552d67", "aud": "https://rs.example/",
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000,
    }))?;
    let keys = KeySet::new([Key::secret(Algorithm::HS256, &key)?])?;
    let verifier = Verifier::new(keys, "https://login.example", "https://rs.example/");
    let (message, signature) = token.rsplit_once('.').ok_or("a token has dots")?;
    take(&verifier, &AUTHORIZATION, classes, many, |class| {
        let signature = classes.secret(class, signature, &mut rng);
        Ok(HeaderValue::try_from(format!("Bearer {message}.{signature}"))?)
    })
}

// ===== impl Classes =====

/// What is done for one class is done for the other, and the same memory is read: no
/// branch and no cache knows which it is going to be.
impl Classes {
    /// What one of the class shows, where this secret is right.
    fn secret(self, class: usize, right: &str, rng: &mut Rng) -> String {
        let len = right.len();
        let last = len - GUESSED;
        let (from, many) = match self {
            Self::Prefix => ([0, last], GUESSED),
            Self::Right => ([len, last], GUESSED),
            Self::Name => ([0, 0], len),
        };
        mixed(right, &secret(rng, len), from[class], many)
    }

    /// The name of somebody, or of nobody.
    fn name(self, class: usize, known: &str, unknown: &str) -> String {
        let len = known.len();
        let from = if matches!(self, Self::Name) { [len, 0] } else { [len; 2] };
        mixed(known, unknown, from[class], len)
    }

    const fn is_right(self, class: usize) -> bool {
        matches!(self, Self::Right) && class == 0
    }
}

fn secret(rng: &mut Rng, len: usize) -> String {
    (0..len).map(|_| char::from(LETTERS[rng.usize(..LETTERS.len())])).collect()
}

fn secrets(rng: &mut Rng, len: usize) -> Vec<String> {
    (0..KNOWN).map(|_| secret(rng, len)).collect()
}

/// One text, with so many of another's letters, from one on that it may not have.
fn mixed(one: &str, other: &str, from: usize, many: usize) -> String {
    let letters = one.bytes().zip(other.bytes()).enumerate();
    letters
        .map(|(at, (one, other))| {
            let is_other = at.wrapping_sub(from) < many;
            char::from([one, other][usize::from(is_other)])
        })
        .collect()
}

// ===== samples =====

/// Takes so many samples.
fn take<A: Authenticator>(
    authenticator: &A,
    header: &HeaderName,
    classes: Classes,
    many: usize,
    mut value: impl FnMut(usize) -> Result<HeaderValue, BoxError>,
) -> Result<Vec<Sample>, BoxError> {
    let runtime = runtime()?;
    let (mut rng, mut headers) = (Rng::new(), HeaderMap::new());
    let mut sample = |turns: [u64; 2]| {
        let class = usize::from(rng.bool());
        headers.insert(header, value(class)?);
        let presented = Presented::of(&headers);
        spin(CALM);
        let begun = Instant::now();
        let known = answer(&runtime, authenticator.authenticate(black_box(&presented)));
        spin(turns[class]);
        let took = begun.elapsed().as_secs_f64() * 1e9;
        if known.is_ok() == classes.is_right(class) {
            Ok((took, class))
        } else {
            Err("the answer is not what it is to be")?
        }
    };
    let mut first = (0..FIRST).map(|_| sample([0; 2])).collect::<Result<Vec<_>, BoxError>>()?;
    first.sort_by(|one, other| one.0.total_cmp(&other.0));
    let turns = wasted(first[FIRST / 2].0);
    (0..many).map(|_| sample([0, turns])).collect()
}

fn answer<I>(runtime: &Runtime, verdict: Verdict<I>) -> Result<I, Denied> {
    match verdict {
        Verdict::Absent => Err(Denied::new(Reason::Missing)),
        Verdict::Known(known) => known,
        Verdict::Later(later) => runtime.block_on(later),
    }
}

/// How many turns take so many percent of these nanoseconds as one class is to be
/// slowed down by.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn wasted(nanoseconds: f64) -> u64 {
    const TURNS: u32 = 1_000_000;
    let slower = env::var(SLOWER).ok().and_then(|percent| percent.parse::<f64>().ok());
    slower.map_or(0, |percent| {
        let begun = Instant::now();
        spin(TURNS.into());
        let turn = begun.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS);
        (nanoseconds * percent / 100.0 / turn).ceil() as u64
    })
}

// ===== the statistic =====

/// Welch's t of the samples that took less than what a percentile did, for the
/// hundred percentiles that dudect takes and for all: the one furthest from zero.
fn largest_t(sorted: &[Sample]) -> f64 {
    let percentiles = (1..=100).map(|step| 1.0 - 0.5_f64.powf(f64::from(step) / 10.0));
    percentiles
        .map(|percentile| welch(below(sorted, percentile)))
        .chain([welch(moments(sorted))])
        .fold(0.0, |largest, t| if t.abs() > largest.abs() { t } else { largest })
}

fn welch([one, other]: [Moments; 2]) -> f64 {
    let variance = one.squares / (one.count - 1.0) / one.count
        + other.squares / (other.count - 1.0) / other.count;
    let is_enough = one.count.min(other.count) * 2.0 >= FEWEST && variance > 0.0;
    if is_enough { (other.mean - one.mean) / variance.sqrt() } else { 0.0 }
}

/// The samples that took less than what this percentile of them did.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a position"
)]
fn below(sorted: &[Sample], percentile: f64) -> [Moments; 2] {
    let at = sorted[(sorted.len() as f64 * percentile) as usize].0;
    moments(&sorted[..sorted.partition_point(|(took, _)| *took < at)])
}

fn moments(samples: &[Sample]) -> [Moments; 2] {
    let mut both = [Moments::default(); 2];
    for (took, class) in samples {
        both[*class].add(*took);
    }
    both
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }
}
