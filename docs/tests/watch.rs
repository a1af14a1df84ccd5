//! What to watch: the alerts are of metrics that there are, and files and pages
//! are what is made of them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::format_push_string, reason = "it is made once")]

#[path = "../watch/alerts.rs"]
mod alerts;
#[path = "../watch/definitions.rs"]
mod definitions;
#[path = "../watch/pages.rs"]
mod pages;

use alerts::{Alert, GROUPS};
use definitions::Definition;
use std::{collections::HashSet, env, fs, path::Path, process::Command};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(here().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn every_alert() -> impl Iterator<Item = &'static Alert> {
    GROUPS.iter().flat_map(|group| group.alerts)
}

#[tokio::test]
async fn files_and_pages_are_what_is_made_of_the_definitions() {
    for (file, made) in pages::all(&definitions::all().await, read) {
        let is = read(file);
        assert!(is == made, "{file} is stale: cargo run -p kit-docs --example watch");
    }
}

#[tokio::test]
async fn every_metric_says_what_it_is() {
    for Definition { name, help, .. } in definitions::all().await {
        assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
    }
}

/// Returns the words of an expression that look like metrics.
fn metrics(expr: &str) -> HashSet<&str> {
    let mut words = HashSet::new();
    // What is in braces, brackets and behind `by` are labels and times.
    let mut rest = expr;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_lowercase()) {
        rest = &rest[start..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        if word == "by" {
            rest = &rest[rest.find(')').unwrap()..];
        } else if word.contains('_') && word != "histogram_quantile" {
            words.insert(word);
        }
        for (open, close) in [('{', '}'), ('[', ']')] {
            if rest.starts_with(open) {
                rest = &rest[rest.find(close).unwrap()..];
            }
        }
    }
    words
}

/// Returns the labels that an expression asks for, of whatever metric.
fn labels(expr: &str) -> HashSet<&str> {
    let inside = expr.split('{').skip(1).map(|rest| rest.split_once(['=', '!']).unwrap().0);
    let by =
        expr.split("by (").skip(1).flat_map(|rest| rest.split_once(')').unwrap().0.split(", "));
    // Whoever scrapes adds the first two, and a histogram has the third.
    inside.chain(by).filter(|label| !["job", "instance", "le"].contains(label)).collect()
}

#[tokio::test]
async fn alerts_are_of_metrics_and_labels_that_there_are() {
    let definitions = definitions::all().await;
    for alert in every_alert() {
        let of: Vec<_> = alert
            .of
            .iter()
            .map(|name| definitions.iter().find(|known| known.name == *name).expect(name))
            .collect();
        let lines: HashSet<_> = of
            .iter()
            .flat_map(|metric| match metric.shape.as_str() {
                "histogram" => ["_count", "_sum", "_bucket"]
                    .map(|end| format!("{}{end}", metric.name))
                    .to_vec(),
                _ => vec![metric.name.clone()],
            })
            .collect();
        let named = metrics(alert.expr);
        assert!(!named.is_empty() && named.iter().all(|name| lines.contains(*name)), "{named:?}");
        for label in labels(alert.expr) {
            let known = of.iter().all(|metric| metric.labels.iter().any(|known| known == label));
            assert!(known, "{}: {label}", alert.name);
        }
        // Nothing is said of labels that the expression has dropped.
        let kept = labels(alert.expr);
        let sums = alert.expr.contains(" by (");
        for label in alert.summary.split("$labels.").skip(1) {
            let label = label.split(' ').next().unwrap();
            let is_kept = if sums {
                kept.contains(label)
                    || alert.expr.contains(&format!("({label}"))
                    || alert.expr.contains(&format!(" {label}"))
            } else {
                ["job", "instance"].contains(&label)
                    || of[0].labels.iter().any(|known| known == label)
            };
            assert!(is_kept, "{}: {label}", alert.name);
        }
    }
}

#[test]
fn alerts_have_names_of_their_own_and_say_what_to_do() {
    let mut names = HashSet::new();
    for Alert { name, summary, todo, .. } in every_alert() {
        assert!(name.starts_with("Kit") && names.insert(*name), "{name}");
        assert!(
            !summary.is_empty() && !summary.ends_with('.') && todo.ends_with(['.', '?']),
            "{name}"
        );
    }
}

#[test]
#[ignore = "needs promtool"]
fn promtool_takes_the_rules() {
    let program =
        env::var("KIT_PROMTOOL").expect("set KIT_PROMTOOL to promtool, or run cargo xtask test");
    let rules = here().join(pages::RULES);
    let said = Command::new(program).args(["check", "rules"]).arg(rules).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    let all = format!("{} rules found", every_alert().count());
    assert!(said.status.success() && text.contains(&all), "{said:?}");
}
