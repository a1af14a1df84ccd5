//! Its start and its end, as a shell sees them. Nothing but the program is
//! needed, and `kill`.

use crate::process::{Greeter, LIMIT, Running, finish, get, program, run, until};
use greeter::pb::{GreetingRequest, GreetingResponse, greeter_client::GreeterClient};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc, time::timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

#[test]
#[ignore = "needs kill"]
fn either_signal_ends_it_with_0_and_says_why() {
    for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let greeter = Greeter::start(&[]);
        greeter.signal(signal);
        let (code, log) = greeter.end();
        assert_eq!(code, Some(0), "{log:#?}");
        assert!(log.iter().any(|line| line.contains(name)), "{log:#?}");
    }
}

/// Begins a request whose body is not yet there.
fn begun(greeter: &Greeter) -> TcpStream {
    let mut stream = TcpStream::connect(&greeter.http).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
        .write_all(
            b"GET /greeting?name=Ada HTTP/1.1\r\nhost: greeter\r\ncontent-length: 4\r\n\r\nsl",
        )
        .unwrap();
    until(LIMIT, "the request in flight", || {
        get(&greeter.debug, "/metrics")
            .filter(|page| page.contains(r#"serve_requests_in_flight{server="http"} 1"#))
    });
    stream
}

#[test]
#[ignore = "needs kill"]
fn what_is_in_flight_is_finished() {
    for signal in ["TERM", "INT"] {
        let greeter = Greeter::start(&[]);
        let mut stream = begun(&greeter);
        greeter.signal(signal);
        until(LIMIT, "the closed listener", || TcpStream::connect(&greeter.http).err());
        stream.write_all(b"ow").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.ends_with(r#"{"greeting":"Hello, Ada!"}"#), "{reply}");
        let (code, log) = greeter.end();
        assert_eq!(code, Some(0), "{log:#?}");
    }
}

/// A chat that is begun, and what drives its caller's side.
struct Chat {
    runtime: Runtime,
    say: mpsc::UnboundedSender<GreetingRequest>,
    replies: Streaming<GreetingResponse>,
}

impl Chat {
    fn begin(greeter: &Greeter) -> Self {
        let runtime = Runtime::new().unwrap();
        let (say, hellos) = mpsc::unbounded_channel();
        let replies = runtime.block_on(async {
            let channel = kit_transport_grpc::channel(&format!("grpc://{}", greeter.grpc)).unwrap();
            let mut client = GreeterClient::new(channel);
            let replies = client.chat(UnboundedReceiverStream::new(hellos));
            timeout(LIMIT, replies).await.unwrap().unwrap().into_inner()
        });
        Self { runtime, say, replies }
    }

    fn next(&mut self) -> Result<Option<String>, tonic::Status> {
        let next = async { timeout(LIMIT, self.replies.message()).await.unwrap() };
        Ok(self.runtime.block_on(next)?.map(|reply| reply.greeting))
    }

    #[track_caller]
    fn greets(&mut self, name: &str) {
        self.say.send(GreetingRequest { name: name.to_owned() }).unwrap();
        assert_eq!(self.next().unwrap().unwrap(), format!("Hello, {name}!"));
    }
}

#[test]
#[ignore = "needs kill"]
fn a_chat_in_flight_is_finished() {
    let greeter = Greeter::start(&[]);
    let mut chat = Chat::begin(&greeter);
    chat.greets("Ada");
    greeter.signal("TERM");
    until(LIMIT, "the closed listener", || TcpStream::connect(&greeter.grpc).err());
    chat.greets("Grace");
    let Chat { runtime, say, mut replies } = chat;
    drop(say);
    let end = runtime.block_on(async { timeout(LIMIT, replies.message()).await.unwrap() });
    assert!(end.unwrap().is_none());
    let (code, log) = greeter.end();
    assert_eq!(code, Some(0), "{log:#?}");
}

#[test]
#[ignore = "needs kill"]
fn a_chat_that_does_not_finish_is_cut_at_the_limit_and_told() {
    let greeter = Greeter::start(&["--drain-timeout", "100ms"]);
    let mut chat = Chat::begin(&greeter);
    chat.greets("Ada");
    greeter.signal("TERM");
    chat.next().unwrap_err();
    let (code, log) = greeter.end();
    assert_eq!(code, Some(1), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("/greeter.v1.Greeter/Chat")), "{log:#?}");
}

#[test]
#[ignore = "needs kill"]
fn an_idle_connection_does_not_hold_it() {
    let greeter = Greeter::start(&[]);
    let mut stream = TcpStream::connect(&greeter.http).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: greeter\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}

#[test]
#[ignore = "needs kill"]
fn a_second_signal_forces_the_end_with_1() {
    let greeter = Greeter::start(&[]);
    let stream = begun(&greeter);
    greeter.signal("TERM");
    until(LIMIT, "the closed listener", || TcpStream::connect(&greeter.http).err());
    greeter.signal("INT");
    let (code, log) = greeter.end();
    assert_eq!(code, Some(1), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("SIGINT")), "{log:#?}");
    drop(stream);
}

#[test]
#[ignore = "needs kill"]
fn every_request_is_a_line_of_the_log() {
    for format in ["logfmt", "json"] {
        let greeter = Greeter::start(&["--log-format", format]);
        get(&greeter.http, "/greeting?name=Ada").unwrap();
        let grpc = format!("grpc://{}", greeter.grpc);
        assert!(run(&["call", &grpc, "Ada"]).status.success());
        greeter.signal("TERM");
        let (_, log) = greeter.end();
        for protocol in ["http", "grpc"] {
            let of = |line: &&String| line.contains("access") && line.contains(protocol);
            let lines: Vec<_> = log.iter().filter(of).collect();
            assert_eq!(lines.len(), 1, "{protocol}: {log:#?}");
            assert!(lines[0].contains("duration_us"), "{lines:?}");
        }
    }
}

#[test]
#[ignore = "needs a process of its own"]
fn call_prints_the_greeting_or_ends_with_1() {
    let greeter = Greeter::start(&[]);
    for target in [format!("http://{}", greeter.http), format!("grpc://{}", greeter.grpc)] {
        let done = run(&["call", &target, "Ada"]);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert_eq!(done.stdout, b"Hello, Ada!\n");
        let refused = run(&["call", &target, ""]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("say whom to greet"), "{said}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "grpc"] {
        let done = run(&["call", &format!("{scheme}://{gone}"), "Ada"]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stdout.is_empty(), "{done:?}");
        assert!(done.stderr.starts_with(b"greeter: "), "{done:?}");
    }
}

#[test]
#[ignore = "needs a process of its own"]
fn wrong_flags_end_it_with_2_and_are_all_named() {
    let done = run(&["--http-addr", "x", "--what", "--drain-delay=1"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    let said = String::from_utf8(done.stderr).unwrap();
    for part in ["--http-addr \"x\"", "there is no flag --what", "--drain-delay \"1\"", "--help"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(run(&["call"]).status.code(), Some(2));
}

#[test]
#[ignore = "needs a process of its own"]
fn help_and_version_end_it_with_0() {
    for args in [&["--help"][..], &["call", "--help"], &["--version"]] {
        let done = run(args);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert!(done.stdout.starts_with(b"greeter ") || done.stdout.starts_with(b"The greeter"));
        assert!(done.stderr.is_empty(), "{done:?}");
    }
}

#[test]
#[ignore = "needs a process of its own"]
fn a_port_in_use_ends_it_with_1_and_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http-addr", "--grpc-addr", "--debug-addr"] {
        let mut args =
            vec!["--http-addr", ":0", "--grpc-addr", ":0", "--debug-addr", "127.0.0.1:0"];
        let value = 1 + args.iter().position(|arg| *arg == flag).unwrap();
        args[value] = &address;
        let done = run(&args);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.contains(&format!("cannot listen on {address} ({flag})")), "{said}");
    }
}

#[test]
#[ignore = "needs a process of its own"]
fn a_log_in_json_is_json_to_the_last_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = run(&["--log-format", "json", "--http-addr", &address]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = String::from_utf8(done.stderr).unwrap();
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["message"].is_string(), "{line}");
    }
    assert!(said.contains("cannot listen on"), "{said}");
}

