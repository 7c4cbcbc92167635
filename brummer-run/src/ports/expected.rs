//! On which port a script is likely to listen, told from its command. Pure.

use std::sync::LazyLock;

use regex::Regex;

/// `PORT=3000`, `--port 3000`, `-p=3000`, `localhost:3000`.
static GIVEN: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)(?:^|[\s'\x22])(?:
        (?:[A-Z_]*PORT=|--(?:port|http-port|server\.port|listen)[=\s]+|-[pP][=\s]?|-l[=\s]+)['\x22]?
        | --\S+=(?:localhost|127\.0\.0\.1|0\.0\.0\.0):
        | (?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::\]):
        | runserver\s+(?:\S+:)?
        )(?<port>[0-9]{2,5})(?:[\s/'\x22]|$)";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// Tools with the port that they take when none is given; a word that must follow narrows it.
const DEFAULTS: [(&str, &[&str], u16); 33] = [
    ("vite", &["preview"], 4173),
    ("vite", &["build", "optimize"], 0),
    ("vite", &[], 5173),
    ("next", &["dev", "start"], 3000),
    ("nuxt", &["dev", "preview", "start"], 3000),
    ("nuxi", &["dev", "preview"], 3000),
    ("astro", &["dev", "preview"], 4321),
    ("storybook", &["dev"], 6006),
    ("webpack", &["serve"], 8080),
    ("webpack-dev-server", &[], 8080),
    ("rspack", &["serve", "dev"], 8080),
    ("rsbuild", &["dev", "preview"], 3000),
    ("ng", &["serve"], 4200),
    ("react-scripts", &["start"], 3000),
    ("react-router", &["dev"], 5173),
    ("remix", &["vite:dev", "dev"], 5173),
    ("vue-cli-service", &["serve"], 8080),
    ("gatsby", &["develop"], 8000),
    ("docusaurus", &["start", "serve"], 3000),
    ("vitepress", &["dev"], 5173),
    ("expo", &["start"], 8081),
    ("parcel", &["build", "watch"], 0),
    ("parcel", &[], 1234),
    ("wrangler", &["dev"], 8787),
    ("http-server", &[], 8080),
    ("json-server", &[], 3000),
    ("serve", &[], 3000),
    ("uvicorn", &[], 8000),
    ("flask", &["run"], 5000),
    ("runserver", &[], 8000),
    ("rails", &["server", "s"], 3000),
    ("hugo", &["server", "serve"], 1313),
    ("mkdocs", &["serve"], 8000),
];

/// Programs that start several others, each of which would read the same `PORT`.
const RUNNERS: [&str; 12] = [
    "concurrently",
    "npm-run-all",
    "npm-run-all2",
    "run-p",
    "run-s",
    "turbo",
    "nx",
    "lerna",
    "wireit",
    "moon",
    "foreman",
    "pm2",
];

/// The ports that a command is likely to listen on: those that it names, else that of its tool.
pub(crate) fn ports(command: &str) -> Vec<u16> {
    let given = GIVEN.captures_iter(command).filter_map(|found| found["port"].parse().ok());
    let given: Vec<u16> = given.filter(|port| *port > 0).collect();
    if !given.is_empty() {
        return given;
    }
    let mut ports = Vec::new();
    for part in command.split(['&', '|', ';', '\n']) {
        let words: Vec<&str> = part.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        let fits = |(tool, follows, _): &&(&str, &[&str], u16)| {
            let at = words.iter().position(|word| word.rsplit('/').next() == Some(tool));
            let next = at.map(|at| words[at + 1..].iter().find(|word| !word.starts_with('-')));
            next.is_some_and(|next| follows.is_empty() || next.is_some_and(|next| follows.contains(next)))
        };
        ports.extend(DEFAULTS.iter().find(fits).map(|(_, _, port)| *port).filter(|port| *port > 0));
    }
    ports
}

/// Whether a command names a port.
pub(crate) fn is_given(command: &str) -> bool {
    GIVEN.is_match(command)
}

/// Whether a command starts several servers, as far as it shows.
pub(crate) fn is_runner(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let runs = |word: &str| RUNNERS.contains(&word.rsplit('/').next().unwrap_or(word));
    words.any(|word| {
        runs(word) || matches!(word, "&" | "-r" | "--recursive" | "--parallel" | "--workspaces" | "-ws")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_their_ports() {
        for (command, wanted) in [
            ("vite", &[5173][..]),
            ("vite --host", &[5173]),
            ("vite build", &[]),
            ("tsc && vite preview", &[4173]),
            ("vite --port 3001", &[3001]),
            ("next dev -p 4000", &[4000]),
            ("next dev --turbopack", &[3000]),
            ("next build", &[]),
            ("PORT=8080 node server.js", &[8080]),
            ("cross-env PORT='8081' node .", &[8081]),
            ("node server.js", &[]),
            ("storybook dev -p 6006", &[6006]),
            ("./node_modules/.bin/astro dev", &[4321]),
            ("python manage.py runserver 8001", &[8001]),
            ("python manage.py runserver 0.0.0.0:8002", &[8002]),
            ("python manage.py runserver", &[8000]),
            ("uvicorn app:app --reload", &[8000]),
            ("wait-on http://localhost:3000/ && cypress run", &[3000]),
            ("concurrently \"vite\" \"next dev\"", &[5173]),
            ("mkdir -p 2024-01 && vitest run", &[]),
            ("vitest", &[]),
        ] {
            assert_eq!(ports(command), wanted, "{command}");
        }
    }

    #[test]
    fn what_starts_several_servers_is_known() {
        for command in
            ["concurrently a b", "turbo run dev", "vite & node api.js", "pnpm -r dev", "npx run-p a b"]
        {
            assert!(is_runner(command), "{command}");
        }
        for command in ["next dev", "tsc && vite", "node turbo.js"] {
            assert!(!is_runner(command), "{command}");
        }
    }
}
