//! The directories of doorbell files, and the files in them.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use brummer_hub::{
    discovery::{Directories, read_trusted},
    doorbell::Doorbell,
    hub::Snapshot,
    process::owner_of_port,
};

use super::report::Report;
use crate::env;

const SECTION: &str = "Directories";
const FILES: &str = "Announcements";

/// A file that cannot be read and is older than this is not one that is being written.
const SETTLED: Duration = Duration::from_secs(60);

pub(super) fn look(places: &Directories, report: &mut Report) {
    if env::get(env::DATA_DIR).is_some() {
        let advice = "clients that were configured without it look elsewhere; `brummer-hub install` in this shell tells them";
        report.note(SECTION, "BRUMMER_DATA_DIR is set", Some(advice));
    }
    for (at, directory) in places.watched.iter().enumerate() {
        let what = if at == 0 { "written and watched" } else { "watched" };
        match fs::metadata(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if at == 0 {
                    report.ok(SECTION, format!("{} will be made when needed", directory.display()));
                }
            }
            Err(error) => report.problem(
                SECTION,
                format!("{} cannot be read: {error}", directory.display()),
                "give this user access to it",
            ),
            Ok(metadata) if !metadata.is_dir() => {
                report.problem(
                    SECTION,
                    format!("{} is not a directory", directory.display()),
                    "move it away",
                );
            }
            Ok(metadata) if writable_by_others(&metadata) => report.repairable(
                SECTION,
                format!("others may write into {}", directory.display()),
                "anybody could announce a server to your clients; `chmod go-w` on it ends that",
                || close(directory, &metadata),
            ),
            Ok(_) => report.ok(SECTION, format!("{} ({what})", directory.display())),
        }
    }
}

/// What becomes of each file: its instance is listed, or why not.
pub(super) fn look_at_files(places: &Directories, snapshot: &Snapshot, report: &mut Report) {
    for directory in &places.watched {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for path in entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
        {
            look_at(&path, snapshot, report);
        }
    }
}

fn look_at(path: &Path, snapshot: &Snapshot, report: &mut Report) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parsed = match read_trusted(path) {
        Ok(bytes) => Doorbell::parse(&name, &bytes),
        // Gone since the directory was listed: its instance has ended.
        Err(error) if error.is_absent() => return,
        Err(error) => {
            let advice = "only a file of this user that others may not write is taken; mend or remove it";
            return report.problem(FILES, format!("{} is not taken: {error}", path.display()), advice);
        }
    };
    match parsed {
        Err(error) if is_settled(path) => report.repairable(
            FILES,
            format!("{} is refused: {error}", path.display()),
            "the program that wrote it has a defect; until it is mended, remove the file",
            || fs::remove_file(path),
        ),
        Err(error) => report.note(FILES, format!("{} is refused: {error}", path.display()), None),
        Ok(doorbell) => {
            let listed = snapshot.instances.iter().find(|instance| *instance.id() == doorbell.id);
            match listed {
                Some(instance) => report.ok(FILES, format!("{} is {}", path.display(), instance.alias)),
                None => {
                    let port = doorbell.port;
                    let owner = match owner_of_port(doorbell.host, port) {
                        Some(owner) => format!("port {port} belongs to process {owner}"),
                        None => format!("nothing that this user may see listens on port {port}"),
                    };
                    report.note(
                        FILES,
                        format!(
                            "{} is not listed: it names process {}, and {owner}",
                            path.display(),
                            doorbell.pid
                        ),
                        Some("its server has ended, or runs in a container; the hub listens for its return"),
                    );
                }
            }
        }
    }
}

fn is_settled(path: &Path) -> bool {
    let age = fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map(|at| SystemTime::now().duration_since(at));
    matches!(age, Ok(Ok(age)) if age > SETTLED)
}

#[cfg(unix)]
fn writable_by_others(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o022 != 0
}

#[cfg(not(unix))]
fn writable_by_others(_metadata: &fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn close(directory: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(directory, fs::Permissions::from_mode(metadata.permissions().mode() & !0o022))
}

#[cfg(not(unix))]
fn close(_directory: &Path, _metadata: &fs::Metadata) -> io::Result<()> {
    Ok(())
}
