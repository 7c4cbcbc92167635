//! Runs the tools of the corpus and writes down what they print, with its timing.
//!
//! Packages are installed below the system's temporary directory, once for each set of packages, and the project's files are
//! written beside them, so that every tool finds what it needs as in a project of its own.

use std::{
    collections::hash_map::DefaultHasher,
    ffi::OsString,
    fs,
    hash::{Hash, Hasher as _},
    io::{Read, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::case::{Case, Step};

/// A tool that prints nothing for so long does not go on by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes after the last step still belongs to it.
const REST: Duration = Duration::from_millis(1500);

/// A recording is cut here: what is longer repeats itself.
const MOST: usize = 48 * 1024;

/// Reads that wait to be looked at, which takes no time.
const CHUNKS: usize = 1024;

/// Where projects are in recordings, whatever the machine.
const PLACE: &str = "/home/dev/app";

/// One read of a stream.
struct Chunk {
    at: Duration,
    stream: char,
    bytes: Vec<u8>,
}

/// Records the cases whose names have one of these; all without any.
pub(super) fn run(corpus: &Path, names: &[String]) -> Result<ExitCode> {
    let mut failed = 0;
    for half in ["visible", "held-out"] {
        let mut files: Vec<PathBuf> =
            fs::read_dir(corpus.join(half))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|ending| ending == "case"));
        files.sort();
        for file in files {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
                continue;
            }
            match record(&file) {
                Ok(bytes) => eprintln!("{name}: {bytes} bytes"),
                Err(error) => {
                    eprintln!("{name}: {error:#}");
                    failed += 1;
                }
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn record(file: &Path) -> Result<usize> {
    let case = Case::parse(&fs::read_to_string(file)?)?;
    let project = install(&case)?;
    let mut steps = case.steps.iter().peekable();
    while let Some(Step::Write { .. }) = steps.peek() {
        take(steps.next(), &project)?;
    }
    let begun = Instant::now();
    let mut child = start(&case, &project)?;
    let (sender, chunks) = sync_channel(CHUNKS);
    follow(child.stdout.take().context("no stdout")?, 'o', begun, sender.clone());
    follow(child.stderr.take().context("no stderr")?, 'e', begun, sender);
    let mut said = Said { chunks, taken: Vec::new(), text: String::new(), seen: 0 };
    let waits = steps.len() > 0;
    let followed = steps.try_for_each(|step| match step {
        Step::Wait(text) => said.wait(text),
        step => take(Some(step), &project),
    });
    if waits && followed.is_ok() {
        said.rest();
    } else if followed.is_ok() {
        said.end();
    }
    end(&mut child);
    said.end();
    let recording = said.recording(&project);
    fs::write(file.with_extension("rec"), &recording)?;
    followed.map(|()| recording.len())
}

/// What has come so far.
struct Said {
    chunks: Receiver<Chunk>,
    taken: Vec<Chunk>,
    text: String,
    seen: usize,
}

impl Said {
    fn take(&mut self, patience: Duration) -> Result<(), RecvTimeoutError> {
        let chunk = self.chunks.recv_timeout(patience)?;
        self.text.push_str(&plain(&String::from_utf8_lossy(&chunk.bytes)));
        self.taken.push(chunk);
        Ok(())
    }

    fn wait(&mut self, wanted: &str) -> Result<()> {
        loop {
            if let Some(at) = self.text[self.seen..].find(wanted) {
                self.seen += at + wanted.len();
                return Ok(());
            }
            self.take(PATIENCE).map_err(|_| anyhow::anyhow!("it never prints {wanted:?}"))?;
        }
    }

    /// What comes until it is quiet.
    fn rest(&mut self) {
        while self.take(REST).is_ok() {}
    }

    /// What comes until it ends.
    fn end(&mut self) {
        while self.take(PATIENCE).is_ok() {}
    }

    /// The chunks as lines of JSON: milliseconds, stream, text.
    fn recording(&self, project: &Path) -> String {
        let mut out = String::new();
        let mut left = MOST;
        // A character may stand in two reads.
        let mut begun: [(char, Vec<u8>); 2] = [('o', Vec::new()), ('e', Vec::new())];
        for chunk in &self.taken {
            let pending = &mut begun[usize::from(chunk.stream == 'e')].1;
            pending.extend_from_slice(&chunk.bytes);
            let whole = match std::str::from_utf8(pending) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => pending.len(),
            };
            let rest = pending.split_off(whole);
            let bytes = std::mem::replace(pending, rest);
            let text = anonymous(&String::from_utf8_lossy(&bytes), project);
            if text.len() > left {
                break;
            }
            left -= text.len();
            let line = serde_json::json!([chunk.at.as_millis(), chunk.stream.to_string(), text]);
            out.push_str(&format!("{line}\n"));
        }
        out
    }
}

/// Without what only this machine has.
fn anonymous(text: &str, project: &Path) -> String {
    let mut text = text.replace(&project.display().to_string(), PLACE);
    if let Some(name) = project.file_name().and_then(|name| name.to_str()) {
        text = text.replace(name, "app");
    }
    if let Some(home) = std::env::var_os("HOME") {
        text = text.replace(&format!("{}/", Path::new(&home).display()), "/home/dev/");
    }
    if let Some(machine) = fs::read_to_string("/etc/hostname").ok().filter(|name| name.trim().len() > 3) {
        text = text.replace(machine.trim(), "machine");
    }
    text
}

/// Without colours: what is waited for is written as it is read.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\x1b' => escaped = true,
            c if escaped => escaped = !c.is_ascii_alphabetic(),
            c => out.push(c),
        }
    }
    out
}

