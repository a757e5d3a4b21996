//! The file that keeps one account's login: JSON, mode 0600, replaced whole or not at all.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Error, Settings};
use crate::secret::Secret;

/// The longest file, in octets: more than two answers of a provider.
const MAX_FILE: u64 = 256 * 1024;

const VERSION: u32 = 1;

/// What a login gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    /// When the access token ends, where that is known.
    pub(super) expires: Option<SystemTime>,
    /// How long it was to live when it was given.
    pub(super) lifetime: Option<Duration>,
    pub(super) scopes: Vec<String>,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
struct Row {
    version: u32,
    account: String,
    /// Refresh tokens belong to one client of one provider, and are shown to no other.
    client_id: String,
    token_url: String,
    access_token: String,
    refresh_token: Option<String>,
    /// Seconds since the epoch.
    expires: Option<u64>,
    /// Seconds.
    lifetime: Option<u64>,
    scopes: Vec<String>,
}

/// Tells one content of the file from the next: every change makes a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let about = file.metadata()?;
        Ok(Self {
            device: about.dev(),
            inode: about.ino(),
            modified: (about.mtime(), about.mtime_nsec()),
            size: about.size(),
        })
    }
}

/// What [`load`] found.
pub(super) enum Found {
    /// The file is the one that was read last.
    Same,
    /// Another content.
    New(Stamp, Login),
}

/// Reads the file unless it is still the one of `known`. Blocking.
pub(super) fn load(settings: &Settings, known: Option<Stamp>) -> Result<Found, Error> {
    let path = &settings.file;
    let unreadable = |error: io::Error| Error::Unavailable(format!("cannot read {}: {error}", path.display()));
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(settings.login_needed("nobody has logged in yet"));
        }
        opened => opened.map_err(unreadable)?,
    };
    let mode = file.metadata().map_err(unreadable)?.mode();
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "others could read the tokens in this file; its mode is now 0600");
        file.set_permissions(Permissions::from_mode(0o600)).map_err(unreadable)?;
    }
    let stamp = Stamp::of(&file).map_err(unreadable)?;
    if known == Some(stamp) {
        return Ok(Found::Same);
    }
    let mut content = Vec::new();
    // One octet more than is allowed, so that the excess is seen.
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(unreadable)?;
    Ok(Found::New(stamp, parse(&content, settings)?))
}

fn parse(content: &[u8], settings: &Settings) -> Result<Login, Error> {
    let damaged = |what: &str| settings.login_needed(&format!("{} is damaged ({what})", settings.file.display()));
    if content.len() as u64 > MAX_FILE {
        return Err(damaged("too long"));
    }
    // The parser's own words may quote what it read.
    let row: Row = serde_json::from_slice(content)
        .map_err(|error| damaged(&format!("line {}, column {}", error.line(), error.column())))?;
    if row.version != VERSION {
        return Err(damaged(&format!("version {} where {VERSION} is expected", row.version)));
    }
    if row.client_id != settings.client_id || row.token_url != settings.provider.token_url {
        return Err(settings.login_needed("the login was made for another client_id or provider"));
    }
    let at = |seconds: u64| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    Ok(Login {
        access: Secret::new(row.access_token),
        refresh: row.refresh_token.map(Secret::new),
        expires: row.expires.and_then(at),
        lifetime: row.lifetime.map(Duration::from_secs),
        scopes: row.scopes,
    })
}

/// Replaces the file; when this returns, the login survives a crash. Blocking.
pub(super) fn save(settings: &Settings, login: &Login) -> Result<Stamp, Error> {
    let path = &settings.file;
    let row = Row {
        version: VERSION,
        account: settings.account.clone(),
        client_id: settings.client_id.clone(),
        token_url: settings.provider.token_url.clone(),
        access_token: login.access.expose().to_owned(),
        refresh_token: login.refresh.as_ref().map(|token| token.expose().to_owned()),
        expires: login.expires.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs()),
        lifetime: login.lifetime.map(|lifetime| lifetime.as_secs()),
        scopes: login.scopes.clone(),
    };
    let write = || {
        let directory = directory_of(path);
        make_directory(&directory)?;
        // Mode 0600 from the first octet on; removed when it does not get its name.
        let mut file = tempfile::Builder::new().prefix(".new-login-").tempfile_in(&directory)?;
        serde_json::to_writer_pretty(&mut file, &row)?;
        file.write_all(b"\n")?;
        give_to_owner_of(&directory, file.path());
        file.as_file().sync_all()?;
        let file = file.persist(path).map_err(|error| error.error)?;
        File::open(&directory)?.sync_all()?;
        Stamp::of(&file)
    };
    write().map_err(|error: io::Error| Error::Unavailable(format!("cannot save {}: {error}", path.display())))
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// With all above it that are missing; each survives a crash.
fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = directory_of(directory);
    make_directory(&above)?;
    match DirBuilder::new().mode(0o700).create(directory) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => return Ok(()),
        made => made?,
    }
    give_to_owner_of(&above, directory);
    File::open(above)?.sync_all()
}

/// `tributary oauth` may be run by root while the service is not: what it makes belongs to whom the place belongs to.
fn give_to_owner_of(place: &Path, made: &Path) {
    if let (Ok(place), Ok(about)) = (fs::metadata(place), fs::metadata(made))
        && place.uid() != about.uid()
        && let Err(error) = chown(made, Some(place.uid()), Some(place.gid()))
    {
        tracing::debug!(file = %made.display(), %error, "the owner stays as it is");
    }
}

