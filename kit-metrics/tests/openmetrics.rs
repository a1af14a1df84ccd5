//! The page by OpenMetrics, and which of both is served.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE},
};
use kit_metrics::{Prometheus, Recorder, Trace, prometheus::Format};
use metrics::{Key, Label, Level, Metadata, Unit};
use tokio_test::{assert_ready_ok, task};
use tower::Service;

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// What Prometheus 2.53 and 3.0 send.
const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
    application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
    application/openmetrics-text;version=0.0.1;q=0.4,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
/// What it sends where its protocols are limited to the older text.
const PROMETHEUS_TEXT: &str = "text/plain;version=0.0.4;q=0.5,*/*;q=0.4";

fn key(name: &str, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<_> = labels.iter().map(|&(n, v)| Label::from_static_parts(n, v)).collect();
    Key::from_parts(name.to_owned(), labels)
}

fn chosen(accept: &'static str) -> Format {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    Format::from_accept(&headers)
}

#[test]
fn the_page_reads_as_open_metrics_says() {
    let metrics = Prometheus::new().buckets("wait", &[0.5, 1.0, 1e6]);
    metrics.describe_counter("jobs".into(), None, "Jobs \"that\"\nran.".into());
    metrics.register_counter(&key("jobs", &[("queue", "a\"b")]), &METADATA).increment(2);
    metrics.describe_counter("sent.total".into(), Some(Unit::Bytes), "".into());
    metrics.register_counter(&key("sent.total", &[]), &METADATA).increment(1);
    metrics.register_gauge(&key("depth", &[]), &METADATA).set(-1.5);
    metrics.describe_histogram("wait".into(), Some(Unit::Seconds), "How long one waits.".into());
    let wait = metrics.registry().histogram(&key("wait", &[("z", "1")]));
    wait.record(0.5);
    wait.record_traced(0.75, Trace::new([0xab; 16], [0xcd; 8]).unwrap());
    let page = metrics.render_as(Format::OpenMetrics);
    let (start, rest) = page.split_once(" # {").unwrap();
    let (exemplar, end) = rest.split_once('\n').unwrap();
    assert_eq!(
        start,
        r#"# TYPE depth gauge
depth -1.5
# HELP jobs Jobs \"that\"\nran.
# TYPE jobs counter
jobs_total{queue="a\"b"} 2
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
sent_bytes_total 1
# HELP wait_seconds How long one waits.
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{z="1",le="0.5"} 1
wait_seconds_bucket{z="1",le="1.0"} 2"#
    );
    assert_eq!(
        end,
        r#"wait_seconds_bucket{z="1",le="1e+06"} 2
wait_seconds_bucket{z="1",le="+Inf"} 2
wait_seconds_sum{z="1"} 1.25
wait_seconds_count{z="1"} 2
# EOF
"#
    );
    let ids = format!("trace_id=\"{}\",span_id=\"{}\"}} 0.75 ", "ab".repeat(16), "cd".repeat(8));
    let at = exemplar.strip_prefix(&ids).expect(exemplar);
    assert!(at.parse::<f64>().unwrap() > 1.7e9 && at.split_once('.').unwrap().1.len() == 3, "{at}");
    assert!(!metrics.render().contains("trace_id"), "the text format knows no exemplars");
}

#[test]
fn nothing_recorded_is_a_page_with_an_end() {
    assert_eq!(Prometheus::new().render_as(Format::OpenMetrics), "# EOF\n");
}

#[test]
fn of_two_metrics_with_one_name_the_page_has_one() {
    let metrics = Prometheus::new();
    metrics.register_counter(&key("a", &[]), &METADATA).increment(1);
    metrics.register_gauge(&key("a", &[]), &METADATA).set(7.0);
    metrics.register_gauge(&key("b_created", &[]), &METADATA).set(7.0);
    metrics.register_histogram(&key("b", &[]), &METADATA).record(1.0);
    let page = metrics.render_as(Format::OpenMetrics);
    assert!(page.contains("\na_total 1\n") && !page.contains("\na 7\n"), "{page}");
    assert!(page.contains("\nb_count 1\n") && !page.contains("b_created"), "{page}");
    assert!(!page.contains("left out"), "it knows no comments");
    assert!(metrics.render().contains("\na 7\n"), "there they are not one");
}

#[test]
fn the_format_is_what_the_scraper_likes_best() {
    use Format::{OpenMetrics, Text};
    let cases = [
        (PROMETHEUS_2, OpenMetrics),
        (PROMETHEUS_3, OpenMetrics),
        (PROMETHEUS_TEXT, Text),
        ("", Text),
        ("*/*", Text),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
        ("application/json", Text),
        ("application/openmetrics-text", OpenMetrics),
        ("Application/OpenMetrics-Text ; Version=\"1.0.0\"; Q=0.9 , text/plain;q=0.8", OpenMetrics),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", Text),
        ("application/openmetrics-text;q=0.2,*/*;q=0.9", Text),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.1,*/*", OpenMetrics),
        ("application/openmetrics-text,text/plain", OpenMetrics),
        ("application/openmetrics-text;q=0", Text),
        ("application/openmetrics-text;q=0.000,*/*;q=0", Text),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Text),
        ("application/openmetrics-text;q=high", Text),
        ("application/openmetrics-text;q=9", OpenMetrics),
        (";;;,,=;q", Text),
    ];
    for (accept, format) in cases {
        assert_eq!(chosen(accept), format, "{accept}");
    }
    let mut headers = HeaderMap::new();
    headers.append(ACCEPT, HeaderValue::from_static("text/plain;q=0.1"));
    headers.append(ACCEPT, HeaderValue::from_static("application/openmetrics-text"));
    assert_eq!(Format::from_accept(&headers), OpenMetrics, "on lines of their own");
    assert_eq!(Format::from_accept(&HeaderMap::new()), Text);
}

#[test]
fn the_service_answers_as_it_is_asked() {
    let metrics = Prometheus::new();
    metrics.register_counter(&key("jobs", &[]), &METADATA).increment(1);
    let mut page = metrics.service();
    let mut ask = |method: Method, accept: &'static str| {
        assert_ready_ok!(
            task::spawn(()).enter(|cx, _| Service::<Request<()>>::poll_ready(&mut page, cx))
        );
        let request = Request::builder().method(method).uri("/any").header(ACCEPT, accept);
        assert_ready_ok!(task::spawn(page.call(request.body(()).unwrap())).poll())
    };
    for (accept, format) in [(PROMETHEUS_2, Format::OpenMetrics), ("*/*", Format::Text)] {
        let reply = ask(Method::GET, accept);
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()[CONTENT_TYPE], format.content_type());
        assert_eq!(*reply.body(), metrics.render_as(format));
        let head = ask(Method::HEAD, accept);
        assert_eq!(head.headers(), reply.headers());
        assert_eq!(head.headers()[CONTENT_LENGTH], reply.body().len().to_string());
        assert_eq!(head.body(), "");
    }
    let reply = ask(Method::POST, "*/*");
    assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers()[ALLOW], "GET, HEAD");
}
