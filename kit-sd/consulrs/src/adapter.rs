use crate::{call::Call, error::explain};
use consulrs::client::ConsulClient;
use http::{HeaderValue, Response, Uri};
use kit_sd::{
    Health,
    consul::{Answer, Client, Error, Pulse, Query, Service},
};
use reqwest::Url;
use rustify::{Endpoint, enums::RequestMethod};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::timeout;

/// A client of consulrs, as `kit-sd` asks Consul. Clones are cheap and share
/// the client, and the [`Pulse`] that finds out when the agent is silent.
#[derive(Clone)]
pub struct Adapter {
    client: Arc<ConsulClient>,
    /// The URL of the agent, and the version of its API.
    root: Arc<str>,
    token: Option<HeaderValue>,
    limit: Duration,
    pulse: Pulse,
}

/// How long a query for one service waits, and until when it must be answered:
/// Consul adds up to a sixteenth.
const SERVICE_WAIT: Duration = Duration::from_mins(1);
const SERVICE_PATIENCE: Duration = Duration::from_millis(60_000 + 60_000 / 16 + 10_000);

// ===== impl Adapter =====

impl Adapter {
    /// Adapts a client, which may be in use elsewhere too. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when the client's address is not `http://host:port`
    /// or `https://host:port`, without a user and a path: consulrs would put
    /// `/v1` before the path. [`Error::Token`] when its token has characters
    /// that a header cannot have.
    pub fn new(client: impl Into<Arc<ConsulClient>>) -> Result<Self, Error> {
        let client = client.into();
        let root = root(&client.http.base, client.settings.version)?.into();
        let token = client.settings.token.as_deref().filter(|token| !token.is_empty());
        let token = token.map(secret).transpose()?;
        let limit = Duration::from_secs(5);
        Ok(Self { client, root, token, limit, pulse: Pulse::default() })
    }

    /// Sets how long a call that does not wait may take: 5 s by default.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn get(&self, path: &str) -> Call {
        self.call(RequestMethod::GET, path)
    }

    fn put(&self, path: &str) -> Call {
        self.call(RequestMethod::PUT, path)
    }

    fn call(&self, method: RequestMethod, path: &str) -> Call {
        Call::new(method, format!("{}{path}", self.root), self.token.clone())
    }

    async fn send(&self, call: Call, limit: Duration) -> Result<Response<Vec<u8>>, Error> {
        let sent = timeout(limit, call.exec(&self.client.http)).await;
        let answer = sent.map_err(|_| Error::TimedOut(limit))?;
        answer.map(|answer| answer.response).map_err(|error| explain(error, &self.root))
    }

    /// `None` is one of the statuses that mean there is none.
    async fn find(
        &self,
        call: Call,
        limit: Duration,
        none: &[u16],
    ) -> Result<Option<Response<Vec<u8>>>, Error> {
        match self.send(call, limit).await {
            Err(Error::Refused { status, .. }) if none.contains(&status) => Ok(None),
            answer => answer.map(Some),
        }
    }
}

impl Client for Adapter {
    async fn register(&self, service: &Service) -> Result<(), Error> {
        let body = serde_json::to_vec(service).map_err(|error| Error::Other(error.into()))?;
        // Without it a check that the instance no longer has would stay.
        let call = self.put("/agent/service/register").with("replace-existing-checks", "true");
        self.send(call.body(body), self.limit).await.map(drop)
    }

    async fn deregister(&self, id: &str) -> Result<(), Error> {
        let call = self.put("/agent/service/deregister").of(id)?;
        self.find(call, self.limit, &[404]).await.map(drop)
    }

    async fn service(&self, id: &str, hash: &str) -> Result<Option<String>, Error> {
        let (mut call, mut limit) = (self.get("/agent/service").of(id)?, self.limit);
        if !hash.is_empty() {
            call = call.with("hash", hash).with("wait", &in_go(SERVICE_WAIT));
            limit = SERVICE_PATIENCE;
        }
        let found = self.find(call, limit, &[404]).await?;
        Ok(found.map(|answer| header(&answer, "x-consul-contenthash").to_owned()))
    }

    async fn report(&self, check: &str, health: Health) -> Result<bool, Error> {
        let path = match health {
            // One that drains lives: its metadata says that it drains.
            Health::Passing | Health::Draining => "/agent/check/pass",
            Health::Warning => "/agent/check/warn",
            _ => "/agent/check/fail",
        };
        // Consul says 404 of an unknown check since 1.11, and 500 before.
        let known = self.find(self.put(path).of(check)?, self.limit, &[404, 500]).await?;
        Ok(known.is_some())
    }

    async fn health(&self, query: &Query) -> Result<Answer, Error> {
        let (mut call, mut limit) = (self.get("/health/service").of(&query.service)?, self.limit);
        if query.index > 0 {
            call = call.with("index", &query.index.to_string()).with("wait", &in_go(query.wait));
            limit = query.patience();
        }
        if query.passing {
            call = call.with("passing", "true");
        }
        for tag in &query.tags {
            call = call.with("tag", tag);
        }
        let told = self.send(call, limit).await?;
        let mut answer = Answer::default();
        answer.index = header(&told, "x-consul-index").parse().unwrap_or_default();
        answer.entries =
            serde_json::from_slice(told.body()).map_err(|error| Error::Malformed(error.into()))?;
        Ok(answer)
    }

    async fn ping(&self) -> Result<(), Error> {
        let answer = self.send(self.get("/status/leader"), self.limit).await?;
        // Its address, as JSON.
        if answer.body().trim_ascii() == b"\"\"" { Err(Error::NoLeader) } else { Ok(()) }
    }

    fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter")
            .field("root", &self.root)
            .field("has_token", &self.token.is_some())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// What the path of every call begins with.
fn root(address: &str, version: u8) -> Result<String, Error> {
    // What stands before an `@` may be a password.
    let shown = address.rsplit('@').next().unwrap_or(address);
    let wrong = |why| Error::Address { address: shown.to_owned(), why };
    let url = Url::parse(address).map_err(|_| wrong("write http://host:port"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("write http://host:port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("leave the user out and set a token"));
    }
    if url.port() == Some(0) {
        return Err(wrong("the port must be a number from 1 to 65535"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("leave out what follows the port: consulrs has no prefixes"));
    }
    let root = format!("{url}v{version}");
    // Not every URL is one to `http`.
    Uri::try_from(&*root).map_err(|_| wrong("write http://host:port"))?;
    Ok(root)
}

fn secret(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(token).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header of an answer; what is not there, or no text, is empty.
fn header<'a>(answer: &'a Response<Vec<u8>>, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Writes a duration as Go reads it.
fn in_go(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
