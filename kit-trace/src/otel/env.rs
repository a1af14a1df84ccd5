use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use std::{error, fmt};

/// A variable of the environment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVariable {
    name: &'static str,
    value: Box<str>,
    wanted: &'static str,
}

/// Describes a service that is called `name`, and nothing more. What else is known of
/// it are [`Resource::builder_empty`]'s attributes.
#[must_use]
pub fn resource(name: impl Into<String>) -> Resource {
    Resource::builder_empty().with_service_name(name.into()).build()
}

/// Describes a service by `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, read by
/// `get`; it is called `name` if neither says otherwise.
///
/// # Errors
///
/// Fails if the attributes are not `key=value`, with commas.
pub fn resource_from_env(
    name: impl Into<String>,
    get: impl Fn(&str) -> Option<String>,
) -> Result<Resource, BadVariable> {
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut resource = Resource::builder_empty().with_service_name(name.into());
    let attributes = get(ATTRIBUTES).unwrap_or_default();
    for pair in attributes.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let bad = || BadVariable::new(ATTRIBUTES, &attributes, "key=value,...");
        let (key, value) = pair.split_once('=').ok_or_else(bad)?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        resource = resource.with_attribute(KeyValue::new(key, value));
    }
    if let Some(name) = get("OTEL_SERVICE_NAME").filter(|name| !name.is_empty()) {
        resource = resource.with_service_name(name);
    }
    Ok(resource.build())
}

// ===== impl BadVariable =====

impl BadVariable {
    pub(super) fn new(name: &'static str, value: &str, wanted: &'static str) -> Self {
        Self { name, value: value.into(), wanted }
    }
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, wanted } = self;
        write!(f, "{name} cannot be {value:?}: give {wanted}")
    }
}

impl error::Error for BadVariable {}
