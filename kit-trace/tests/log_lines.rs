//! How lines are written.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/written.rs"]
mod written;

use kit_endpoint::{Inspect, Inspector};
use kit_trace::log::{Counts, Format, Lines, Redacted, Sensitive};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    error::Error,
    fmt, io,
    time::{Duration, SystemTime},
};
use tracing::{debug, error, field, info, info_span, trace, warn};
use tracing_subscriber::prelude::*;
use written::{Written, heard};

/// 2026-11-29T01:34:49.123456Z
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_795_916_089, 123_456_789)
}

fn lines(format: Format) -> (Written, Lines<Written>) {
    let written = Written::default();
    (written.clone(), Lines::new(format, written).time(Some(then)))
}

/// What is written of what `log` logs.
fn written(format: Format, log: impl FnOnce()) -> Written {
    let (written, lines) = lines(format);
    heard(tracing_subscriber::registry().with(lines), log);
    written
}

fn text(format: Format, log: impl FnOnce()) -> String {
    written(format, log).text()
}

fn greeted() {
    info!(target: "greeting", name = "Ada", times = 3, polite = true, "greeted");
}

// ===== formats =====

#[test]
fn logfmt_is_pairs() {
    assert_eq!(
        text(Format::Logfmt, greeted),
        "ts=2026-11-29T01:34:49.123456Z level=info target=greeting message=greeted name=Ada \
         times=3 polite=true\n"
    );
}

#[test]
fn json_is_an_object() {
    assert_eq!(
        text(Format::Json, greeted),
        concat!(
            r#"{"timestamp":"2026-11-29T01:34:49.123456Z","level":"INFO","target":"greeting","#,
            r#""message":"greeted","name":"Ada","times":3,"polite":true}"#,
            "\n"
        )
    );
}

#[test]
fn pretty_has_the_message_first() {
    assert_eq!(
        text(Format::Pretty, greeted),
        "2026-11-29T01:34:49.123456Z  INFO greeting: greeted name=Ada times=3 polite=true\n"
    );
}

#[test]
fn pretty_has_colours_only_when_it_is_told_so() {
    assert!(!text(Format::Pretty, greeted).contains('\x1B'));
    let (written, lines) = lines(Format::Pretty);
    heard(tracing_subscriber::registry().with(lines.colours(true)), greeted);
    let line = written.text();
    assert!(line.contains("\x1B[32m INFO \x1B[0mgreeting: greeted"), "{line:?}");
    assert!(line.contains("\x1B[2mname=\x1B[0mAda"), "{line:?}");
    for format in [Format::Logfmt, Format::Json] {
        let (written, lines) = self::lines(format);
        heard(tracing_subscriber::registry().with(lines.colours(true)), greeted);
        assert!(!written.text().contains('\x1B'), "{format}");
    }
}

#[test]
fn levels_have_names() {
    fn all() {
        error!("e");
        warn!("w");
        info!("i");
        debug!("d");
        trace!("t");
    }
    let lines = written(Format::Logfmt, all).logfmt();
    let levels: Vec<_> = lines.iter().map(|line| &*line["level"]).collect();
    assert_eq!(levels, ["error", "warn", "info", "debug", "trace"]);
    let lines = written(Format::Json, all).json();
    let levels: Vec<_> = lines.iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]);
    let lines = text(Format::Pretty, all);
    let levels: Vec<_> = lines.lines().map(|line| &line[28..33]).collect();
    assert_eq!(levels, ["ERROR", " WARN", " INFO", "DEBUG", "TRACE"]);
}

#[test]
fn formats_have_names() {
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let error = "JSON".parse::<Format>().unwrap_err();
    assert_eq!(error.to_string(), "write logfmt or json, or pretty for a person");
}

#[test]
fn each_event_is_one_write() {
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        let written = written(format, || (0..3).for_each(|_| greeted()));
        assert_eq!((written.text().lines().count(), written.writes()), (3, 3), "{format}");
    }
}

