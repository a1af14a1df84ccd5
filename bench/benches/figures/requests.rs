//! Instructions, allocations and time of one request or message, ours beside
//! the bare stack's.

use crate::{
    BoxError, Row,
    count::SLACK,
    layers::turns,
    program::{Cost, Job, OneProcessor, Running, Side},
    slower, spread,
};
use kit_bench::spin;
use std::thread;
use tokio::time::Instant;

const PAIRS: usize = 5;
/// Rounds of asking each side in turn, for the time; an odd number.
const ROUNDS: usize = 101;

/// What is compared.
struct Case {
    name: &'static str,
    ours: &'static str,
    bare: &'static str,
    /// Another to be shown, not judged: its name, and its program.
    beside: Option<(&'static str, &'static str)>,
    /// The server that they call, if they are clients.
    calls: Option<&'static str>,
    job: Job,
    /// The instructions that ours may take, in times of bare's.
    bar: f64,
    /// The time, likewise.
    time: f64,
    /// The allocations that ours may make beside bare's.
    more: f64,
    committed: Committed,
}

/// What was measured when the table was committed.
struct Committed {
    instructions: f64,
    allocations: f64,
}

/// The middle of what one request or message cost.
#[derive(Default)]
struct Costs {
    instructions: f64,
    bytes: f64,
}

macro_rules! program {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}

