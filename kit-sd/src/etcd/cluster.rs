use super::{Change, Changes, Client, Entry, Error, Listing, Told};
use etcd_client::{ConnectOptions, EventType, GetOptions, KeyValue, PutOptions, WatchOptions};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

/// A cluster of etcd. Clones are cheap and share one connection.
///
/// The connection is to one member at a time, made when it is first needed.
/// When that member does not answer, or cannot, the next one is asked, and a
/// call fails when none of them answered.
///
/// # Limits
///
/// A connection is made within 900 ms. A member has 2 s to answer a call,
/// unless [set](Self::limit), and 900 ms to give a sign of life, which a watch
/// asks for when it has heard nothing for a second. An answer has 32 MiB at
/// most.
#[derive(Clone)]
pub struct Etcd {
    members: Arc<[Box<str>]>,
    user: Option<Arc<(String, String)>>,
    #[cfg(feature = "etcd-tls")]
    tls: Option<Arc<etcd_client::TlsOptions>>,
    limit: Duration,
    /// Shared by clones that are set up alike.
    link: Arc<Mutex<Link>>,
}

/// The connection that is used now.
#[derive(Default)]
struct Link {
    client: Option<etcd_client::Client>,
    /// Counts those that were made.
    made: usize,
}

/// A connection as it was lent.
struct Lent {
    client: etcd_client::Client,
    made: usize,
}

/// A watch of [`Etcd`].
pub struct Watch {
    stream: etcd_client::WatchStream,
    etcd: Etcd,
    made: usize,
}

/// How long a watch may hear nothing before it asks whether anybody is there.
const QUIET: Duration = Duration::from_secs(1);
/// How long the answer to that may take, and a connection: with the second
/// before, under 2 s.
const SIGN: Duration = Duration::from_millis(900);
/// How large an answer may be.
const SIZE: usize = 32 << 20;
/// Servers drop a client that pings more often than once in 5 s.
const PING: Duration = Duration::from_secs(10);

// ===== impl Etcd =====

impl Etcd {
    /// Names the members, each by its `host:port`, or that as a URL
    /// (`http://`, `https://` with the feature `etcd-tls`); the port is 2379
    /// unless said. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] when an address is not one, or of a kind that is not
    /// spoken; [`Error::NoAddress`] when there is none.
    pub fn new<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Result<Self, Error> {
        let members: Arc<[_]> =
            addresses.into_iter().map(|one| member(one.as_ref())).collect::<Result<_, _>>()?;
        if members.is_empty() {
            return Err(Error::NoAddress);
        }
        Ok(Self {
            members,
            user: None,
            #[cfg(feature = "etcd-tls")]
            tls: None,
            limit: Duration::from_secs(2),
            link: Arc::default(),
        })
    }

    /// Logs in as a user. The password is never shown.
    #[must_use]
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: Some(Arc::new((name.into(), password.into()))), ..self.unlinked() }
    }

    /// Speaks TLS, and trusts these authorities, in PEM; for mutual TLS it
    /// shows our own certificates and key. The certificates of the members are
    /// for their host, or else for `name`. The cryptography is the process's,
    /// or aws-lc's, and nothing is installed.
    ///
    /// What is wrong with the PEM is known when a connection is made.
    #[cfg(feature = "etcd-tls")]
    #[must_use]
    pub fn tls(
        self,
        authorities: &[u8],
        identity: Option<(&[u8], &[u8])>,
        name: Option<&str>,
    ) -> Self {
        let mut tls = etcd_client::TlsOptions::new()
            .ca_certificate(etcd_client::Certificate::from_pem(authorities));
        if let Some((chain, key)) = identity {
            tls = tls.identity(etcd_client::Identity::from_pem(chain, key));
        }
        if let Some(name) = name {
            tls = tls.domain_name(name);
        }
        Self { tls: Some(Arc::new(tls)), ..self.unlinked() }
    }

    /// Sets how long one member has to answer a call.
    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self.unlinked() }
    }

    /// One that is set up otherwise does not share its connection.
    fn unlinked(self) -> Self {
        Self { link: Arc::default(), ..self }
    }

    fn options(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(SIGN)
            .with_keep_alive(PING, self.limit)
            .with_keep_alive_while_idle(false)
            // A member that is cut off from the others says so.
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some(user) = &self.user {
            options = options.with_user(&*user.0, &*user.1);
        }
        #[cfg(feature = "etcd-tls")]
        if let Some(tls) = &self.tls {
            options = options.with_tls((**tls).clone());
        }
        options
    }

    /// Returns the connection that there is, or makes one to the next member.
    async fn lend(&self) -> Result<Lent, Error> {
        let mut link = self.link.lock().await;
        if let Some(client) = &link.client {
            return Ok(Lent { client: client.clone(), made: link.made });
        }
        // Counted first, so that one that is given up is not tried again next.
        link.made = link.made.wrapping_add(1);
        let member = self.member(link.made);
        #[cfg(feature = "etcd-tls")]
        if member.starts_with("https://") && self.tls.is_none() {
            return Err(Error::NoTls);
        }
        let made = etcd_client::Client::connect([member], Some(self.options())).await;
        let client = made.map_err(|error| Error::of(error, member))?;
        link.client = Some(client.clone());
        Ok(Lent { client, made: link.made })
    }

    fn member(&self, made: usize) -> &str {
        // The first that is made is the first member's.
        &self.members[made.wrapping_sub(1) % self.members.len()]
    }

    /// Gives a connection up, for those to come: who uses it still may.
    async fn leave(&self, made: usize) {
        let mut link = self.link.lock().await;
        if link.made == made {
            link.client = None;
        }
    }

    /// Asks one member within a time.
    async fn ask<T, F, Fut>(&self, limit: Duration, call: &F) -> Result<(T, usize), Error>
    where
        F: Fn(etcd_client::Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let end = Instant::now() + limit;
        let late = Error::TimedOut(limit);
        let Lent { client, made } = match timeout_at(end, self.lend()).await {
            Ok(lent) => lent?,
            Err(_) => return Err(late),
        };
        let error = match timeout_at(end, call(client)).await {
            Ok(Ok(answer)) => return Ok((answer, made)),
            Ok(Err(error)) => Error::of(error, self.member(made)),
            Err(_) => late,
        };
        if error.is_of_member() {
            self.leave(made).await;
        }
        Err(error)
    }

    /// Asks one member after the other, until one answers.
    async fn call<T, F, Fut>(&self, call: F) -> Result<(T, usize), Error>
    where
        F: Fn(etcd_client::Client) -> Fut,
        Fut: Future<Output = Result<T, etcd_client::Error>>,
    {
        let mut others = self.members.len() - 1;
        loop {
            match self.ask(self.limit, &call).await {
                Err(error) if others > 0 && error.is_of_member() => others -= 1,
                answer => return answer,
            }
        }
    }
}

