//! How much `run` holds a script up that prints a million lines, beside `| cat > /dev/null`, and what memory it takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Plan, fleet::mib};
use crate::{
    lines, process, stats,
    table::{Row, ratio, time},
    usage,
    world::World,
};

/// For one round, with the start of npm.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks for the script's report.
const PAUSE: Duration = Duration::from_millis(5);

/// How much longer than into `cat` it may take.
const TARGET: f64 = 1.3;

/// Memory may not grow with the number of lines: so many times as many are printed to see that.
const MORE: u64 = 5;

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    if cfg!(not(unix)) {
        return Ok(rows);
    }
    let count = plan.lines;
    for (each, how) in [(true, "one by one"), (false, "in blocks of 64 KiB")] {
        let (mut direct, mut piped, mut run) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.line_rounds {
            direct.push(shell(count, each, "> /dev/null")?);
            piped.push(shell(count, each, "| cat > /dev/null")?);
            if let Some(binary) = &plan.hub {
                run.push(managed(binary, count, each)?.taken);
            }
        }
        let floor = stats::median(&mut piped);
        let mut row =
            Row::new(format!("{count} lines printed {how}, until the script goes on"), "≤ 1.3 × floor");
        row.direct = Some(time(stats::median(&mut direct)));
        row.floor = Some(time(floor));
        let median = (!run.is_empty()).then(|| stats::median(&mut run));
        let show = |taken| format!("{} ({:.2} ×)", time(taken), ratio(taken, floor));
        rows.push(row.hub(median, show, |taken| ratio(taken, floor) <= TARGET));
    }
    let mut memory = Row::new(format!("resident memory of `run` after {count} lines, at most"), "≤ 24 MiB");
    let mut flat = Row::new(format!("the same after {} lines", count * MORE), "≤ 2 MiB more");
    if let Some(binary) = &plan.hub {
        let once = managed(binary, count, false)?.peak_kib;
        let more = managed(binary, count * MORE, false)?.peak_kib;
        memory = memory.hub(once, mib, |kib| kib <= 24 * 1024);
        flat = flat.hub(more.zip(once), |(more, _)| mib(more), |(more, once)| more <= once + 2 * 1024);
    }
    rows.extend([memory, flat]);
    Ok(rows)
}

fn script(count: u64, each: bool, report: &Path) -> Result<String> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let each = if each { " --each" } else { "" };
    Ok(format!("'{}' lines --count {count}{each} --report '{}'", own.display(), report.display()))
}

/// The script in a shell.
fn shell(count: u64, each: bool, into: &str) -> Result<Duration> {
    let directory = tempfile::tempdir()?;
    let report = directory.path().join("report");
    let line = format!("{} {into}", script(count, each, &report)?);
    let status = Command::new("sh").args(["-c", &line]).status().context("cannot start sh")?;
    ensure!(status.success(), "`{line}` fails");
    lines::read(&report).context("the script does not report")
}

struct Managed {
    taken: Duration,
    peak_kib: Option<u64>,
}

/// The script of a project under `run`.
fn managed(binary: &Path, count: u64, each: bool) -> Result<Managed> {
    let world = World::new()?;
    let project: PathBuf = world.path().join("project");
    fs::create_dir(&project)?;
    let report = project.join("report");
    let package = json!({ "name": "lines", "scripts": { "lines": script(count, each, &report)? } });
    fs::write(project.join("package.json"), package.to_string())?;
    let mut command = Command::new(binary);
    command.args(["run", "lines", "--port", "0", "--dir"]).arg(&project).arg("--data-dir").arg(world.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let guard = process::watch(command)?;
    guard.deadline(Some(PATIENCE));
    let started = Instant::now();
    let taken = loop {
        if let Some(taken) = lines::read(&report) {
            break taken;
        }
        ensure!(started.elapsed() < PATIENCE, "the script does not report");
        std::thread::sleep(PAUSE);
    };
    Ok(Managed { taken, peak_kib: usage::peak_kib(guard.pid()) })
}