const CASES: [Case; 19] = [
    Case {
        name: "HTTP server, GET",
        ours: program!("http_kit"),
        bare: program!("http_hyper"),
        beside: Some(("axum", program!("http_axum"))),
        calls: None,
        job: Job::Get,
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 1.053, allocations: 0.0 },
    },
    Case {
        name: "HTTP server, echo of 1 KiB",
        ours: program!("http_kit"),
        bare: program!("http_hyper"),
        beside: Some(("axum", program!("http_axum"))),
        calls: None,
        job: Job::Echo(1 << 10),
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 1.071, allocations: 0.0 },
    },
    Case {
        name: "HTTP server, echo of 64 KiB",
        ours: program!("http_kit"),
        bare: program!("http_hyper"),
        beside: Some(("axum", program!("http_axum"))),
        calls: None,
        job: Job::Echo(64 << 10),
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 1.071, allocations: 0.0 },
    },
    Case {
        name: "HTTP server, echo of 1 MiB",
        ours: program!("http_kit"),
        bare: program!("http_hyper"),
        beside: Some(("axum", program!("http_axum"))),
        calls: None,
        job: Job::Echo(1 << 20),
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        // How the kernel cuts the body moves them by as much: held to the bar alone.
        committed: Committed { instructions: 1.002, allocations: 2.0 },
    },
    Case {
        name: "kit_serve beside a bare accept loop, GET",
        ours: program!("serve_kit"),
        bare: program!("serve_hyper"),
        beside: None,
        calls: None,
        job: Job::Get,
        bar: 1.05,
        time: 1.10,
        more: 0.0,
        committed: Committed { instructions: 1.048, allocations: -1.0 },
    },
    Case {
        name: "HTTP client, GET",
        ours: program!("http_client_kit"),
        bare: program!("http_client_hyper"),
        beside: None,
        calls: Some(program!("http_hyper")),
        job: Job::Get,
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 1.012, allocations: 1.0 },
    },
    Case {
        name: "HTTP client, echo of 1 KiB",
        ours: program!("http_client_kit"),
        bare: program!("http_client_hyper"),
        beside: None,
        calls: Some(program!("http_hyper")),
        job: Job::Echo(1 << 10),
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 0.998, allocations: -1.0 },
    },
    Case {
        name: "HTTP client, echo of 64 KiB",
        ours: program!("http_client_kit"),
        bare: program!("http_client_hyper"),
        beside: None,
        calls: Some(program!("http_hyper")),
        job: Job::Echo(64 << 10),
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 0.998, allocations: -1.0 },
    },
    Case {
        name: "HTTP client, echo of 1 MiB",
        ours: program!("http_client_kit"),
        bare: program!("http_client_hyper"),
        beside: None,
        calls: Some(program!("http_hyper")),
        job: Job::Echo(1 << 20),
        bar: 1.10,
        time: 1.10,
        more: 2.0,
        committed: Committed { instructions: 0.999, allocations: -1.0 },
    },
    Case {
        name: "gRPC server, unary call",
        ours: program!("grpc_kit"),
        bare: program!("grpc_tonic"),
        beside: None,
        calls: None,
        job: Job::Greet,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 1.026, allocations: 0.0 },
    },
    Case {
        name: "gRPC server, streamed reply",
        ours: program!("grpc_kit"),
        bare: program!("grpc_tonic"),
        beside: None,
        calls: None,
        job: Job::Many,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 0.96, allocations: 0.0 },
    },
    Case {
        name: "gRPC server, streamed request",
        ours: program!("grpc_kit"),
        bare: program!("grpc_tonic"),
        beside: None,
        calls: None,
        job: Job::Gather,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 1.009, allocations: 0.0 },
    },
    Case {
        name: "gRPC server, message and its reply, both streamed",
        ours: program!("grpc_kit"),
        bare: program!("grpc_tonic"),
        beside: None,
        calls: None,
        job: Job::Chat,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 1.022, allocations: 0.0 },
    },
    Case {
        name: "gRPC client, unary call",
        ours: program!("grpc_client_kit"),
        bare: program!("grpc_client_tonic"),
        beside: None,
        calls: Some(program!("grpc_tonic")),
        job: Job::Greet,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 0.984, allocations: -3.0 },
    },
    Case {
        name: "gRPC client, streamed reply",
        ours: program!("grpc_client_kit"),
        bare: program!("grpc_client_tonic"),
        beside: None,
        calls: Some(program!("grpc_tonic")),
        job: Job::Many,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 1.017, allocations: 0.0 },
    },
    Case {
        name: "gRPC client, streamed request",
        ours: program!("grpc_client_kit"),
        bare: program!("grpc_client_tonic"),
        beside: None,
        calls: Some(program!("grpc_tonic")),
        job: Job::Gather,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 1.037, allocations: 0.0 },
    },
    Case {
        name: "gRPC client, message and its reply, both streamed",
        ours: program!("grpc_client_kit"),
        bare: program!("grpc_client_tonic"),
        beside: None,
        calls: Some(program!("grpc_tonic")),
        job: Job::Chat,
        bar: 1.05,
        time: 1.05,
        more: 2.0,
        committed: Committed { instructions: 1.024, allocations: 0.0 },
    },
    Case {
        name: "greeter over HTTP beside axum by hand",
        ours: program!("greeter_kit"),
        bare: program!("greeter_axum"),
        beside: None,
        calls: None,
        job: Job::Hello,
        bar: 1.10,
        time: 1.10,
        more: 4.0,
        committed: Committed { instructions: 1.045, allocations: -4.0 },
    },
    Case {
        name: "greeter over gRPC beside tonic by hand",
        ours: program!("greeter_kit"),
        bare: program!("greeter_tonic"),
        beside: None,
        calls: None,
        job: Job::Greeting,
        bar: 1.10,
        time: 1.10,
        more: 4.0,
        committed: Committed { instructions: 1.0, allocations: -11.0 },
    },
];

/// How many more allocations than committed are let pass: on a socket a body
/// may come in more pieces, and 5 % of the fewest is 0.45.
const ALLOCATIONS: f64 = 0.2;

/// What the part of a body's cost that grows may be, in times of bare's.
const GROWTH: f64 = 1.05;

pub(crate) fn rows(only: Option<&str>) -> Result<Vec<Row>, BoxError> {
    let (mut rows, mut middles) = (Vec::new(), Vec::new());
    for case in CASES.iter().filter(|case| only.is_none_or(|only| case.name.contains(only))) {
        let (of_case, ours, bare) = case.rows()?;
        rows.extend(of_case);
        middles.push((case, ours, bare));
    }
    for (large, ours, bare) in middles.iter().filter(|(case, ..)| case.job == Job::Echo(1 << 20)) {
        let of_medium = |(case, ..): &&(&Case, Costs, Costs)| {
            case.ours == large.ours && case.job == Job::Echo(64 << 10)
        };
        if let Some((_, less, bare_less)) = middles.iter().find(of_medium) {
            let figures = [
                (
                    "instructions",
                    ours.instructions - less.instructions,
                    bare.instructions - bare_less.instructions,
                ),
                ("bytes allocated", ours.bytes - less.bytes, bare.bytes - bare_less.bytes),
            ];
            rows.extend(figures.map(|(what, ours, bare)| large.growth(what, ours, bare)));
        }
    }
    Ok(rows)
}

