//! Where doorbell files are written and looked for.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{self, Path, PathBuf},
};

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
    /// The places for this user, as the environment gives them.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_surroundings(&Surroundings {
            variable: &|name| env::var_os(name).filter(|value| !value.is_empty()),
            user_data: user_data(),
            temporary: env::temp_dir(),
            user: user(),
        })
    }

    /// Only this `brummer` directory, nothing else of the machine.
    #[must_use]
    pub fn only(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        // Events carry absolute paths. Without a working directory there is nothing better than the path as given.
        let data = path::absolute(&data).unwrap_or(data);
        Self { watched: vec![data.join("instances")], data }
    }

    fn from_surroundings(surroundings: &Surroundings<'_>) -> Self {
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

    /// Where registrations are prepared before they are renamed into place: the same file system, but not watched.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.data.join("temp")
    }

    /// Where registrations are written.
    pub(crate) fn instances(&self) -> PathBuf {
        self.data.join("instances")
    }
}

/// What the places depend on.
struct Surroundings<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The parent of the `brummer` directory.
    user_data: Option<PathBuf>,
    temporary: PathBuf,
    user: Option<u32>,
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

/// Creates a directory and what is missing above it, for this user alone. (On Windows it inherits the access rules of the
/// user's profile, which say the same.)
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Directories {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        Directories::from_surroundings(&Surroundings {
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
            assert_eq!(fs::metadata(created).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
