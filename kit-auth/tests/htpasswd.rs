//! Users out of a file of slow hashes.
//!
//! The clock is paused: what waits is told when its time is over. The hashes are
//! quick ones, by libcrypt (bcrypt) and the reference implementation of Argon2.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::{HeaderMap, header::AUTHORIZATION};
use kit_auth::{
    Authenticator, Denied, Inspect, Inspector, Pending, Presented, Reason, Verdict,
    basic::{
        self, BadHash, BadLine, Basic, Htpasswd, LoadError, PasswordHash, User, Users, Workers,
        Wrong,
    },
};
use kit_endpoint::{Fault, Kind};
use std::{collections::BTreeMap, error::Error as _, fs, sync::mpsc, time::Duration};
use tempfile::NamedTempFile;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};

const WAIT: Duration = Duration::from_secs(3);

/// Of `open sesame`.
const SESAME: &str = "$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";

/// Of `changed`.
const CHANGED: &str = "$2y$04$abcdefghijklmnopqrstuu5XQl64I3WPWSJw.ftK7xXCrRn1r6QJi";

/// Of `password`.
const ARGON2ID: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn file() -> String {
    format!("ada:{SESAME}\nbob:{ARGON2ID}\n")
}

fn users() -> Htpasswd {
    Htpasswd::text(file()).unwrap()
}

fn later<U: Users>(users: &U, name: &str, password: &str) -> Pending<U::Identity> {
    match users.verify(name, password) {
        Verdict::Later(later) => later,
        _ => panic!("it is known at once"),
    }
}

async fn verify(users: &Htpasswd, name: &str, password: &str) -> Result<User, Denied> {
    later(users, name, password).await
}

async fn is_let_in(users: &Htpasswd, name: &str, password: &str) -> bool {
    match verify(users, name, password).await {
        Ok(user) => {
            assert_eq!(user.name(), name);
            true
        }
        Err(denied) => {
            assert_eq!(denied.reason(), Reason::Invalid);
            false
        }
    }
}

fn bad_lines(text: impl Into<String>) -> Vec<BadLine> {
    match Htpasswd::text(text).unwrap_err() {
        LoadError::Lines { lines, .. } => lines,
        error => panic!("{error:?}"),
    }
}

/// What a component says.
#[derive(Default)]
struct Said(BTreeMap<String, String>);

impl Inspector for Said {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
        self.0.insert(format!("{name} {}", labels.concat()), value.to_string());
    }

    fn gauge(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: f64) {
        assert!(self.0.insert(name.to_owned(), value.to_string()).is_none());
    }
}

fn said(component: &impl Inspect, name: &str) -> u64 {
    let mut said = Said::default();
    component.inspect(&mut said);
    said.0[name].parse().unwrap()
}

fn checks(component: &impl Inspect) -> u64 {
    said(component, "auth_password_checks_total done")
}

/// Keeps one of the workers busy until it is told to end, or dropped.
struct Busy {
    end: mpsc::Sender<()>,
    work: task::Spawn<Pending<()>>,
}

impl Busy {
    fn keep(workers: &Workers) -> Self {
        let (working, works) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let workers = workers.clone();
        let job = move || {
            working.send(()).unwrap();
            ended.recv().unwrap_or_default();
        };
        let work: Pending<()> = Box::pin(async move { workers.run(job).await });
        let mut work = task::spawn(work);
        assert_pending!(work.poll());
        works.recv().unwrap();
        Self { end, work }
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.work.await.unwrap();
    }
}

// ===== hashes =====

#[test]
fn hashes_of_others_are_verified() {
    let long = "x".repeat(72);
    let cases = [
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("123\u{a3}", "$2a$05$0123456789abcdefghijkubv9.SPKuXD3X5aKLEsN9LweBmG/Nz3S"),
        ("battery staple", "$2b$04$ABCDEFGHIJKLMNOPQRSTUutdBj1TzHskGHYiUO7.EmtyYGZ0G.mnK"),
        ("open sesame", SESAME),
        (&long, "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"),
        ("password", ARGON2ID),
        (
            "password",
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        ),
    ];
    for (password, hash) in cases {
        let hash: PasswordHash = hash.parse().unwrap();
        assert!(hash.verify(password), "{password}");
        let mut other = password.to_owned();
        other.pop();
        for wrong in [other.as_str(), "", &format!("?{password}")] {
            assert!(!hash.verify(wrong), "{wrong} for {password}");
        }
    }
}

