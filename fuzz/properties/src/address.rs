use kit_sd::{
    Address, Host,
    consul::{Agent, Error},
};
use std::net::{IpAddr, SocketAddr};

/// Addresses: of an instance, and of Consul's agent.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    agent(text);
    let address = text.parse::<Address>();
    if let Ok(socket) = text.parse::<SocketAddr>()
        && !text.contains('%')
    {
        // Of what the standard library reads, all that can be dialled.
        let sound = socket.port() > 0 && !is_everywhere(socket.ip());
        assert_eq!(address.is_ok(), sound, "{text}");
        assert_eq!(address, Address::try_from(socket));
    }
    let Ok(address) = address else { return };
    let (host, port) = text.rsplit_once(':').expect("an address has a port");
    assert!(port.chars().all(|digit| digit.is_ascii_digit()), "{text}");
    assert_eq!(port.parse().ok(), Some(address.port()));
    assert!(address.port() > 0);
    assert_eq!(Address::new(host, address.port()).as_ref(), Ok(&address));

    // It prints as a URL takes it, and reads again as it was.
    let printed = address.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(&address));
    let authority: http::uri::Authority = printed.parse().expect("a URL takes it");
    assert_eq!(authority.port_u16(), Some(address.port()));
    match address.host() {
        Host::Ip(ip) => {
            assert!(!is_everywhere(*ip), "{text}");
            assert_eq!(printed.parse(), Ok(SocketAddr::new(*ip, address.port())));
        }
        Host::Name(name) => {
            assert_eq!(authority.host(), &**name);
            assert!(name.len() <= 253 && name.parse::<IpAddr>().is_err());
            let sound = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            for label in name.split('.') {
                assert!((1..=63).contains(&label.len()) && label.chars().all(sound), "{text}");
            }
            let last = name.rsplit('.').next().expect("a name has a label");
            assert!(!is_number(last), "{text}");
        }
        host => panic!("{host:?}"),
    }
}

/// An agent is where it is said, and an error does not tell a password.
fn agent(text: &str) {
    match Agent::new(text) {
        Ok(_) => assert!(!text.contains('@'), "{text}"),
        Err(Error::Address { address, .. }) => {
            assert!(!address.contains('@') && text.ends_with(&address), "{text}");
        }
        Err(error) => panic!("{error}"),
    }
}

fn is_everywhere(ip: IpAddr) -> bool {
    ["0.0.0.0", "::", "::ffff:0.0.0.0"].iter().any(|every| every.parse() == Ok(ip))
}

/// The URL standard, "ends in a number": what resolvers read as IPv4.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.chars().all(|letter| letter.is_ascii_digit())
        || hex.is_some_and(|hex| hex.chars().all(|letter| letter.is_ascii_hexdigit()))
}
