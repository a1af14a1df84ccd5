//! The instancer of a file, over files in a folder of each test's own.
#![cfg(feature = "file")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{
    Follower, Health, Instancer as _, Instances, State, Watch,
    file::{Error, Instancer},
};
use std::{fs, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A file that can be written, and is gone with its folder.
struct File {
    folder: TempDir,
    path: PathBuf,
}

impl File {
    fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        Self { folder, path }
    }

    fn toml(text: &str) -> Self {
        let file = Self::named("hello.toml");
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    fn instancer(&self) -> Instancer {
        Instancer::new("hello", &self.path)
    }

    fn watch(&self) -> Watch {
        Watch::spawn(self.instancer())
    }

    /// What is wrong with it.
    fn mistakes(&self) -> Vec<String> {
        match self.instancer().read().unwrap_err() {
            Error::Mistakes { mistakes, .. } => mistakes,
            other => panic!("{other}"),
        }
    }
}

fn list(ports: &[u16]) -> String {
    let one = |port| format!("[[instances]]\naddress = \"10.0.0.1:{port}\"\n");
    if ports.is_empty() { "instances = []".to_owned() } else { ports.iter().map(one).collect() }
}

fn ports(instances: &Instances) -> Vec<u16> {
    instances.snapshot().instances.iter().map(|one| one.address.port()).collect()
}

#[test]
fn every_field_of_an_instance_can_be_written() {
    let file = File::toml(
        r#"
        [[instances]]
        address = "hello.example.com:80"
        id = "one"
        service = "hello"
        tags = ["a", "b"]
        metadata = { team = "x" }
        version = "1.4.0"
        zone = "eu-1a"
        weight = 3
        health = "draining"
        "#,
    );
    let found = file.instancer().read().unwrap();
    let expected = kit_sd::Instance::new("hello", "hello.example.com:80".parse().unwrap())
        .id("one")
        .tag("a")
        .tag("b")
        .metadata("team", "x")
        .version("1.4.0")
        .zone("eu-1a")
        .weight(3)
        .health(Health::Draining);
    assert_eq!(found, [expected]);
}

#[test]
fn json_is_read_as_toml_is() {
    let json = File::named("hello.JSON");
    json.write(
        r#"{"instances": [{"address": "[::1]:80"}, {"address": "10.0.0.1:81", "weight": 2}]}"#,
    );
    let toml = File::toml(
        "instances = [{ address = '[::1]:80' }, { address = '10.0.0.1:81', weight = 2 }]",
    );
    let found = json.instancer().read().unwrap();
    assert_eq!(found, toml.instancer().read().unwrap());
    assert_eq!(found[0].id, "hello-::1-80");
    assert_eq!((found[0].weight, found[1].weight), (1, 2));
}

#[test]
fn instances_of_other_services_are_left_out() {
    let file = File::toml(
        "instances = [
            { address = '10.0.0.1:80' },
            { address = '10.0.0.2:80', service = 'bye' },
            { address = '10.0.0.3:80', service = 'hello' },
        ]",
    );
    let of = |service: &str| {
        let found = Instancer::new(service, &file.path).read().unwrap();
        found.iter().map(|one| one.address.host().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of("hello"), ["10.0.0.1", "10.0.0.3"]);
    assert_eq!(of("bye"), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn every_mistake_is_named_at_once() {
    let file = File::toml(
        r#"
        instanses = []
        [[instances]]
        address = "10.0.0.1:0"
        health = "fine"
        wieght = 2
        [[instances]]
        address = "10.0.0.2:80"
        [[instances]]
        weight = -1
        address = "10.0.0.2:80"
        [[instances]]
        id = "no address"
        [[instances]]
        address = "10.0.0.2:80"
        "#,
    );
    assert_eq!(
        file.mistakes(),
        [
            "the key `instanses` is not known",
            "instances[0]: the key `wieght` is not known",
            "instances[0]: the address \"10.0.0.1:0\" cannot be dialled: the port must be a number \
             from 1 to 65535",
            "instances[0]: the health \"fine\" is none: the health must be passing, warning, \
             draining or critical",
            "instances[2]: invalid value: integer `-1`, expected u32",
            "instances[3]: missing field `address`",
            "instances[4]: \"hello-10.0.0.2-80\" at 10.0.0.2:80 is there already",
        ]
    );
}

#[test]
fn what_is_no_list_is_a_mistake_and_so_is_an_empty_file() {
    let mistakes = |name: &str, text: &str| {
        let file = File::named(name);
        file.write(text);
        file.mistakes()
    };
    assert_eq!(mistakes("a.toml", ""), ["the key `instances` is missing"]);
    assert_eq!(mistakes("a.toml", "instances = 1"), ["`instances` must be a list"]);
    assert_eq!(mistakes("a.json", "[]"), ["it must be an object with the key `instances`"]);
    assert_eq!(mistakes("a.json", ""), ["EOF while parsing a value at line 1 column 0"]);
    let [syntax] = mistakes("a.toml", "\n\ninstances = [").try_into().unwrap();
    assert!(syntax.ends_with("at line 3"), "{syntax}");
    assert!(!syntax.contains('\n'));
}

#[test]
fn what_cannot_be_read_says_why() {
    let file = File::named("hello.yaml");
    let missing = file.instancer().read().unwrap_err();
    assert!(matches!(missing, Error::Read { .. }), "{missing}");
    file.write("instances: []");
    let unknown = file.instancer().read().unwrap_err();
    assert!(unknown.to_string().ends_with("ends neither in .json nor in .toml"), "{unknown}");
    let folder = Instancer::new("hello", file.folder.path()).read().unwrap_err();
    assert!(matches!(folder, Error::NotAFile(_)), "{folder}");
    let large = File::named("large.toml");
    fs::File::create(&large.path).unwrap().set_len((16 << 20) + 1).unwrap();
    let large = large.instancer().read().unwrap_err();
    assert!(matches!(large, Error::TooLarge { .. }), "{large}");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_within_two_seconds_and_no_change_wakes_nobody() {
    let file = File::toml(&list(&[1, 2]));
    let watch = file.watch();
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    assert_eq!(ports(&hello), [1, 2]);
    assert!(timeout(SECOND * 60, hello.changed()).await.is_err());
    file.write(&list(&[2, 3]));
    let written = Instant::now();
    hello.changed().await.unwrap();
    assert!(written.elapsed() < SECOND * 2, "{:?}", written.elapsed());
    assert_eq!(ports(&hello), [2, 3]);
    let seen = hello.snapshot();
    assert_eq!((seen.revision, seen.failures), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn how_often_it_is_looked_at_can_be_set() {
    let file = File::toml(&list(&[1]));
    let watch = Watch::spawn(file.instancer().every(SECOND * 60));
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    file.write(&list(&[2]));
    sleep(SECOND * 59).await;
    assert_eq!(ports(&hello), [1]);
    sleep(SECOND * 2).await;
    assert_eq!(ports(&hello), [2]);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn the_swapped_links_of_a_config_map_and_a_renamed_file_are_changes() {
    use std::os::unix::fs::symlink;

    // As Kubernetes does: `hello.toml -> ..data/hello.toml`, `..data -> ..1`.
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let publish = |version: &str, text: &str| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("hello.toml"), text).unwrap();
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    publish("..1", &list(&[1]));
    symlink("..data/hello.toml", at("hello.toml")).unwrap();
    let watch = Watch::spawn(Instancer::new("hello", at("hello.toml")));
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    publish("..2", &list(&[2]));
    hello.changed().await.unwrap();
    assert_eq!(ports(&hello), [2]);
    fs::write(at("new"), list(&[3])).unwrap();
    fs::rename(at("new"), at("hello.toml")).unwrap();
    hello.changed().await.unwrap();
    assert_eq!(ports(&hello), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_keeps_the_last_good_set_and_says_why_once() {
    let file = File::toml(&list(&[1]));
    let watch = file.watch();
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    file.write("instances = [{ address = '10.0.0.1:0' }]");
    let stale = hello.wait_for(|seen| seen.failures == 1).await.unwrap();
    let error = stale.state.error().unwrap();
    assert!(error.contains("hello.toml") && error.contains("instances[0]"), "{error}");
    sleep(SECOND * 60).await;
    assert_eq!((ports(&hello), hello.snapshot().failures), (vec![1], 1));
    // The same as before is right again.
    file.write(&list(&[1]));
    let fresh = hello.wait_for(|seen| seen.state == State::Fresh).await.unwrap();
    assert_eq!(fresh.revision, 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_may_come_later_and_go() {
    let file = File::named("hello.toml");
    let watch = file.watch();
    let mut hello = watch.instances();
    let missing = hello.wait_for(|seen| seen.failures == 1).await.unwrap();
    assert_eq!(missing.state.name(), "never_seen");
    assert!(missing.state.error().unwrap().contains("cannot be read"));
    file.write(&list(&[1]));
    hello.changed().await.unwrap();
    fs::remove_file(&file.path).unwrap();
    let stale = hello.wait_for(|seen| seen.failures == 2).await.unwrap();
    assert_eq!((stale.instances.len(), stale.state.name()), (1, "stale"));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_half_written_is_waited_for() {
    let file = File::toml(&list(&[1, 2, 3]));
    let watch = file.watch();
    let mut hello = watch.instances();
    hello.changed().await.unwrap();
    // Right in the middle of a second; the rest comes while that is settling.
    sleep(Duration::from_millis(999)).await;
    file.write(&list(&[1]));
    sleep(Duration::from_millis(50)).await;
    file.write(&list(&[1, 2, 3, 4]));
    hello.changed().await.unwrap();
    assert_eq!(ports(&hello), [1, 2, 3, 4]);
    assert_eq!(hello.snapshot().revision, 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_empty_is_doubted_for_the_grace_and_then_believed() {
    let file = File::toml(&list(&[1]));
    let cautious = file.watch();
    let trusting = Follower::new(file.instancer()).grace(Duration::ZERO).spawn();
    let (mut doubted, mut believed) = (cautious.instances(), trusting.instances());
    doubted.changed().await.unwrap();
    believed.changed().await.unwrap();
    file.write(&list(&[]));
    assert!(believed.changed().await.unwrap().instances.is_empty());
    doubted.wait_for(|seen| seen.state.name() == "suspect").await.unwrap();
    assert_eq!(ports(&doubted), [1]);
    sleep(SECOND * 31).await;
    assert_eq!((ports(&doubted), doubted.snapshot().state.name()), (vec![], "fresh"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_before_it_runs_and_nothing_after_it_is_dropped() {
    let file = File::named("hello.toml");
    let instancer = file.instancer();
    assert_eq!(instancer.service(), "hello");
    file.write(&list(&[1]));
    let watch = Watch::spawn(instancer);
    let mut hello = watch.instances();
    assert_eq!(hello.changed().await.unwrap().instances.len(), 1);
    drop(watch);
    file.write(&list(&[2]));
    sleep(SECOND * 5).await;
    assert_eq!((ports(&hello), hello.snapshot().state.name()), (vec![1], "stale"));
}

#[cfg(feature = "testing")]
mod suite {
    use super::*;
    use kit_sd::{
        Instance,
        testing::{self, Backend},
    };
    use serde_json::{Value, json};
    use std::{collections::BTreeMap, sync::Mutex};

    /// A file with the instances of several services.
    struct Shared(File, Mutex<BTreeMap<String, Value>>);

    impl Shared {
        fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Value>)) {
            let mut all = self.1.lock().unwrap();
            change(&mut all);
            let instances: Vec<_> = all.values().collect();
            self.0.write(&json!({ "instances": instances }).to_string());
        }
    }

    impl Backend for Shared {
        type Instancer = Instancer;

        fn instancer(&self, service: &str) -> Instancer {
            Instancer::new(service, &self.0.path).every(Duration::from_millis(100))
        }

        async fn put(&self, instance: &Instance) {
            let mut one = json!({
                "id": instance.id,
                "service": instance.service,
                "address": instance.address.to_string(),
                "tags": instance.tags,
                "metadata": instance.metadata,
                "weight": instance.weight,
                "health": instance.health.name(),
            });
            let facts = [("version", &instance.version), ("zone", &instance.zone)];
            for (name, value) in facts {
                if let Some(value) = value {
                    one[name] = json!(value);
                }
            }
            self.change(|all| _ = all.insert(instance.id.clone(), one));
        }

        async fn remove(&self, instance: &Instance) {
            self.change(|all| _ = all.remove(&instance.id));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_as_every_registry_must() {
        let shared = Shared(File::named("all.json"), Mutex::default());
        shared.change(|_| {});
        testing::follows(&shared).await.unwrap();
    }
}
