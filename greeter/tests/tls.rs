//! The certificates of the greeter, out of files.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/quiet.rs"]
mod quiet;

use greeter::{
    flags::Tls,
    log::{Format, subscriber},
    tls::{load, reload, renewed},
};
use kit_transport::Report;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;
use tracing::subscriber::set_default;

fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../kit-transport/http/tests/tls")).join(name)
}

/// The files of a greeter, in a folder of their own.
fn files() -> (TempDir, Tls) {
    let folder = TempDir::new().unwrap();
    let copy = |name: &str| {
        fs::copy(file(name), folder.path().join(name)).unwrap();
        folder.path().join(name)
    };
    let tls = Tls {
        cert: copy("server.pem"),
        key: copy("server.key"),
        client_ca: Some(copy("authority.pem")),
    };
    (folder, tls)
}

/// Shows another's certificate and key from now on.
fn replace(files: &Tls) {
    fs::copy(file("elsewhere.pem"), &files.cert).unwrap();
    fs::copy(file("elsewhere.key"), &files.key).unwrap();
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_name() {
    let (_folder, files) = files();
    load(&files).unwrap();
    let missing = Tls { client_ca: Some("not/there.pem".into()), ..files.clone() };
    let said = Report(&load(&missing).unwrap_err()).to_string();
    assert!(said.starts_with("cannot read not/there.pem: "), "{said}");
    let swapped = Tls { cert: files.key.clone(), ..files };
    let said = Report(&load(&swapped).unwrap_err()).to_string();
    assert!(said.contains("server.key has not a certificate in PEM"), "{said}");
}

#[tokio::test]
async fn a_reload_takes_what_is_good_and_tells_what_is_not() {
    let (_folder, files) = files();
    let certificates = load(&files).unwrap();
    let mut reload_these = reload(Some(certificates));
    reload_these().await.unwrap();
    fs::write(&files.key, "no key").unwrap();
    reload_these().await.unwrap_err();
    replace(&files);
    reload_these().await.unwrap();
    reload(None)().await.unwrap();
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn files_that_change_are_read_and_it_is_logged() {
    quiet::quiet();
    let (_folder, files) = files();
    let certificates = load(&files).unwrap();
    let written = Written::default();
    let out = written.clone();
    let _guard = set_default(subscriber("info", Format::Logfmt, move || out.clone()));
    let watch = async |seconds| {
        let renewed = renewed(Some(certificates.clone()));
        timeout(Duration::from_secs(seconds), renewed).await.unwrap_err();
    };
    watch(60).await;
    assert_eq!(written.text(), "");
    replace(&files);
    watch(11).await;
    assert!(written.text().contains("the certificates are new"), "{}", written.text());
    fs::remove_file(&files.key).unwrap();
    watch(11).await;
    let said = written.text();
    assert!(said.contains("the certificates stay as they are"), "{said}");
    assert!(said.contains("cannot read") && said.contains("server.key"), "{said}");
}
