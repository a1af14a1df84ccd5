//! The pages, as the strict parsers of `prometheus-client` read them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod full;

use kit_metrics::{Prometheus, prometheus::Format};
use std::{
    env,
    io::Write,
    process::{Command, Output, Stdio},
};

/// Parses a page, and writes what it has of it: a sample a line, with the id
/// of its exemplar's trace.
const READ: &str = "
import sys
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text
page = sys.stdin.buffer.read().decode()
parse = {'OpenMetrics': openmetrics, 'Text': text}[sys.argv[1]].text_string_to_metric_families
for family in parse(page):
    for sample in family.samples:
        trace = sample.exemplar.labels['trace_id'] if sample.exemplar else ''
        labels = sorted(sample.labels.items())
        print(family.type, repr(family.unit), sample.name, labels, f'{sample.value:g}', trace)
";

fn read(format: &str, page: &str) -> Output {
    let python = env::var("KIT_PYTHON").expect("set KIT_PYTHON, or run cargo xtask test");
    let mut child = Command::new(python)
        .args(["-c", READ, format])
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What the page reads as.
fn lines(format: Format, metrics: &Prometheus) -> String {
    let page = metrics.render_as(format);
    let said = read(&format!("{format:?}"), &page);
    assert!(said.status.success(), "{}\n{page}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs Python and prometheus-client"]
async fn the_strict_parser_reads_the_open_metrics_page() {
    let said = lines(Format::OpenMetrics, &full::recorder().await);
    let trace = full::TRACE;
    for line in [
        "counter '' jobs_total [('queue', 'a\\\\b\"c\\nd{},é')] 2 ".to_owned(),
        "counter 'bytes' sent_data_bytes_total [] 5 ".to_owned(),
        format!("histogram 'bytes' size_bytes_bucket [('le', '1e+06')] 2 {trace}"),
        "histogram 'bytes' size_bytes_bucket [('le', '0.0')] 1 ".to_owned(),
        "gauge '' queue_depth [('queue', 'a\\\\b\"c\\nd')] 3 ".to_owned(),
        "gauge '' level [] -inf ".to_owned(),
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\n{said}");
    }
    assert_eq!(said.matches(trace).count(), 4, "{said}");
    assert_eq!(lines(Format::OpenMetrics, &Prometheus::new()), "");
}

#[tokio::test]
#[ignore = "needs Python and prometheus-client"]
async fn the_parser_of_text_reads_the_text_page() {
    let said = lines(Format::Text, &full::recorder().await);
    let line = "counter '' jobs_total [('queue', 'a\\\\b\"c\\nd{},é')] 2 ";
    assert!(said.lines().any(|said| said == line), "{said}");
}

#[test]
#[ignore = "needs Python and prometheus-client"]
fn the_strict_parser_refuses_a_page_that_is_wrong() {
    for page in [
        "# TYPE jobs counter\njobs 1\n# EOF\n",
        "# TYPE a counter\na_total 1\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n# EOF\n",
        "# TYPE a gauge\n# TYPE a counter\n# EOF\n",
    ] {
        assert!(!read("OpenMetrics", page).status.success(), "{page}");
    }
}