impl Client for Etcd {
    type Watch = Watch;

    async fn list(&self, prefix: &str) -> Result<Listing, Error> {
        let (mut answer, _) = self
            .call(|client| async move {
                let mut kv = client.kv_client().max_decoding_message_size(SIZE);
                kv.get(prefix, Some(GetOptions::new().with_prefix())).await
            })
            .await?;
        let header = answer.take_header().ok_or(Error::Malformed)?;
        let entries = answer.take_kvs().into_iter().map(Entry::from).collect();
        Ok(Listing { cluster: header.cluster_id(), revision: header.revision(), entries })
    }

    async fn watch(&self, prefix: &str, revision: i64) -> Result<Watch, Error> {
        let (stream, made) = self
            .call(|client| async move {
                let mut watch = client.watch_client().max_decoding_message_size(SIZE);
                let options =
                    WatchOptions::new().with_prefix().with_start_revision(revision).with_fragment();
                watch.watch(prefix, Some(options)).await
            })
            .await?;
        Ok(Watch { stream, etcd: self.clone(), made })
    }

    async fn ping(&self, key: &str) -> Result<(), Error> {
        let ping = |mut client: etcd_client::Client| async move {
            let options = GetOptions::new().with_serializable().with_count_only();
            client.get(key, Some(options)).await
        };
        self.ask(SIGN, &ping).await.map(drop)
    }

