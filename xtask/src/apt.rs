//! What Debian has for us: installed, or taken out of a package into `target/` without a change to the system.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    process::Bounds,
    step::{Result, capture, run, succeeds},
};

/// What is told to those whose machine is not Debian, or not theirs to change.
fn by_hand(what: &str) -> String {
    format!("install {what} and run this again (on Debian, as root, it is installed for you)")
}

/// Installs a package of the machine's own Debian, unless `tool` is already on PATH.
pub(crate) fn provide(tool: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = on_path(tool) {
        return Ok(path);
    }
    install(package)?;
    on_path(tool).ok_or_else(|| format!("the package {package} brought no `{tool}`").into())
}

pub(crate) fn install(package: &str) -> Result {
    let root = capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root || codename().is_none() {
        return Err(by_hand(package).into());
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "--yes", "--no-install-recommends", package]))
}

pub(crate) fn on_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|path| path.is_file())
}

/// A program that the whole system need not have: the one on PATH, or that of a package, unpacked into `folder`. It is
/// one that works: that `version` says it does.
pub(crate) fn provide_unpacked(
    tool: &str,
    version: &str,
    package: &str,
    suite: &str,
    folder: &Path,
    bounds: &Bounds,
) -> Result<PathBuf> {
    let works = |program: &Path| succeeds(Command::new(program).arg(version));
    if let Some(program) = on_path(tool).filter(|program| works(program)) {
        return Ok(program);
    }
    let program = std::path::absolute(folder.join("usr/bin").join(tool))?;
    if !works(&program) {
        unpack(package, suite, folder, bounds)?;
    }
    if works(&program) {
        Ok(program)
    } else {
        Err(format!("the package {package} brought no `{tool}` that runs").into())
    }
}

/// Unpacks a package of another Debian release, from the mirror that this machine uses, into `folder`; or several,
/// with spaces between.
///
/// apt works on lists and settings of its own in there, so the machine's are as they were, and it need not be root.
pub(crate) fn unpack(package: &str, suite: &str, folder: &Path, bounds: &Bounds) -> Result {
    let Some(codename) = codename() else {
        return Err(by_hand(package).into());
    };
    let mirrors = mirrors(&sources(Path::new("/etc/apt"))?, &codename);
    if mirrors.is_empty() {
        return Err(
            format!("apt's sources name no mirror of {codename}: {}", by_hand(package)).into()
        );
    }
    // Absolute, as apt wants it.
    let folder = std::path::absolute(folder)?;
    let mut said = String::new();
    for mirror in &mirrors {
        match unpack_from(mirror, package, suite, &folder, bounds) {
            Ok(()) => return Ok(()),
            Err(error) => said = error.to_string(),
        }
    }
    Err(format!("{suite} has no {package} on this machine's mirror ({said}): {}", by_hand(package))
        .into())
}

fn unpack_from(
    mirror: &Source,
    package: &str,
    suite: &str,
    folder: &Path,
    bounds: &Bounds,
) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for part in ["sources", "lists/partial", "cache/archives/partial", "deb"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let mut source =
        format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n", mirror.uri);
    if let Some(keys) = &mirror.signed_by {
        source = format!("{source}Signed-By: {keys}\n");
    }
    fs::write(folder.join("sources/kit.sources"), source)?;
    fs::write(folder.join("apt.conf"), settings(folder))?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet", "--config-file"]).arg(folder.join("apt.conf")).args(arguments);
        apt.current_dir(folder.join("deb"));
        apt
    };
    bounds.run(&mut apt(&["update"]))?;
    let packages = package.split_whitespace();
    bounds.run(apt(&["download"]).args(packages.clone()))?;
    let debs = fs::read_dir(folder.join("deb"))?.collect::<io::Result<Vec<_>>>()?;
    if debs.len() != packages.count() {
        return Err(format!("apt-get downloaded {} packages", debs.len()).into());
    }
    for deb in debs {
        bounds.run(Command::new("dpkg").arg("--extract").arg(deb.path()).arg(folder))?;
    }
    for part in ["sources", "lists", "cache", "deb"] {
        fs::remove_dir_all(folder.join(part))?;
    }
    fs::remove_file(folder.join("apt.conf"))?;
    Ok(())
}

/// Over the machine's own settings, whose proxy and certificates hold.
fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Dir::Etc::SourceList \"/dev/null\";\n\
         Dir::Etc::SourceParts \"{folder}/sources\";\n\
         Dir::State::Lists \"{folder}/lists\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Retries \"3\";\n\
         // Root, too, fetches as itself: `target/` may be closed to apt's own user.\n\
         APT::Sandbox::User \"root\";\n\
         // What the machine does after an update is about its own lists.\n\
         #clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n"
    )
}

/// The machine's own release, where it is Debian's.
fn codename() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let has_apt = succeeds(Command::new("apt-get").arg("--version"));
    has_apt.then(|| debian(&release)).flatten()
}

fn debian(release: &str) -> Option<String> {
    let field = |name: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    // Debian's children have other mirrors, without Debian's suites.
    (field("ID")? == "debian")
        .then(|| field("VERSION_CODENAME").unwrap_or_else(|| "sid".to_owned()))
}

