//! The instancers of DNS: their loop over a scripted lookup, and the resolver over a name server
//! on loopback.
#![cfg(feature = "dns")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record as Row, RecordType,
        rdata::{A, AAAA, CNAME, NS, SOA, SRV},
    },
};
use kit_sd::{
    Backoff, Instances, State, Watch,
    dns::{Addresses, Answer, Error, Family, Lookup, Record, Resolver, Srv, Timing},
};
use std::{
    collections::VecDeque,
    future::pending,
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(20);

/// What a name is answered; `None` never.
type Line<T> = Box<dyn FnMut() -> Option<Result<Answer<T>, Error>> + Send>;

/// Answers as the scripts say, then with the last line of each for ever.
#[derive(Clone)]
struct Fake {
    records: Arc<Mutex<VecDeque<Line<Record>>>>,
    addresses: Arc<Mutex<VecDeque<Line<IpAddr>>>>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Fake {
    fn srv(script: impl IntoIterator<Item = Line<Record>>) -> Self {
        Self {
            records: Arc::new(Mutex::new(script.into_iter().collect())),
            addresses: Arc::default(),
            asked: Arc::default(),
        }
    }

    fn addresses(self, script: impl IntoIterator<Item = Line<IpAddr>>) -> Self {
        *self.addresses.lock().unwrap() = script.into_iter().collect();
        self
    }

    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    fn names(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, name)| name.clone()).collect()
    }

    fn note(&self, question: String) {
        let mut asked = self.asked.lock().unwrap();
        asked.push((Instant::now(), question));
        // A loop without a pause would hold the paused clock for ever.
        assert!(asked.len() < 10_000, "asked without end");
    }
}

async fn next<T>(script: &Mutex<VecDeque<Line<T>>>) -> Result<Answer<T>, Error> {
    let answer = {
        let mut script = script.lock().unwrap();
        let answer = script.front_mut().expect("not in the script")();
        if script.len() > 1 {
            script.pop_front();
        }
        answer
    };
    match answer {
        Some(answer) => answer,
        None => pending().await,
    }
}

impl Lookup for Fake {
    async fn srv(&self, name: &str) -> Result<Answer<Record>, Error> {
        self.note(name.to_owned());
        next(&self.records).await
    }

    async fn addresses(&self, name: &str, family: Family) -> Result<Answer<IpAddr>, Error> {
        self.note(format!("{name} {family:?}"));
        next(&self.addresses).await
    }
}

fn answers<T: Clone + Send + 'static>(
    records: impl IntoIterator<Item = T>,
    ttl: impl Into<Option<Duration>>,
) -> Line<T> {
    let answer = Answer::new(records, ttl);
    Box::new(move || Some(Ok(answer.clone())))
}

fn fails<T>() -> Line<T> {
    Box::new(|| Some(Err(Error::Answered("SERVFAIL".to_owned()))))
}

fn hangs<T>() -> Line<T> {
    Box::new(|| None)
}

/// One of equals.
fn host(n: u8) -> Record {
    Record::new(1, 1, 80, format!("h{n}.example."))
}

fn ip(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, n).into()
}

fn follow(fake: &Fake) -> Watch {
    Watch::spawn(srv(fake))
}

fn srv(fake: &Fake) -> Srv<Fake> {
    Srv::new(fake.clone(), "_http._tcp.hello.example.").service("hello")
}

fn addresses(instances: &Instances) -> Vec<String> {
    instances.snapshot().instances.iter().map(|one| one.address.to_string()).collect()
}

/// What one answer becomes.
async fn becomes(records: impl IntoIterator<Item = Record>) -> Vec<(String, u32)> {
    let watch = follow(&Fake::srv([answers(records, TTL)]));
    let seen = watch.instances().changed().await.unwrap();
    seen.instances.iter().map(|one| (one.address.to_string(), one.weight)).collect()
}

