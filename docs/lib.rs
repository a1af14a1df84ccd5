//! The book, and the tests that keep it true: every Rust snippet is compiled,
//! and run where it can be.
//!
//! *Your first service* is no doctest but a program, the example
//! `first-service`, and *Write your own backend* a module of `tests/backend.rs`;
//! tests say that the pages show them word for word. The build script of the
//! first is compiled here.

macro_rules! pages {
    ($($page:literal $name:ident,)*) => {$(
        #[cfg(doctest)]
        #[doc = include_str!(concat!("src/", $page, ".md"))]
        pub struct $name;
    )*};
}

pages! {
    "coming-from-go-kit" ComingFromGoKit,
    "endpoints" Endpoints,
    "errors" Errors,
    "deadlines" Deadlines,
    "transports" Transports,
    "clients" Clients,
    "streams" Streams,
    "layers" Layers,
    "auth" Auth,
    "overload" Overload,
    "logging" Logging,
    "tracing" Tracing,
    "metrics" Metrics,
    "exporters" Exporters,
    "debug-port" DebugPort,
    "discovery" Discovery,
    "running" Running,
    "conformance" Conformance,
    "security-defaults" SecurityDefaults,
    "tls" Tls,
    "watch" Watch,
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[cfg(doctest)]
#[doc = concat!("```no_run\n", include_str!("first-service/build.rs"), "```")]
pub struct BuildScript;
