//! Finds programs on Windows as its command line does. The system's own search knows `.exe` only, so that `npx`, which
//! is `npx.cmd`, would not be found.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// What Windows looks for when `PATHEXT` is not set.
const DEFAULT_ENDINGS: &str = ".COM;.EXE;.BAT;.CMD";

/// The file to run for a program's name; the name itself when there is none, so that starting it gives the system's
/// own error.
#[cfg(windows)]
#[must_use]
pub fn locate(program: &OsStr) -> std::ffi::OsString {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let path = set("PATH").unwrap_or_default();
    let endings = set("PATHEXT").unwrap_or_else(|| DEFAULT_ENDINGS.into());
    let directories = std::env::split_paths(&path).collect::<Vec<_>>();
    find(Path::new(program), &directories, &endings)
        .map_or_else(|| program.to_owned(), PathBuf::into_os_string)
}

/// Looks for the name with each ending: in the directories if it is a bare name, else where it says. A name that has
/// one of the endings is taken as it is first.
fn find(program: &Path, directories: &[PathBuf], endings: &OsStr) -> Option<PathBuf> {
    let endings = endings.to_str().unwrap_or(DEFAULT_ENDINGS);
    let endings: Vec<&str> = endings.split(';').filter(|ending| ending.starts_with('.')).collect();
    let complete = program
        .extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| endings.iter().any(|ending| ending[1..].eq_ignore_ascii_case(extension)));
    let candidates = |base: &Path| -> Vec<PathBuf> {
        let with_ending = endings.iter().map(|ending| {
            let mut name = base.as_os_str().to_owned();
            name.push(ending.to_ascii_lowercase());
            PathBuf::from(name)
        });
        complete.then(|| base.to_owned()).into_iter().chain(with_ending).collect()
    };
    if program.components().count() > 1 {
        return candidates(program).into_iter().find(|file| file.is_file());
    }
    directories.iter().flat_map(|directory| candidates(&directory.join(program))).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_bare_name_is_found_with_its_ending_in_the_first_directory_that_has_it() {
        let root = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| root.path().join(name));
        for directory in [&first, &second] {
            fs::create_dir(directory).unwrap();
        }
        // Without an ending: the script for POSIX shells that npm installs beside `npx.cmd`.
        fs::write(first.join("npx"), "").unwrap();
        fs::write(second.join("npx.cmd"), "").unwrap();
        fs::write(second.join("npx.exe"), "").unwrap();
        let directories = [first.clone(), second.clone()];
        let found = |name: &str, endings: &str| find(Path::new(name), &directories, OsStr::new(endings));
        assert_eq!(found("npx", ".EXE;.CMD"), Some(second.join("npx.exe")));
        assert_eq!(found("npx", ".CMD;.EXE"), Some(second.join("npx.cmd")));
        assert_eq!(found("npx.cmd", ".EXE;.CMD"), Some(second.join("npx.cmd")));
        assert_eq!(found("missing", ".EXE;.CMD"), None);
    }

    #[test]
    fn a_path_is_looked_for_where_it_says() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("server.v2.cmd"), "").unwrap();
        let found = find(&root.path().join("server.v2"), &[], OsStr::new(DEFAULT_ENDINGS));
        assert_eq!(found, Some(root.path().join("server.v2.cmd")));
    }
}