    async fn grant(&self, ttl: Duration) -> Result<i64, Error> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let seconds = i64::try_from(seconds.max(1)).unwrap_or(i64::MAX);
        let grant = |mut client: etcd_client::Client| async move {
            client.lease_grant(seconds, None).await
        };
        Ok(self.call(grant).await?.0.id())
    }

    async fn keep_alive(&self, lease: i64) -> Result<bool, Error> {
        let keep_alive = |mut client: etcd_client::Client| async move {
            match client.lease_keep_alive(lease).await {
                Ok(_) => Ok(true),
                // It answered a TTL of 0.
                Err(etcd_client::Error::LeaseKeepAliveError(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        match self.call(keep_alive).await {
            Ok((is_alive, _)) => Ok(is_alive),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        let revoke =
            |mut client: etcd_client::Client| async move { client.lease_revoke(lease).await };
        match self.call(revoke).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn put(&self, key: &str, value: &str, lease: i64) -> Result<bool, Error> {
        let put = |mut client: etcd_client::Client| async move {
            client.put(key, value, Some(PutOptions::new().with_lease(lease))).await
        };
        match self.call(put).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete =
            |mut client: etcd_client::Client| async move { client.delete(key, None).await };
        self.call(delete).await.map(drop)
    }
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd")
            .field("members", &self.members)
            .field("user", &self.user.as_ref().map(|user| &user.0))
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Reads the address of a member.
fn member(address: &str) -> Result<Box<str>, Error> {
    // What stands before an `@` may be a password.
    let shown = address.rsplit('@').next().unwrap_or(address);
    let wrong = |why| Error::Address { address: shown.to_owned(), why };
    let (scheme, rest) = match address.split_once("://") {
        None => ("", address),
        Some(("http", rest)) => ("http://", rest),
        Some(("https", rest)) if cfg!(feature = "etcd-tls") => ("https://", rest),
        Some(("https", _)) => {
            return Err(wrong("TLS is the feature etcd-tls: build with it, or use http://"));
        }
        Some(_) => return Err(wrong("write host:port or http://host:port")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let authority: http::uri::Authority =
        rest.parse().map_err(|_| wrong("write host:port or http://host:port"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("leave the user out, and name it by `user`"));
    }
    if authority.host().is_empty() {
        return Err(wrong("the host is missing"));
    }
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str() == authority.host() => 2379,
        None => 0,
    };
    if port == 0 {
        return Err(wrong("the port must be a number from 1 to 65535"));
    }
    Ok(format!("{scheme}{}:{port}", authority.host()).into())
}

// ===== impl Watch =====

impl Watch {
    /// Waits for the next message; whoever is silent is asked for one.
    async fn message(&mut self) -> Result<etcd_client::WatchResponse, Error> {
        let heard = if let Ok(heard) = timeout(QUIET, self.stream.message()).await {
            heard
        } else {
            let sign = async {
                self.stream.request_progress().await?;
                self.stream.message().await
            };
            timeout(SIGN, sign).await.map_err(|_| Error::Silent(QUIET + SIGN))?
        };
        heard
            .map_err(|error| Error::of(error, self.etcd.member(self.made)))?
            .ok_or_else(|| Error::Cancelled("its stream has ended".to_owned()))
    }

    async fn told(&mut self) -> Result<Told, Error> {
        let message = self.message().await?;
        if message.compact_revision() > 0 {
            return Ok(Told::Compacted);
        }
        if message.canceled() {
            return Err(Error::Cancelled(message.cancel_reason().to_owned()));
        }
        let revision = message.header().ok_or(Error::Malformed)?.revision();
        let changes = message.events().iter().filter_map(|event| {
            let kv = event.kv()?;
            Some(match event.event_type() {
                EventType::Put => Change::Put(kv.clone().into()),
                EventType::Delete => Change::Deleted(kv.key().to_vec()),
            })
        });
        Ok(Told::Changes { revision, changes: changes.collect() })
    }
}

impl Changes for Watch {
    async fn next(&mut self) -> Result<Told, Error> {
        let told = self.told().await;
        if told.is_err() {
            // This member has no good word for us: the next one may.
            self.etcd.leave(self.made).await;
        }
        told
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("etcd", &self.etcd).finish_non_exhaustive()
    }
}

// ===== impl Entry =====

impl From<KeyValue> for Entry {
    fn from(kv: KeyValue) -> Self {
        let (key, value) = kv.into_key_value();
        Self { key, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_what_is_none_says_why() {
        let read = |address: &str| member(address).map(String::from).map_err(|e| e.to_string());
        assert_eq!(read("10.0.0.1").unwrap(), "10.0.0.1:2379");
        assert_eq!(read("etcd-0.etcd:1").unwrap(), "etcd-0.etcd:1");
        assert_eq!(read("http://[::1]:2379/").unwrap(), "http://[::1]:2379");
        for (wrong, why) in [
            ("", "write host:port"),
            ("a b", "write host:port"),
            ("ftp://a:1", "write host:port"),
            ("a:0", "the port"),
            ("a:", "the port"),
            ("a:65536", "the port"),
            (":2379", "the host"),
            ("root:secret@a:2379", "leave the user out"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(why) && !said.contains("secret"), "{wrong}: {said}");
        }
        assert!(matches!(Etcd::new::<&str>([]), Err(Error::NoAddress)));
    }

    #[test]
    fn a_password_is_not_shown() {
        let etcd = Etcd::new(["a", "b"]).unwrap().user("root", "s3cret");
        let shown = format!("{etcd:?}");
        assert!(shown.contains("root") && shown.contains("a:2379"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn members_take_turns_from_the_first_on() {
        let etcd = Etcd::new(["a", "b", "c"]).unwrap();
        let turns: Vec<_> = (1..6).map(|made| etcd.member(made)).collect();
        assert_eq!(turns, ["a:2379", "b:2379", "c:2379", "a:2379", "b:2379"]);
    }

    #[test]
    fn one_that_is_set_up_otherwise_has_a_connection_of_its_own() {
        let etcd = Etcd::new(["a"]).unwrap();
        assert!(Arc::ptr_eq(&etcd.link, &etcd.clone().link));
        assert!(!Arc::ptr_eq(&etcd.link, &etcd.clone().user("a", "b").link));
    }
}
