//! Where doorbell files are written and looked for.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    path::{self, Path, PathBuf},
};

use crate::terminal::clean_line;

/// The environment variable that replaces every place by one.
pub const DATA_DIRECTORY_VARIABLE: &str = "BRUMMER_DATA_DIR";

/// Where doorbell files are written and looked for.
///
/// MCP clients start the hub with a stripped environment, so a place that comes from `XDG_*` or `TMPDIR` may differ
/// between the hub and an instance. Registrations are therefore written below the home directory only, and the hub looks
/// in every place that an instance, or the released Go program, may have used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directories {
    /// The `brummer` directory in which registrations are written (`instances/` and `temp/` below it).
    pub data: PathBuf,
    /// Every directory that is watched for doorbell files; the one written to is the first.
    pub watched: Vec<PathBuf>,
}

impl Directories {
    /// The places for this user, as the environment gives them. A `BRUMMER_DATA_DIR` that cannot be meant is left out, with a
    /// warning: see [`try_from_env`](Self::try_from_env).
    #[must_use]
    pub fn from_env() -> Self {
        Self::try_from_env().unwrap_or_else(|error| {
            tracing::warn!(%error, "using the usual directories");
            let variable = |name: &str| variable(name).filter(|_| name != DATA_DIRECTORY_VARIABLE);
            Self::from_surroundings(&Environment { variable: &variable, ..Environment::of_user() })
        })
    }

    /// The same, but for an error when `BRUMMER_DATA_DIR` names no directory.
    ///
    /// # Errors
    /// When something in it was to be replaced by whoever set it, and was not.
    pub fn try_from_env() -> Result<Self, DataDirectoryError> {
        let surroundings = Environment::of_user();
        match variable(DATA_DIRECTORY_VARIABLE) {
            Some(data) => Ok(Self::only(expanded(&data, &variable)?)),
            None => Ok(Self::from_surroundings(&surroundings)),
        }
    }

    /// Only this `brummer` directory, as a person or a configuration file writes it: `~`, `$HOME` and `${HOME}` are replaced,
    /// which no shell has done for a client's configuration.
    ///
    /// # Errors
    /// When it names a variable that is not set, or another user's home.
    pub fn written(data: impl AsRef<OsStr>) -> Result<Self, DataDirectoryError> {
        Ok(Self::only(expanded(data.as_ref(), &variable)?))
    }

    /// Only this `brummer` directory, nothing else of the machine.
    #[must_use]
    pub fn only(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        // Events carry absolute paths. Without a working directory there is nothing better than the path as given.
        let data = path::absolute(&data).unwrap_or(data);
        Self { watched: vec![data.join("instances")], data }
    }

    fn from_surroundings(surroundings: &Environment<'_>) -> Self {
        let variable = surroundings.variable;
        if let Some(data) = variable(DATA_DIRECTORY_VARIABLE) {
            return Self::only(data);
        }
        // A user without a home directory still has a temporary one, which is watched as well.
        let data = surroundings.user_data.as_ref().unwrap_or(&surroundings.temporary).join("brummer");
        let mut places = vec![data.clone()];
        // A relative path in an XDG variable is to be ignored, says the XDG base directory specification.
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if cfg!(windows) {
            // What the system answers does not depend on the variable; programs that know only the variable write there.
            places.extend(absolute("APPDATA").map(|place| place.join("brummer")));
        }
        places.extend(absolute("XDG_DATA_HOME").map(|place| place.join("brummer")));
        places.extend(absolute("XDG_RUNTIME_DIR").map(|place| place.join("brummer")));
        if cfg!(target_os = "linux") {
            places.extend(surroundings.user.map(|user| PathBuf::from(format!("/run/user/{user}/brummer"))));
        }
        places.push(surroundings.temporary.join("brummer"));
        if cfg!(unix) {
            // Where an instance without `TMPDIR` writes, when the hub has one.
            places.push(PathBuf::from("/tmp/brummer"));
        }
        let mut watched: Vec<PathBuf> = Vec::with_capacity(places.len());
        for place in places {
            let directory = place.join("instances");
            if !watched.contains(&directory) {
                watched.push(directory);
            }
        }
        Self { data, watched }
    }

