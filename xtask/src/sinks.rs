//! Where metrics are exported to: statsd, Graphite's carbon and InfluxDB, for the live tests, which start them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    apt,
    process::Bounds,
    step::{Result, succeeds},
};

const FOLDER: &str = "target/tools";
/// A release with carbon 1.1 and InfluxDB 1.6.
const SUITE: &str = "bookworm";
const STATSD: &str = "statsd@0.9.0";
/// carbon, and what of its dependencies it cannot start without.
const CARBON: &str = "graphite-carbon python3-whisper python3-twisted python3-zope.interface python3-incremental \
    python3-hyperlink python3-constantly python3-automat python3-attr python3-cachetools python3-urllib3 python3-six \
    python3-idna python3-typing-extensions";

/// What the live tests find in their environment.
#[derive(Debug)]
pub(crate) struct Sinks {
    /// The folder of statsd's `stats.js`.
    pub(crate) statsd: PathBuf,
    /// The folder that carbon's packages are unpacked into.
    pub(crate) carbon: PathBuf,
    /// InfluxDB's server.
    pub(crate) influxd: PathBuf,
}

pub(crate) fn provide(bounds: &Bounds) -> Result<Sinks> {
    let influxd = Path::new(FOLDER).join("influxdb");
    Ok(Sinks {
        statsd: statsd(bounds)?,
        carbon: carbon(bounds)?,
        influxd: apt::provide_unpacked("influxd", "version", "influxdb", SUITE, &influxd, bounds)?,
    })
}

fn statsd(bounds: &Bounds) -> Result<PathBuf> {
    let folder = std::path::absolute(Path::new(FOLDER).join("statsd"))?;
    let package = folder.join("node_modules/statsd");
    apt::provide("node", "nodejs")?;
    if !package.join("stats.js").is_file() {
        fs::create_dir_all(&folder)?;
        let npm = apt::provide("npm", "npm")?;
        // What is optional is compiled, and only for other systems' logs.
        let options = ["--no-audit", "--no-fund", "--no-save", "--omit=optional"];
        bounds.run(
            Command::new(npm).arg("install").args(options).arg("--prefix").arg(&folder).arg(STATSD),
        )?;
    }
    Ok(package)
}

fn carbon(bounds: &Bounds) -> Result<PathBuf> {
    let folder = std::path::absolute(Path::new(FOLDER).join("carbon"))?;
    // Debian's modules want Debian's Python.
    let works = || {
        succeeds(
            Command::new("/usr/bin/python3")
                .env("PYTHONPATH", folder.join("usr/lib/python3/dist-packages"))
                .args(["-c", "import carbon.conf, carbon.protocols, whisper"]),
        )
    };
    if !works() {
        apt::provide("python3", "python3")?;
        apt::unpack(CARBON, SUITE, &folder, bounds)?;
    }
    if works() { Ok(folder) } else { Err("graphite-carbon does not run".into()) }
}
