//! The last set, kept in a file for a start during an outage.

use crate::{
    Event, Instance, Instances, State, document::Document, error::chain, publisher::Writer,
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fs::{self, File},
    future::pending,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{task::spawn_blocking, time::sleep};

/// Where a set is kept.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    path: Arc<Path>,
}

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    service: String,
    instances: Vec<Document>,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// A set that changes all the time is written no more often.
const PAUSE: Duration = Duration::from_secs(1);

/// Restores the set, and then keeps each that the registry tells.
pub(crate) async fn keep(disk: Option<Disk>, writer: &Writer, mut instances: Instances) {
    let Some(disk) = disk else { return pending().await };
    let service = instances.service().to_owned();
    let read = disk.clone();
    match spawn_blocking(move || read.read(&service)).await.map_err(BoxError::from).flatten() {
        Ok(Some(kept)) => writer.update(|set, now, events| set.restore(kept, now, events)),
        // Nothing was kept yet.
        Ok(None) => {}
        Err(error) => writer.tell(&failed(&*error)),
    }
    let mut written = None;
    loop {
        // What is stale or suspect is no news from the registry.
        let fresh = instances
            .wait_for(|seen| seen.state == State::Fresh && Some(seen.revision) != written)
            .await;
        let Some(fresh) = fresh else { return pending().await };
        written = Some(fresh.revision);
        let service = instances.service().to_owned();
        let disk = disk.clone();
        let write = spawn_blocking(move || disk.write(service, &fresh.instances));
        if let Err(error) = write.await.map_err(BoxError::from).flatten() {
            writer.tell(&failed(&*error));
        }
        sleep(PAUSE).await;
    }
}

fn failed(error: &(dyn Error + 'static)) -> Event {
    Event::Disk { error: chain(error).into() }
}

// ===== impl Disk =====

impl Disk {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: path.into() }
    }

    fn read(&self, service: &str) -> Result<Option<Vec<Arc<Instance>>>, BoxError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let kept: Kept = serde_json::from_slice(&text)?;
        if kept.service != service {
            return Err(format!("it is of {:?}, not of {service:?}", kept.service).into());
        }
        let instance = |one: Document| Ok(Arc::new(one.into_instance(service)?));
        kept.instances.into_iter().map(instance).collect::<Result<_, BoxError>>().map(Some)
    }

    /// Replaces the file as a whole: whoever reads it, or is killed amid it,
    /// has the one before or this one.
    fn write(&self, service: String, instances: &[Arc<Instance>]) -> Result<(), BoxError> {
        let instances = instances.iter().map(|one| Document::from(&**one)).collect();
        let text = serde_json::to_vec_pretty(&Kept { service, instances })?;
        let mut name = self.path.file_name().ok_or("the path names no file")?.to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        Ok(())
    }
}