    /// Whether instances are looked for in one directory only.
    pub(crate) fn is_one(&self) -> bool {
        self.watched.len() == 1
    }

    /// Where registrations are prepared before they are renamed into place: the same file system, but not watched.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.data.join("temp")
    }

    /// Where registrations are written.
    pub(crate) fn instances(&self) -> PathBuf {
        self.data.join("instances")
    }
}

/// Why a text names no data directory.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the data directory `{written}` cannot be used: {why}; write the whole path")]
pub struct DataDirectoryError {
    written: String,
    why: String,
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Replaces a `~` at the beginning, and variables where a part of the path begins (`$NAME`, `${NAME}`, `${env:NAME}`; `%NAME%`
/// on Windows). A directory that is called like that is never meant.
fn expanded(
    written: &OsStr,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, DataDirectoryError> {
    let Some(text) = written.to_str() else { return Ok(written.into()) };
    let refused = |why: String| Err(DataDirectoryError { written: clean_line(text).into_owned(), why });
    let home = || variable("HOME").map(PathBuf::from).or_else(dirs::home_dir);
    let mut path = PathBuf::new();
    for (index, part) in text.split_inclusive(path::is_separator).enumerate() {
        let name = part.trim_end_matches(path::is_separator);
        let named = match name.strip_prefix('$') {
            Some(rest) => match rest.strip_prefix('{') {
                Some(rest) => rest.strip_suffix('}').map(|name| name.strip_prefix("env:").unwrap_or(name)),
                None => {
                    Some(rest).filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
                }
            },
            None if cfg!(windows) => name.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')),
            None => None,
        };
        match (name, named) {
            ("~", _) if index == 0 => match home() {
                Some(home) => path.push(home),
                None => return refused("there is no home directory".to_owned()),
            },
            (_, Some("HOME" | "userHome")) => match home() {
                Some(home) => path.push(home),
                None => return refused("there is no home directory".to_owned()),
            },
            (_, Some(named)) => match variable(named) {
                Some(value) => path.push(value),
                None => return refused(format!("the variable `{}` is not set", clean_line(named))),
            },
            (name, None) if name.starts_with("${") => {
                return refused("it has a `${` that is not replaced".to_owned());
            }
            (name, None) if index == 0 && name.starts_with('~') => {
                return refused("the homes of other users are not looked for".to_owned());
            }
            // With its separator: that of the beginning is the root.
            _ => path.push(part),
        }
    }
    Ok(path)
}

/// What the places depend on.
struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The parent of the `brummer` directory.
    user_data: Option<PathBuf>,
    temporary: PathBuf,
    user: Option<u32>,
}

impl Environment<'_> {
    fn of_user() -> Self {
        Self { variable: &variable, user_data: user_data(), temporary: env::temp_dir(), user: user() }
    }
}

/// `~/.local/share` on Linux and macOS, whatever `XDG_DATA_HOME` says; on Windows what `%APPDATA%` usually is, whatever it
/// says.
fn user_data() -> Option<PathBuf> {
    if cfg!(windows) { dirs::data_dir() } else { dirs::home_dir().map(|home| home.join(".local/share")) }
}

#[cfg(unix)]
fn user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn user() -> Option<u32> {
    None
}

/// Creates a directory and what is missing above it, for this user alone.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    #[cfg(windows)]
    return super::access::create_directory(directory);
    #[cfg(not(windows))]
    {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)
    }
}

