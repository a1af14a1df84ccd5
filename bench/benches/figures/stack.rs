//! What it costs to have everything on: layer by layer, and beside the same things
//! wired by hand, in instructions, allocations and lines of code.

use crate::{
    BoxError, Row,
    count::SLACK,
    layers::turns,
    program::{Job, Side},
    slower, spread,
};

const PAIRS: usize = 5;
/// For how many requests a program runs, less and more often.
const OFTEN: (u64, u64) = (500, 2500);

/// The layers, from the inside; the last one before the log is judged.
const STEPS: [&str; 9] =
    ["none", "deadline", "breaker", "limit", "auth", "red", "metrics", "trace", "log"];
const ALL: &str = "trace";

/// The same over HTTP and over gRPC.
struct Over {
    name: &'static str,
    is_grpc: bool,
    /// The bare one, and what it is told.
    bare: (&'static str, &'static str),
    /// What everything but the log may cost, in times of bare's, and what it did when
    /// the table was committed.
    bar: (f64, f64),
    /// The names of the steps, with what carries them.
    steps: [&'static str; STEPS.len()],
    by_hand: &'static str,
    /// What everything costs, in times of by hand, when the table was committed.
    committed: f64,
}

macro_rules! program {
    ($name:literal) => {
        env!(concat!("CARGO_BIN_EXE_", $name))
    };
}

macro_rules! steps {
    ($over:literal) => {
        [
            concat!($over, " none"),
            concat!($over, " deadline"),
            concat!($over, " breaker"),
            concat!($over, " limit"),
            concat!($over, " auth"),
            concat!($over, " red"),
            concat!($over, " metrics"),
            concat!($over, " trace"),
            concat!($over, " log"),
        ]
    };
}

const OVERS: [Over; 2] = [
    Over {
        name: "http",
        is_grpc: false,
        bare: (program!("http_hyper"), "get"),
        bar: (1.6, f64::INFINITY),
        steps: steps!("http"),
        by_hand: program!("stack_axum"),
        committed: 0.353,
    },
    Over {
        name: "grpc",
        is_grpc: true,
        bare: (program!("grpc_tonic"), "greet"),
        bar: (1.3, 1.205),
        steps: steps!("grpc"),
        by_hand: program!("stack_tonic"),
        committed: 0.670,
    },
];

/// What everything may cost, in times of by hand.
const BY_HAND: f64 = 0.95;

/// What is written by who uses the kit, for both transports, and by who does not.
const OURS: [&str; 1] = [include_str!("../../src/bin/stack_kit.rs")];
const THEIRS: [&str; 3] = [
    include_str!("../../src/by_hand.rs"),
    include_str!("../../src/bin/stack_axum.rs"),
    include_str!("../../src/bin/stack_tonic.rs"),
];

pub(crate) fn rows() -> Result<Vec<Row>, BoxError> {
    let mut rows = Vec::new();
    for over in &OVERS {
        rows.extend(over.layers()?);
        rows.push(over.beside()?);
    }
    let count = |files: &[&str]| files.iter().map(|file| lines(file)).sum::<usize>();
    let (ours, theirs) = (count(&OURS), count(&THEIRS));
    rows.push(Row {
        name: "everything on, over HTTP and gRPC, lines of code".to_owned(),
        ours: ours.to_string(),
        bare: format!("{theirs} (by hand)"),
        value: format!("{:+}", i128::try_from(ours)? - i128::try_from(theirs)?),
        bar: "fewer".to_owned(),
        met: ours < theirs,
    });
    Ok(rows)
}

/// The lines that are neither empty nor a comment.
fn lines(file: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    file.lines().map(str::trim).filter(is_code).count()
}

// ===== impl Over =====

impl Over {
    const fn side(&self, program: &'static str, told: &'static str) -> Side {
        let job = Job::Stack { is_grpc: self.is_grpc, told };
        Side { program, calls: None, job, turns: 0, litter: 0 }
    }

    /// A row for each layer: what it adds to the one before.
    fn layers(&self) -> Result<Vec<Row>, BoxError> {
        let bare = self.side(self.bare.0, self.bare.1);
        let (of_bare, bare_allocations) = (instructions(bare)?, allocations(bare)?);
        let mut rows = Vec::new();
        let mut before = of_bare;
        for (step, told) in STEPS.into_iter().zip(self.steps) {
            let side = self.side(program!("stack_layers"), told);
            let (ours, figure) = (instructions(side)?, allocations(side)?);
            rows.push(Row {
                name: format!("stack over {}: up to {step}", self.name),
                ours: format!("{ours:.0} instructions, {figure:.2} allocations"),
                bare: format!("{of_bare:.0} instructions, {bare_allocations:.2} allocations"),
                value: format!("{:+.0}; {:.3} times", ours - before, ours / of_bare),
                bar: "-".to_owned(),
                met: true,
            });
            before = ours;
            if step == ALL {
                let (bar, committed) = self.bar;
                let name = format!("stack over {}: all but the log, beside bare", self.name);
                rows.push(pairs(name, side, bare, bar.min(committed * SLACK))?);
            }
        }
        Ok(rows)
    }

    /// Everything, beside the same by hand.
    fn beside(&self) -> Result<Row, BoxError> {
        let ours = self.side(program!("stack_kit"), self.name);
        let other = self.side(self.by_hand, self.name);
        let name = format!("stack over {}: everything, beside by hand", self.name);
        pairs(name, ours, other, BY_HAND.min(self.committed * SLACK))
    }
}

fn pairs(name: String, ours: Side, other: Side, bar: f64) -> Result<Row, BoxError> {
    let mut slowed = ours;
    if let Some(percent) = slower() {
        slowed.turns = turns(instructions(ours)?, percent);
    }
    let (mut a, mut b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (ours, theirs) = (instructions(slowed)?, instructions(other)?);
        ratios.push(ours / theirs);
        a.push(ours);
        b.push(theirs);
    }
    let ((ours, ..), (theirs, ..)) = (spread(a), spread(b));
    let (of_ours, of_theirs) = (allocations(slowed)?, allocations(other)?);
    let (ratio, least, most) = spread(ratios);
    Ok(Row {
        name,
        ours: format!("{ours:.0} instructions, {of_ours:.2} allocations"),
        bare: format!("{theirs:.0} instructions, {of_theirs:.2} allocations"),
        value: format!("{ratio:.3} times ({least:.3} to {most:.3})"),
        bar: format!("{bar:.3} times"),
        met: ratio <= bar,
    })
}

/// The instructions of one more request.
fn instructions(side: Side) -> Result<f64, BoxError> {
    let (few, many) = OFTEN;
    let (less, more) = (side.cost(few, true)?, side.cost(many, true)?);
    Ok(share(more.instructions, many - few) - share(less.instructions, many - few))
}

/// The allocations of one more request.
fn allocations(side: Side) -> Result<f64, BoxError> {
    let (few, many) = OFTEN;
    let (less, more) = (side.cost(few, false)?, side.cost(many, false)?);
    Ok(share(more.allocations, many - few) - share(less.allocations, many - few))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn share(all: u64, requests: u64) -> f64 {
    all as f64 / requests as f64
}
