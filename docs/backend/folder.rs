//! A registry that is a folder which many hosts share: a file for each
//! instance, `FOLDER/SERVICE/ID`, whose text is its address. A file that is
//! not touched for a while is that of an instance that is gone.

use kit_sd::{Backoff, Health, Instance, InvalidAddress, Publisher};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{fs, time::sleep};

/// How long an instance is believed to live after a heartbeat.
const TTL: Duration = Duration::from_secs(3);
/// How often the folder is read.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the folder cannot be used")]
    Io(#[from] io::Error),
    #[error("{0}: no address")]
    Address(String, #[source] InvalidAddress),
    #[error("the id {0:?} is no name of a file")]
    Id(String),
}

/// Follows the instances of a service.
pub struct Instancer {
    pub folder: PathBuf,
    pub service: String,
}

impl Instancer {
    async fn read(&self) -> Result<Vec<Instance>, Error> {
        let mut found = Vec::new();
        let mut files = match fs::read_dir(self.folder.join(&self.service)).await {
            // Nobody has registered yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            files => files?,
        };
        while let Some(file) = files.next_entry().await? {
            let id = file.file_name().to_string_lossy().into_owned();
            let age = file.metadata().await?.modified()?.elapsed().unwrap_or_default();
            if age > TTL || id.starts_with('.') {
                continue;
            }
            let text = match fs::read_to_string(file.path()).await {
                // It went between the two looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text?,
            };
            let address = text.parse().map_err(|error| Error::Address(id.clone(), error))?;
            found.push(Instance::new(&*self.service, address).id(id));
        }
        Ok(found)
    }
}

impl kit_sd::Instancer for Instancer {
    fn service(&self) -> &str {
        &self.service
    }

    async fn run(self, publisher: Publisher) {
        let mut backoff = Backoff::of_registry();
        loop {
            match self.read().await {
                Ok(instances) => {
                    publisher.publish(instances);
                    backoff.reset();
                    sleep(EVERY).await;
                }
                Err(error) => {
                    publisher.fail(error);
                    sleep(backoff.pause()).await;
                }
            }
        }
    }
}

/// Registers an instance.
pub struct Registrar {
    pub folder: PathBuf,
    pub instance: Arc<Instance>,
}

impl Registrar {
    fn file(&self) -> Result<PathBuf, Error> {
        let Instance { id, service, .. } = &*self.instance;
        if id.starts_with('.') || id.contains(['/', '\0']) {
            return Err(Error::Id(id.clone()));
        }
        Ok(self.folder.join(service).join(id))
    }
}

impl kit_sd::Registrar for Registrar {
    type Error = Error;

    fn instance(&self) -> &Instance {
        &self.instance
    }

    async fn register(&self, _: Health) -> Result<(), Error> {
        let file = self.file()?;
        fs::create_dir_all(file.with_file_name("")).await?;
        // Readers see all of it or nothing.
        let new = file.with_file_name(format!(".{}", self.instance.id));
        fs::write(&new, self.instance.address.to_string()).await?;
        Ok(fs::rename(new, file).await?)
    }

    async fn renew(&self, health: Health) -> Result<bool, Error> {
        if !fs::try_exists(self.file()?).await? {
            return Ok(false);
        }
        self.register(health).await?;
        Ok(true)
    }

    fn period(&self) -> Duration {
        TTL / 3
    }

    async fn deregister(&self) -> Result<(), Error> {
        match fs::remove_file(self.file()?).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
