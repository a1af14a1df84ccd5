//! Where its time goes, by a profile of it under load.

use crate::{
    process::{Greeter, LIMIT},
    proto::Profile,
};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

/// How long it takes, and more.
const PROFILE: Duration = Duration::from_secs(25);

/// Asks for greetings over one connection, one after the other.
fn asks(address: &str, stop: &AtomicBool, answered: &AtomicU64) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let request = b"GET /greeting?name=Ada HTTP/1.1\r\nhost: greeter\r\n\r\n";
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(request).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        while replies.read_line(&mut line).unwrap() > 2 {
            if let Some(said) = line.strip_prefix("content-length: ") {
                length = said.trim_end().parse().unwrap();
            }
            line.clear();
        }
        let mut greeting = vec![0; length];
        replies.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, br#"{"greeting":"Hello, Ada!"}"#);
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The head of a reply, and its body as it is.
fn fetch(address: &str, target: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PROFILE)).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = reply.split_off(end + 4);
    (String::from_utf8(reply).unwrap(), body)
}

/// What pprof shows of it, if there is one: `KIT_GO` is a Go.
fn opened(profile: &[u8]) -> Option<String> {
    let go = env::var_os("KIT_GO")?;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, profile).unwrap();
    let top = ["tool", "pprof", "-top", "-cum", "-nodecount=2000"];
    let output = Command::new(go).args(top).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
#[ignore = "needs a process of its own"]
fn a_profile_under_load_shows_our_frames() {
    let greeter = Greeter::start(&["--log", "warn"]);
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let (head, body) = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| asks(&greeter.http, &stop, &answered));
        }
        let reply = fetch(&greeter.debug, "/debug/pprof/profile?seconds=5&frequency=199");
        stop.store(true, Ordering::Relaxed);
        reply
    });
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let answered = answered.into_inner();
    assert!(answered > 1000, "{answered} requests were answered while it was taken");

    let profile = Profile::read(&body);
    let samples = profile.samples("", false);
    assert!(samples > 50, "{samples} samples");
    for of in
        ["greeter::", "kit_endpoint::", "kit_serve::", "kit_transport_http::", "kit_metrics::"]
    {
        let of_it = profile.samples(of, false);
        assert!(of_it > 0, "nothing of {of} in {:?}", profile.string_table);
        eprintln!("{of_it} of {samples} samples have {of}");
    }
    assert_eq!(profile.samples("trace_unsynchronized", false), 0);
    if let Some(top) = opened(&body) {
        eprintln!("{top}");
        assert!(top.contains("greeter::") && top.contains("kit_serve::"), "{top}");
    }
    eprintln!("{answered} requests, {samples} samples, {} bytes", body.len());
}