#[cfg(unix)]
#[test]
#[ignore = "needs a process of its own"]
fn an_argument_that_is_not_utf8_ends_it_with_2() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"caf\xE9");
    let done = finish(program().args(["call", "http://127.0.0.1:1"]).arg(name));
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(String::from_utf8(done.stderr).unwrap().contains("is not UTF-8"));
    let done = finish(program().env("GREETER_LOG", name));
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(String::from_utf8(done.stderr).unwrap().contains("GREETER_LOG"));
}

#[test]
#[ignore = "needs a process of its own"]
fn an_output_that_nobody_reads_makes_no_panic() {
    for (args, code) in [(&["--what"][..], 2), (&["call", "http://127.0.0.1:1", "Ada"], 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut greeter = Running(program().args(args).stderr(writer).spawn().unwrap());
        assert_eq!(greeter.wait(LIMIT).code(), Some(code), "{args:?}");
    }
}

#[test]
#[ignore = "needs kill"]
fn a_registry_that_is_absent_is_logged_once_for_each_name() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let greeter = Greeter::start(&["--consul-addr", &gone, "--drain-delay", "0s"]);
    let failed = |page: &String| {
        let count = |line: &&str| line.starts_with("sd_registration_failures_total{");
        page.lines().filter(count).filter(|line| !line.ends_with(" 0")).count() == 2
    };
    until(LIMIT, "both failures", || get(&greeter.debug, "/metrics").filter(failed));
    greeter.signal("TERM");
    let (code, log) = greeter.end();
    assert_eq!(code, Some(0), "{log:#?}");
    for port in ["port=http", "port=grpc"] {
        let of = |line: &&String| line.contains(port) && line.contains("--consul-addr");
        assert_eq!(log.iter().filter(of).count(), 1, "{port}: {log:#?}");
    }
}

