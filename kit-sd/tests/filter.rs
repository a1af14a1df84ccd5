//! Filters: which instances of a set a view shows.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_sd::{Filter, Health, Instance, Instances};
use tokio_test::{assert_pending, assert_ready, task};

fn instance(n: u8) -> Instance {
    Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap())
}

#[test]
fn without_a_condition_all_are_wanted() {
    assert!(Filter::new().matches(&instance(1).health(Health::Critical)));
}

#[test]
fn all_tags_are_asked_for_and_one_of_any() {
    let filter = Filter::new().tag("http").any_tag(["blue", "green"]).any_tag(["eu", "us"]);
    for (tags, is_wanted) in [
        (&["http", "blue", "eu"][..], true),
        (&["us", "green", "http"], true),
        (&["http", "blue"], false),
        (&["http", "eu"], false),
        (&["blue", "eu"], false),
        (&[], false),
    ] {
        let one = tags.iter().fold(instance(1), |one, tag| one.tag(*tag));
        assert_eq!(filter.matches(&one), is_wanted, "{tags:?}");
    }
    // No tag is one of none.
    assert!(!Filter::new().any_tag([""; 0]).matches(&instance(1)));
}

#[test]
fn metadata_and_zone_are_compared_whole() {
    let filter = Filter::new().metadata("team", "a").metadata("tier", "1").zone("eu-1a");
    let one = instance(1).metadata("team", "a").metadata("tier", "1").zone("eu-1a");
    assert!(filter.matches(&one));
    assert!(!filter.matches(&one.clone().metadata("tier", "2")));
    assert!(!filter.matches(&one.zone("eu-1")));
    assert!(!filter.matches(&instance(1)));
}

#[test]
fn health_is_a_least_one() {
    let serving = Filter::new().health(Health::Warning);
    let wanted = [Health::Passing, Health::Warning, Health::Draining, Health::Critical]
        .map(|health| serving.matches(&instance(1).health(health)));
    assert_eq!(wanted, [true, true, false, false]);
}

#[cfg(feature = "semver")]
mod versions {
    use super::*;
    use kit_sd::VersionRequirement;

    fn matching(requirement: &str, versions: &[&str]) -> Vec<String> {
        let requirement: VersionRequirement = requirement.parse().unwrap();
        let filter = Filter::new().version(requirement);
        let matches = |version: &&&str| filter.matches(&instance(1).version(**version));
        versions.iter().filter(matches).map(|version| (*version).to_owned()).collect()
    }

    // Kite's `Filter(">= 1.5.5")` over 1.0 to 1.9 keeps 4.
    #[test]
    fn a_lower_bound_keeps_what_is_above() {
        let all = ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"];
        assert_eq!(matching(">= 1.5.5", &all), ["1.6", "1.7", "1.8", "1.9"]);
    }

    // Go Micro sorts versions as strings, so that 1.10 is before 1.9.
    #[test]
    fn versions_are_numbers_and_not_text() {
        assert_eq!(matching(">1.9", &["1.9.0", "1.10.0", "1.8"]), ["1.10.0"]);
        assert_eq!(matching("~1.1", &["1.1.9", "1.2.3", "v1.1"]), ["1.1.9", "v1.1"]);
    }

    #[test]
    fn what_is_no_version_is_not_wanted() {
        assert_eq!(matching("*", &["latest", "", "1.2.3.4", "1"]), ["1"]);
        assert!(!Filter::new().version("*".parse().unwrap()).matches(&instance(1)));
        // An early version is wanted only where it is named.
        assert!(matching(">=1.0", &["1.1.0-rc.1"]).is_empty());
        assert_eq!(matching(">=1.1.0-rc", &["1.1.0-rc.1", "1.1-rc.1"]).len(), 2);
    }

    #[test]
    fn what_is_no_requirement_says_how_to_write_one() {
        let error = "new".parse::<VersionRequirement>().unwrap_err();
        assert!(error.to_string().contains(">=1.2, <2"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn a_view_shows_what_it_wants_and_wakes_for_nothing_else() {
    let (publisher, hello) = Instances::channel("hello");
    let mut blue = hello.filter(Filter::new().tag("blue"));
    assert_pending!(task::spawn(blue.changed()).poll());
    publisher.publish([instance(1).tag("blue"), instance(2)]);
    let first = assert_ready!(task::spawn(blue.changed()).poll()).unwrap();
    assert_eq!((first.instances.len(), first.revision), (1, 1));

    publisher.publish([instance(1).tag("blue"), instance(3)]);
    assert_pending!(task::spawn(blue.changed()).poll());
    assert_eq!(blue.snapshot().instances.len(), 1);
    assert_eq!(hello.snapshot().revision, 2);

    // That none is there is news too, once.
    publisher.publish([instance(3)]);
    let second = assert_ready!(task::spawn(blue.changed()).poll()).unwrap();
    assert_eq!((second.instances.len(), second.revision), (0, 2));
    publisher.publish([instance(2)]);
    assert_pending!(task::spawn(blue.changed()).poll());

    // How fresh the set is, is every view's.
    publisher.fail("refused");
    assert_eq!(blue.current().state.error(), Some("refused"));
}

#[test]
fn a_view_without_instances_has_a_first_set_all_the_same() {
    let (publisher, hello) = Instances::channel("hello");
    let mut blue = hello.filter(Filter::new().tag("blue"));
    publisher.publish([instance(2)]);
    let first = assert_ready!(task::spawn(blue.changed()).poll()).unwrap();
    assert!(first.instances.is_empty());
    assert_eq!(first.revision, 1);
}
