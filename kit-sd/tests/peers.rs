//! The cases of Go kit's, Go Micro's, Kite's and Kratos' tests of discovery,
//! and where each is. Those that no other test holds are here.
//!
//! | Go kit, `sd` | here |
//! |---|---|
//! | endpoint cache: populate | `endpointer.rs` `survivors_are_kept_new_ones_made_and_gone_ones_dropped` |
//! | a duplicate update is none | `instances.rs` `the_same_set_wakes_nobody_and_shares_its_instances` |
//! | an error keeps the endpoints | `endpointer.rs` `an_outage_changes_nothing` |
//! | removing one closes that one; emptying closes all | `endpointer.rs` `survivors_are_kept_new_ones_made_and_gone_ones_dropped` |
//! | invalidated so long after the first error, not the last | `follower.rs` `an_error_keeps_the_set_for_ever_or_for_as_long_as_is_said` |
//! | a bad factory | `endpointer.rs` `a_factory_that_fails_for_one_does_not_drop_the_rest_and_is_tried_again` |
//! | the state of the beginning is delivered | `instances.rs` `a_late_subscriber_sees_the_set_at_once` |
//! | nothing after `Close` | `endpointer.rs` `dropping_it_drops_every_endpoint_though_balancers_live` |
//! | instance cache: sorted, a change is an event, the same is none | `instances.rs` `the_set_is_sorted_and_has_every_instance_once` |
//! | a copy of 1000 instances, raced for | `instances.rs` `readers_on_other_threads_see_whole_sets_that_only_grow_newer` |
//! | retry: no endpoints, 999 tries | `retry.rs` `without_endpoints_many_tries_are_none` |
//! | two tries, three tries | `retry.rs` `two_tries_over_two_failures_fail` |
//! | ... and it goes well | `retry.rs` `three_tries_over_two_failures_succeed` |
//! | the time is over | `retry.rs` `one_time_is_for_all_attempts_and_their_errors_are_kept` |
//! | a callback that ends it | `retry.rs` `a_function_that_says_no_ends_it_with_the_error_as_it_was` |
//! | round robin: exact, none, many threads | `round_robin.rs` `many_threads_share_one_turn` |
//! | random: a million picks within 1 % | `random.rs` `in_a_million_picks_each_of_seven_comes_up_within_one_percent` |
//!
//! | Go kit, `sd/consul` | here |
//! |---|---|
//! | tags: two of three, two tags one | `consul_live.rs` `tags_are_all_asked_for` |
//! | an unknown service | `consul_instancer.rs` `an_unknown_service_has_no_instances` |
//! | the service's own address | `consul_instancer.rs` `addresses_fall_back_to_the_nodes_and_what_cannot_be_dialled_is_left_out` |
//! | EOF, then recovery | `consul_instancer.rs` `it_outlives_a_failure_and_asks_from_the_start_again` |
//! | index 100, then 99 | `consul_instancer.rs` `an_index_that_goes_back_is_forgotten_and_its_answer_suspect` |
//! | the index that is sent advances | `consul_instancer.rs` `the_index_that_is_sent_is_the_one_that_came` |
//! | register and deregister, each twice | `consul_live.rs` `registering_and_deregistering_twice_is_as_once` |
//!
//! | Go kit, `sd/etcdv3` and `sd/dnssrv` | here |
//! |---|---|
//! | no key, no value | an address and an id are types; `etcd.rs` `what_is_no_instance_is_left_out_and_said` |
//! | the entries: an error, none, some | `etcd.rs` `what_is_listed_and_each_change_is_the_set` |
//! | a watch that ends | `etcd.rs` `a_watch_that_ends_is_a_failure_and_lists_again` |
//! | the registrar's defaults | `etcd.rs` `the_defaults_are_go_kits` |
//! | the integration, in its layout | `etcd_live.rs` `go_kits_layout_is_written_and_read` |
//! | by its ticks 0, then 3 instances | `dns.rs` `three_instances_come_with_the_second_lookup` |
//! | a record with port 0 | `dns.rs` `a_record_with_port_0_is_left_out_and_the_others_stay` |
//!
//! What Go kit gets wrong, and must not come here (its issues' numbers):
//!
//! | defect | test |
//! |---|---|
//! | dropping an endpointer closes nothing | `endpointer.rs` `dropping_it_drops_every_endpoint_though_balancers_live` |
//! | a failed factory is not tried again | `endpointer.rs` `a_factory_that_fails_for_one_does_not_drop_the_rest_and_is_tried_again` |
//! | duplicates make two endpoints | `endpointer.rs` `duplicates_make_one_endpoint` |
//! | a stalled subscriber blocks all (#626) | `instances.rs` `a_slow_subscriber_sees_the_last_set_and_holds_up_nobody` |
//! | `Stop` does not cancel the query | `consul_instancer.rs` `dropping_the_watch_drops_the_query_that_waits` |
//! | ... within 100 ms, over a socket | `consul_agent.rs` `a_watch_asks_waits_and_reads_what_consul_answers` |
//! | index 0, answers at once: a storm (#1214) | `consul_instancer.rs` `a_registry_that_answers_at_once_is_asked_ten_times_a_second` |
//! | retry: of everything, without a budget of time | `retry.rs` `what_the_caller_did_is_never_tried_again` |
//! | a registration is not renewed (#1043) | `keeper.rs` `an_instance_that_was_lost_is_registered_again_at_once` |
//! | a lease that is lost stays lost | `etcd.rs` `a_key_that_is_deleted_or_a_lease_that_is_lost_is_put_again_at_once` |
//! | a gap between get and watch (#898) | `etcd.rs` `nothing_falls_between_the_list_and_the_watch` |
//! | `/svc/foo` matches `/svc/foobar` | `etcd_live.rs` `a_service_that_begins_as_another_is_not_mixed_up_with_it` |
//! | deregistering closes others' watches | `etcd_live.rs` `a_cluster_goes_on_for_others_after_a_deregistration` |
//! | IPv6 without brackets (#1274) | `address.rs` `ipv6_is_written_in_brackets_however_it_was_given` |
//! | an empty answer drops all at once | `follower.rs` `a_suspect_set_is_dropped_exactly_at_its_grace` |
//! | an outage at the start hides its error | `instances.rs` `an_error_keeps_the_set_and_is_seen` |
//!
//! | Go Micro, Kite, Kratos | here |
//! |---|---|
//! | Go Micro: 10 concurrent misses, one call | one set serves all: `instances.rs` `a_late_subscriber_sees_the_set_at_once` |
//! | the registry is down: stale | `instances.rs` `an_error_keeps_the_set_and_is_seen` |
//! | its error is shared by those who wait | `an_error_is_seen_by_all_who_watch` |
//! | throttled while it fails, and not after | `consul_instancer.rs` `a_registry_that_fails_is_asked_less_and_less` |
//! | a TTL expires | `consul_live.rs` `a_ttl_is_kept_alive_and_lapses_without_its_keeper` |
//! | any critical check drops a node; all: none | `an_instance_of_which_any_check_is_critical_gets_no_calls` |
//! | a transport's error surfaces | `consul_agent.rs` `an_agent_that_is_absent_is_named` |
//! | etcd: TTL <= 0, a closed keepalive: the lease is lost | `etcd.rs` `a_lease_that_is_lost_is_found_out_by_its_heartbeat_too` |
//! | ... N refreshes, few logins | `etcd_live.rs` `a_user_logs_in_with_a_password` |
//! | a version that matches, none that does | `filter.rs` `versions_are_numbers_and_not_text` |
//! | a label that matches, none, no metadata | `filter.rs` `metadata_and_zone_are_compared_whole` |
//! | a failing check stays deregistered | `keeper.rs` `what_fails_its_check_is_deregistered_once_and_stays_so` |
//! | Kite: `>= 1.5.5` over 1.0 to 1.9 keeps 4 | `filter.rs` `a_lower_bound_keeps_what_is_above` |
//! | ... registered again with a new URL | `one_that_moves_under_its_id_is_another` |
//! | Kratos: an empty update is refused | `follower.rs` `a_suspect_set_is_dropped_exactly_at_its_grace` |
//! | ... what is known of a node outlives an update | `endpointer.rs` `survivors_are_kept_new_ones_made_and_gone_ones_dropped` |

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{Balancer, Endpointer, Health, Instance, Instances, NoEndpoints, RoundRobin};
use std::{convert::Infallible, fs, path::Path};
use tokio::task::yield_now;

