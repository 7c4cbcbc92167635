//! Where this machine keeps the configurations of clients. Pure: the system, the home directory and the environment
//! are values, so that each system's paths are tested on every system.

use std::path::PathBuf;

/// The kind of system whose conventions hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Os {
    Linux,
    Mac,
    Windows,
}

impl Os {
    /// The one that this program was built for; other Unix systems are like Linux here.
    pub(super) const CURRENT: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Mac
    } else {
        Self::Linux
    };
}

/// The directory that a path begins with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    Home,
    /// `$XDG_CONFIG_HOME`, else `~/.config`, on every system: what programs do that were written for Linux.
    Config,
    /// Where desktop programs keep their settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    AppData,
    /// What this variable says, else this directory below the home directory.
    Variable(&'static str, &'static str),
}

/// A path below one of the bases, on all systems or on one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    base: Base,
    /// Parts separated by `/`.
    path: &'static str,
    systems: &'static [Os],
}

const EVERYWHERE: &[Os] = &[Os::Linux, Os::Mac, Os::Windows];

impl Place {
    pub(super) const fn home(path: &'static str) -> Self {
        Self { base: Base::Home, path, systems: EVERYWHERE }
    }

    pub(super) const fn config(path: &'static str) -> Self {
        Self { base: Base::Config, path, systems: EVERYWHERE }
    }

    pub(super) const fn app_data(path: &'static str) -> Self {
        Self { base: Base::AppData, path, systems: EVERYWHERE }
    }

    pub(super) const fn variable(name: &'static str, otherwise: &'static str, path: &'static str) -> Self {
        Self { base: Base::Variable(name, otherwise), path, systems: EVERYWHERE }
    }

    /// Only on these systems.
    pub(super) const fn on(self, systems: &'static [Os]) -> Self {
        Self { systems, ..self }
    }
}

/// What is known of the machine and its user.
pub(crate) struct System<'a> {
    pub(crate) os: Os,
    pub(crate) home: String,
    /// Reads the environment; `None` for what is unset or empty.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl System<'_> {
    /// The path, unless it means nothing on this system.
    pub(super) fn resolve(&self, place: Place) -> Option<PathBuf> {
        if !place.systems.contains(&self.os) {
            return None;
        }
        let base = match place.base {
            Base::Home => self.home.clone(),
            Base::Config => self.config(),
            Base::AppData => match self.os {
                Os::Linux => self.config(),
                Os::Mac => self.join(&self.home, "Library/Application Support"),
                Os::Windows => {
                    self.get("APPDATA").unwrap_or_else(|| self.join(&self.home, "AppData/Roaming"))
                }
            },
            Base::Variable(name, otherwise) => {
                self.get(name).unwrap_or_else(|| self.join(&self.home, otherwise))
            }
        };
        Some(PathBuf::from(self.join(&base, place.path)))
    }

    /// The path, if it begins with a variable that is set: the user's own word.
    pub(super) fn asked_for(&self, place: Place) -> Option<PathBuf> {
        match place.base {
            Base::Variable(name, _) => self.get(name).and_then(|_| self.resolve(place)),
            Base::Home | Base::Config | Base::AppData => None,
        }
    }

    fn config(&self) -> String {
        self.get("XDG_CONFIG_HOME").unwrap_or_else(|| self.join(&self.home, ".config"))
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn join(&self, base: &str, path: &str) -> String {
        let separator = if self.os == Os::Windows { '\\' } else { '/' };
        path.split('/').filter(|part| !part.is_empty()).fold(base.to_owned(), |mut joined, part| {
            if !joined.ends_with(separator) {
                joined.push(separator);
            }
            joined + part
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(os: Os, home: &str, environment: &[(&str, &str)], place: Place) -> Option<String> {
        let variable = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let system = System { os, home: home.to_owned(), variable: &variable };
        system.resolve(place).map(|path| path.into_os_string().into_string().unwrap())
    }

    #[test]
    fn each_system_has_its_own_places() {
        let windows = (Os::Windows, r"C:\Users\Ada");
        let mac = (Os::Mac, "/Users/ada");
        let linux = (Os::Linux, "/home/ada");
        let desktop = Place::app_data("Claude/claude_desktop_config.json");
        for ((os, home), place, expected) in [
            (linux, Place::home(".claude.json"), "/home/ada/.claude.json"),
            (windows, Place::home(".cursor/mcp.json"), r"C:\Users\Ada\.cursor\mcp.json"),
            (linux, desktop, "/home/ada/.config/Claude/claude_desktop_config.json"),
            (mac, desktop, "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json"),
            (windows, desktop, r"C:\Users\Ada\AppData\Roaming\Claude\claude_desktop_config.json"),
            (mac, Place::config("goose/config.yaml"), "/Users/ada/.config/goose/config.yaml"),
            (linux, Place::variable("CODEX_HOME", ".codex", "config.toml"), "/home/ada/.codex/config.toml"),
            (linux, Place::variable("CLAUDE_CONFIG_DIR", "", ".claude.json"), "/home/ada/.claude.json"),
        ] {
            assert_eq!(resolved(os, home, &[], place).as_deref(), Some(expected));
        }
        let mac_only = Place::home("x").on(&[Os::Mac]);
        assert_eq!(resolved(Os::Linux, "/home/ada", &[], mac_only), None);
    }

    #[test]
    fn what_a_variable_asks_for_is_known() {
        let variable = |name: &str| (name == "CLINE_DIR").then(|| "/x".to_owned());
        let system = System { os: Os::Linux, home: "/home/ada".to_owned(), variable: &variable };
        let asked = |name| system.asked_for(Place::variable(name, ".cline", "a.json"));
        assert_eq!(asked("CLINE_DIR"), Some(PathBuf::from("/x/a.json")));
        assert_eq!(asked("CLINE_DATA_DIR"), None);
        assert_eq!(system.asked_for(Place::home("a.json")), None);
    }

    #[test]
    fn the_environment_moves_them() {
        for (os, variable, value, place, expected) in [
            (Os::Linux, "XDG_CONFIG_HOME", "/cfg", Place::app_data("Code/User"), "/cfg/Code/User"),
            (Os::Windows, "APPDATA", r"D:\Roaming\", Place::app_data("Code"), r"D:\Roaming\Code"),
            (
                Os::Mac,
                "CODEX_HOME",
                "/x",
                Place::variable("CODEX_HOME", ".codex", "config.toml"),
                "/x/config.toml",
            ),
            (Os::Linux, "XDG_CONFIG_HOME", "", Place::config("zed"), "/home/ada/.config/zed"),
        ] {
            assert_eq!(resolved(os, "/home/ada", &[(variable, value)], place).as_deref(), Some(expected));
        }
    }
}