// ===== systemd =====

/// The program as systemd starts it: the socket is descriptor 3, and is the
/// service's by its process id.
fn activated(socket: &TcpListener, notify: &Path) -> Command {
    let greeter = program();
    let mut command = Command::new("sh");
    for (name, value) in greeter.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let pass = r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0 </dev/null"#;
    command.args(["-c", pass]).arg(greeter.get_program());
    command.env("LISTEN_FDS", "1").env("NOTIFY_SOCKET", notify).env("WATCHDOG_USEC", "1000000");
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command
}

#[test]
#[ignore = "needs kill and sh"]
fn systemd_passes_the_socket_and_is_told_how_the_service_is() {
    let folder = TempDir::new().unwrap();
    let notify = folder.path().join("notify");
    let heard = UnixDatagram::bind(&notify).unwrap();
    heard.set_read_timeout(Some(LIMIT)).unwrap();
    let hear = || {
        let mut buf = [0; 256];
        let length = heard.recv(&mut buf).unwrap();
        String::from_utf8(buf[..length].to_vec()).unwrap()
    };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();

    let greeter = Greeter::start_by(activated(&socket, &notify), &["--http-addr", "fd:0"]);
    assert_eq!(greeter.http, address);
    assert_eq!([hear(), hear(), hear()], ["READY=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n"]);
    assert!(get(&address, "/health").unwrap().starts_with("HTTP/1.1 200 "));
    greeter.signal("TERM");
    until(LIMIT, "STOPPING=1", || (hear() == "STOPPING=1\n").then_some(()));
    let (code, log) = greeter.end();
    assert_eq!(code, Some(0), "{log:#?}");

    // Nobody serves, and who connects waits for the next one.
    let mut between = TcpStream::connect(&address).unwrap();
    between.set_read_timeout(Some(LIMIT)).unwrap();
    between.write_all(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let next = Greeter::start_by(activated(&socket, &notify), &["--http-addr", "fd:0"]);
    let mut reply = String::new();
    between.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    next.signal("TERM");
    assert_eq!(next.end().0, Some(0));
}

#[test]
#[ignore = "needs kill"]
fn sighup_without_certificates_is_survived() {
    let greeter = Greeter::start(&[]);
    greeter.signal("HUP");
    greeter.logs("reloaded");
    assert!(get(&greeter.http, "/health").unwrap().starts_with("HTTP/1.1 200 "));
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}

#[test]
#[ignore = "needs kill"]
fn sighup_reads_the_certificates_anew() {
    let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls"));
    let folder = TempDir::new().unwrap();
    let [cert, key] = ["server.pem", "server.key"].map(|name| {
        let path = folder.path().join(name);
        fs::copy(tests.join(name), &path).unwrap();
        path.into_os_string().into_string().unwrap()
    });
    let greeter = Greeter::start(&["--tls-cert", &cert, "--tls-key", &key]);
    fs::write(&key, "no key").unwrap();
    greeter.signal("HUP");
    greeter.logs("server.key has not a private key in PEM");
    for (name, to) in [("elsewhere.pem", &cert), ("elsewhere.key", &key)] {
        fs::copy(tests.join(name), to).unwrap();
    }
    greeter.signal("HUP");
    greeter.logs("reloaded");
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}
