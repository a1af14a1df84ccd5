//! Addresses: what can be dialled, and how it is written.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{Address, Host, InvalidAddress};
use std::net::SocketAddr;

#[test]
fn ipv6_is_written_in_brackets_however_it_was_given() {
    for address in [
        "[2001:db8::1]:80".parse().unwrap(),
        Address::new("2001:db8::1", 80).unwrap(),
        Address::new("[2001:db8::1]", 80).unwrap(),
        Address::try_from("[2001:db8::1]:80".parse::<SocketAddr>().unwrap()).unwrap(),
    ] {
        assert_eq!(address.to_string(), "[2001:db8::1]:80");
        assert_eq!(address.host().to_string(), "2001:db8::1");
        assert_eq!(address.port(), 80);
    }
}

#[test]
fn names_and_ipv4_are_written_as_they_are() {
    assert_eq!("10.0.0.10:9000".parse::<Address>().unwrap().to_string(), "10.0.0.10:9000");
    let name: Address = "hello_1.example.:443".parse().unwrap();
    assert_eq!(name.to_string(), "hello_1.example:443");
    assert_eq!(*name.host(), Host::Name("hello_1.example".into()));
}

#[test]
fn what_nobody_can_dial_is_refused() {
    let wrong = |address: &str| address.parse::<Address>().unwrap_err();
    assert_eq!(wrong("hello"), InvalidAddress::NoPort);
    assert_eq!(wrong("2001:db8::1"), InvalidAddress::NoPort);
    assert_eq!(wrong("hello:0"), InvalidAddress::Port);
    assert_eq!(wrong("hello:65536"), InvalidAddress::Port);
    assert_eq!(wrong("hello:http"), InvalidAddress::Port);
    assert_eq!(wrong("hello:+80"), InvalidAddress::Port);
    assert_eq!(wrong("hello:"), InvalidAddress::Port);
    assert_eq!(wrong(":80"), InvalidAddress::Host);
    assert_eq!(wrong("he llo:80"), InvalidAddress::Host);
    assert_eq!(wrong("hello..example:80"), InvalidAddress::Host);
    assert_eq!(wrong("-hello:80"), InvalidAddress::Host);
    assert_eq!(wrong("10.0.0.256:80"), InvalidAddress::Host);
    assert_eq!(wrong("[10.0.0.1]:80"), InvalidAddress::Host);
    assert_eq!(wrong("0.0.0.0:80"), InvalidAddress::Unspecified);
    assert_eq!(wrong("[::]:80"), InvalidAddress::Unspecified);
    assert_eq!(wrong("[::ffff:0.0.0.0]:80"), InvalidAddress::Unspecified);
    // What resolvers read as IPv4.
    assert_eq!(wrong("0x0:80"), InvalidAddress::Host);
    assert_eq!(wrong("127.0.0X1:80"), InvalidAddress::Host);
    let any: SocketAddr = "0.0.0.0:80".parse().unwrap();
    assert_eq!(Address::try_from(any).unwrap_err(), InvalidAddress::Unspecified);
}
