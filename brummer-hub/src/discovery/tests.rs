use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{Level, Metadata, span};

use super::{
    files::{Files, Rings},
    *,
};

/// Far beyond what anything here takes: it only keeps a broken watcher from hanging the tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Dropped in this order: on Windows the directory cannot go before its watch.
struct Bench {
    watcher: Watcher,
    rings: mpsc::Receiver<Ring>,
    root: tempfile::TempDir,
}

impl Bench {
    /// A watcher of `<root>/brummer/instances`, and of further directories below the root.
    fn start(further: &[&str], max_files: usize, prepare: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let mut directories = Directories::only(root.path().join("brummer"));
        directories.watched.extend(further.iter().map(|directory| root.path().join(directory)));
        let (sender, rings) = mpsc::channel(16);
        let followed = Followed::new(&[], watch::channel(0).0);
        let watcher = Watcher::start(&directories, followed, max_files, sender);
        Self { watcher, rings, root }
    }

    fn instances(&self) -> PathBuf {
        self.root.path().join("brummer/instances")
    }

    async fn next(&mut self) -> Ring {
        let ring = tokio::time::timeout(PATIENCE, self.rings.recv()).await;
        ring.expect("a ring in time").expect("the watcher runs")
    }

    async fn appeared(&mut self) -> Arc<Found> {
        match self.next().await {
            Ring::Appeared(found) => found,
            other => panic!("{other:?}"),
        }
    }

    async fn removed(&mut self) -> String {
        match self.next().await {
            Ring::Removed { id, .. } => id.to_string(),
            other => panic!("{other:?}"),
        }
    }

    async fn scanned(&mut self) {
        assert!(matches!(self.next().await, Ring::Scanned));
    }
}

fn doorbell(id: &str, port: u16) -> Value {
    json!({"id": id, "pid": 1, "path": "/p", "port": port, "started": "2024-01-01T00:00:00Z", "name": id,
        "has_package_json": false, "last_seen": "2024-01-01T00:00:00Z"})
}

/// Writes as the Go program does: a hidden file in the same directory, renamed.
fn place(directory: &Path, contents: &Value) -> PathBuf {
    let draft = directory.join(".tmp-instance-1");
    let file = directory.join(format!("{}.json", contents["id"].as_str().unwrap()));
    fs::write(&draft, contents.to_string()).unwrap();
    // Older Windows, and Wine, do not replace a file while somebody reads it.
    while let Err(error) = fs::rename(&draft, &file) {
        assert!(cfg!(windows) && error.kind() == std::io::ErrorKind::PermissionDenied, "{error}");
        std::thread::yield_now();
    }
    file
}

#[tokio::test]
async fn doorbells_come_change_and_go() {
    let mut bench = Bench::start(&[], 8, |root| {
        create_private(&root.join("brummer/instances")).unwrap();
        place(&root.join("brummer/instances"), &doorbell("old", 1000));
    });
    assert_eq!(bench.appeared().await.doorbell.id.as_str(), "old");
    bench.scanned().await;

    let instances = bench.instances();
    let file = place(&instances, &doorbell("new", 1001));
    let found = bench.appeared().await;
    assert_eq!((found.doorbell.port, &found.file), (1001, &file));
    assert_eq!(found.modified, fs::metadata(&file).unwrap().modified().unwrap());

    // A heartbeat is not told: the next ring is that of the new port.
    let mut contents = doorbell("new", 1001);
    contents["last_seen"] = json!("2024-01-01T00:00:30Z");
    place(&instances, &contents);
    place(&instances, &doorbell("new", 1002));
    assert_eq!(bench.appeared().await.doorbell.port, 1002);

    fs::remove_file(&file).unwrap();
    assert_eq!(bench.removed().await, "new");
    place(&instances, &doorbell("new", 1003));
    assert_eq!(bench.appeared().await.doorbell.port, 1003);
    bench.watcher.stop().await;
}

#[tokio::test]
async fn a_file_written_in_place_is_read_when_it_is_whole() {
    let mut bench = Bench::start(&[], 8, |_| ());
    bench.scanned().await;
    let contents = doorbell("slow", 1000).to_string();
    let file = bench.instances().join("slow.json");
    let (first, second) = contents.split_at(20);
    fs::write(&file, first).unwrap();
    // Something else rings after the half file was seen, before it is whole.
    place(&bench.instances(), &doorbell("other", 1001));
    assert_eq!(bench.appeared().await.doorbell.id.as_str(), "other");
    use std::io::Write;
    fs::File::options().append(true).open(&file).unwrap().write_all(second.as_bytes()).unwrap();
    assert_eq!(bench.appeared().await.doorbell.id.as_str(), "slow");
}