/// One place that apt takes packages from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
    /// A file of keys.
    signed_by: Option<String>,
}

fn sources(apt: &Path) -> Result<Vec<Source>> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(parts) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(parts.filter_map(|part| Some(part.ok()?.path())));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(one_line(&fs::read_to_string(file)?)),
            Some("sources") => sources.extend(deb822(&fs::read_to_string(file)?)),
            _ => {}
        }
    }
    Ok(sources)
}

/// `deb [signed-by=KEYS] URI SUITE COMPONENT...`
fn one_line(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or(line).trim();
        let Some(mut rest) = line.strip_prefix("deb ").map(str::trim_start) else { continue };
        let mut signed_by = None;
        if let Some((options, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            let keys =
                options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
            signed_by = keys.map(str::to_owned);
            rest = after;
        }
        let mut words = rest.split_whitespace().map(str::to_owned);
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            sources.push(Source {
                uri,
                suites: vec![suite],
                components: words.collect(),
                signed_by,
            });
        }
    }
    sources
}

/// Paragraphs of `Field: values`, as in Debian's control files.
fn deb822(text: &str) -> Vec<Source> {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut sources = Vec::new();
    for paragraph in lines.split(|line| line.trim().is_empty()) {
        let field = |name: &str| -> Vec<String> {
            let named = |line: &str| {
                let (field, _) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then_some(())
            };
            let Some(start) = paragraph.iter().position(|line| named(line).is_some()) else {
                return Vec::new();
            };
            let more =
                paragraph[start + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
            let first = paragraph[start].split_once(':').map_or("", |(_, value)| value);
            let values = std::iter::once(first).chain(more.copied());
            values.flat_map(str::split_whitespace).map(str::to_owned).collect()
        };
        if field("Types").iter().any(|kind| kind == "deb") && field("Enabled") != ["no"] {
            for uri in field("URIs") {
                sources.push(Source {
                    uri,
                    suites: field("Suites"),
                    components: field("Components"),
                    // Keys may also stand in the file itself.
                    signed_by: field("Signed-By")
                        .first()
                        .filter(|keys| keys.starts_with('/'))
                        .cloned(),
                });
            }
        }
    }
    sources
}

/// The sources of the machine's own release: what is signed and mirrored as Debian itself.
fn mirrors(sources: &[Source], codename: &str) -> Vec<Source> {
    let own = ["stable", "oldstable", "testing", "unstable", codename];
    let is_own = |source: &&Source| {
        source.suites.iter().any(|suite| own.contains(&suite.as_str()))
            && source.components.iter().any(|component| component == "main")
    };
    let mut mirrors: Vec<Source> = sources.iter().filter(is_own).cloned().collect();
    mirrors.dedup_by(|a, b| a.uri == b.uri);
    mirrors
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

    #[test]
    fn a_deb822_file_is_read() {
        let text = format!(
            "Types: deb\nURIs: http://mirror.test/debian\n\
             Suites: bookworm\n# why: a comment\n bookworm-updates\nComponents: main\nSigned-By: {KEYS}\n\n\
             Types: deb deb-src\nURIs: http://mirror.test/security\nSuites: bookworm-security\n\
             Components: main contrib\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n\n\
             Types: deb\nEnabled: no\nURIs: http://off.test/debian\nSuites: bookworm\nComponents: main\n\n\
             Types: deb-src\nURIs: http://src.test/debian\nSuites: bookworm\nComponents: main\n"
        );
        let sources = deb822(&text);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].uri, "http://mirror.test/debian");
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(sources[0].signed_by.as_deref(), Some(KEYS));
        assert_eq!(sources[1].components, ["main", "contrib"]);
        assert_eq!(sources[1].signed_by, None);
    }

    #[test]
    fn a_one_line_file_is_read() {
        let text = format!(
            "# deb http://off.test/debian bookworm main\n\
             deb [arch=amd64 signed-by={KEYS}] http://mirror.test/debian bookworm main contrib # why\n\
             deb-src http://mirror.test/debian bookworm main\n\
             deb http://other.test/debian bookworm-updates main\n"
        );
        let sources = one_line(&text);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].uri, "http://mirror.test/debian");
        assert_eq!(sources[0].components, ["main", "contrib"]);
        assert_eq!(sources[0].signed_by.as_deref(), Some(KEYS));
        assert_eq!(sources[1].suites, ["bookworm-updates"]);
    }

    #[test]
    fn a_mirror_is_where_the_own_release_comes_from() {
        let text = "deb http://updates.test/debian-security bookworm-security main\n\
                    deb http://third.test/node bookworm nodejs\n\
                    deb http://mirror.test/debian bookworm main\n\
                    deb http://mirror.test/debian bookworm main contrib\n";
        let mirrors = mirrors(&one_line(text), "bookworm");
        assert_eq!(mirrors.len(), 1);
        assert_eq!(mirrors[0].uri, "http://mirror.test/debian");
    }

    #[test]
    fn only_debian_itself_is_debian() {
        let release = "NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(debian(release).as_deref(), Some("bookworm"));
        assert_eq!(debian("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
        assert_eq!(debian("ID=\"debian\"\n").as_deref(), Some("sid"));
    }
}
