//! The certificates of the tests, by the `openssl` command: an authority that nobody else trusts, and those it signed.
//!
//! They are committed, so that tests need no tool, and last a century. Their keys protect nothing.

use std::{fs, path::Path, process::Command};

use tempfile::tempdir;

use crate::step::{Result, capture};

const OUT: &str = "kit-transport/http/tests/tls";

const DAYS: &str = "36500";

/// Name of the file, and who it is for.
const SIGNED: [(&str, &str); 3] = [
    ("server", "DNS:localhost,IP:127.0.0.1"),
    ("elsewhere", "DNS:elsewhere.test"),
    ("client", "DNS:client.test"),
];

pub(crate) fn write() -> Result {
    let scratch = tempdir()?;
    let authority = scratch.path().join("authority.key");
    let ca = Path::new(OUT).join("authority.pem");
    fs::create_dir_all(OUT)?;
    let mut root = request();
    root.args(["-subj", "/CN=the tests' own authority"]);
    root.args(["-addext", "basicConstraints=critical,CA:TRUE"]);
    root.args(["-addext", "keyUsage=critical,keyCertSign"]);
    capture(root.arg("-keyout").arg(&authority).arg("-out").arg(&ca))?;
    for (name, names) in SIGNED {
        let file = |ending: &str| Path::new(OUT).join(format!("{name}.{ending}"));
        let mut signed = request();
        signed.args(["-subj", &format!("/CN={name}")]);
        signed.args(["-addext", &format!("subjectAltName={names}")]);
        signed.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        signed.args(["-addext", "extendedKeyUsage=serverAuth,clientAuth"]);
        signed.arg("-CA").arg(&ca).arg("-CAkey").arg(&authority);
        capture(signed.arg("-keyout").arg(file("key")).arg("-out").arg(file("pem")))?;
    }
    println!("wrote {OUT}");
    Ok(())
}

/// Asks for a certificate, with nothing in it that the system's settings say.
fn request() -> Command {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-config", "/dev/null", "-days", DAYS, "-nodes"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command
}