#[test]
fn every_case_has_its_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut rows = 0;
    for row in include_str!("peers.rs").lines().filter_map(|line| line.strip_prefix("//! |")) {
        let parts: Vec<_> = row.rsplit('|').nth(1).unwrap_or_default().split('`').collect();
        let (file, test) = match parts[..] {
            [_, file, _, test, _] => (file, test),
            [_, test, _] => ("peers.rs", test),
            // A head, or what is under it.
            _ => continue,
        };
        let source =
            fs::read_to_string(tests.join(file)).unwrap_or_else(|_| panic!("{file}: {row}"));
        assert!(source.contains(&format!("fn {test}()")), "{file} has no {test}: {row}");
        rows += 1;
    }
    assert!(rows > 55, "{rows} rows");
}

fn instance(n: u8) -> Instance {
    Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap())
}

#[tokio::test]
async fn an_error_is_seen_by_all_who_watch() {
    let (publisher, hello) = Instances::channel("hello");
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let mut hello = hello.clone();
            tokio::spawn(async move {
                let seen = hello.wait_for(|seen| seen.failures > 0).await.unwrap();
                seen.state.error().map(str::to_owned)
            })
        })
        .collect();
    yield_now().await;
    publisher.fail("refused");
    for one in waiting {
        assert_eq!(one.await.unwrap().as_deref(), Some("refused"));
    }
}