/// A new file, open for writing, that this user alone may read and write.
pub(crate) fn create_private_file(file: &Path) -> io::Result<File> {
    #[cfg(windows)]
    return super::access::create_file(file);
    #[cfg(not(windows))]
    {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Directories {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        Directories::from_surroundings(&Environment {
            variable: &|wanted| {
                variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
            },
            user_data: Some(PathBuf::from("/home/me/.local/share")),
            temporary: PathBuf::from("/tmp"),
            user: Some(1000),
        })
    }

    #[test]
    fn one_variable_replaces_every_place() {
        let root = if cfg!(windows) { r"C:\data" } else { "/data" };
        let places = places(&[("BRUMMER_DATA_DIR", root), ("XDG_DATA_HOME", "/xdg")]);
        assert_eq!(places, Directories::only(root));
        assert_eq!(places.watched, [Path::new(root).join("instances")]);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_shell_would_replace_is_replaced_or_refused() {
        let variable = |name: &str| match name {
            "HOME" => Some(OsString::from("/home/me")),
            "DATA" => Some(OsString::from("/data")),
            _ => None,
        };
        for (written, expected) in [
            ("~", "/home/me"),
            ("~/x", "/home/me/x"),
            ("$HOME/x", "/home/me/x"),
            ("${HOME}/x/y", "/home/me/x/y"),
            ("${env:HOME}", "/home/me"),
            ("${userHome}/.data", "/home/me/.data"),
            ("$DATA/brummer", "/data/brummer"),
            ("/data/x/", "/data/x/"),
            ("/a/~/b", "/a/~/b"),
            ("/a/b$c", "/a/b$c"),
            ("/a/$", "/a/$"),
            ("relative", "relative"),
        ] {
            assert_eq!(expanded(OsStr::new(written), &variable), Ok(PathBuf::from(expected)), "{written}");
        }
        for (written, why) in [
            ("~root/x", "other users"),
            ("$NOT_SET/x", "`NOT_SET` is not set"),
            ("${workspaceFolder}/x", "`workspaceFolder` is not set"),
            ("/a/${HOME", "not replaced"),
        ] {
            let error = expanded(OsStr::new(written), &variable).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(written), "{error}");
        }
    }

    #[test]
    fn a_relative_directory_is_made_absolute() {
        let places = Directories::only("data");
        assert!(places.data.is_absolute(), "{places:?}");
        assert!(places.data.ends_with("data"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_place_that_an_instance_may_use_is_watched_once() {
        let stripped = places(&[]);
        assert_eq!(stripped.data, Path::new("/home/me/.local/share/brummer"));
        let common = [
            "/home/me/.local/share/brummer/instances",
            "/run/user/1000/brummer/instances",
            "/tmp/brummer/instances",
        ];
        assert_eq!(stripped.watched, common.map(PathBuf::from));
        let same =
            places(&[("XDG_DATA_HOME", "/home/me/.local/share/"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
        assert_eq!(same.watched, stripped.watched);
        let other = places(&[("XDG_DATA_HOME", "/xdg"), ("XDG_RUNTIME_DIR", "relative")]);
        assert_eq!(other.data, stripped.data);
        assert_eq!(other.watched[1], Path::new("/xdg/brummer/instances"));
        assert_eq!(other.watched.len(), 4);
    }

    #[cfg(windows)]
    #[test]
    fn the_variable_of_windows_is_one_more_place() {
        let usual = places(&[]);
        let changed = places(&[("APPDATA", r"C:\other")]);
        assert_eq!(changed.data, usual.data);
        assert_eq!(changed.watched[0], usual.watched[0]);
        assert_eq!(changed.watched[1], Path::new(r"C:\other\brummer\instances"));
        assert_eq!(changed.watched.len(), usual.watched.len() + 1);
        assert_eq!(places(&[("APPDATA", "relative")]), usual);
    }

    #[cfg(unix)]
    #[test]
    fn directories_are_created_for_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("a/b");
        create_private(&directory).unwrap();
        create_private(&directory).unwrap();
        for created in [directory.parent().unwrap(), &directory] {
            assert_eq!(std::fs::metadata(created).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
