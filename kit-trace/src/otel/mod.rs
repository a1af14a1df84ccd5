//! OpenTelemetry.

pub(crate) mod bridge;