#[test]
fn time_and_caller_are_written_as_asked() {
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        let (written, lines) = lines(format);
        let lines = lines.time(None).caller(true);
        heard(tracing_subscriber::registry().with(lines), greeted);
        let line = written.text();
        assert!(!line.contains("2026"), "{line}");
        assert!(line.contains(&format!("{}:", file!())), "{line}");
        assert!(!line.starts_with(','), "{line}");
    }
    let (written, lines) = lines(Format::Json);
    heard(tracing_subscriber::registry().with(lines.time(None)), greeted);
    assert_eq!(written.json()[0]["message"], "greeted");
}

/// Go kit: `log.With`, in each line, and of none twice.
#[test]
fn fields_of_all_lines_are_written_with_each() {
    for format in [Format::Logfmt, Format::Json] {
        let (written, lines) = lines(format);
        let lines = lines.field("service", "the greeter").field("password", "hunter2");
        heard(tracing_subscriber::registry().with(lines.field("shard", 7)), || {
            greeted();
            greeted();
        });
        let all = fields(format, &written);
        assert_eq!(all.len(), 2);
        for line in all {
            assert_eq!(line["service"], "the greeter");
            assert_eq!(line["password"], "[redacted]");
            assert_eq!(line["shard"], "7");
            assert_eq!(line["name"], "Ada");
        }
    }
    let (written, lines) = lines(Format::Pretty);
    heard(tracing_subscriber::registry().with(lines.field("shard", 7)), greeted);
    assert!(written.text().ends_with("polite=true shard=7\n"), "{}", written.text());
}

/// The fields of each line, as text.
fn fields(format: Format, written: &Written) -> Vec<BTreeMap<String, String>> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    match format {
        Format::Json => {
            let object = |line: Value| match line {
                Value::Object(fields) => fields,
                other => panic!("{other}"),
            };
            let lines = written.json().into_iter().map(object);
            lines.map(|line| line.into_iter().map(|(k, v)| (k, text(v))).collect()).collect()
        }
        _ => written.logfmt(),
    }
}

// ===== values =====

#[test]
fn numbers_of_every_size_come_back() {
    fn log() {
        info!(
            least = i64::MIN,
            most = u64::MAX,
            huge = u128::MAX,
            lowest = i128::MIN,
            half = 0.5,
            far = 1e300,
            near = -1e-300,
            whole = 2.0,
            nan = f64::NAN,
            above = f64::INFINITY,
            below = f64::NEG_INFINITY,
        );
    }
    let line = &written(Format::Json, log).json()[0];
    assert_eq!(line["least"], json!(i64::MIN));
    assert_eq!(line["most"], json!(u64::MAX));
    // No reader of JSON has these as numbers.
    assert_eq!(line["huge"], json!(u128::MAX.to_string()));
    assert_eq!(line["lowest"], json!(i128::MIN.to_string()));
    assert_eq!(line["half"], json!(0.5));
    assert_eq!(line["far"], json!(1e300));
    assert_eq!(line["near"], json!(-1e-300));
    assert_eq!(line["whole"], json!(2.0));
    assert_eq!(line["nan"], json!("NaN"));
    assert_eq!(line["above"], json!("inf"));
    assert_eq!(line["below"], json!("-inf"));
    let line = &written(Format::Logfmt, log).logfmt()[0];
    assert_eq!(line["most"], u64::MAX.to_string());
    assert_eq!(line["far"].parse(), Ok(1e300));
    assert_eq!(line["nan"], "NaN");
}

#[test]
fn a_value_that_is_not_there_is_no_field() {
    for format in [Format::Logfmt, Format::Json] {
        let line = written(format, || {
            info!(status = None::<u64>, route = Some("/"), later = field::Empty, "asked");
        });
        let line = &fields(format, &line)[0];
        assert!(!line.contains_key("status") && !line.contains_key("later"), "{line:?}");
        assert_eq!(line["route"], "/");
    }
}

#[derive(Debug)]
struct Failed(&'static str, Option<Box<Self>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|error| error as _)
    }
}