fn pairs(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(address, weight)| ((*address).to_owned(), *weight)).collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_it_runs() {
    let fake = Fake::srv([hangs()]);
    let instancer = srv(&fake);
    sleep(SECOND * 60).await;
    assert!(fake.asked().is_empty());
    drop(instancer);
}

/// Go kit's `TestRefresh`: none, then three at the second tick, one lookup each.
#[tokio::test(start_paused = true)]
async fn three_instances_come_with_the_second_lookup() {
    let fake = Fake::srv([answers([], TTL), answers([host(1), host(2), host(3)], TTL), hangs()]);
    let timing = Timing::new().max_negative_ttl(TTL);
    let watch = Watch::spawn(srv(&fake).timing(timing));
    let mut hello = watch.instances();
    assert!(hello.changed().await.unwrap().instances.is_empty());
    sleep(SECOND * 19).await;
    assert_eq!((fake.asked().len(), addresses(&hello).len()), (1, 0));
    assert_eq!(hello.changed().await.unwrap().instances.len(), 3);
    sleep(SECOND).await;
    assert_eq!(fake.names(), ["_http._tcp.hello.example."; 2]);
}

/// Go kit's `TestIssue892` fails the whole answer for it.
#[tokio::test(start_paused = true)]
async fn a_record_with_port_0_is_left_out_and_the_others_stay() {
    let nowhere = Record::new(1, 1, 0, "h1.example.");
    assert_eq!(becomes([nowhere, host(2)]).await, pairs(&[("h2.example:80", 1)]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_can_be_dialled_is_a_failure_that_says_why() {
    let nowhere = [Record::new(1, 1, 0, "h1.example."), Record::new(1, 1, 0, "h2.example.")];
    let fake = Fake::srv([answers([host(1)], TTL), answers(nowhere, TTL), hangs()]);
    let watch = follow(&fake);
    let stale = watch.instances().wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(
        stale.state.error(),
        Some(
            "nothing in the 2 records can be dialled; the first: the port must be a number from \
             1 to 65535"
        )
    );
    assert_eq!(addresses(&watch.instances()), ["h1.example:80"]);
}

#[tokio::test(start_paused = true)]
async fn the_most_preferred_priority_is_the_set() {
    let found = becomes([
        Record::new(20, 1, 80, "backup.example."),
        Record::new(10, 3, 80, "b.example."),
        Record::new(10, 5, 80, "a.example."),
    ]);
    assert_eq!(found.await, pairs(&[("a.example:80", 5), ("b.example:80", 3)]));
}

#[tokio::test(start_paused = true)]
async fn the_next_priority_serves_when_nothing_of_the_first_can_be_dialled() {
    let found =
        becomes([Record::new(1, 1, 0, "a.example."), Record::new(2, 1, 80, "backup.example.")]);
    assert_eq!(found.await, pairs(&[("backup.example:80", 1)]));
}

#[tokio::test(start_paused = true)]
async fn weights_of_0_alone_are_equal_and_beside_others_last() {
    let (a, b) = (Record::new(1, 0, 80, "a.example."), Record::new(1, 0, 80, "b.example."));
    let found = becomes([a.clone(), b]).await;
    assert_eq!(found, pairs(&[("a.example:80", 1), ("b.example:80", 1)]));
    let found = becomes([a, Record::new(1, 60, 80, "b.example.")]).await;
    assert_eq!(found, pairs(&[("a.example:80", 0), ("b.example:80", 60)]));
}

#[tokio::test(start_paused = true)]
async fn order_case_and_repetition_change_nothing() {
    let fake = Fake::srv([
        answers([host(1), host(2), Record::new(1, 9, 80, "H2.example.")], SECOND),
        answers([Record::new(1, 9, 80, "h2.EXAMPLE"), host(2), host(1)], SECOND),
    ]);
    let watch = follow(&fake);
    sleep(SECOND * 10).await;
    let seen = watch.instances().snapshot();
    assert_eq!((seen.revision, seen.failures), (1, 0));
    let found: Vec<_> = seen.instances.iter().map(|one| (&*one.id, one.weight)).collect();
    assert_eq!(found, [("hello-h1.example-80", 1), ("hello-h2.example-80", 9)]);
    assert!(fake.asked().len() > 2);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_when_the_ttl_is_over_within_its_bounds() {
    let minute = SECOND * 60;
    for (said, least) in [
        (Some(TTL), TTL),
        (Some(Duration::ZERO), SECOND),
        (None, SECOND),
        (Some(minute * 60), minute * 5),
    ] {
        let fake = Fake::srv([answers([host(1)], said)]);
        let _watch = follow(&fake);
        sleep(minute * 30).await;
        let asked = fake.asked();
        assert!(asked.len() > 3, "{said:?}");
        for pair in asked.windows(2) {
            let pause = pair[1] - pair[0];
            // The timer is as fine as a millisecond.
            let most = least.mul_f64(1.1) + Duration::from_millis(2);
            assert!(pause >= least && pause <= most, "{said:?}: {pause:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_0_without_a_floor_is_held_to_ten_questions_a_second() {
    let fake = Fake::srv([answers([host(1)], Duration::ZERO)]);
    let timing = Timing::new().min_ttl(Duration::ZERO);
    let _watch = Watch::spawn(srv(&fake).timing(timing));
    sleep(SECOND * 10).await;
    let count = fake.asked().len();
    assert!((90..=111).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_name_is_doubted_and_asked_for_twice_before_it_is_believed() {
    let long = SECOND * 3600;
    let fake = Fake::srv([answers([host(1)], TTL), answers([], long)]);
    let watch = follow(&fake);
    let mut hello = watch.instances();
    let doubted = hello.wait_for(|seen| seen.state.name() == "suspect").await.unwrap();
    assert!(matches!(doubted.state, State::Suspect { doubt: kit_sd::Doubt::Unknown, .. }));
    sleep(SECOND * 29).await;
    assert_eq!(addresses(&hello), ["h1.example:80"]);
    // The answer with the host, and those without at 0, 10 and 20 s, a tenth later at most.
    assert_eq!(fake.asked().len(), 4);
    sleep(SECOND * 2).await;
    assert_eq!(hello.snapshot().instances.len(), 0);
    assert_eq!(hello.snapshot().state.name(), "fresh");
}

#[tokio::test(start_paused = true)]
async fn the_target_of_a_dot_says_that_there_is_no_service() {
    let none = Record::new(0, 0, 0, ".");
    assert_eq!(becomes([none.clone()]).await, []);
    assert_eq!(becomes([none.clone(), host(1)]).await, pairs(&[("h1.example:80", 1)]));
    let fake = Fake::srv([answers([host(1)], TTL), answers([none], TTL)]);
    let watch = follow(&fake);
    let doubted = watch.instances().wait_for(|seen| seen.state.name() == "suspect").await.unwrap();
    assert!(matches!(doubted.state, State::Suspect { doubt: kit_sd::Doubt::Collapsed, .. }));
    assert_eq!(doubted.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_keeps_the_set_and_is_tried_again_soon() {
    let fake = Fake::srv([answers([host(1)], TTL), fails(), fails(), answers([host(2)], TTL)]);
    let watch = follow(&fake);
    let mut hello = watch.instances();
    let stale = hello.wait_for(|seen| seen.failures == 2).await.unwrap();
    assert_eq!(stale.state.error(), Some("the name server answered SERVFAIL"));
    assert_eq!(addresses(&hello), ["h1.example:80"]);
    let failed = Instant::now();
    hello.wait_for(|seen| seen.state == State::Fresh).await.unwrap();
    assert!(failed.elapsed() < SECOND);
    assert_eq!(addresses(&hello), ["h2.example:80"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_fails_is_asked_less_and_less() {
    let fake = Fake::srv([fails()]);
    let backoff = Backoff::new(Duration::from_millis(100), SECOND * 30).seed(3);
    let _watch = Watch::spawn(srv(&fake).backoff(backoff));
    sleep(SECOND * 3600).await;
    let count = fake.asked().len();
    // 15 s on average, for an hour.
    assert!((200..=300).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_name_server_is_given_up_in_time() {
    let fake = Fake::srv([hangs()]);
    let begun = Instant::now();
    let watch = follow(&fake);
    let failed = watch.instances().wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(begun.elapsed(), SECOND * 5);
    assert_eq!(failed.state.error(), Some("no name server answered within 5s"));
    let begun = Instant::now();
    let watch = Watch::spawn(srv(&fake).timing(Timing::new().timeout(SECOND)));
    watch.instances().wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(begun.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_watch_drops_the_question() {
    let (alive, mut ended) = oneshot::channel::<()>();
    // The script lives in the lookup, and the lookup in the task.
    let holds: Line<Record> = Box::new(move || {
        let _ = &alive;
        None
    });
    let watch = follow(&Fake::srv(iter::once(holds)));
    sleep(SECOND).await;
    ended.try_recv().unwrap_err();
    let dropped = Instant::now();
    drop(watch);
    ended.await.unwrap_err();
    assert_eq!(dropped.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn targets_are_resolved_by_what_came_beside_them_or_else_asked_for_once() {
    let beside = Answer::new([ip(1), Ipv6Addr::LOCALHOST.into()], SECOND * 60);
    let records = [
        Record::new(1, 2, 80, "a.example.").addresses(beside),
        Record::new(1, 3, 81, "b.example."),
        Record::new(1, 4, 82, "b.example."),
        Record::new(1, 5, 83, "10.0.0.9."),
    ];
    let fake = Fake::srv([answers(records, TTL)])
        .addresses([answers([ip(2), ip(3), Ipv6Addr::LOCALHOST.into()], SECOND * 2)]);
    let watch = Watch::spawn(srv(&fake).resolve(Family::V4));
    let seen = watch.instances().changed().await.unwrap();
    let found: Vec<_> = seen
        .instances
        .iter()
        .map(|one| {
            let target = one.metadata.get("target").map_or("", |target| &**target);
            (one.address.to_string(), one.weight, target.to_owned())
        })
        .collect();
    let expected = [
        ("10.0.0.1:80", 2, "a.example"),
        ("10.0.0.2:81", 3, "b.example"),
        ("10.0.0.2:82", 4, "b.example"),
        ("10.0.0.3:81", 3, "b.example"),
        ("10.0.0.3:82", 4, "b.example"),
        ("10.0.0.9:83", 5, ""),
    ]
    .map(|(address, weight, target)| (address.to_owned(), weight, target.to_owned()));
    assert_eq!(found, expected);
    // The TTL of an address counts too.
    sleep(SECOND * 3).await;
    let once = ["_http._tcp.hello.example.", "b.example V4"];
    assert_eq!(fake.names(), [once, once].concat());
}

#[tokio::test(start_paused = true)]
async fn a_target_without_address_is_left_out_and_one_that_fails_fails_the_answer() {
    let two = || answers([host(1), host(2)], TTL);
    let fake = Fake::srv([two()]).addresses([
        answers([], TTL),
        answers([ip(2)], TTL),
        answers([ip(1)], TTL),
        fails(),
    ]);
    let watch = Watch::spawn(srv(&fake).resolve(Family::Any));
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    assert_eq!(addresses(&hello), ["10.0.0.2:80"]);
    hello.wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(addresses(&hello), ["10.0.0.2:80"]);
}

#[tokio::test(start_paused = true)]
async fn each_address_of_a_name_is_an_instance() {
    let six: IpAddr = "2001:db8::1".parse().unwrap();
    let fake = Fake::srv([]).addresses([
        answers([ip(2), six, ip(1), Ipv4Addr::UNSPECIFIED.into()], TTL),
        answers([ip(1)], TTL),
        answers([], TTL),
        hangs(),
    ]);
    let db = Addresses::new(fake.clone(), "db.example.", 5432).family(Family::Any);
    assert_eq!(kit_sd::Instancer::service(&db), "db.example");
    let watch = Watch::spawn(db.service("db"));
    let mut db = watch.instances();
    let first = db.changed().await.unwrap();
    assert_eq!(first.instances[0].id, "db-10.0.0.1-5432");
    assert_eq!(addresses(&db), ["10.0.0.1:5432", "10.0.0.2:5432", "[2001:db8::1]:5432"]);
    db.changed().await.unwrap();
    assert_eq!(addresses(&db), ["10.0.0.1:5432"]);
    let doubted = db.wait_for(|seen| seen.state.name() == "suspect").await.unwrap();
    assert_eq!(doubted.instances.len(), 1);
    assert_eq!(fake.names(), ["db.example. Any"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_port_of_0_is_a_failure_that_says_so() {
    let fake = Fake::srv([]).addresses([answers([ip(1)], TTL)]);
    let watch = Watch::spawn(Addresses::new(fake, "db.example", 0));
    let failed = watch.instances().wait_for(|seen| seen.failures == 1).await.unwrap();
    assert!(failed.state.error().unwrap().contains("the port must be"));
}

// ===== a name server on loopback =====

/// What a name server says to a question, over TCP or not.
type Zone = fn(&str, RecordType, bool) -> Message;

fn reply(code: ResponseCode, rows: impl IntoIterator<Item = Row>) -> Message {
    let mut message = Message::query();
    message.metadata.message_type = MessageType::Response;
    message.metadata.response_code = code;
    message.add_answers(rows);
    message
}

fn with_soa(mut message: Message, ttl: u32, minimum: i32) -> Message {
    let minimum = u32::try_from(minimum).unwrap();
    let soa = SOA::new(name("ns.example."), name("root.example."), 1, 1, 1, 1, minimum);
    message.add_authority(Row::from_rdata(name("example."), ttl, RData::SOA(soa)));
    message
}

fn name(name: &str) -> Name {
    Name::from_ascii(name).unwrap()
}

fn row(owner: &str, ttl: u32, data: RData) -> Row {
    Row::from_rdata(name(owner), ttl, data)
}

fn srv_row(owner: &str, ttl: u32, port: u16, target: &str) -> Row {
    row(owner, ttl, RData::SRV(SRV::new(1, 2, port, name(target))))
}

/// Serves a zone over UDP and TCP on one port, for as long as it is held.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(zone: Zone) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The same port may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&asked);
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (read, from) = udp.recv_from(&mut buffer).await.unwrap();
                let answer = answer(&buffer[..read], zone, false, &log);
                udp.send_to(&answer, from).await.unwrap();
            }
        });
        let log = Arc::clone(&asked);
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    stream.read_exact(&mut question).await.unwrap();
                    let answer = answer(&question, zone, true, &log);
                    stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new([self.address])
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(question: &[u8], zone: Zone, tcp: bool, asked: &Mutex<Vec<String>>) -> Vec<u8> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries[0].clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    let over = if tcp { "tcp" } else { "udp" };
    asked.lock().unwrap().push(format!("{over} {name} {}", query.query_type()));
    let mut message = zone(&name, query.query_type(), tcp);
    message.metadata.id = question.metadata.id;
    message.add_query(query);
    message.to_vec().unwrap()
}

/// No question over loopback takes so long, but those of a test that fails.
async fn soon<T>(answer: impl Future<Output = T>) -> T {
    timeout(SECOND * 20, answer).await.expect("there is no answer")
}

#[tokio::test]
async fn the_resolver_reads_records_their_smallest_ttl_and_what_is_beside_them() {
    let server = Server::start(|name, _, _| {
        let mut message = reply(
            ResponseCode::NoError,
            [
                srv_row(name, 30, 80, "A.example."),
                srv_row(name, 7, 81, "b.example."),
                srv_row("other.example.", 1, 82, "c.example."),
            ],
        );
        message.add_additional(row("a.example.", 5, RData::A(A::new(10, 0, 0, 1))));
        message
    })
    .await;
    let found = soon(server.resolver().srv("_http._tcp.hello.example")).await.unwrap();
    let beside = Answer::new([ip(1)], SECOND * 5);
    let expected = [
        Record::new(1, 2, 80, "A.example.").addresses(beside),
        Record::new(1, 2, 81, "b.example."),
    ];
    assert_eq!(found, Answer::new(expected, SECOND * 7));
    assert_eq!(server.asked(), ["udp _http._tcp.hello.example. SRV"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_answer_and_servfail_none() {
    let server = Server::start(|name, _, _| match name {
        "gone.example." => with_soa(reply(ResponseCode::NXDomain, []), 60, 9),
        "empty.example." => with_soa(reply(ResponseCode::NoError, []), 4, 9),
        "bare.example." => reply(ResponseCode::NXDomain, []),
        "refused.example." => reply(ResponseCode::Refused, []),
        "elsewhere.example." => {
            let mut message = reply(ResponseCode::NoError, []);
            message.add_authority(row("example.", 1, RData::NS(NS(Name::root()))));
            message
        }
        _ => reply(ResponseCode::ServFail, []),
    })
    .await;
    let resolver = server.resolver();
    let none = |ttl: Option<Duration>| Answer::new([], ttl);
    assert_eq!(soon(resolver.srv("gone.example")).await.unwrap(), none(Some(SECOND * 9)));
    assert_eq!(soon(resolver.srv("empty.example")).await.unwrap(), none(Some(SECOND * 4)));
    assert_eq!(soon(resolver.srv("bare.example")).await.unwrap(), none(None));
    let refused = soon(resolver.srv("refused.example")).await.unwrap_err();
    assert_eq!(refused.to_string(), "the name server answered REFUSED");
    let failed = soon(resolver.srv("broken.example")).await.unwrap_err();
    assert_eq!(failed.to_string(), "the name server answered SERVFAIL");
    let referred = soon(resolver.srv("elsewhere.example")).await.unwrap_err();
    assert!(matches!(referred, Error::Referred), "{referred}");
    let invalid = soon(resolver.srv("a..b")).await.unwrap_err();
    assert!(matches!(invalid, Error::Name(_)), "{invalid}");
    let nobody = soon(Resolver::new([]).srv("hello.example")).await.unwrap_err();
    assert!(matches!(nobody, Error::NoServers), "{nobody}");
}

#[tokio::test]
async fn what_is_cut_short_over_udp_is_asked_for_over_tcp() {
    let server = Server::start(|name, _, tcp| {
        let count = if tcp { 200 } else { 1 };
        let rows = (1..=count).map(|port| srv_row(name, 5, port, "a.example."));
        let mut message = reply(ResponseCode::NoError, rows);
        message.metadata.truncation = !tcp;
        message
    })
    .await;
    let found = soon(server.resolver().srv("hello.example")).await.unwrap();
    assert_eq!(found.records.len(), 200);
    assert_eq!(server.asked(), ["udp hello.example. SRV", "tcp hello.example. SRV"]);
    let found = soon(server.resolver().tcp().srv("hello.example")).await.unwrap();
    assert_eq!(found.records.len(), 200);
    assert_eq!(server.asked().last().unwrap(), "tcp hello.example. SRV");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn the_next_name_server_is_asked_when_one_does_not_know_and_is_then_the_first() {
    let broken = Server::start(|_, _, _| reply(ResponseCode::ServFail, [])).await;
    let knows = Server::start(|name, _, _| {
        reply(ResponseCode::NoError, [srv_row(name, 5, 80, "a.example.")])
    })
    .await;
    let resolver = Resolver::new([broken.address, knows.address]);
    for _ in 0..3 {
        assert_eq!(soon(resolver.srv("hello.example")).await.unwrap().records.len(), 1);
    }
    assert_eq!((broken.asked().len(), knows.asked().len()), (1, 3));
}

#[tokio::test]
async fn both_kinds_of_addresses_are_found_or_the_answer_is_none() {
    let server = Server::start(|name, kind, _| match (name, kind) {
        ("half.example.", RecordType::AAAA) => reply(ResponseCode::ServFail, []),
        ("four.example.", RecordType::AAAA) => with_soa(reply(ResponseCode::NoError, []), 1, 1),
        (_, RecordType::AAAA) => {
            let six = AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            reply(ResponseCode::NoError, [row(name, 40, RData::AAAA(six))])
        }
        _ => reply(ResponseCode::NoError, [row(name, 50, RData::A(A::new(10, 0, 0, 1)))]),
    })
    .await;
    let resolver = server.resolver();
    let six: IpAddr = "2001:db8::1".parse().unwrap();
    let both = soon(resolver.addresses("both.example", Family::Any)).await.unwrap();
    assert_eq!(both, Answer::new([ip(1), six], SECOND * 40));
    let four = soon(resolver.addresses("four.example", Family::Any)).await.unwrap();
    assert_eq!(four, Answer::new([ip(1)], SECOND * 50));
    let half = soon(resolver.addresses("half.example", Family::Any)).await.unwrap_err();
    assert!(matches!(half, Error::Answered(_)), "{half}");
    let half = soon(resolver.addresses("half.example", Family::V4)).await.unwrap();
    assert_eq!(half, Answer::new([ip(1)], SECOND * 50));
}

#[tokio::test]
async fn aliases_are_followed_to_their_end_and_not_round_and_round() {
    fn alias(owner: &str, ttl: u32, target: &str) -> Row {
        row(owner, ttl, RData::CNAME(CNAME(name(target))))
    }
    let server = Server::start(|name, _, _| match name {
        // The server follows it.
        "whole.example." => {
            let end = srv_row("end.example.", 9, 80, "a.example.");
            reply(ResponseCode::NoError, [alias(name, 6, "end.example."), end])
        }
        // The server leaves that to us.
        "part.example." => reply(ResponseCode::NoError, [alias(name, 60, "end.example.")]),
        "end.example." => reply(ResponseCode::NoError, [srv_row(name, 8, 80, "a.example.")]),
        "dangling.example." => {
            let alias = alias(name, 60, "gone.example.");
            with_soa(reply(ResponseCode::NXDomain, [alias]), 3, 3)
        }
        "stray.example." => reply(ResponseCode::NoError, [alias(name, 60, "off.example.")]),
        "off.example." => reply(ResponseCode::NoError, [srv_row("x.example.", 8, 80, "a.")]),
        _ => reply(ResponseCode::NoError, [alias(name, 60, name)]),
    })
    .await;
    let resolver = server.resolver();
    let end = |ttl| Answer::new([Record::new(1, 2, 80, "a.example.")], SECOND * ttl);
    assert_eq!(soon(resolver.srv("whole.example")).await.unwrap(), end(6));
    assert_eq!(soon(resolver.srv("part.example")).await.unwrap(), end(8));
    let none = Answer::new([], SECOND * 3);
    assert_eq!(soon(resolver.srv("dangling.example")).await.unwrap(), none);
    assert_eq!(soon(resolver.srv("stray.example")).await.unwrap().records, []);
    let endless = soon(resolver.srv("loop.example")).await.unwrap_err();
    assert!(matches!(endless, Error::Aliases(8)), "{endless}");
}

#[tokio::test]
async fn an_instancer_follows_a_name_server() {
    let server = Server::start(|name, _, _| {
        reply(ResponseCode::NoError, [srv_row(name, 5, 80, "a.example.")])
    })
    .await;
    let watch = Watch::spawn(Srv::new(server.resolver(), "hello.example"));
    let mut hello = watch.instances();
    soon(hello.changed()).await.unwrap();
    assert_eq!(
        (hello.service(), &*addresses(&hello)),
        ("hello.example", &["a.example:80".to_owned()][..])
    );
    assert_eq!(hello.snapshot().instances[0].weight, 2);
}

#[test]
fn types_can_be_shared_and_sent() {
    fn both<T: Send + Sync>() {}
    both::<Srv<Resolver>>();
    both::<Addresses<Resolver>>();
    both::<Resolver>();
    both::<Error>();
}
