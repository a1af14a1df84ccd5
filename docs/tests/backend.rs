//! The registry of *Write your own backend* passes the suite that every
//! registry must, and is the one that the page shows.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "a page's code, as its readers write it"
)]
#[path = "../backend/folder.rs"]
mod folder;
mod markdown;

use kit_sd::{
    Instance, Registrar as _,
    testing::{self, Backend, Keeps, Registry},
};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;

struct Folder(TempDir);

impl Backend for Folder {
    type Instancer = folder::Instancer;

    fn instancer(&self, service: &str) -> folder::Instancer {
        folder::Instancer { folder: self.0.path().to_owned(), service: service.to_owned() }
    }

    async fn put(&self, instance: &Instance) {
        self.registrar(instance.clone()).register(instance.health).await.unwrap();
    }

    async fn remove(&self, instance: &Instance) {
        self.registrar(instance.clone()).deregister().await.unwrap();
    }

    fn keeps(&self) -> Keeps {
        // An id and an address are all that it keeps.
        Keeps {
            id: true,
            tags: false,
            metadata: false,
            version: false,
            zone: false,
            weight: false,
            health: false,
        }
    }
}

impl Registry for Folder {
    type Registrar = folder::Registrar;

    fn registrar(&self, instance: Instance) -> folder::Registrar {
        let folder = self.0.path().to_owned();
        folder::Registrar { folder, instance: Arc::new(instance) }
    }
}

#[tokio::test(start_paused = true)]
async fn it_follows_as_every_registry_must() {
    testing::follows(&Folder(tempfile::tempdir().unwrap())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_registers_as_every_registry_must() {
    testing::registers(&Folder(tempfile::tempdir().unwrap())).await.unwrap();
}

#[tokio::test]
async fn an_id_that_leaves_the_folder_is_refused() {
    let folder = Folder(tempfile::tempdir().unwrap());
    for id in ["../gone", ".hidden", "a/b"] {
        let instance = Instance::new("hello", "10.0.0.1:80".parse().unwrap()).id(id);
        let error = folder.registrar(instance).register(kit_sd::Health::Passing).await.unwrap_err();
        assert!(matches!(error, folder::Error::Id(_)), "{error}");
    }
}

#[test]
fn the_page_shows_it_and_it_is_short() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("src/write-a-backend.md")).unwrap();
    let shown = markdown::blocks(&page, "rust").join("\n");
    let code = fs::read_to_string(here.join("backend/folder.rs")).unwrap();
    assert_eq!(shown, code);
    assert!(code.lines().count() <= 150, "{} lines", code.lines().count());
}
