//! What clients may set in the environment of scripts. Some variables make programs load code, so that only those pass that
//! are known to do no harm, and those that whoever started the run has named. Pure.

use std::collections::BTreeMap;

/// Names that do no more than change what a script says or where it listens; `*` stands for any rest.
const HARMLESS: [&str; 22] = [
    "PORT",
    "HOST",
    "HOSTNAME",
    "NODE_ENV",
    "APP_ENV",
    "CI",
    "DEBUG",
    "LOG_LEVEL",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "NO_COLOR",
    "FORCE_COLOR",
    "TZ",
    "LANG",
    "FEATURE_*",
    "VITE_*",
    "PUBLIC_*",
    "NEXT_PUBLIC_*",
    "NUXT_PUBLIC_*",
    "REACT_APP_*",
    "EXPO_PUBLIC_*",
    "STORYBOOK_*",
];

/// The most variables of a script, and the longest value.
const MAX_VARIABLES: usize = 64;
const MAX_VALUE: usize = 8 * 1024;

/// What clients may set.
#[derive(Debug)]
pub(crate) struct Permits {
    more: Vec<String>,
}

impl Permits {
    /// The harmless names, and more.
    pub(crate) fn new(more: Vec<String>) -> Self {
        Self { more }
    }

    /// Whether all of these may be set; if not, why.
    pub(crate) fn check(&self, environment: &BTreeMap<String, String>) -> Result<(), String> {
        if environment.len() > MAX_VARIABLES {
            return Err(format!("`env` has more than {MAX_VARIABLES} variables"));
        }
        for (name, value) in environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(format!("`{}` is not a valid environment variable", name.escape_debug()));
            }
            if value.len() > MAX_VALUE {
                return Err(format!("the value of `{name}` is longer than {MAX_VALUE} bytes"));
            }
            if !self.permits(name) {
                return Err(format!(
                    "clients of this run may not set `{name}`; whoever starts it can permit that: \
                     brummer-hub run --allow-env {name}"
                ));
            }
        }
        Ok(())
    }

    fn permits(&self, name: &str) -> bool {
        let mut permitted = HARMLESS.into_iter().chain(self.more.iter().map(String::as_str));
        permitted.any(|permitted| match permitted.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == permitted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &[&str], name: &str, value: &str) -> Result<(), String> {
        let permits = Permits::new(more.iter().map(|name| (*name).to_owned()).collect());
        permits.check(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn what_makes_programs_load_code_is_refused() {
        for name in [
            "NODE_OPTIONS",
            "PATH",
            "LD_PRELOAD",
            "npm_config_script_shell",
            "BASH_ENV",
            "PYTHONPATH",
            "port",
        ] {
            let why = check(&["API_*"], name, "x").unwrap_err();
            assert!(why.contains(&format!("--allow-env {name}")), "{why}");
        }
        for name in ["PORT", "VITE_API", "NODE_ENV"] {
            assert_eq!(check(&[], name, "x"), Ok(()), "{name}");
        }
    }

    #[test]
    fn whoever_starts_the_run_permits_more() {
        assert_eq!(check(&["API_*", "DATABASE_URL"], "API_KEY", "x"), Ok(()));
        assert_eq!(check(&["API_*", "DATABASE_URL"], "DATABASE_URL", "x"), Ok(()));
        assert_eq!(check(&["*"], "NODE_OPTIONS", "x"), Ok(()));
        assert!(check(&["DATABASE_URL"], "DATABASE_URL_2", "x").is_err());
    }

    #[test]
    fn what_is_no_variable_is_named() {
        for (name, value) in [("A=B", "x"), ("", "x"), ("PORT", "a\0b")] {
            assert!(check(&["*"], name, value).unwrap_err().contains("not a valid environment variable"));
        }
        assert!(check(&[], "DEBUG", &"x".repeat(MAX_VALUE + 1)).unwrap_err().contains("longer than"));
    }
}