// ===== impl Case =====

impl Case {
    const fn side(&self, program: &'static str) -> Side {
        Side { program, calls: self.calls, job: self.job, turns: 0, litter: 0 }
    }

    fn rows(&self) -> Result<([Row; 3], Costs, Costs), BoxError> {
        let (program, other) = (self.side(self.ours), self.side(self.bare));
        // One at a time: an allocation has instructions too.
        let (mut slowed, mut littered, mut late) = (program, program, program);
        if let Some(percent) = slower() {
            let (unslowed, counts) = (self.instructions(program)?, self.counts(program)?);
            slowed.turns = turns(unslowed, percent);
            littered.litter = thousandths(counts[0], percent);
            late.turns = turns_of_time(self.times(program, other)?[0], percent);
        }
        let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let (one, other) = thread::scope(|scope| {
                let one = scope.spawn(|| self.instructions(slowed).map_err(|e| e.to_string()));
                let other = self.instructions(other);
                (one.join().unwrap_or_else(|_| Err("it panicked".to_owned())), other)
            });
            let (one, other) = (one?, other?);
            ratios.push(one / other);
            ours.push(one);
            bare.push(other);
        }
        let (ours, ..) = spread(ours);
        let (bare, ..) = spread(bare);
        let bar = self.bar.min(self.committed.instructions * SLACK);
        let instructions = self.row(
            "instructions",
            (ours, bare),
            self.beside(|side| self.instructions(side))?,
            ratios,
            bar,
        );

        let ([of_ours, our_bytes], [of_bare, bare_bytes]) =
            (self.counts(littered)?, self.counts(other)?);
        // Where there are few, they repeat exactly.
        let slack = ALLOCATIONS.min(of_bare * (SLACK - 1.0));
        let more = self.more.min(self.committed.allocations + slack);
        let allocations = Row {
            name: format!("{}, allocations", self.name),
            ours: format!("{of_ours:.2}"),
            bare: format!(
                "{of_bare:.2}{}",
                self.beside(|side| Ok(self.counts(side)?[0]))?
                    .map(|(name, it)| format!(" ({name} {it:.2})"))
                    .unwrap_or_default()
            ),
            value: format!("{:+.2}", of_ours - of_bare),
            bar: format!("{more:+.2}"),
            met: of_ours - of_bare <= more,
        };