#[test]
fn an_error_is_written_with_its_sources_and_none_twice() {
    let refused = Failed("\"db\" refused", None);
    let asked = Failed("cannot ask: \"db\" refused", Some(Box::new(refused)));
    let failed = Failed("cannot greet", Some(Box::new(asked)));
    for format in [Format::Logfmt, Format::Json] {
        let line = written(format, || error!(error = &failed as &dyn Error, "failed"));
        let said = &fields(format, &line)[0]["error"];
        assert_eq!(said, "cannot greet: cannot ask: \"db\" refused", "{format}");
    }
}

#[test]
fn a_field_that_is_named_as_a_part_of_the_line_is_told_apart() {
    for format in [Format::Logfmt, Format::Json] {
        let line = written(format, || {
            info!(level = 9, target = "there", ts = 1, timestamp = 2, r#type = "x", "moved");
        });
        let line = &fields(format, &line)[0];
        assert_eq!(line["level"].to_lowercase(), "info");
        assert_eq!(line["field.level"], "9");
        assert_eq!(line["field.target"], "there");
        assert_eq!(line["field.ts"], "1");
        assert_eq!(line["field.timestamp"], "2");
        assert_eq!(line["type"], "x");
    }
}

#[test]
fn names_are_escaped() {
    let log = || info!("a b" = 1, "c=d" = 2, "e\"f\n" = 3, "\u{9b}m" = 4, "" = 5);
    for format in [Format::Logfmt, Format::Json] {
        let line = &fields(format, &written(format, log))[0];
        assert_eq!(line["a_b"], "1");
        assert_eq!(line["c_d"], "2");
        assert_eq!(line["e_f_"], "3");
        assert_eq!(line["_m"], "4");
        assert_eq!(line["_"], "5");
    }
}

const HOSTILE: &str = "a=b c=\"d\"\nlevel=error \\ \r\t\0\u{1b}[31m\u{7f}\u{9b}31m\u{85}\u{2028}\
                       \u{202e}\u{2066}\u{e9}\u{2026}\u{1f600}end";

#[test]
fn what_is_not_text_to_a_terminal_or_a_reader_of_lines_is_escaped() {
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        let line = text(format, || info!(text = HOSTILE, shown = %HOSTILE, "{HOSTILE}"));
        let line = line.strip_suffix('\n').unwrap();
        let bad = |char: char| {
            char.is_control() || matches!(char, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!line.contains(bad), "{format}: {line:?}");
        assert!(line.contains("\u{e9}\u{2026}\u{1f600}end"), "{format}: {line}");
        if format != Format::Pretty {
            let line = &fields(
                format,
                &written(format, || {
                    info!(text = HOSTILE, shown = %HOSTILE, "{HOSTILE}");
                }),
            )[0];
            for name in ["text", "shown", "message"] {
                assert_eq!(line[name], HOSTILE, "{format}");
            }
        }
    }
}

#[test]
fn each_of_these_is_escaped_where_it_is_alone() {
    for text in ["a\u{9b}31m", "a\u{85}", "a\u{2028}", "a\u{202e}b", "a\u{2066}b", "a\u{7f}", "a\0"]
    {
        for format in [Format::Logfmt, Format::Json, Format::Pretty] {
            let line = self::text(format, || info!(text, "said"));
            assert!(line.contains("\\u") && line.trim_end().is_ascii(), "{format}: {line:?}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_logged_comes_back(text: String, words in "[ -~]{0,24}", number: i64, real: f64) {
        for format in [Format::Logfmt, Format::Json] {
            let written = written(format, || {
                info!(text, words, number, real, shown = %text, "{text}");
            });
            prop_assert_eq!(written.text().lines().count(), 1);
            let line = &fields(format, &written)[0];
            prop_assert_eq!(&line["text"], &text);
            prop_assert_eq!(&line["shown"], &text);
            prop_assert_eq!(&line["message"], &text);
            prop_assert_eq!(&line["words"], &words);
            prop_assert_eq!(&line["number"], &number.to_string());
            if real.is_finite() {
                // serde_json reads some a little off.
                let text = written.text();
                let at = match format {
                    Format::Json => text.split("\"real\":").nth(1).unwrap().split([',', '}']).next(),
                    _ => Some(&*line["real"]),
                };
                prop_assert_eq!(at.unwrap().parse::<f64>().unwrap().to_bits(), real.to_bits());
            }
        }
    }

    #[test]
    fn no_line_is_longer_than_it_may_be(
        longest in 0_usize..2000,
        texts in prop::array::uniform4("(a|é|\n|\u{2028}|\"| |😀){0,900}"),
    ) {
        for format in [Format::Logfmt, Format::Json, Format::Pretty] {
            let (written, lines) = lines(format);
            let lines = lines.longest(longest).spans(true);
            let counts = lines.counts();
            heard(tracing_subscriber::registry().with(lines), || {
                let _span = info_span!("around", text = texts[0], more = texts[1]).entered();
                info!(one = texts[0], two = %texts[1], three = texts[2], "{}", texts[3]);
            });
            let text = written.text();
            prop_assert!(text.len() <= longest.max(256), "{} > {}: {}", text.len(), longest, text);
            prop_assert_eq!(text.lines().count(), 1);
            let cut = text.contains("truncated");
            prop_assert_eq!(cut, count(&counts, "log_lines_truncated_total") == 1);
            if format != Format::Pretty {
                let line = &fields(format, &written)[0];
                prop_assert_eq!(line["level"].to_lowercase(), "info");
                if !cut {
                    prop_assert_eq!(&line["three"], &texts[2]);
                }
            }
        }
    }
}

fn count(counts: &Counts, name: &str) -> u64 {
    struct One<'a>(&'a str, Option<u64>);
    impl Inspector for One<'_> {
        fn counter(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: u64) {
            if name == self.0 {
                self.1 = Some(value);
            }
        }
        fn gauge(&mut self, _: &str, _: &str, _: &[(&str, &str)], _: f64) {}
    }
    let mut one = One(name, None);
    counts.inspect(&mut one);
    one.1.expect(name)
}

#[test]
fn a_long_value_is_cut_and_leaves_room_for_the_others() {
    let long = "x".repeat(100_000);
    for format in [Format::Logfmt, Format::Json] {
        let line = written(format, || info!(long, debugged = ?long, id = "the-id", "{long}"));
        let line = &fields(format, &line)[0];
        assert_eq!(line["id"], "the-id");
        assert_eq!(line["truncated"], "true");
        for name in ["long", "debugged", "message"] {
            assert!((4000..5000).contains(&line[name].len()), "{name}");
            assert!(line[name].ends_with('\u{2026}'), "{name}");
        }
    }
}

/// Formats itself without an end.
struct Endless;

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_str("and on ")?;
        }
    }
}