#[test]
fn bcrypt_knows_72_bytes() {
    let hash: PasswordHash =
        "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i".parse().unwrap();
    assert!(hash.verify(&"x".repeat(73)));
    assert!(!hash.verify(&"x".repeat(71)));
}

#[test]
fn hashes_that_are_not_taken_are_refused_by_kind() {
    let argon2 = |algorithm: &str, version: &str, params: &str, rest: &str| {
        format!("${algorithm}${version}{params}${rest}")
    };
    let (salt, output) = ("c29tZXNhbHQ", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
    let rest = format!("{salt}${output}");
    let id = |params: &str| argon2("argon2id", "v=19$", params, &rest);
    let cases = [
        ("$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00".to_owned(), BadHash::Md5),
        ("$1$4R4Fg5aM$uKKJ8Z0Zl0x4rmpDzrPWf1".to_owned(), BadHash::Md5),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".to_owned(), BadHash::Sha1),
        ("{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr".to_owned(), BadHash::Sha1),
        ("rl.3StKT.4T8M".to_owned(), BadHash::Crypt),
        ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8".to_owned(), BadHash::Crypt),
        ("$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3u".to_owned(), BadHash::Crypt),
        ("$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDC".to_owned(), BadHash::Crypt),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC".to_owned(), BadHash::Crypt),
        ("hunter2".to_owned(), BadHash::Plain),
        (String::new(), BadHash::Plain),
        ("$".to_owned(), BadHash::Plain),
        ("$unheard$of".to_owned(), BadHash::Plain),
        (SESAME.replace("$2y$", "$2x$"), BadHash::Malformed),
        (SESAME[..59].to_owned(), BadHash::Malformed),
        (format!("{SESAME}a"), BadHash::Malformed),
        (SESAME.replace("$04$", "$4$"), BadHash::Malformed),
        (SESAME.replace("$04$", "$+4$"), BadHash::Malformed),
        (SESAME.replace("$04$", "$03$"), BadHash::Malformed),
        (SESAME.replace("$04$", "$18$"), BadHash::TooCostly),
        (SESAME.replace("$04$", "$31$"), BadHash::TooCostly),
        (SESAME.replace("$04$", "$99$"), BadHash::TooCostly),
        (SESAME.replace("cy", "\u{e9}"), BadHash::Malformed),
        (ARGON2ID.replace("argon2id", "argon2i"), BadHash::Argon2),
        (ARGON2ID.replace("argon2id", "argon2d"), BadHash::Argon2),
        (ARGON2ID.replace("v=19", "v=16"), BadHash::Argon2),
        (ARGON2ID.replace("v=19$", ""), BadHash::Argon2),
        (ARGON2ID[..ARGON2ID.len() - 1].to_owned(), BadHash::Malformed),
        (argon2("argon2id", "v=19$", "m=256,t=2,p=1", salt), BadHash::Malformed),
        (
            argon2(
                "argon2id",
                "v=19$",
                "m=256,t=2,p=1",
                "c2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            ),
            BadHash::Malformed,
        ),
        (
            argon2("argon2id", "v=19$", "m=256,t=2,p=1", "c29tZXNhbHQ$nf65EOgLrQMR"),
            BadHash::Malformed,
        ),
        (id("m=256,t=2"), BadHash::Malformed),
        (id("t=2,p=1"), BadHash::Malformed),
        (id("m=256,t=2,p=1,keyid=Zm9v"), BadHash::Malformed),
        (id("m=256,t=2,p=1,data=Zm9v"), BadHash::Malformed),
        (id("m=256,t=2,p=1,x=1"), BadHash::Malformed),
        (id("m=256,m=256,t=2,p=1"), BadHash::Malformed),
        (id("m=256,t=0,p=1"), BadHash::Malformed),
        (id("m=8,t=1,p=2"), BadHash::Malformed),
        (id("m=1048577,t=1,p=1"), BadHash::TooCostly),
        (id("m=1048576,t=5,p=1"), BadHash::TooCostly),
        (id("m=4294967295,t=4294967295,p=1"), BadHash::TooCostly),
        (id("m=256,t=4294967295,p=1"), BadHash::TooCostly),
        (id("m=4294967296,t=1,p=1"), BadHash::Malformed),
    ];
    for (hash, expected) in cases {
        let error = hash.parse::<PasswordHash>().unwrap_err();
        assert_eq!(error, expected, "{hash}");
        let said = error.to_string();
        assert!(said.ends_with("hash the password anew, as `htpasswd -B -C 10` does"), "{said}");
    }
    for taken in [id("m=1048576,t=4,p=1"), SESAME.replace("$04$", "$17$")] {
        taken.parse::<PasswordHash>().unwrap();
    }
}

// ===== users =====

#[tokio::test(start_paused = true)]
async fn users_of_the_file_get_in_with_their_passwords() {
    let users = users();
    assert_eq!((users.len(), users.is_empty()), (2, false));
    assert!(is_let_in(&users, "ada", "open sesame").await);
    assert!(is_let_in(&users, "bob", "password").await);
    for (name, password) in
        [("ada", "password"), ("bob", "open sesame"), ("ada", ""), ("Ada", "open sesame")]
    {
        assert!(!is_let_in(&users, name, password).await, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_with_basic_is_checked_by_the_file() {
    let basic = Basic::new("caves", users());
    let ask = async |name, password| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, basic::header(name, password).unwrap());
        match basic.authenticate(&Presented::of(&headers)) {
            Verdict::Later(later) => later.await,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("ada", "open sesame").await.unwrap(), User::new("ada"));
    let (wrong, unknown) = (ask("ada", "x").await.unwrap_err(), ask("eve", "x").await.unwrap_err());
    assert_eq!(format!("{wrong} {wrong:?}"), format!("{unknown} {unknown:?}"));
    assert_eq!((wrong.reason(), wrong.scheme()), (Reason::Invalid, Some("Basic")));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_has_costs_a_check_and_is_refused_whatever_that_says() {
    let users = Htpasswd::text(format!("ada:{SESAME}")).unwrap();
    assert!(is_let_in(&users, "ada", "open sesame").await);
    assert_eq!(checks(&users), 1);
    assert!(!is_let_in(&users, "ada", "wrong").await);
    assert_eq!(checks(&users), 2);
    // It is checked against ada's hash, and her password would do.
    for (name, checked) in [("eve", 3), ("", 4), ("Ada", 5)] {
        assert!(!is_let_in(&users, name, "open sesame").await, "{name}");
        assert_eq!(checks(&users), checked, "{name}");
    }
}

#[test]
fn a_file_without_users_lets_nobody_in() {
    for text in ["", "\n\n", "# nobody\n"] {
        let users = Htpasswd::text(text).unwrap();
        assert!(users.is_empty());
        assert!(matches!(users.verify("", ""), Verdict::Absent));
    }
}

// ===== the file =====

#[tokio::test(start_paused = true)]
async fn what_is_no_user_is_skipped() {
    let users = Htpasswd::text(format!(
        "\u{feff}# staff\r\n\r\nada:{SESAME}\r\n  \t\n#bob:no hash\nbob:{ARGON2ID}:a remark: yes \n   cy:{CHANGED}"
    ));
    let users = users.unwrap();
    assert_eq!(users.len(), 3);
    assert!(is_let_in(&users, "ada", "open sesame").await);
    assert!(is_let_in(&users, "bob", "password").await);
    assert!(is_let_in(&users, "cy", "changed").await);
    let first = Htpasswd::text(format!("\u{feff}ada:{SESAME}")).unwrap();
    assert!(is_let_in(&first, "ada", "open sesame").await);
}

#[test]
fn every_bad_line_is_named_and_none_is_shown() {
    let text = format!(
        "ada:{SESAME}\n\
         s3cret\n\
         :{SESAME}\n\
         # s3cret\n\
         bob:s3cret\n\
         ada:{ARGON2ID}\n\
         c\u{1}y:{SESAME}\n\
         dan:$apr1$s3cret$s3cret\n\
         eve:{ARGON2ID}\n\
         bob:{SESAME}\n"
    );
    let lines: Vec<_> = bad_lines(&*text).iter().map(|line| (line.number, line.wrong)).collect();
    let [.., (_, twice)] = lines[..] else { panic!("{lines:?}") };
    assert!(matches!(twice, Wrong::Twice { first: 5, .. }), "{lines:?}");
    assert!(matches!(lines[3], (6, Wrong::Twice { first: 1, .. })), "{lines:?}");
    assert_eq!(lines[0], (2, Wrong::NoColon));
    assert_eq!(lines[1], (3, Wrong::NoName));
    assert_eq!(lines[2], (5, Wrong::Hash(BadHash::Plain)));
    assert_eq!(lines[4], (7, Wrong::Control));
    assert_eq!(lines[5], (8, Wrong::Hash(BadHash::Md5)));
    assert_eq!((lines[6].0, lines.len()), (10, 7));

    let error = Htpasswd::text(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the users are no good\n\
         line 2: it has no colon between a name and a hash\n\
         line 3: it has no name\n\
         line 5: there is no hash: it may be a password in the clear; \
         hash the password anew, as `htpasswd -B -C 10` does\n\
         line 6: the name is in line 1 already\n\
         line 7: the name has a control character\n\
         line 8: the hash is MD5; hash the password anew, as `htpasswd -B -C 10` does\n\
         line 10: the name is in line 5 already"
    );
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[test]
fn a_line_that_is_not_text_is_named() {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, [b"# \xe9t\xe9\nada:".as_slice(), SESAME.as_bytes()].concat()).unwrap();
    let error = Htpasswd::load(file.path()).unwrap_err();
    let LoadError::Lines { path, lines, .. } = &error else { panic!("{error:?}") };
    assert_eq!(path.as_deref(), Some(file.path()));
    assert_eq!(
        lines.iter().map(|line| (line.number, line.wrong)).collect::<Vec<_>>(),
        [(1, Wrong::NotText)]
    );
    assert!(error.to_string().starts_with(&file.path().display().to_string()), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    let error = Htpasswd::load("/nowhere/htpasswd").unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nowhere/htpasswd");
    assert!(error.source().is_some());
}

// ===== reading anew =====

#[tokio::test(start_paused = true)]
async fn what_is_read_anew_counts_at_once() {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, self::file()).unwrap();
    let users = Htpasswd::load(file.path()).unwrap();
    let clone = users.clone();
    let before = users.generation();
    assert!(!users.reload().unwrap());
    assert_eq!(users.generation(), before);

    fs::write(&file, format!("ada:{CHANGED}")).unwrap();
    assert!(users.reload().unwrap());
    assert_ne!(clone.generation(), before);
    assert!(is_let_in(&clone, "ada", "changed").await);
    assert!(!is_let_in(&clone, "ada", "open sesame").await);
    assert!(!is_let_in(&clone, "bob", "password").await);

    fs::write(&file, "").unwrap();
    assert!(users.reload().unwrap());
    assert!(matches!(clone.verify("ada", "changed"), Verdict::Absent));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_good_leaves_the_users_of_before() {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, self::file()).unwrap();
    let users = Htpasswd::load(file.path()).unwrap();
    let before = users.generation();

    fs::write(&file, format!("ada:{CHANGED}\nbob")).unwrap();
    let error = users.reload().unwrap_err();
    assert!(error.to_string().ends_with("line 2: it has no colon between a name and a hash"));
    // As long as it is so, whoever asks hears it.
    assert!(matches!(users.reload().unwrap_err(), LoadError::Lines { .. }));
    fs::remove_file(&file).unwrap();
    assert!(matches!(users.reload().unwrap_err(), LoadError::File { .. }));
    assert_eq!((users.generation(), users.len()), (before, 2));
    assert!(is_let_in(&users, "ada", "open sesame").await);

    fs::write(&file, format!("ada:{CHANGED}")).unwrap();
    assert!(users.reload().unwrap());
    assert_ne!(users.generation(), before);
    assert!(is_let_in(&users, "ada", "changed").await);

    // What was good before is new again.
    fs::write(&file, self::file()).unwrap();
    let second = users.generation();
    assert!(users.reload().unwrap());
    assert!(![before, second].contains(&users.generation()));
}

#[test]
fn text_is_never_read_anew() {
    assert!(!users().reload().unwrap());
}

#[tokio::test(start_paused = true)]
async fn who_is_withdrawn_while_the_password_is_checked_does_not_get_in() {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, self::file()).unwrap();
    let workers = Workers::new(1);
    let users = Htpasswd::load(file.path()).unwrap().workers(workers.clone());
    let busy = Busy::keep(&workers);
    let mut withdrawn = task::spawn(later(&users, "ada", "open sesame"));
    let mut kept = task::spawn(later(&users, "bob", "password"));
    assert_pending!(withdrawn.poll());
    assert_pending!(kept.poll());

    fs::write(&file, format!("cy:{SESAME}\nada:{CHANGED}\nbob:{ARGON2ID}")).unwrap();
    assert!(users.reload().unwrap());
    busy.end().await;
    assert_eq!(withdrawn.await.unwrap_err().reason(), Reason::Invalid);
    assert_eq!(kept.await.unwrap().name(), "bob");
}

#[tokio::test(start_paused = true)]
async fn the_file_is_watched() {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, self::file()).unwrap();
    let users = Htpasswd::load(file.path()).unwrap();
    let (sender, heard) = mpsc::channel();
    let mut watch = task::spawn(users.watch(WAIT, |read| sender.send(read).unwrap()));
    let mut after_a_while = async || {
        assert_pending!(watch.poll());
        advance(WAIT).await;
        assert_pending!(watch.poll());
        heard.try_iter().collect::<Vec<_>>()
    };
    assert!(after_a_while().await.is_empty());
    fs::write(&file, format!("ada:{CHANGED}")).unwrap();
    assert!(matches!(after_a_while().await[..], [Ok(())]));
    assert_eq!(users.len(), 1);
    fs::write(&file, "ada").unwrap();
    assert!(matches!(after_a_while().await[..], [Err(LoadError::Lines { .. })]));
    assert!(after_a_while().await.is_empty());
    fs::remove_file(&file).unwrap();
    assert!(matches!(after_a_while().await[..], [Err(LoadError::File { .. })]));
    assert!(after_a_while().await.is_empty());
    fs::write(&file, self::file()).unwrap();
    assert!(matches!(after_a_while().await[..], [Ok(())]));
    assert_eq!(users.len(), 2);
}

// ===== workers =====

#[tokio::test(start_paused = true)]
async fn who_finds_no_worker_waits_and_is_then_told_to_come_back() {
    let workers = Workers::new(1).wait(WAIT);
    let users = users().workers(workers.clone());
    let _busy = Busy::keep(&workers);
    let mut waits = task::spawn(later(&users, "ada", "open sesame"));
    assert_pending!(waits.poll());
    advance(WAIT.saturating_sub(Duration::from_millis(2))).await;
    assert_pending!(waits.poll());
    advance(Duration::from_millis(3)).await;
    let denied = assert_ready!(waits.poll()).unwrap_err();
    assert_eq!((denied.reason(), denied.kind()), (Reason::Unavailable, Kind::Unavailable));
    assert_eq!(Fault::retry_after(&denied), Some(WAIT));
    assert_eq!(said(&users, "auth_password_checks_total refused"), 1);
    assert_eq!(said(&users, "auth_password_checks_running"), 1);
    assert_eq!(checks(&users), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_next() {
    let workers = Workers::new(1).wait(WAIT);
    let users = users().workers(workers.clone());
    let busy = Busy::keep(&workers);
    let mut waits = task::spawn(later(&users, "ada", "open sesame"));
    assert_pending!(waits.poll());
    busy.end().await;
    assert_eq!(waits.await.unwrap().name(), "ada");
    assert_eq!(said(&users, "auth_password_checks_running"), 0);
    assert_eq!(checks(&users), 2);
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_may_and_no_more() {
    let workers = Workers::new(1).queue(1);
    let users = users().workers(workers.clone());
    let busy = Busy::keep(&workers);
    let mut waits = task::spawn(later(&users, "ada", "open sesame"));
    assert_pending!(waits.poll());
    let refused = assert_ready!(task::spawn(later(&users, "ada", "open sesame")).poll());
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::Unavailable);
    assert_eq!(Fault::retry_after(&refused), Some(Duration::from_secs(1)));

    // One that is dropped gives its place back.
    drop(waits);
    let mut waits = task::spawn(later(&users, "bob", "password"));
    assert_pending!(waits.poll());
    busy.end().await;
    assert_eq!(waits.await.unwrap().name(), "bob");
    // Nobody waits, and there is a worker.
    assert!(is_let_in(&users.workers(workers.queue(0)), "ada", "open sesame").await);
}

#[tokio::test(start_paused = true)]
async fn as_many_are_checked_at_once_as_may_be() {
    let workers = Workers::new(2).queue(0);
    let users = users().workers(workers.clone());
    let one = Busy::keep(&workers);
    let two = Busy::keep(&workers);
    let refused = assert_ready!(task::spawn(later(&users, "ada", "open sesame")).poll());
    assert_eq!(refused.unwrap_err().reason(), Reason::Unavailable);
    one.end().await;
    assert!(is_let_in(&users, "ada", "open sesame").await);
    two.end().await;
    let none_is_one = Workers::new(0).queue(0);
    assert_eq!(none_is_one.run(|| 1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn work_that_nobody_waits_for_keeps_its_place() {
    let workers = Workers::new(1).queue(0);
    let Busy { end, work } = Busy::keep(&workers);
    drop(work);
    let refused = assert_ready!(task::spawn(workers.run(|| ())).poll());
    assert_eq!(refused.unwrap_err().reason(), Reason::Unavailable);
    drop(end);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_is_a_refusal_that_says_nothing_of_it() {
    let workers = Workers::new(1);
    let denied: Denied = workers.run(|| -> () { panic!("s3cret") }).await.unwrap_err();
    assert_eq!(denied.reason(), Reason::Unavailable);
    assert!(!format!("{denied} {denied:?} {:?}", denied.source()).contains("s3cret"));
    assert_eq!(workers.run(|| 1).await.unwrap(), 1, "the place is given back");
}

// ===== what is said =====

#[tokio::test(start_paused = true)]
async fn nothing_that_is_secret_is_ever_shown() {
    let users = users();
    let hash: PasswordHash = SESAME.parse().unwrap();
    let basic = Basic::new("caves", users.clone());
    let mut shown = vec![format!("{users:?} {hash:?} {basic:?} {:?}", Workers::default())];
    for (name, password) in [("ada", "open simsim"), ("eve", "open sesame")] {
        let denied = verify(&users, name, password).await.unwrap_err();
        shown.push(format!("{denied} {denied:?} {:?}", denied.source()));
    }
    for text in shown {
        let secrets =
            ["sesame", "simsim", "eve", "ada", "abcdef", "$2y", "argon2id$", "nf65", "c29t"];
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[test]
fn how_many_users_there_are_is_said() {
    assert_eq!(said(&users(), "auth_htpasswd_users"), 2);
}

#[test]
fn all_of_it_can_be_shared_by_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<(Htpasswd, PasswordHash, Workers, LoadError)>();
}
