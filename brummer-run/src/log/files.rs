//! The log as files of the person's choice (`--log-dir`): one for each script, with what the log has, free of secrets.
//!
//! A thread of its own writes, as for the console: a disk may be slow or full, and nobody must wait for it. What it has not
//! written yet is bounded; lines beyond are left out, with their number.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::ansi;
use crate::console::Console;

/// A file that is larger is put aside before more is written.
const MAX_FILE: u64 = 10 * 1024 * 1024;

/// Older files that are kept: `dev.log.1` to `dev.log.3`.
const OLDER: u32 = 3;

/// Texts that wait to be written.
const QUEUE: usize = 4096;

/// Bytes that wait to be written.
const QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// How long the end waits for a disk that stands still.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why there can be no files.
#[derive(Debug, thiserror::Error)]
#[error("--log-dir: cannot write into {}: {source}", .directory.display())]
pub struct LogDirError {
    directory: PathBuf,
    source: io::Error,
}

#[derive(Debug)]
enum FileCommand {
    Begin { process: u32, name: Arc<str>, about: String },
    Lines { process: u32, name: Arc<str>, is_error: bool, at: i64, lines: Bytes },
    Forget { process: u32 },
    End { done: oneshot::Sender<()> },
}

/// The files, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    items: SyncSender<FileCommand>,
    queued: Arc<AtomicUsize>,
    /// Lines that were left out since the thread has last said so.
    skipped: Arc<AtomicU64>,
}

impl Files {
    /// Makes the directory, and starts the thread.
    pub(crate) fn start(directory: &Path, console: Console) -> Result<Self, LogDirError> {
        let failed = |source| LogDirError { directory: directory.to_owned(), source };
        create(directory).map_err(failed)?;
        let (items, incoming) = sync_channel(QUEUE);
        let files = Self { items, queued: Arc::default(), skipped: Arc::default() };
        let writer = Writer {
            directory: directory.to_owned(),
            open: HashMap::new(),
            console,
            queued: files.queued.clone(),
            skipped: files.skipped.clone(),
            warned: false,
        };
        thread::Builder::new()
            .name("log files".to_owned())
            .spawn(move || writer.run(&incoming))
            .map_err(failed)?;
        Ok(files)
    }

    /// A process begins.
    pub(crate) fn begin(&self, process: u32, name: Arc<str>, about: String) {
        let _ = self.items.try_send(FileCommand::Begin { process, name, about });
    }

    /// Whole lines of a process. Never waits.
    pub(crate) fn lines(&self, process: u32, name: &Arc<str>, is_error: bool, at: i64, lines: Bytes) {
        let length = lines.len();
        let count = memchr::memchr_iter(b'\n', &lines).count() as u64;
        if self.queued.fetch_add(length, Ordering::Relaxed) > QUEUED_BYTES {
            self.skipped.fetch_add(count, Ordering::Relaxed);
            self.queued.fetch_sub(length, Ordering::Relaxed);
            return;
        }
        let item = FileCommand::Lines { process, name: name.clone(), is_error, at, lines };
        if self.items.try_send(item).is_err() {
            self.skipped.fetch_add(count, Ordering::Relaxed);
            self.queued.fetch_sub(length, Ordering::Relaxed);
        }
    }

    /// Nothing comes of a process any more.
    pub(crate) fn forget(&self, process: u32) {
        let _ = self.items.try_send(FileCommand::Forget { process });
    }

    /// Waits until everything is written, but not for long.
    pub(crate) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.items.try_send(FileCommand::End { done }).is_ok() {
            let _ = tokio::time::timeout(LAST_WORDS, finished).await;
        }
    }
}

/// Bytes of a script's name that are in the name of its file.
const LONGEST_NAME: usize = 180;

