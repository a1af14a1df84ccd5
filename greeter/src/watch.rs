//! `greeter watch`: who is found, and what becomes of them.

use kit_sd::{Instance, Instances, Snapshot, State};
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    sync::Arc,
};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime},
};

/// How a set is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The whole set anew at each change, for a terminal.
    Table,
    /// A line for each instance that comes, goes or changes, for a file.
    Lines,
}

/// Writes the set to `out` as it is, and then every change of it and of how
/// fresh it is, each with its time, until nobody follows the registry.
///
/// # Errors
///
/// Fails if `out` does.
pub async fn watch(mut instances: Instances, style: Style, mut out: impl Write) -> io::Result<()> {
    let mut shown = Arc::new(Snapshot::default());
    loop {
        let before = Arc::clone(&shown);
        let differs = |now: &Snapshot| {
            now.revision != before.revision || told(&now.state) != told(&before.state)
        };
        let Some(now) = instances.wait_for(differs).await else { return Ok(()) };
        match style {
            Style::Table => table(instances.service(), &now, &mut out)?,
            Style::Lines => lines(&shown, &now, &mut out)?,
        }
        out.flush()?;
        shown = now;
    }
}

/// What is said of a state: not since when it is so, which is its line's time.
fn told(state: &State) -> String {
    match state {
        State::NeverSeen { error: None } => "no answer yet".to_owned(),
        State::NeverSeen { error: Some(error) } => format!("no answer yet: {error}"),
        State::Fresh => "fresh".to_owned(),
        State::Stale { error, .. } => format!("stale: {error}"),
        State::Suspect { doubt, missing, .. } => format!("suspect: {doubt}, {missing} missing"),
        other => other.name().to_owned(),
    }
}

fn lines(before: &Snapshot, now: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    let time = Now;
    let key = |one: &Arc<Instance>| (one.id.clone(), one.address.clone());
    let keyed = |all: &[Arc<Instance>]| -> BTreeMap<_, _> {
        all.iter().map(|one| (key(one), Arc::clone(one))).collect()
    };
    let (old, new) = (keyed(&before.instances), keyed(&now.instances));
    for (key, gone) in &old {
        if !new.contains_key(key) {
            writeln!(out, "{time} - {}", Shown(gone))?;
        }
    }
    for (key, one) in &new {
        match old.get(key) {
            None => writeln!(out, "{time} + {}", Shown(one))?,
            Some(was) if was != one => writeln!(out, "{time} ~ {}", Shown(one))?,
            Some(_) => {}
        }
    }
    if told(&before.state) != told(&now.state) {
        writeln!(out, "{time} = {}, {} instances", told(&now.state), now.instances.len())?;
    }
    Ok(())
}

fn table(service: &str, now: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    let head = ["ID", "ADDRESS", "HEALTH", "WEIGHT", "VERSION", "ZONE", "TAGS"].map(str::to_owned);
    let rows = now.instances.iter().map(|one| {
        let text = |text: &Option<String>| clean(text.as_deref().unwrap_or("-"));
        [
            clean(&one.id),
            one.address.to_string(),
            one.health.to_string(),
            one.weight.to_string(),
            text(&one.version),
            text(&one.zone),
            clean(&one.tags.join(",")),
        ]
    });
    let rows: Vec<_> = [head].into_iter().chain(rows).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    // From the top of an empty screen.
    write!(out, "\x1b[2J\x1b[H")?;
    writeln!(out, "{service}: {} instances, {} ({Now})\n", now.instances.len(), told(&now.state))?;
    for row in &rows {
        let cells: Vec<_> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// What a registry says is not to move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

/// An instance on one line.
struct Shown<'a>(&'a Instance);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance { id, address, tags, metadata, version, zone, weight, health, .. } = self.0;
        write!(f, "{} {address} {health} weight={weight}", clean(id))?;
        for (name, value) in [("version", version), ("zone", zone)] {
            if let Some(value) = value {
                write!(f, " {name}={}", clean(value))?;
            }
        }
        if !tags.is_empty() {
            write!(f, " tags={}", clean(&tags.join(",")))?;
        }
        for (name, value) in metadata {
            write!(f, " {}={}", clean(name), clean(value))?;
        }
        Ok(())
    }
}

/// The time, in UTC, as the log writes it.
#[derive(Clone, Copy)]
struct Now;

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        f.write_str(&time)
    }
}