        let (nanoseconds, of_bare, ratios) = {
            let runs =
                (0..PAIRS).map(|_| self.times(late, other)).collect::<Result<Vec<_>, _>>()?;
            let figures = |at: usize| runs.iter().map(|run| run[at]).collect::<Vec<_>>();
            (spread(figures(0)).0, spread(figures(1)).0, figures(2))
        };
        // Moves by more than 5 %: held to the bar alone.
        let time = self.row("ns of CPU", (nanoseconds, of_bare), None, ratios, self.time);
        let costs = |instructions, bytes| Costs { instructions, bytes };
        Ok(([instructions, allocations, time], costs(ours, our_bytes), costs(bare, bare_bytes)))
    }

    fn beside(
        &self,
        measure: impl Fn(Side) -> Result<f64, BoxError>,
    ) -> Result<Option<(&'static str, f64)>, BoxError> {
        self.beside.map(|(name, program)| Ok((name, measure(self.side(program))?))).transpose()
    }

    fn row(
        &self,
        what: &str,
        (ours, bare): (f64, f64),
        beside: Option<(&str, f64)>,
        ratios: Vec<f64>,
        bar: f64,
    ) -> Row {
        let (ratio, least, most) = spread(ratios);
        let beside = beside.map(|(name, figure)| format!(" ({name} {figure:.0})"));
        Row {
            name: format!("{}, {what}", self.name),
            ours: format!("{ours:.0}"),
            bare: format!("{bare:.0}{}", beside.unwrap_or_default()),
            value: format!("{ratio:.3} times ({least:.3} to {most:.3})"),
            bar: format!("{bar:.3} times"),
            met: ratio <= bar,
        }
    }

    /// A row for what a body of 1 MiB costs more than one of 64 KiB.
    fn growth(&self, what: &str, ours: f64, bare: f64) -> Row {
        Row {
            name: format!("{}, {what} beyond those of 64 KiB", self.name),
            ours: format!("{ours:.0}"),
            bare: format!("{bare:.0}"),
            value: format!("{:.3} times", ours / bare),
            bar: format!("{GROWTH} times"),
            met: ours <= bare * GROWTH,
        }
    }

    /// For how many requests a program runs, less and more often.
    const fn often(&self) -> (u64, u64) {
        match self.job {
            Job::Echo(size) if size > 1 << 19 => (20, 60),
            Job::Echo(size) if size > 1 << 14 => (100, 300),
            _ => (500, 2500),
        }
    }

    /// What one more request costs.
    fn one_more(
        &self,
        side: Side,
        instructions: bool,
        figure: impl Fn(&Cost) -> u64,
    ) -> Result<f64, BoxError> {
        let (few, many) = self.often();
        let (less, more) = (side.cost(few, instructions)?, side.cost(many, instructions)?);
        Ok(share(figure(&more), many - few) - share(figure(&less), many - few))
    }

    fn instructions(&self, side: Side) -> Result<f64, BoxError> {
        self.one_more(side, true, |cost| cost.instructions)
    }

    /// The allocations of one more request, and the bytes of all of them.
    fn counts(&self, side: Side) -> Result<[f64; 2], BoxError> {
        let (few, many) = self.often();
        let (less, more) = (side.cost(few, false)?, side.cost(many, false)?);
        let one = |more, less| share(more, many - few) - share(less, many - few);
        Ok([one(more.allocations, less.allocations), one(more.bytes, less.bytes)])
    }

    /// For how many requests or messages a side is timed at once: some
    /// milliseconds, so that a round is over before the machine is another.
    const fn batch(&self) -> u64 {
        match self.job {
            Job::Echo(size) if size > 1 << 19 => 20,
            // What the call itself takes is nothing beside so many messages.
            Job::Many | Job::Gather => 20_000,
            _ => 200,
        }
    }

    /// The nanoseconds on a processor of one request to each side, and what
    /// ours took in times of bare's: the middle of rounds in turn, for the
    /// ratio that of the ratios within a round.
    fn times(&self, ours: Side, bare: Side) -> Result<[f64; 3], BoxError> {
        let batch = self.batch();
        let _one = OneProcessor::keep();
        let (mut ours, mut bare) = (ours.start(false)?, bare.start(false)?);
        let time = |side: &mut Running| {
            let before = side.on_cpu()?;
            side.ask(batch)?;
            Ok::<_, BoxError>(share(side.on_cpu()? - before, batch))
        };
        // Once for what is done only once.
        time(&mut ours)?;
        time(&mut bare)?;
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            // Either goes first as often: what one leaves behind is the
            // other's start.
            rounds.push(if round % 2 == 0 {
                let of_ours = time(&mut ours)?;
                (of_ours, time(&mut bare)?)
            } else {
                let of_bare = time(&mut bare)?;
                (time(&mut ours)?, of_bare)
            });
        }
        ours.end()?;
        bare.end()?;
        let middle = |figure: fn(&(f64, f64)) -> f64| spread(rounds.iter().map(figure).collect()).0;
        Ok([middle(|round| round.0), middle(|round| round.1), middle(|round| round.0 / round.1)])
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn share(all: u64, requests: u64) -> f64 {
    all as f64 / requests as f64
}

/// Returns how many thousandths of an allocation are a few percent more.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn thousandths(allocations: f64, percent: f64) -> u64 {
    (allocations * percent * 10.0).ceil() as u64
}

/// Returns how many turns take a few percent of `nanoseconds` more.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn turns_of_time(nanoseconds: f64, percent: f64) -> u64 {
    const TURNS: u64 = 1_000_000;
    let turn = |_| {
        let start = Instant::now();
        spin(TURNS);
        start.elapsed().as_secs_f64() * 1e9 / 1e6
    };
    (nanoseconds * percent / 100.0 / spread((0..9).map(turn).collect()).0).ceil() as u64
}