/// Where the log of a script is: its name, with `%` and two digits for whatever may mean something in a path.
pub(crate) fn path(directory: &Path, script: &str) -> PathBuf {
    let mut name = String::new();
    for (index, byte) in script.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    // The longest names of files have 255 bytes. Two that begin alike must not share a file.
    if name.len() > LONGEST_NAME {
        let mut hasher = DefaultHasher::new();
        script.hash(&mut hasher);
        name.truncate(LONGEST_NAME);
        name.push_str(&format!("-{:016x}", hasher.finish()));
    }
    directory.join(format!("{name}.log"))
}

/// Opens a file to be added to. What a project may have put in its place is not followed, and nobody is waited for there.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    let refused = |why: &dyn std::fmt::Display| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        io::Error::other(format!("`{name}`: {why}"))
    };
    if path.is_symlink() {
        return Err(refused(&"it is a symbolic link, which is not followed"));
    }
    let file = options.open(path).map_err(|error| refused(&error))?;
    if !file.metadata()?.is_file() {
        return Err(refused(&"it is no regular file"));
    }
    Ok(file)
}

/// The thread.
struct Writer {
    directory: PathBuf,
    open: HashMap<u32, Opened>,
    console: Console,
    queued: Arc<AtomicUsize>,
    skipped: Arc<AtomicU64>,
    /// A person was told already that the disk refuses to be written.
    warned: bool,
}

/// One file that is written to.
struct Opened {
    path: PathBuf,
    file: BufWriter<File>,
    size: u64,
}

impl Writer {
    fn run(mut self, items: &Receiver<FileCommand>) {
        while let Ok(item) = items.recv() {
            let mut next = Some(item);
            while let Some(item) = next {
                match item {
                    FileCommand::Begin { process, name, about } => {
                        self.text(process, &name, format!("--- {about}\n").as_bytes());
                    }
                    FileCommand::Lines { process, name, is_error, at, lines } => {
                        self.queued.fetch_sub(lines.len(), Ordering::Relaxed);
                        self.lines(process, &name, is_error, at, &lines);
                    }
                    FileCommand::Forget { process } => drop(self.open.remove(&process)),
                    FileCommand::End { done } => {
                        self.flush();
                        let _ = done.send(());
                        return;
                    }
                }
                next = items.try_recv().ok();
            }
            self.flush();
        }
    }

    fn lines(&mut self, process: u32, name: &str, is_error: bool, at: i64, lines: &[u8]) {
        let time = jiff::Timestamp::from_millisecond(at).map(|time| format!("{time:.3}")).unwrap_or_default();
        let mark = if is_error { '!' } else { '|' };
        let prefix = format!("{time} {mark} ");
        let mut text = Vec::with_capacity(lines.len() + lines.len() / 2 + prefix.len());
        let skipped = self.skipped.swap(0, Ordering::Relaxed);
        if skipped > 0 {
            text.extend_from_slice(
                format!("--- {skipped} lines are left out: the disk is too slow\n").as_bytes(),
            );
        }
        // It is read on terminals, too.
        let lines = super::text(lines);
        for line in lines.strip_suffix('\n').unwrap_or(&lines).split('\n') {
            text.extend_from_slice(prefix.as_bytes());
            text.extend_from_slice(ansi::printable(line.strip_suffix('\r').unwrap_or(line)).as_bytes());
            text.push(b'\n');
        }
        self.text(process, name, &text);
    }

    /// Writes into the file of a process, which is opened with its first text.
    fn text(&mut self, process: u32, name: &str, text: &[u8]) {
        let file = match self.open.entry(process) {
            Entry::Occupied(file) => Ok(file.into_mut()),
            Entry::Vacant(place) => Opened::new(path(&self.directory, name)).map(|file| place.insert(file)),
        };
        if let Err(error) = file.and_then(|file| file.text(text)) {
            self.warn(&error);
        }
    }

    fn flush(&mut self) {
        let failed: Vec<io::Error> = self.open.values_mut().filter_map(|it| it.file.flush().err()).collect();
        failed.iter().for_each(|error| self.warn(error));
    }

