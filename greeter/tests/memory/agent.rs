//! Consul's agent, in memory.

use kit_sd::{
    Health,
    consul::{Answer, Client, Error, Query, Service},
};
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::sleep;

/// An agent in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<String, Service>,
    tried: u32,
    down: bool,
    slow: Duration,
}

impl Fake {
    pub(crate) fn down(self, down: bool) -> Self {
        self.0.lock().unwrap().down = down;
        self
    }

    /// Takes so long to forget.
    pub(crate) fn slow(self, slow: Duration) -> Self {
        self.0.lock().unwrap().slow = slow;
        self
    }

    pub(crate) fn services(&self) -> Vec<Service> {
        self.0.lock().unwrap().services.values().cloned().collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().services.keys().cloned().collect()
    }

    pub(crate) fn tried(&self) -> u32 {
        self.0.lock().unwrap().tried
    }

    fn up(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.0.lock().unwrap();
        state.tried += 1;
        if state.down { Err(Error::Other("down".into())) } else { Ok(state) }
    }
}

impl Client for Fake {
    async fn register(&self, service: &Service) -> Result<(), Error> {
        self.up()?.services.insert(service.instance.id.clone(), service.clone());
        Ok(())
    }

    async fn deregister(&self, id: &str) -> Result<(), Error> {
        let slow = self.up()?.slow;
        sleep(slow).await;
        self.up()?.services.remove(id);
        Ok(())
    }

    async fn service(&self, id: &str, _: &str) -> Result<Option<String>, Error> {
        Ok(self.up()?.services.contains_key(id).then(String::new))
    }

    async fn report(&self, _: &str, _: Health) -> Result<bool, Error> {
        Ok(true)
    }

    async fn ping(&self) -> Result<(), Error> {
        self.up().map(drop)
    }

    async fn health(&self, _: &Query) -> Result<Answer, Error> {
        pending().await
    }
}