#[tokio::test]
async fn the_first_directory_is_created_and_others_are_noticed_when_they_are() {
    let mut bench = Bench::start(&["run/brummer/instances", "far/away/brummer/instances"], 8, |root| {
        fs::create_dir(root.join("run")).unwrap();
    });
    bench.scanned().await;
    assert!(bench.instances().is_dir());
    for (id, directory) in [("near", "run/brummer/instances"), ("far", "far/away/brummer/instances")] {
        let directory = bench.root.path().join(directory);
        create_private(&directory).unwrap();
        place(&directory, &doorbell(id, 1000));
        assert_eq!(bench.appeared().await.doorbell.id.as_str(), id);
        place(&directory, &doorbell(id, 1001));
        assert_eq!(bench.appeared().await.doorbell.port, 1001);
    }
}

/// Not on Windows: there a directory that is being watched goes only when its watch does, and Wine never tells the watch.
#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_is_removed_is_created_and_watched_again() {
    let mut bench = Bench::start(&[], 8, |_| ());
    bench.scanned().await;
    for round in 0..3 {
        // Whoever is first: the watcher creates it in its rounds.
        create_private(&bench.instances()).unwrap();
        place(&bench.instances(), &doorbell("one", 1000 + round));
        assert_eq!(bench.appeared().await.doorbell.port, 1000 + round);
        fs::remove_dir_all(bench.root.path().join("brummer")).unwrap();
        assert_eq!(bench.removed().await, "one");
    }
}

#[tokio::test]
async fn instances_beyond_the_limit_come_in_when_there_is_room() {
    let mut bench = Bench::start(&[], 2, |_| ());
    bench.scanned().await;
    let files: Vec<_> =
        ["a", "b", "c"].iter().map(|id| place(&bench.instances(), &doorbell(id, 1000))).collect();
    assert_eq!(bench.appeared().await.doorbell.id.as_str(), "a");
    assert_eq!(bench.appeared().await.doorbell.id.as_str(), "b");
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(bench.removed().await, "a");
    assert_eq!(bench.appeared().await.doorbell.id.as_str(), "c");
}

#[tokio::test]
async fn more_files_than_the_queues_hold_are_all_told() {
    let mut bench = Bench::start(&[], 4096, |_| ());
    bench.scanned().await;
    // The ring queue has 16 places and nobody takes from it: the events overflow theirs too.
    let number = 1500;
    for index in 0..number {
        place(&bench.instances(), &doorbell(&format!("i{index}"), 1000));
    }
    let mut ids = std::collections::BTreeSet::new();
    while ids.len() < number {
        ids.insert(bench.appeared().await.doorbell.id.to_string());
    }
}

#[tokio::test]
async fn it_stops_while_nobody_takes_its_rings() {
    let bench = Bench::start(&[], 64, |root| {
        let instances = root.join("brummer/instances");
        create_private(&instances).unwrap();
        for index in 0..32 {
            place(&instances, &doorbell(&format!("i{index}"), 1000));
        }
    });
    tokio::time::timeout(PATIENCE, bench.watcher.stop()).await.expect("stopped in time");
    drop(bench.rings);

    let Bench { rings, watcher, root: _root } = Bench::start(&[], 64, |_| ());
    drop(rings);
    tokio::time::timeout(PATIENCE, watcher.stop()).await.expect("stopped in time");
}

#[tokio::test]
async fn dropping_it_stops_it() {
    let Bench { mut rings, watcher, root: _root } = Bench::start(&[], 64, |_| ());
    drop(watcher);
    let closed = async { while rings.recv().await.is_some() {} };
    tokio::time::timeout(PATIENCE, closed).await.expect("the thread let go in time");
}

#[tokio::test]
async fn a_stale_file_is_removed_and_a_newer_one_is_not() {
    let mut bench = Bench::start(&[], 8, |_| ());
    bench.scanned().await;
    let file = place(&bench.instances(), &doorbell("one", 1000));
    let found = bench.appeared().await;
    let mut newer = doorbell("one", 1000);
    newer["pid"] = json!(2);
    place(&bench.instances(), &newer);
    remove_stale(found).await;
    assert!(file.exists());
    let found = bench.appeared().await;
    assert_eq!(found.doorbell.pid, 2);
    remove_stale(found).await;
    assert!(!file.exists());
}

/// Counts what is logged at warn and above by the thread it is set for.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl Warnings {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The files alone, looked at on this thread, with what they warn of.
fn files(max_files: usize) -> (tempfile::TempDir, Files, mpsc::Receiver<Ring>) {
    let (sender, rings) = mpsc::channel(64);
    let files = Files::new(max_files, Rings { sender, stop: CancellationToken::new() });
    (tempfile::tempdir().unwrap(), files, rings)
}

