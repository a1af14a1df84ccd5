//! What Consul's agent knows of others, in memory.

use kit_sd::{
    Health,
    consul::{Answer, Client, Entry, Error, Instancer, Query, Service},
};
use std::future::pending;

/// An agent that knows these instances, or is down.
#[derive(Debug, Clone)]
pub(crate) struct Fake(pub(crate) Result<Vec<Entry>, &'static str>);

impl Client for Fake {
    async fn register(&self, _: &Service) -> Result<(), Error> {
        Ok(())
    }

    async fn deregister(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn service(&self, _: &str, _: &str) -> Result<Option<String>, Error> {
        Ok(Some(String::new()))
    }

    async fn report(&self, _: &str, _: Health) -> Result<bool, Error> {
        Ok(true)
    }

    async fn ping(&self) -> Result<(), Error> {
        self.0.as_ref().map(drop).map_err(|why| Error::Other((*why).into()))
    }

    async fn health(&self, query: &Query) -> Result<Answer, Error> {
        assert!(query.passing, "it wants instances that are unwell");
        assert_eq!(query.service, "hello");
        match &self.0 {
            // Nothing changes.
            Ok(_) if query.index > 0 => pending().await,
            Ok(entries) => {
                let mut health = Answer::default();
                health.index = 1;
                health.entries.clone_from(entries);
                Ok(health)
            }
            Err(why) => Err(Error::Other((*why).into())),
        }
    }
}

pub(crate) fn entry(id: &str, address: &str, port: u16) -> Entry {
    let mut entry = Entry::default();
    entry.id = id.into();
    entry.address = address.into();
    entry.port = port;
    entry
}

/// What finds those of them that are well.
pub(crate) fn greeters(fake: Fake) -> Instancer<Fake> {
    Instancer::new(fake, "hello").passing(true)
}