#[test]
fn a_value_without_an_end_has_one() {
    let line = written(Format::Json, || info!(value = ?Endless, after = 1));
    assert_eq!(line.json()[0]["after"], 1);
}

/// Logs while it is logged.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("while");
        f.write_str("chatty")
    }
}

#[test]
fn a_value_that_logs_while_it_is_logged_breaks_no_line() {
    // Below a subscriber of a scope, `tracing` lets it hear nothing of that.
    let lines = written(Format::Json, || info!(value = ?Chatty, "one")).json();
    assert_eq!(lines.last().unwrap()["value"], "chatty");
    assert_eq!(lines.last().unwrap()["message"], "one");
}

/// Fails in the middle.
struct Broken;

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half a")?;
        Err(fmt::Error)
    }
}

#[test]
fn a_value_that_cannot_be_formatted_breaks_no_line() {
    let lines = written(Format::Json, || info!(value = ?Broken, after = 1)).json();
    assert_eq!(lines[0]["value"], "half a");
    assert_eq!(lines[0]["after"], 1);
}

// ===== spans =====

fn in_spans() {
    let outer = info_span!("outer", name = "o", id = field::Empty, password = "hunter2");
    outer.record("id", 7);
    let _outer = outer.entered();
    let _inner = info_span!("inner", text = "two words").entered();
    info!("within");
}