    fn warn(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.warned, true) {
            let directory = self.directory.display();
            self.console.note(format_args!(
                "warning: --log-dir: cannot write into {directory}: {error}; the log itself has all lines"
            ));
        }
    }
}

impl Opened {
    fn new(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file: BufWriter::with_capacity(64 * 1024, file), size })
    }

    fn text(&mut self, text: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + text.len() as u64 > MAX_FILE {
            self.file.flush()?;
            rotate(&self.path)?;
            *self = Self::new(self.path.clone())?;
        }
        self.size += text.len() as u64;
        self.file.write_all(text)
    }
}

/// Puts a file aside, and lets go of the oldest.
fn rotate(path: &Path) -> io::Result<()> {
    let older = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..OLDER).rev() {
        match fs::rename(older(number), older(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, older(1))
}

/// Makes the directory, for this user only where it is new.
fn create(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    // That it can be written is found out now and not with the first line.
    let trial = directory.join(format!(".brummer-{:016x}", fastrand::u64(..)));
    fs::write(&trial, "").and_then(|()| fs::remove_file(&trial))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_chooses_another_place() {
        let of = |name: &str| path(Path::new("logs"), name);
        assert_eq!(of("dev"), Path::new("logs/dev.log"));
        assert_eq!(of("web#dev"), Path::new("logs/web%23dev.log"));
        assert_eq!(of("../../etc/passwd"), Path::new("logs/%2E.%2F..%2Fetc%2Fpasswd.log"));
        assert_eq!(of("C:\\x"), Path::new("logs/C%3A%5Cx.log"));
        assert_eq!(of("").parent(), Some(Path::new("logs")));
        let long = |end: &str| of(&format!("{}{end}", "é".repeat(200)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").file_name().unwrap().len() < 240, "room for the number of an older one");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_project_put_in_the_place_of_a_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let [link, pipe, victim] = ["link.log", "pipe.log", "victim"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for (path, why) in [(link, "symbolic link"), (pipe, "pipe.log")] {
            let error = Opened::new(path.clone()).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(why), "{}: {error}", path.display());
        }
        assert!(!victim.exists());
    }

    #[tokio::test]
    async fn nothing_in_a_file_acts_on_the_terminal_that_shows_it() {
        let directory = tempfile::tempdir().unwrap();
        let options = crate::ConsoleOptions {
            output: Box::new(io::sink()),
            notes: Box::new(io::sink()),
            colour: false,
            whole: false,
        };
        let files = Files::start(directory.path(), Console::start(options).unwrap()).unwrap();
        let said = "\u{202e}gnp\u{2066}x\u{2069} \x1b[31mred\x1b[0m \u{9b}1mone\u{9b}0m bell\x07\ttab\nzero\u{200b}width\u{feff}\r\n\
                    10 %\r20 %\r\n\x1b]0;title\x07Grüße 👋\n\n";
        files.lines(1, &"dev".into(), false, 0, said.into());
        files.finish().await;
        let written = fs::read_to_string(path(directory.path(), "dev")).unwrap();
        let lines: Vec<&str> =
            written.lines().map(|line| line.strip_prefix("1970-01-01T00:00:00.000Z | ").unwrap()).collect();
        let expected = [
            "\u{fffd}gnp\u{fffd}x\u{fffd} red one bell\ttab",
            "zero\u{fffd}width\u{fffd}",
            "20 %",
            "Grüße 👋",
            "",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn files_are_rotated_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(directory.path(), "dev");
        let mut file = Opened::new(path.clone()).unwrap();
        let half = vec![b'x'; usize::try_from(MAX_FILE).unwrap() / 2];
        for _ in 0..11 {
            file.text(&half).unwrap();
        }
        file.file.flush().unwrap();
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["dev.log", "dev.log.1", "dev.log.2", "dev.log.3"]);
        for name in names {
            assert!(fs::metadata(directory.path().join(name)).unwrap().len() <= MAX_FILE);
        }
    }
}
