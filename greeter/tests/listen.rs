//! Where the greeter listens, and how it is reached, without a port.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    flags::{Command, Place, Serve, parse},
    listen::{Addresses, Ports, reached_by, registry},
};
use std::{
    cell::RefCell,
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
    vec,
};
use tokio::time::{Instant, timeout};

fn flags(args: &[&str]) -> Serve {
    match parse(args, |_| None) {
        Ok(Command::Serve(flags)) => flags,
        other => panic!("{other:?}"),
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

// ===== ports =====

/// A machine that says what is asked of it: it has all ports but those of
/// `lacks`.
#[derive(Debug, Default)]
struct Machine {
    lacks: Vec<(&'static str, u16, io::ErrorKind)>,
    /// How many sockets were passed.
    passed: usize,
    asked: RefCell<Vec<(String, u16)>>,
}

impl Machine {
    async fn bind(&self, args: &[&str]) -> Result<Ports<String>, String> {
        let bind = async |host: &str, port| {
            self.asked.borrow_mut().push((host.to_owned(), port));
            match self.lacks.iter().find(|lack| (lack.0, lack.1) == (host, port)) {
                Some(lack) => Err(lack.2.into()),
                None => Ok((SocketAddr::new(ip("10.0.0.1"), port), format!("{host} {port}"))),
            }
        };
        let take = |socket| {
            let address = SocketAddr::new(ip("10.0.0.2"), 80);
            let listener = (self.passed > socket).then(|| (address, format!("socket {socket}")));
            listener.ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        Ports::bind_by(&flags(args), bind, take).await.map_err(|error| error.to_string())
    }

    fn asked(&self) -> Vec<(String, u16)> {
        self.asked.take()
    }
}

const NAMED: [&str; 6] =
    ["--http-addr", "localhost:1", "--grpc-addr", "10.0.0.1:2", "--debug-addr", "[::1]:3"];

#[tokio::test]
async fn each_port_is_bound_where_its_flag_says() {
    let ports = Machine::default().bind(&NAMED).await.unwrap();
    assert_eq!(
        [ports.http, ports.grpc, ports.debug],
        ["localhost 1", "10.0.0.1 2", "::1 3"].map(str::to_owned)
    );
    let Addresses { http, grpc, debug, .. } = ports.addresses;
    assert_eq!([http, grpc, debug], [1, 2, 3].map(|port| SocketAddr::new(ip("10.0.0.1"), port)));
}

#[tokio::test]
async fn a_port_alone_is_on_all_interfaces_or_on_those_of_ipv4() {
    let args = ["--http-addr", ":1"];
    let machine = Machine::default();
    assert_eq!(machine.bind(&args).await.unwrap().http, ":: 1");

    // Without IPv6 the socket cannot be made, or the address not be had.
    for kind in [io::ErrorKind::Unsupported, io::ErrorKind::AddrNotAvailable] {
        let machine = Machine { lacks: vec![("::", 1, kind)], ..Machine::default() };
        assert_eq!(machine.bind(&args).await.unwrap().http, "0.0.0.0 1");
    }
}

#[tokio::test]
async fn a_port_in_use_by_ipv6_is_not_taken_by_ipv4() {
    let lacks = vec![("::", 1, io::ErrorKind::AddrInUse)];
    let machine = Machine { lacks, ..Machine::default() };
    let said = machine.bind(&["--http-addr", ":1"]).await.unwrap_err();
    assert!(said.contains("cannot listen on :1 (--http-addr)"), "{said}");
    assert!(!machine.asked().contains(&("0.0.0.0".to_owned(), 1)));
}

#[tokio::test]
async fn a_socket_that_was_passed_is_taken_and_one_that_was_not_is_named() {
    let machine = Machine { passed: 1, ..Machine::default() };
    let ports = machine.bind(&["--http-addr", "fd:0"]).await.unwrap();
    assert_eq!((ports.http, ports.addresses.http), ("socket 0".to_owned(), addr("10.0.0.2:80")));
    let said = machine.bind(&["--http-addr", "fd:0", "--grpc-addr", "fd:1"]).await.unwrap_err();
    let expected = "cannot listen on fd:1 (--grpc-addr): \
                    see ListenStream= in systemd's unit: entity not found";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn every_port_that_cannot_be_had_is_named_at_once() {
    let lacks = vec![
        ("localhost", 1, io::ErrorKind::AddrInUse),
        ("10.0.0.1", 2, io::ErrorKind::AddrNotAvailable),
        ("::1", 3, io::ErrorKind::PermissionDenied),
    ];
    let machine = Machine { lacks, ..Machine::default() };
    let said = machine.bind(&NAMED).await.unwrap_err();
    let expected = "\
        cannot listen on localhost:1 (--http-addr): \
        the port is in use, choose another or 0: address in use; \
        cannot listen on 10.0.0.1:2 (--grpc-addr): \
        give the name or the address of this machine: address not available; \
        cannot listen on [::1]:3 (--debug-addr): \
        ports below 1024 are for root: permission denied";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_port_in_use_hides_no_other_that_is_and_none_that_is_not() {
    let lacks =
        vec![("localhost", 1, io::ErrorKind::AddrInUse), ("::1", 3, io::ErrorKind::AddrInUse)];
    let machine = Machine { lacks, ..Machine::default() };
    let said = machine.bind(&NAMED).await.unwrap_err();
    assert!(said.contains("--http-addr") && said.contains("--debug-addr"), "{said}");
    assert!(!said.contains("--grpc-addr"), "{said}");
}

#[test]
fn addresses_are_a_line_each() {
    let addresses = Addresses {
        http: addr("10.0.0.1:1"),
        grpc: addr("[::]:2"),
        debug: addr("127.0.0.1:3"),
        tls: false,
    };
    let expected = "\
        HTTP listens on http://10.0.0.1:1\n\
        gRPC listens on grpc://[::]:2\n\
        debug listens on http://127.0.0.1:3\n";
    assert_eq!(addresses.to_string(), expected);
}

// ===== reached =====

/// Returns by which address a registry with these addresses is reached, and
/// to which of them a way was looked for.
async fn reached(
    known: io::Result<Vec<SocketAddr>>,
    ways: &[(&str, &str)],
) -> (IpAddr, Vec<SocketAddr>) {
    let known = RefCell::new(Some(known));
    let asked = RefCell::new(Vec::new());
    let resolve = async || known.take().unwrap().map(Vec::into_iter);
    let way_to = async |peer| {
        asked.borrow_mut().push(peer);
        let way = ways.iter().find(|(to, _)| addr(to) == peer);
        way.map(|(_, by)| ip(by)).ok_or(io::Error::from(io::ErrorKind::NetworkUnreachable))
    };
    let address = reached_by(resolve, way_to).await;
    (address, asked.take())
}

const OUTSIDE: &str = "192.0.2.1:9";

#[tokio::test(start_paused = true)]
async fn it_is_reached_by_the_first_way_to_the_registry() {
    let known = Ok(vec![addr("[2001:db8::8]:8500"), addr("10.0.0.8:8500"), addr("10.1.0.8:8500")]);
    let ways =
        [("10.0.0.8:8500", "10.0.0.1"), ("10.1.0.8:8500", "10.1.0.1"), (OUTSIDE, "10.9.0.1")];
    let (address, asked) = reached(known, &ways).await;
    assert_eq!(address, ip("10.0.0.1"));
    assert_eq!(asked, [addr("[2001:db8::8]:8500"), addr("10.0.0.8:8500")]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_without_an_address_or_a_way_leaves_the_way_out() {
    let unknown = || Err(io::Error::other("no such name"));
    let ways = [(OUTSIDE, "10.9.0.1")];
    for known in [unknown(), Ok(Vec::new()), Ok(vec![addr("10.0.0.8:8500")])] {
        assert_eq!(reached(known, &ways).await.0, ip("10.9.0.1"));
    }
    assert_eq!(reached(unknown(), &[]).await.0, Ipv4Addr::LOCALHOST);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_resolve_is_waited_for_no_longer_than_2_s() {
    let begun = Instant::now();
    let resolve = async || pending::<io::Result<vec::IntoIter<SocketAddr>>>().await;
    let address = reached_by(resolve, async |_| Ok(ip("10.9.0.1")));
    let address = timeout(Duration::from_mins(1), address).await.unwrap();
    assert_eq!(address, ip("10.9.0.1"));
    assert_eq!(begun.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn a_registry_is_told_what_the_flags_say() {
    let args = ["--consul-addr", "a:8500", "--service-name", "hello", "--advertise-addr", "b"];
    let flags =
        flags(&[&args[..], &["--tags", "blue, eu", "--metadata", "team=a,tier=1"]].concat());
    let place = flags.registry.clone().unwrap();
    assert_eq!(place, Place::Consul("a:8500".to_owned()));
    let registry = registry(&flags, &place).await.at("consul");
    assert_eq!((registry.at, &*registry.service, &*registry.host), ("consul", "hello", "b"));
    assert_eq!(registry.tags, ["blue", "eu"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(registry.metadata, [pair("team", "a"), pair("tier", "1")]);
}
