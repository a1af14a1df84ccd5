//! OpenTelemetry's variables of the exporter of OTLP.

use super::{BadOtlp, Otlp, absolute};
use crate::otel::env::Variables;
use http::{HeaderName, HeaderValue};
use std::time::Duration;

/// A setting by its two names: that of traces goes first, that of all signals holds where
/// there is no such.
struct Setting([&'static str; 2]);

macro_rules! settings {
    ($($name:ident)*) => {
        $(const $name: Setting = Setting([
            concat!("OTEL_EXPORTER_OTLP_TRACES_", stringify!($name)),
            concat!("OTEL_EXPORTER_OTLP_", stringify!($name)),
        ]);)*
    };
}

settings! { ENDPOINT PROTOCOL HEADERS TIMEOUT CERTIFICATE CLIENT_CERTIFICATE CLIENT_KEY COMPRESSION }

const ADDRESS: &str = "http://HOST:PORT or https://HOST:PORT";

/// What the variables say.
#[derive(Default)]
struct Settings {
    grpc: bool,
    endpoint: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Option<Duration>,
    authorities: Option<(&'static str, String)>,
    gzip: bool,
}

impl Otlp {
    /// Reads OpenTelemetry's variables by `get`; `None` if nothing is to be sent.
    ///
    /// `OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER` (`otlp` or `none`) say whether; the
    /// rest are of `OTEL_EXPORTER_OTLP_...`, where that of `OTEL_EXPORTER_OTLP_TRACES_...`
    /// goes first:
    ///
    /// - `ENDPOINT`: by default `http://localhost:4318`, with gRPC `:4317`; over HTTP
    ///   `/v1/traces` is appended to that of all signals, and nothing to that of traces.
    /// - `PROTOCOL`: `http/protobuf`, which is the default, or `grpc`.
    /// - `HEADERS`: `name=value,...`, the values percent-encoded.
    /// - `TIMEOUT`: milliseconds, for all tries of a batch; by default 10000.
    /// - `COMPRESSION`: `none`, which is the default, or with the feature `gzip` also
    ///   `gzip`.
    /// - `CERTIFICATE`: a file of the authorities to trust, which is read here.
    ///   (`CLIENT_CERTIFICATE` and `CLIENT_KEY` are refused: take
    ///   [`http_by`](Self::http_by) or [`grpc_by`](Self::grpc_by).)
    ///
    /// ```
    /// use kit_trace::otel::Otlp;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // A program says: `Otlp::from_env(|name| std::env::var(name).ok())`.
    /// assert!(Otlp::from_env(|_| None).unwrap().is_some(), "http://localhost:4318/v1/traces");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if some of them cannot be used; the source names each of these. Secrets are
    /// not shown.
    ///
    /// # Panics
    ///
    /// As [`grpc`](Self::grpc), outside of a tokio runtime.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadOtlp> {
        let mut from = Variables::new(get);
        let off = from.get("OTEL_SDK_DISABLED");
        if off.is_some_and(|off| off.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let wanted = from.read("OTEL_TRACES_EXPORTER", "otlp or none", |text| match text {
            "otlp" => Some(true),
            "none" => Some(false),
            _ => None,
        });
        if wanted == Some(false) {
            return Ok(None);
        }
        let settings = Settings::read(&mut from);
        let otlp = settings.made(&mut from);
        from.done().map_err(|bad| BadOtlp(bad.into()))?;
        otlp.map(Some)
    }
}

// ===== impl Setting =====

impl Setting {
    /// Which of the two names holds, and what it says.
    fn get<G>(&self, from: &Variables<G>) -> Option<(&'static str, String)>
    where
        G: Fn(&str) -> Option<String>,
    {
        self.0.iter().find_map(|name| from.get(name).map(|value| (*name, value)))
    }

    fn read<G, T>(
        &self,
        from: &mut Variables<G>,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T>
    where
        G: Fn(&str) -> Option<String>,
    {
        let (name, _) = self.get(from)?;
        from.read(name, wanted, parse)
    }
}

// ===== impl Settings =====

impl Settings {
    fn read<G: Fn(&str) -> Option<String>>(from: &mut Variables<G>) -> Self {
        let grpc = PROTOCOL.read(from, "grpc or http/protobuf", |text| match text {
            "grpc" => Some(true),
            "http/protobuf" => Some(false),
            _ => None,
        });
        let grpc = grpc.unwrap_or(false);
        let endpoint = ENDPOINT.get(from).and_then(|(name, address)| {
            if absolute(&address).is_err() {
                // It may have a password.
                let shown = if address.contains('@') { "..." } else { &address };
                from.wrong(name, shown, ADDRESS);
                return None;
            }
            let of_all = name == ENDPOINT.0[1];
            let base = address.trim_end_matches('/');
            Some(if of_all && !grpc { format!("{base}/v1/traces") } else { address })
        });
        let timeout = TIMEOUT.get(from).and_then(|(name, _)| from.milliseconds(name));
        let gzip = COMPRESSION.read(from, GZIP, |text| match text {
            "none" => Some(false),
            "gzip" if cfg!(feature = "gzip") => Some(true),
            _ => None,
        });
        for setting in [CLIENT_CERTIFICATE, CLIENT_KEY] {
            if let Some((name, value)) = setting.get(from) {
                from.wrong(name, &value, "a client of your own in its place");
            }
        }
        Self {
            grpc,
            endpoint,
            headers: headers(from),
            timeout,
            authorities: CERTIFICATE.get(from),
            gzip: gzip.unwrap_or(false),
        }
    }

    /// Makes it; what is still found to be wrong is told to `from`.
    fn made<G: Fn(&str) -> Option<String>>(self, from: &mut Variables<G>) -> Result<Otlp, BadOtlp> {
        let endpoint = self.endpoint.as_deref();
        let mut otlp = if self.grpc {
            Otlp::grpc(endpoint.unwrap_or("http://localhost:4317"))?
        } else {
            Otlp::http(endpoint.unwrap_or("http://localhost:4318"))?
        };
        for (name, value) in self.headers {
            otlp = otlp.header(name, value);
        }
        if let Some(timeout) = self.timeout {
            otlp = otlp.timeout(timeout);
        }
        otlp.gzip = self.gzip;
        if let Some((name, path)) = self.authorities {
            let pem = std::fs::read(&path).map_err(|error| BadOtlp(error.into()));
            match pem.and_then(|pem| otlp.authorities(&pem)) {
                Ok(trusting) => return Ok(trusting),
                Err(error) => {
                    from.wrong(name, &path, "a file of certificates (PEM)");
                    return Err(error);
                }
            }
        }
        Ok(otlp)
    }
}

const GZIP: &str = if cfg!(feature = "gzip") { "gzip or none" } else { "none" };

fn headers<G>(from: &mut Variables<G>) -> Vec<(HeaderName, HeaderValue)>
where
    G: Fn(&str) -> Option<String>,
{
    let Some((name, text)) = HEADERS.get(from) else { return Vec::new() };
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let headers: Option<Vec<_>> = pairs.map(header).collect();
    headers.unwrap_or_else(|| {
        // Not what it says: it may be a secret.
        from.wrong(name, "...", "name=value,...");
        Vec::new()
    })
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let value = crate::propagation::decode(value.trim().as_bytes());
    Some((name.trim().parse().ok()?, HeaderValue::from_bytes(&value).ok()?))
}