#[test]
fn spans_are_written_where_it_is_asked() {
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        assert!(!text(format, in_spans).contains("outer"), "{format}");
    }
    let with = |format| {
        let (written, lines) = lines(format);
        heard(tracing_subscriber::registry().with(lines.spans(true)), in_spans);
        written
    };
    let line = &with(Format::Logfmt).logfmt()[0];
    assert_eq!(line["span"], "outer:inner");
    assert_eq!(line["outer.name"], "o");
    assert_eq!(line["outer.id"], "7");
    assert_eq!(line["outer.password"], "[redacted]");
    assert_eq!(line["inner.text"], "two words");
    let line = &with(Format::Json).json()[0];
    let outer = json!({"name": "outer", "field.name": "o", "id": 7, "password": "[redacted]"});
    assert_eq!(line["spans"], json!([outer, {"name": "inner", "text": "two words"}]));
    let line = with(Format::Pretty).text();
    assert!(
        line.ends_with(
            "within span=outer:inner outer.name=o outer.password=[redacted] outer.id=7 \
         inner.text=\"two words\"\n"
        ),
        "{line}"
    );
}

#[test]
fn two_layers_write_the_fields_of_a_span_each_in_its_own_way() {
    let (logfmt, json) = (lines(Format::Logfmt), lines(Format::Json));
    let subscriber = tracing_subscriber::registry().with(logfmt.1.spans(true));
    heard(subscriber.with(json.1.spans(true)), in_spans);
    assert_eq!(logfmt.0.logfmt()[0]["outer.id"], "7");
    assert_eq!(json.0.json()[0]["spans"][0]["id"], 7);
}

// ===== secrets =====

#[test]
fn what_is_redacted_by_its_type_is_nowhere() {
    let secret = Redacted::new("hunter2".to_owned());
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        let line = text(format, || info!(login = ?Some(&secret), shown = %secret, "{secret:?}"));
        assert!(!line.contains("hunter2"), "{line}");
        assert_eq!(line.matches("[redacted]").count(), 3, "{line}");
    }
    assert_eq!(format!("{secret:>12}"), "  [redacted]");
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(secret.into_inner(), "hunter2");
}

#[test]
fn what_is_redacted_by_its_name_is_nowhere() {
    for format in [Format::Logfmt, Format::Json, Format::Pretty] {
        let line = text(format, || {
            info!(
                authorization = "Basic hunter2",
                cookie = %"hunter2",
                access_token = ?"hunter2",
                "http.request.header.Authorization" = "hunter2",
                user.password = "hunter2",
                "X-Api-Key" = "hunter2",
                token = 4_711,
                secret = true,
                tokens = 12,
                token_count = 13,
                tokenizer = "bpe",
            );
        });
        assert!(!line.contains("hunter2") && !line.contains("4711"), "{line}");
        assert!(!line.contains("true"), "{line}");
        assert_eq!(line.matches("[redacted]").count(), 8, "{line}");
        assert!(line.contains("12") && line.contains("13") && line.contains("bpe"), "{line}");
    }
}

#[test]
fn the_names_are_yours_to_choose() {
    let (written, lines) = lines(Format::Logfmt);
    let lines = lines.sensitive(Sensitive::new(["Name"]).and("").and("iban"));
    heard(tracing_subscriber::registry().with(lines), || {
        info!(name = "Ada", username = "ada", iban = "GB33", token = "shown");
    });
    let line = &written.logfmt()[0];
    assert_eq!(line["name"], "[redacted]");
    assert_eq!(line["iban"], "[redacted]");
    assert_eq!(line["username"], "ada");
    assert_eq!(line["token"], "shown");
}

// ===== writers =====

/// Nobody reads it.
struct Gone;

impl io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_log_that_nobody_reads_does_no_harm_and_is_counted() {
    let lines = Lines::new(Format::Json, || Gone);
    let counts = lines.counts();
    heard(tracing_subscriber::registry().with(lines), || (0..3).for_each(|_| greeted()));
    assert_eq!(count(&counts, "log_write_failures_total"), 3);
}