/// Held while a login is renewed, so that two processes do not renew it at once: a provider may take the second use
/// of a refresh token for theft and end the login. Released on drop.
pub(super) struct Lock(#[allow(dead_code, reason = "an open file holds its lock")] Option<File>);

/// The lock of the file, or `None` while another process has it. Blocking, but does not wait.
pub(super) fn try_lock(path: &Path) -> Option<Lock> {
    // No file: nothing to renew. No locks on this file system: as good as it gets.
    let Ok(file) = File::open(path) else { return Some(Lock(None)) };
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return None,
        Err(fs::TryLockError::Error(_)) => return Some(Lock(None)),
    }
    // It may have been replaced just before: then the lock is on a file without a name.
    let same =
        |found: &fs::Metadata| file.metadata().is_ok_and(|ours| ours.ino() == found.ino() && ours.dev() == found.dev());
    match fs::metadata(path) {
        Ok(found) if !same(&found) => None,
        _ => Some(Lock(Some(file))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{Flow, Provider};

    fn settings(file: PathBuf) -> Settings {
        Settings {
            account: "u/a".to_owned(),
            username: "u@example.com".to_owned(),
            provider: Provider::google(),
            client_id: "id".to_owned(),
            client_secret: None,
            flow: Flow::Device,
            file,
        }
    }

    fn login() -> Login {
        Login {
            access: Secret::new("access-1"),
            refresh: Some(Secret::new("refresh-1")),
            expires: UNIX_EPOCH.checked_add(Duration::from_secs(1_800_000_000)),
            lifetime: Some(Duration::from_secs(3600)),
            scopes: vec!["mail".to_owned()],
        }
    }

    #[test]
    fn what_is_saved_is_found_again() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = settings(dir.path().join("oauth/u-a.json"));
        let stamp = save(&settings, &login()).expect("saved");
        let Found::New(read, found) = load(&settings, None).expect("loaded") else { panic!("not read") };
        assert_eq!((read, found), (stamp, login()));
        assert!(matches!(load(&settings, Some(stamp)), Ok(Found::Same)));
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(&settings.file), 0o600);
        assert_eq!(mode(settings.file.parent().expect("parent")), 0o700);
        save(&settings, &login()).expect("saved");
        assert!(matches!(load(&settings, Some(stamp)), Ok(Found::New(..))), "a new file is seen");
        let names = fs::read_dir(settings.file.parent().expect("parent")).expect("listed").count();
        assert_eq!(names, 1, "nothing else is left in the directory");
    }

    #[test]
    fn everything_that_is_made_belongs_to_whom_the_place_belongs_to() {
        let dir = tempfile::tempdir().expect("dir");
        // Only root can give things away; for anyone else the owner is the same from the start.
        let _ = chown(dir.path(), Some(4242), Some(4242));
        let owner = fs::metadata(dir.path()).expect("there").uid();
        let settings = settings(dir.path().join("oauth/u/a.json"));
        save(&settings, &login()).expect("saved");
        for made in ["oauth", "oauth/u", "oauth/u/a.json"] {
            let about = fs::metadata(dir.path().join(made)).expect("there");
            assert_eq!(about.uid(), owner, "{made}");
            assert_eq!(about.mode() & 0o077, 0, "{made}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_tightened() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = settings(dir.path().join("u-a.json"));
        save(&settings, &login()).expect("saved");
        for wide in [0o644, 0o640, 0o602] {
            fs::set_permissions(&settings.file, Permissions::from_mode(wide)).expect("mode");
            assert!(load(&settings, None).is_ok());
            assert_eq!(fs::metadata(&settings.file).expect("there").mode() & 0o777, 0o600, "{wide:o}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_not_quoted() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = settings(dir.path().join("u-a.json"));
        save(&settings, &login()).expect("saved");
        let text = fs::read_to_string(&settings.file).expect("read");
        let long = format!("{text}{}", " ".repeat(usize::try_from(MAX_FILE).expect("fits") - text.len()));
        fs::write(&settings.file, &long).expect("written");
        assert!(load(&settings, None).is_ok(), "at the limit");
        for bad in [
            String::new(),
            text[..text.len() / 2].to_owned(),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("1800000000", "\"access-1\""),
            format!("{long} "),
        ] {
            fs::write(&settings.file, &bad).expect("written");
            let error = load(&settings, None).map(|_| ()).expect_err("damaged");
            let (words, file) = (error.to_string(), settings.file.display().to_string());
            assert!(matches!(error, Error::LoginNeeded(_)), "{error:?}");
            assert!(words.contains("damaged") && words.contains(&file), "{words}");
            assert!(words.contains("`tributary oauth u/a`") && !words.contains("access-1"), "{words}");
        }
    }

    #[test]
    fn a_login_for_another_client_or_provider_is_not_used() {
        let dir = tempfile::tempdir().expect("dir");
        let ours = settings(dir.path().join("u-a.json"));
        save(&ours, &login()).expect("saved");
        let other_client = Settings { client_id: "other".to_owned(), ..ours.clone() };
        let other_provider = Settings { provider: Provider::microsoft("common"), ..ours };
        for other in [other_client, other_provider] {
            assert!(matches!(load(&other, None), Err(Error::LoginNeeded(_))));
        }
    }

    #[test]
    fn one_process_at_a_time_holds_the_lock() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = settings(dir.path().join("u-a.json"));
        assert!(try_lock(&settings.file).is_some(), "nothing there");
        save(&settings, &login()).expect("saved");
        let held = try_lock(&settings.file).expect("free");
        assert!(try_lock(&settings.file).is_none());
        drop(held);
        let held = try_lock(&settings.file).expect("free again");
        save(&settings, &login()).expect("saved");
        assert!(try_lock(&settings.file).is_some(), "the lock of what was replaced holds nobody up");
        drop(held);
    }
}
