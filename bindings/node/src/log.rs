//! `onLog`: what the library has to say, to functions of JavaScript.
//!
//! ```text
//!  any thread ──Line──▶ one broadcast channel ──▶ a task for each listener ──Emitter──▶ JavaScript
//! ```
//!
//! Nothing is installed before somebody listens. A listener that is too slow misses lines, and is told how many.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use brummer_hub::log::Lines;
use napi_derive::napi;
use serde_json::json;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Level, callsite, level_filters::LevelFilter};

use crate::{
    emit::{Callback, Emitter, code, thrown},
    hub::emitter,
    runtime::runtime,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// Lines that a listener may be behind.
const BEHIND: usize = 1024;

/// What may be wanted, the gravest first, by name.
const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// How many listen to each of them.
static LISTENING: [AtomicUsize; LEVELS.len()] = [const { AtomicUsize::new(0) }; LEVELS.len()];

#[derive(Debug)]
struct Line {
    level: Level,
    target: &'static str,
    message: String,
}

impl Line {
    fn text(&self) -> String {
        let level = LEVELS.iter().find(|(_, level)| *level == self.level).map_or("error", |(name, _)| *name);
        json!({ "level": level, "target": self.target, "message": self.message }).to_string()
    }
}

/// The process's lines; `None` when it has a logger for Rust already.
fn lines() -> Option<&'static broadcast::Sender<Arc<Line>>> {
    static LINES: OnceLock<Option<broadcast::Sender<Arc<Line>>>> = OnceLock::new();
    let install = || {
        let (lines, _) = broadcast::channel(BEHIND);
        let said = lines.clone();
        let tell = move |level, target, message| {
            // Nobody listens at the moment.
            let _ = said.send(Arc::new(Line { level, target, message }));
        };
        tracing::subscriber::set_global_default(Lines::new(most, tell)).ok().map(|()| lines)
    };
    LINES.get_or_init(install).as_ref()
}

/// The most that anybody listens to.
fn most() -> LevelFilter {
    let wanted = |(_, many): &(_, &AtomicUsize)| many.load(Ordering::Relaxed) > 0;
    let last = LEVELS.iter().zip(&LISTENING).rev().find(wanted);
    last.map_or(LevelFilter::OFF, |((_, level), _)| LevelFilter::from_level(*level))
}

/// Counts a listener for as long as it listens.
struct Listens(&'static AtomicUsize);

impl Listens {
    fn to(many: &'static AtomicUsize) -> Self {
        many.fetch_add(1, Ordering::Relaxed);
        callsite::rebuild_interest_cache();
        Self(many)
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        callsite::rebuild_interest_cache();
    }
}

/// Listens to the library until it is stopped or collected.
#[napi]
pub struct NativeLog {
    stop: Option<(DropGuard, Listens)>,
}

#[napi]
impl NativeLog {
    /// Calls back with each line up to a level.
    ///
    /// # Errors
    /// When there is no such level, or the process has a logger for Rust of its own.
    #[napi(factory, catch_unwind)]
    pub fn listen(level: String, callback: Callback<'_>) -> Result<Self> {
        let names = LEVELS.map(|(name, _)| name);
        let Some(at) = names.iter().position(|name| *name == level) else {
            let message = format!("onLog: `level` must be one of {}", names.join(", "));
            return Err(thrown(code::INVALID_ARGUMENT, message));
        };
        let emitter = emitter(&callback)?;
        let Some(lines) = lines() else {
            return Err(thrown(code::UNSUPPORTED, "another part of this process has a logger for Rust"));
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let told = tell(lines.subscribe(), LEVELS[at].1, emitter);
        runtime().spawn(async move { stopped.run_until_cancelled(told).await });
        Ok(Self { stop: Some((stop.drop_guard(), Listens::to(&LISTENING[at]))) })
    }

    /// Stops it.
    #[napi]
    pub fn stop(&mut self) {
        self.stop = None;
    }
}

async fn tell(mut lines: broadcast::Receiver<Arc<Line>>, most: Level, emitter: Emitter) {
    loop {
        let line = match lines.recv().await {
            Ok(line) if line.level > most => continue,
            Ok(line) => line.text(),
            Err(RecvError::Lagged(missed)) => {
                let message = format!("{missed} lines were lost: whoever listens to the log is too slow");
                Line { level: Level::WARN, target: module_path!(), message }.text()
            }
            Err(RecvError::Closed) => return,
        };
        if emitter.send("line", line).await.is_err() {
            return;
        }
    }
}
