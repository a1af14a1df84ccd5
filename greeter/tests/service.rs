//! The service, in plain Rust.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::service::{Error, Greeter, LONGEST_NAME, Logging, MOST_NAMES, Service};
use std::cell::RefCell;

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn greets_by_name() {
    assert_eq!(Greeter.greeting("Ada").unwrap(), "Hello, Ada!");
    assert_eq!(Greeter.greeting("Zoë 🦀").unwrap(), "Hello, Zoë 🦀!");
}

#[test]
fn is_well() {
    assert!(Greeter.health());
}

#[test]
fn greets_nobody_without_a_name() {
    let error = Greeter.greeting("").unwrap_err();
    assert_eq!(error, Error::EmptyName);
    assert!(error.to_string().contains("say whom to greet"), "{error}");
}

#[test]
fn counts_the_name_in_bytes() {
    assert!(Greeter.greeting(&"é".repeat(LONGEST_NAME / 2)).is_ok());
    assert_eq!(Greeter.greeting(&"é".repeat(LONGEST_NAME / 2 + 1)), Err(Error::LongName));
    assert!(Greeter.greeting(&"a".repeat(LONGEST_NAME)).is_ok());
    assert_eq!(Greeter.greeting(&"a".repeat(LONGEST_NAME + 1)), Err(Error::LongName));
}

#[test]
fn says_how_long_a_name_may_be_and_how_many_there_may_be() {
    let said = Error::LongName.to_string();
    assert!(said.contains(&format!("at most {LONGEST_NAME} bytes")), "{said}");
    let said = Error::ManyNames.to_string();
    assert!(said.ends_with(&format!("at most {MOST_NAMES}")), "{said}");
}

#[test]
fn logging_says_each_call_and_its_result_in_one_line() {
    let service =
        Logging(Greeter, Some(|call| SAID.with_borrow_mut(|said| said.push(call.to_string()))));
    assert_eq!(service.greeting("Ada").unwrap(), "Hello, Ada!");
    assert_eq!(service.greeting("a\nb").unwrap(), "Hello, a\nb!");
    assert_eq!(service.greeting(""), Err(Error::EmptyName));
    assert!(service.health());
    let said = SAID.take();
    let expected = [
        r#"greeting("Ada") = Ok("Hello, Ada!")"#,
        r#"greeting("a\nb") = Ok("Hello, a\nb!")"#,
        r#"greeting("") = Err(EmptyName)"#,
        "health() = true",
    ];
    assert_eq!(said, expected);
}

#[test]
fn logging_without_a_function_is_the_service_alone() {
    let service = Logging(Greeter, None);
    assert_eq!(service.greeting("Ada").unwrap(), "Hello, Ada!");
    assert_eq!(service.greeting(""), Err(Error::EmptyName));
    assert!(service.health());
}
