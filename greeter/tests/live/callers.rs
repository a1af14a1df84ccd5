//! Who is let in, by the program itself: tokens of its own making, and
//! everything that a stranger may try.

use crate::{
    forger::{AUDIENCE, Attack, Forger, ISSUER, PASSWORD, basic},
    process::{Greeter, LIMIT, finish, program},
};
use greeter::pb::{GreetingRequest, greeter_client::GreeterClient};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};
use tonic::{Code, Status, transport::Channel};

/// Runs `greeter token`, and knows what it made.
fn forger() -> Forger {
    let folder = TempDir::new().unwrap();
    let done = finish(program().current_dir(folder.path()).args([
        "token",
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
    ]));
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let (token, told) = (String::from_utf8(done.stdout), String::from_utf8(done.stderr));
    let (token, told) = (token.unwrap().trim_end().to_owned(), told.unwrap());
    let serve = "greeter serve --jwt-jwks ./greeter-jwks.json --jwt-issuer https://login.example \
                 --jwt-audience hello";
    assert!(told.lines().any(|line| line == serve), "{told}");
    assert!(!told.contains(&token), "{told}");
    Forger::of(folder, token)
}

/// The head and the body of a reply over HTTP.
fn asked(greeter: &Greeter, target: &str, authorization: &[&str]) -> String {
    let mut stream = TcpStream::connect(&greeter.http).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    let lines = authorization.iter().map(|value| format!("authorization: {value}\r\n"));
    let request: String = [head].into_iter().chain(lines).collect();
    stream.write_all((request + "\r\n").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

async fn greeted(channel: &Channel, authorization: &[&str]) -> Result<String, Status> {
    let mut request = tonic::Request::new(GreetingRequest { name: "Ada".to_owned() });
    for value in authorization {
        request.metadata_mut().append("authorization", value.parse().unwrap());
    }
    let mut client = GreeterClient::new(channel.clone());
    Ok(timeout(LIMIT, client.greeting(request)).await.unwrap()?.into_inner().greeting)
}

#[test]
#[ignore = "needs kill"]
fn nothing_but_a_right_token_or_password_is_ever_let_in() {
    let forger = forger();
    let flags = forger.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let greeter = Greeter::start(&flags);
    let runtime = Runtime::new().unwrap();
    let channel = runtime.block_on(async {
        kit_transport_grpc::channel(&format!("grpc://{}", greeter.grpc)).unwrap()
    });
    let grpc = |authorization: &[&str]| runtime.block_on(greeted(&channel, authorization));
    let http = |authorization: &[&str]| asked(&greeter, "/greeting?name=Ada", authorization);
    let rights = || {
        for (what, right) in forger.rights() {
            let reply = http(&[&right]);
            assert!(reply.starts_with("HTTP/1.1 200 "), "{what}: {reply}");
            assert_eq!(grpc(&[&right]).unwrap(), "Hello, Ada!", "{what}");
        }
    };
    rights();
    let mut said = Vec::new();
    for Attack { what, authorization } in forger.attacks() {
        let reply = http(&[&authorization]);
        assert!(reply.starts_with("HTTP/1.1 401 "), "{what}: {reply}");
        let challenges = reply.lines().filter(|line| line.starts_with("www-authenticate: "));
        assert_eq!(challenges.count(), 2, "{what}: {reply}");
        let status = grpc(&[&authorization]).unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{what}: {status:?}");
        let challenges = status.metadata().get_all("www-authenticate");
        assert_eq!(challenges.iter().count(), 2, "{what}: {status:?}");
        said.push(format!("{reply}{status:?}"));
    }
    let twice = [&*forger.bearer(), &*forger.bearer()];
    for wrong in [&[][..], &twice] {
        assert!(http(wrong).starts_with("HTTP/1.1 401 "));
        assert_eq!(grpc(wrong).unwrap_err().code(), Code::Unauthenticated);
    }
    // None of that locks anybody out.
    rights();
    assert!(asked(&greeter, "/health", &[]).starts_with("HTTP/1.1 200 "));
    let debug = crate::process::get(&greeter.debug, "/metrics").unwrap();
    assert!(debug.contains(r#"auth_requests_total{outcome="known"}"#), "{debug}");
    greeter.signal("TERM");
    let (code, log) = greeter.end();
    assert_eq!(code, Some(0), "{log:#?}");
    let log = log.concat();
    for secret in forger.secrets() {
        assert!(!said.iter().any(|said| said.contains(&secret)), "{secret} is answered");
        assert!(!log.contains(&secret), "{secret} is logged");
        assert!(!debug.contains(&secret), "{secret} is measured");
    }
}

#[test]
#[ignore = "needs kill"]
fn sighup_reads_the_users_anew() {
    let forger = Forger::new();
    let flags = forger.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let greeter = Greeter::start(&flags);
    let password = basic("Aladdin", PASSWORD);
    let ask = || asked(&greeter, "/greeting?name=Ada", &[&password]);
    assert!(ask().starts_with("HTTP/1.1 200 "));
    fs::write(forger.path("users"), "Aladdin:open sesame\n").unwrap();
    greeter.signal("HUP");
    greeter.logs("hash the password anew");
    assert!(ask().starts_with("HTTP/1.1 200 "));
    fs::write(forger.path("users"), "").unwrap();
    greeter.signal("HUP");
    greeter.logs("reloaded");
    assert!(ask().starts_with("HTTP/1.1 401 "));
    greeter.signal("TERM");
    assert_eq!(greeter.end().0, Some(0));
}

#[test]
#[ignore = "needs a process of its own"]
fn files_that_are_no_good_end_it_with_1_and_their_flags() {
    let nowhere = Path::new("not/there").to_str().unwrap();
    let args = ["--jwt-jwks", nowhere, "--jwt-issuer=a", "--jwt-audience=b"];
    let ports = ["--http-addr=127.0.0.1:0", "--grpc-addr=127.0.0.1:0", "--debug-addr=127.0.0.1:0"];
    let done = finish(program().args(ports).args(args).args(["--basic-htpasswd", nowhere]));
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let said = String::from_utf8(done.stderr).unwrap();
    for part in ["the keys of --jwt-jwks", "the users of --basic-htpasswd"] {
        assert!(said.contains(part), "{said}");
    }
}