#[test]
fn each_refused_file_is_reported_once() {
    let (root, mut files, mut rings) = files(8);
    let directory = root.path();
    fs::create_dir(directory.join("a-directory.json")).unwrap();
    fs::write(directory.join("bad id.json"), doorbell("bad id", 1).to_string()).unwrap();
    fs::write(directory.join("large.json"), " ".repeat(65 * 1024)).unwrap();
    fs::write(directory.join("other.json"), doorbell("another", 1).to_string()).unwrap();
    fs::write(directory.join("port.json"), doorbell("port", 0).to_string()).unwrap();
    let expected = if cfg!(unix) { 6 } else { 5 };
    #[cfg(unix)]
    {
        let target = directory.join("target");
        fs::write(&target, doorbell("link", 1).to_string()).unwrap();
        std::os::unix::fs::symlink(&target, directory.join("link.json")).unwrap();
    }
    // None of these may be a doorbell at all.
    for name in [".tmp-instance-5", ".hidden.json", "notes.txt", ".discovery.lock"] {
        fs::write(directory.join(name), "").unwrap();
    }
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        for _ in 0..3 {
            files.scan(directory);
        }
        assert_eq!(warnings.count(), expected);
        // Written anew with the same fault it is no news, with another it is.
        fs::write(directory.join("port.json"), doorbell("port", 0).to_string() + " ").unwrap();
        files.scan(directory);
        assert_eq!(warnings.count(), expected);
        fs::write(directory.join("port.json"), "{}").unwrap();
        files.scan(directory);
        assert_eq!(warnings.count(), expected + 1);
    });
    assert!(rings.try_recv().is_err());
    fs::write(directory.join("port.json"), doorbell("port", 1).to_string()).unwrap();
    files.scan(directory);
    assert!(matches!(rings.try_recv(), Ok(Ring::Appeared(_))));
}

#[test]
fn too_many_instances_are_reported_once() {
    let (root, mut files, mut rings) = files(2);
    for id in ["a", "b", "c", "d"] {
        place(root.path(), &doorbell(id, 1));
    }
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        for _ in 0..3 {
            files.scan(root.path());
        }
    });
    assert_eq!(warnings.count(), 1);
    assert_eq!(std::iter::from_fn(|| rings.try_recv().ok()).count(), 2);
}

#[test]
fn a_told_doorbell_that_becomes_something_else_is_taken_back() {
    let (root, mut files, mut rings) = files(2);
    let file = place(root.path(), &doorbell("a", 1));
    files.look(&file);
    assert!(matches!(rings.try_recv(), Ok(Ring::Appeared(_))));
    // Half of a new one: it may be in the middle of being written.
    fs::write(&file, r#"{"id": "#).unwrap();
    files.look(&file);
    assert!(rings.try_recv().is_err());
    fs::write(&file, doorbell("a", 0).to_string()).unwrap();
    files.look(&file);
    assert!(matches!(rings.try_recv(), Ok(Ring::Removed { .. })));
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hold_the_thread_up() {
    let (root, mut files, mut rings) = files(2);
    let pipe = root.path().join("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    files.scan(root.path());
    assert!(rings.try_recv().is_err());
    assert!(matches!(read::read(&pipe), Err((read::DoorbellRefusal::NotRegular, None))));
}

/// The rounds look at files of which events tell only after these tests have lost patience.
#[tokio::test]
async fn followed_files_are_told_of_wherever_they_come_to_be() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    let (file, trusted, draft) =
        (place("config/brummer/config.toml"), place("brummer/trusted"), place("draft"));
    let (told, mut changes) = watch::channel(0);
    let followed = Followed::new(&[file.clone(), trusted.clone()], told);
    let (sender, mut rings) = mpsc::channel(16);
    let watcher = Watcher::start(&Directories::only(place("brummer")), followed, 8, sender);
    assert!(matches!(rings.recv().await, Some(Ring::Scanned)));
    let mut count = 0;
    let mut told = async || {
        count += 1;
        let changed = tokio::time::timeout(PATIENCE, changes.wait_for(|now| *now >= count)).await;
        assert_eq!(*changed.expect("told in time").unwrap(), count, "once each");
    };
    let replace = |text: &str| {
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &file).unwrap();
    };
    // What came between the first reading and the start of the watching is not missed.
    told().await;
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    replace("one");
    told().await;
    replace("two");
    told().await;
    if cfg!(windows) {
        // Whoever watches a directory is not told there that it was renamed: that is seen at the next look.
        fs::remove_dir_all(place("config/brummer")).unwrap();
    } else {
        fs::rename(place("config/brummer"), place("away")).unwrap();
    }
    told().await;
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    replace("three");
    told().await;
    fs::remove_dir_all(place("config")).unwrap();
    told().await;
    fs::create_dir(&trusted).unwrap();
    told().await;
    fs::create_dir(trusted.join("consent")).unwrap();
    told().await;
    #[cfg(unix)]
    {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(place("elsewhere"), "four").unwrap();
        std::os::unix::fs::symlink(place("elsewhere"), &file).unwrap();
        told().await;
        fs::write(&draft, "four and more").unwrap();
        fs::rename(&draft, place("elsewhere")).unwrap();
        told().await;
        // So does a directory that is a link, and is led elsewhere.
        for other in ["first", "second"] {
            fs::create_dir(place(other)).unwrap();
            fs::write(place(other).join("config.toml"), other).unwrap();
        }
        let (directory, link) = (file.parent().unwrap(), place("link"));
        fs::remove_dir_all(directory).unwrap();
        told().await;
        for other in ["first", "second"] {
            std::os::unix::fs::symlink(place(other), &link).unwrap();
            fs::rename(&link, directory).unwrap();
            told().await;
        }
    }
    watcher.stop().await;
}