/// Makes the project's directory with its packages, and nothing else.
fn install(case: &Case) -> Result<PathBuf> {
    let mut hash = DefaultHasher::new();
    (&case.npm, &case.pip).hash(&mut hash);
    let directory = std::env::temp_dir().join("brummer-corpus").join(format!("{:016x}", hash.finish()));
    fs::create_dir_all(&directory)?;
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        let kept = ["node_modules", ".venv", "installed"];
        if path.file_name().is_some_and(|name| kept.iter().any(|kept| name == *kept)) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    let done = directory.join("installed");
    let all = |command: &mut Command| -> Result<()> {
        let output = command.current_dir(&directory).output().context("cannot start the installer")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    if !done.exists() {
        if !case.npm.is_empty() {
            fs::write(directory.join("package.json"), "{\"private\":true}")?;
            let options = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--force"];
            all(Command::new("npm").args(options).args(&case.npm))?;
            fs::remove_file(directory.join("package.json"))?;
        }
        if !case.pip.is_empty() {
            all(Command::new("python3").args(["-m", "venv", ".venv"]))?;
            all(Command::new(".venv/bin/pip").args(["install", "--quiet"]).args(&case.pip))?;
        }
        fs::write(done, "")?;
    }
    Ok(directory)
}

fn start(case: &Case, project: &Path) -> Result<Child> {
    let mut path: OsString = project.join("node_modules/.bin").into();
    path.push(":");
    path.push(project.join(".venv/bin"));
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = if case.terminal {
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &case.command, "/dev/null"]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", &case.command]);
        command
    };
    command.current_dir(project).env("PATH", path);
    for telemetry in ["NEXT", "ASTRO", "NUXT", "TURBO"] {
        command.env(format!("{telemetry}_TELEMETRY_DISABLED"), "1");
    }
    command.env("npm_config_update_notifier", "false").env("PYTHONUNBUFFERED", "1");
    for name in ["CI", "NO_COLOR", "FORCE_COLOR", "CARGO", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command.envs(case.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.spawn().context("cannot start it")
}

fn follow(mut from: impl Read + Send + 'static, stream: char, begun: Instant, to: SyncSender<Chunk>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let chunk = Chunk { at: begun.elapsed(), stream, bytes: buffer[..read].to_vec() };
            if to.send(chunk).is_err() {
                return;
            }
        }
    });
}

/// Ends it with all that it has started.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    for signal in ["-TERM", "-KILL"] {
        let killed = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
        if !killed.is_ok_and(|status| status.success()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // It is gone, one way or the other.
    let _ = child.wait();
}

fn take(step: Option<&Step>, project: &Path) -> Result<()> {
    match step {
        Some(Step::Write { path, text }) => {
            let path = project.join(path);
            fs::create_dir_all(path.parent().context("no directory")?)?;
            fs::write(path, text)?;
        }
        Some(Step::Remove(path)) => fs::remove_file(project.join(path))?,
        Some(Step::Get(url)) => get(url)?,
        Some(Step::Pause(milliseconds)) => std::thread::sleep(Duration::from_millis(*milliseconds)),
        Some(Step::Wait(_)) | None => {}
    }
    Ok(())
}

/// Asks for a URL and reads the answer, whatever it is.
fn get(url: &str) -> Result<()> {
    let rest = url.strip_prefix("http://").context("only http")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let deadline = Instant::now() + PATIENCE;
    let mut stream = loop {
        match TcpStream::connect(host) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    // As a browser asks for a page, or for what a page needs.
    let accept = if path.contains('.') { "*/*" } else { "text/html,*/*" };
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n")?;
    let mut answer = Vec::new();
    // An answer that breaks off is one, too.
    let _ = stream.read_to_end(&mut answer);
    Ok(())
}