#[tokio::test]
async fn an_instance_of_which_any_check_is_critical_gets_no_calls() {
    let (publisher, hello) = Instances::channel("hello");
    let endpointer = Endpointer::spawn(hello, |one: &Instance| Ok::<_, Infallible>(one.id.clone()));
    let balancer = RoundRobin::new(endpointer.endpoints());
    let picks = || {
        let mut picks: Vec<_> = (0..4).filter_map(|_| balancer.pick().ok()).collect();
        picks.sort_unstable();
        picks.dedup();
        picks
    };
    let settle = || async {
        for _ in 0..10 {
            yield_now().await;
        }
    };
    let of = |n, health| instance(n).id(n.to_string()).health(health);
    publisher.publish([
        of(1, Health::Passing),
        of(2, Health::Warning),
        of(3, Health::Critical),
        of(4, Health::Draining),
    ]);
    settle().await;
    assert_eq!(picks(), ["1", "2"]);
    // One that drains is better than none.
    publisher.publish([of(3, Health::Critical), of(4, Health::Draining)]);
    settle().await;
    assert_eq!(picks(), ["4"]);
    publisher.publish([of(3, Health::Critical)]);
    settle().await;
    assert!(matches!(balancer.pick(), Err(NoEndpoints { .. })));
}

#[test]
fn one_that_moves_under_its_id_is_another() {
    let (publisher, hello) = Instances::channel("hello");
    publisher.publish([instance(1).id("one")]);
    publisher.publish([instance(2).id("one")]);
    let seen = hello.snapshot();
    let [one] = &*seen.instances else { panic!("{seen:?}") };
    assert_eq!(one.address.to_string(), "10.0.0.2:80");
}
