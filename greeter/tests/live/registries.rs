//! Watched and called through real registries, and beside the article's own
//! greeter.

use crate::process::{Greeter, LIMIT, Running, get, program, run, until, variable};
use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{self, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::SystemTime,
};

/// A name that no other test, nor another run of this one, uses.
fn name() -> String {
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("greeter-{}-{nanos}", process::id())
}

/// `greeter watch`, and its lines.
struct Watching {
    process: Running,
    lines: Receiver<String>,
    /// Those that came already.
    said: RefCell<Vec<String>>,
}

impl Watching {
    fn start(flags: &[&str]) -> Self {
        let mut process = program();
        process.arg("watch").args(flags).stdout(Stdio::piped());
        let mut running = Running(process.spawn().unwrap());
        let stdout = BufReader::new(running.0.stdout.take().unwrap());
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = said.send(line);
            }
        });
        Self { process: running, lines, said: RefCell::default() }
    }

    /// Waits until there is a line that has all of this in it.
    #[track_caller]
    fn says(&self, parts: &[&str]) {
        until(LIMIT, &format!("{parts:?}"), || {
            let mut said = self.said.borrow_mut();
            said.extend(self.lines.try_iter());
            said.iter().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
        });
    }

    fn end(mut self) {
        let kill = format!("kill -s TERM {}", self.process.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(self.process.wait(LIMIT).code(), Some(0));
    }
}

#[test]
#[ignore = "needs consul"]
fn who_is_found_in_consul_is_shown_with_what_its_flags_say() {
    let (consul, service) = (variable("KIT_CONSUL_ADDR"), name());
    let at = ["--consul-addr", &*consul, "--service-name", &*service];
    let watching = Watching::start(&at);
    watching.says(&["= fresh, 0 instances"]);
    let more = ["--tags", "blue,eu", "--metadata", "team=a", "--ready-when", "registered"];
    let greeter = Greeter::start(&[&at[..], &more[..]].concat());
    watching.says(&[" + ", &greeter.http, "passing", "tags=blue,eu", "team=a", "version="]);
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
    // The last one: whether the registry has lost it is not known at once.
    watching.says(&["= suspect", "1 instances"]);
    watching.end();
}

/// The article's greeter, as far as another sees of it: it is registered as
/// Go kit's registrar does, and answers a greeting and its check over HTTP.
#[test]
#[ignore = "needs consul"]
fn the_articles_greeter_is_found_and_called_beside_ours() {
    let (consul, service) = (variable("KIT_CONSUL_ADDR"), name());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(stream);
        }
    });
    let id = format!("{service}-article");
    let body = serde_json::json!({
        "ID": id, "Name": service, "Address": "127.0.0.1", "Port": port, "Tags": ["article"],
        "Check": {
            "HTTP": format!("http://127.0.0.1:{port}/health"),
            "Interval": "1s", "Timeout": "1s",
        },
    });
    put(&consul, "/v1/agent/service/register", &body.to_string());
    let at = ["--consul-addr", &*consul, "--service-name", &*service];
    let call = || run(&[&["call"], &at[..], &["Ada"]].concat());
    // Consul finds it critical until its first check.
    let greeting = until(LIMIT, "the article's greeting", || {
        let called = call();
        (called.status.code() == Some(0)).then_some(called.stdout)
    });
    assert_eq!(greeting, b"Hello from the article, Ada!\n");

    // Ours beside it: both are found under one name, which is HTTP's.
    let greeter = Greeter::start(&at);
    let watching = Watching::start(&at);
    watching.says(&[" + ", &format!("127.0.0.1:{port}"), "tags=article"]);
    watching.says(&[" + ", &greeter.http]);
    // What another's client does with that: it asks where it is told.
    let reply = get(&greeter.http, "/greeting?name=Ada").unwrap();
    assert!(reply.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{reply}");
    // gRPC is found under its own name, and nothing else there.
    let grpc = format!("{service}-grpc");
    let of_grpc = Watching::start(&["--consul-addr", &consul, "--service-name", &grpc]);
    of_grpc.says(&[" + ", &greeter.grpc]);
    of_grpc.says(&["= fresh, 1 instances"]);
    of_grpc.end();
    watching.end();
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
    put(&consul, &format!("/v1/agent/service/deregister/{id}"), "");
}

fn answer(mut stream: TcpStream) {
    let mut request = [0; 2048];
    let read = stream.read(&mut request).unwrap_or(0);
    let is_greeting = request[..read].starts_with(b"GET /greeting?name=Ada ");
    let body = if is_greeting {
        r#"{"greeting":"Hello from the article, Ada!"}"#
    } else {
        r#"{"healthy":true}"#
    };
    let length = body.len();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close";
    let _ = write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}");
}

fn put(consul: &str, path: &str, body: &str) {
    let mut stream = TcpStream::connect(consul).unwrap();
    let length = body.len();
    let head = format!("PUT {path} HTTP/1.0\r\nhost: consul\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.split(' ').nth(1) == Some("200"), "{reply}");
}

#[cfg(feature = "etcd")]
#[test]
#[ignore = "needs etcd"]
fn it_is_found_in_etcd_called_and_gone() {
    let (etcd, service) = (variable("KIT_ETCD_ADDR"), name());
    let at = ["--etcd-addr", &*etcd, "--service-name", &*service];
    let watching = Watching::start(&at);
    watching.says(&["= fresh, 0 instances"]);
    let greeter = Greeter::start(&[&at[..], &["--ready-when", "registered"]].concat());
    watching.says(&[" + ", &greeter.http, "passing"]);
    let called = run(&[&["call"], &at[..], &["Ada"]].concat());
    assert_eq!(called.status.code(), Some(0), "{called:?}");
    assert_eq!(called.stdout, b"Hello, Ada!\n");
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
    watching.says(&["= suspect", "1 instances"]);
    watching.end();
    let lost = run(&[&["call"], &at[..], &["--timeout", "500ms", "Ada"]].concat());
    assert_eq!(lost.status.code(), Some(1), "{lost:?}");
}
