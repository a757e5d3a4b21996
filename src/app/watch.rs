//! `watch_config`: notices that the file of the configuration, or one that it names, has changed.
//!
//! Directories are watched, not files: editors put a new file in the place of the old one, and Kubernetes moves a symbolic
//! link of the directory. What is told is no more than a hint: contents are compared. They are also compared now and then
//! without a hint, because network file systems and mounts of a single file give none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::Config;

/// Silence after which a change is taken to be complete: a file is written in several steps.
const SETTLE: Duration = Duration::from_millis(500);
/// A directory that is never silent is looked at after this.
const LONGEST: Duration = Duration::from_secs(5);
/// Between two looks without a hint.
const LOOK: Duration = Duration::from_secs(30);
/// As much of a file is compared.
const MAX_COMPARED: u64 = 4 << 20;

/// Content of each file; `None`: it cannot be read.
type Contents = BTreeMap<PathBuf, Option<blake3::Hash>>;

/// The files as they were before they were read: what changes from then on is news.
pub struct Baseline {
    file: PathBuf,
    known: Contents,
}

impl Baseline {
    /// Of the file of the configuration. Blocking.
    pub fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), known: Contents::from([(file.to_owned(), content(file))]) }
    }

    /// And of those that it names. Blocking.
    pub fn with(mut self, config: &Config) -> Self {
        self.known.extend(config.files().into_iter().map(|file| (file.clone(), content(&file))));
        self
    }
}

/// Follows the files of a configuration, while it says so.
pub struct FileWatch {
    file: PathBuf,
    config: Receiver<Arc<Config>>,
    known: Contents,
    hints: Option<Hints>,
}

/// What tells that something may have changed in one of these directories.
struct Hints {
    directories: BTreeSet<PathBuf>,
    told: mpsc::Receiver<()>,
    /// Ends the watch when it is dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl FileWatch {
    /// Follows the configuration that was read after this.
    pub fn new(before: Baseline, config: Receiver<Arc<Config>>) -> Self {
        let Baseline { file, known } = before;
        Self { file, config, known, hints: None }
    }

    /// The files are about to be read: what is there now is no news any more.
    pub async fn note(&mut self) {
        self.known = contents(self.files()).await;
    }

    /// Completes when one of the files has changed since [`FileWatch::note`]; never while the configuration does not say
    /// `watch_config: true`. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            if !self.config.borrow_and_update().watch_config {
                self.hints = None;
                if self.config.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let files = self.files();
            // What the last reload has named first, it has just read.
            let unknown = files.iter().filter(|file| !self.known.contains_key(*file)).cloned().collect();
            self.known.extend(contents(unknown).await);
            let directories = directories(&files);
            let hints = match self.hints.take().filter(|hints| hints.directories == directories) {
                Some(hints) => self.hints.insert(hints),
                None => self.hints.insert(Hints::new(directories)),
            };
            hints.settle().await;
            let mut now = contents(self.files()).await;
            while now.iter().any(|(file, content)| self.known.get(file) != Some(content)) {
                // It may be half written: where nothing tells, silence cannot be heard.
                sleep(SETTLE).await;
                let before = std::mem::replace(&mut now, contents(self.files()).await);
                if before == now {
                    return;
                }
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = self.config.borrow().files();
        files.push(self.file.clone());
        files
    }
}

impl Hints {
    fn new(directories: BTreeSet<PathBuf>) -> Self {
        let (tell, told) = mpsc::channel(1);
        // What has changed before anything told is to be seen as well.
        let _ = tell.try_send(());
        let watcher = watcher(&directories, tell)
            .inspect_err(|error| {
                tracing::warn!(%error, "files cannot be watched: they are looked at every {} seconds", LOOK.as_secs());
            })
            .ok();
        Self { directories, told, _watcher: watcher }
    }

    /// Waits for a hint and the silence after it, or until it is time to look anyway.
    async fn settle(&mut self) {
        let look = Instant::now() + LOOK;
        match timeout_at(look, self.told.recv()).await {
            Ok(Some(())) => {}
            // Nothing tells: it is only looked now and then.
            Ok(None) => return sleep(LOOK).await,
            Err(_) => return,
        }
        let end = Instant::now() + LONGEST;
        while let Ok(Some(())) = timeout_at(end.min(Instant::now() + SETTLE), self.told.recv()).await {
            if Instant::now() >= end {
                return;
            }
        }
    }
}

fn watcher(directories: &BTreeSet<PathBuf>, tell: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| may_change(event.kind)) {
            // One that waits already says as much.
            let _ = tell.try_send(());
        }
    })?;
    for directory in directories {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Reading files, as we do ourselves, changes nothing.
const fn may_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Where the files lie, both as they are named and as links lead to them.
fn directories(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let parent = |file: &Path| match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => file.to_owned(),
    };
    let named = files.iter().map(|file| parent(file));
    let real = files.iter().filter_map(|file| file.canonicalize().ok()).map(|file| parent(&file));
    named.chain(real).filter(|directory| directory.is_dir()).collect()
}

async fn contents(files: Vec<PathBuf>) -> Contents {
    let read = move || files.into_iter().map(|file| (file.clone(), content(&file))).collect();
    // Only a panic ends it without an answer.
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn content(file: &Path) -> Option<blake3::Hash> {
    let mut bytes = Vec::new();
    // A pipe would wait for a writer for ever.
    let file = file.is_file().then(|| File::open(file).ok()).flatten()?;
    file.take(MAX_COMPARED).read_to_end(&mut bytes).ok()?;
    Some(blake3::hash(&bytes))
}
