//! What is made of definitions and alerts: files, and parts of pages.

use crate::{
    alerts::{self, GROUPS},
    definitions::Definition,
};

/// The rules, seen from this crate.
pub(crate) const RULES: &str = "../deploy/alerts.yml";

/// Pages, of which the part between two marks is made.
pub(crate) const METRICS: &str = "src/metrics.md";
pub(crate) const WATCH: &str = "src/watch.md";

const BEGIN: &str = "<!-- made by `cargo run -p kit-docs --example watch` -->\n";
const END: &str = "<!-- made until here -->\n";

/// Makes every file anew: its path, and what is to be in it. `read` has what
/// is in it now.
pub(crate) fn all(
    definitions: &[Definition],
    read: impl Fn(&str) -> String,
) -> Vec<(&'static str, String)> {
    vec![
        (RULES, alerts::rules()),
        (METRICS, between(&read(METRICS), &table(definitions))),
        (WATCH, between(&read(WATCH), &words())),
    ]
}

/// Puts `made` between the marks of a page.
fn between(page: &str, made: &str) -> String {
    let (before, rest) = page.split_once(BEGIN).expect("the page has a mark");
    let (_, after) = rest.split_once(END).expect("the page has a mark where it ends");
    format!("{before}{BEGIN}\n{made}\n{END}{after}")
}

fn table(definitions: &[Definition]) -> String {
    let mut table = String::from("| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for Definition { name, shape, labels, help } in definitions {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        table += &format!("| `{name}` | {shape} | {} | {help} |\n", labels.join(", "));
    }
    table
}

fn words() -> String {
    let groups = GROUPS.iter().map(|group| {
        let mut title = group.name.to_owned();
        title[..1].make_ascii_uppercase();
        let mut text = format!(
            "## {title}\n\n{}\n\n| alert | when | what to do |\n|---|---|---|\n",
            group.why
        );
        for alert in group.alerts {
            let expr = alert.expr.replace('|', "\\|");
            text +=
                &format!("| `{}` | `{expr}` for {} | {} |\n", alert.name, alert.lasts, alert.todo);
        }
        text
    });
    groups.collect::<Vec<_>>().join("\n")
}
