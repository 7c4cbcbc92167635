//! Dev servers that are known to have an MCP server, and how a project says that it uses one. Blocking, but pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
};

use brummer_hub::doorbell::Secret;
use serde_json::Value;

use crate::project;

/// A file that is larger declares no dependencies.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where the members of a `package.json` name what it depends on.
const DEPENDENCIES: [&str; 4] =
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/// A dev server with an MCP server.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct KnownServer {
    /// What its instance is called.
    pub(super) name: &'static str,
    /// Packages of which the project has at least one.
    packages: &'static [&'static str],
    /// Other files that name it.
    files: &'static [&'static str],
    pub(super) endpoint: &'static str,
    pub(super) question: McpProbe,
    /// It wants an `Origin`, its own.
    wants_origin: bool,
}

/// How to find out that it is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum McpProbe {
    /// It answers the first request of MCP.
    Initialize,
    /// It has a page of its own to be found by.
    Page(&'static str),
}

/// Left out are `vite-plugin-mcp` and what is made of it (`nuxt-mcp`): the second client at a time ends the dev server.
static KNOWN: [KnownServer; 5] = [
    KnownServer {
        name: "next",
        packages: &["next"],
        files: &[],
        endpoint: "/_next/mcp",
        question: McpProbe::Initialize,
        wants_origin: false,
    },
    KnownServer {
        name: "storybook",
        packages: &["@storybook/addon-mcp"],
        files: &[],
        endpoint: "/mcp",
        question: McpProbe::Initialize,
        wants_origin: false,
    },
    KnownServer {
        name: "devtools",
        packages: &["@vitejs/devtools"],
        files: &[],
        endpoint: "/__devtools/__mcp",
        question: McpProbe::Initialize,
        wants_origin: true,
    },
    KnownServer {
        name: "devtools",
        packages: &["@devframes/hub", "devframe"],
        files: &[],
        endpoint: "/__mcp",
        question: McpProbe::Initialize,
        wants_origin: true,
    },
    KnownServer {
        name: "tidewave",
        packages: &["tidewave"],
        files: &["mix.exs", "Gemfile", "pyproject.toml", "requirements.txt"],
        endpoint: "/tidewave/mcp",
        question: McpProbe::Page("/tidewave/config"),
        wants_origin: false,
    },
];

impl KnownServer {
    /// Header fields that hubs have to send.
    pub(super) fn headers(&self, address: IpAddr, port: u16) -> BTreeMap<String, Secret> {
        let origin = self.wants_origin.then(|| Secret::new(&origin(address, port)).ok()).flatten();
        origin.into_iter().map(|origin| ("origin".to_owned(), origin)).collect()
    }

    /// Its own origin, if it wants one.
    pub(super) fn origin(&self, address: IpAddr, port: u16) -> Option<String> {
        self.wants_origin.then(|| origin(address, port))
    }
}

fn origin(address: IpAddr, port: u16) -> String {
    format!("http://{}", authority(address, port))
}

/// Address and port as a URL has them.
pub(super) fn authority(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}

/// Those that a project uses, as it says in the directory of the script or in its own.
pub(super) fn wanted(directory: &Path, root: &Path) -> Vec<&'static KnownServer> {
    let directories: BTreeSet<&Path> = [directory, root].into();
    let packages: BTreeSet<String> = directories.iter().flat_map(|it| packages(it)).collect();
    let names_it = |known: &KnownServer| {
        let mut files = directories.iter().flat_map(|it| known.files.iter().map(|file| it.join(file)));
        files.any(|file| read(&file).is_some_and(|text| text.contains(known.name)))
    };
    let uses =
        |known: &&KnownServer| known.packages.iter().any(|it| packages.contains(*it)) || names_it(known);
    KNOWN.iter().filter(uses).collect()
}

/// What a `package.json` depends on.
fn packages(directory: &Path) -> Vec<String> {
    let text = read(&directory.join("package.json")).unwrap_or_default();
    let package: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
    let members = DEPENDENCIES.iter().filter_map(|member| package.get(member)?.as_object());
    members.flat_map(|member| member.keys().cloned()).collect()
}

fn read(file: &Path) -> Option<String> {
    project::text(file, MAX_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(files: &[(&str, &str)], directory: &str) -> Vec<&'static str> {
        let root = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, contents).unwrap();
        }
        wanted(&root.path().join(directory), root.path()).iter().map(|it| it.name).collect()
    }

    #[test]
    fn a_project_says_what_it_uses() {
        let next = r#"{ "dependencies": { "next": "16", "react": "19" } }"#;
        assert_eq!(names(&[("package.json", next)], ""), ["next"]);
        let many = r#"{ "devDependencies": { "nuxt-mcp-dev": "*", "@storybook/addon-mcp": "*", "@vitejs/devtools": "*" } }"#;
        assert_eq!(names(&[("package.json", many)], ""), ["storybook", "devtools"]);
        assert_eq!(names(&[("Gemfile", "gem \"tidewave\", group: :development")], ""), ["tidewave"]);
    }

    #[test]
    fn a_workspace_has_what_the_root_has() {
        let next = r#"{ "dependencies": { "next": "16" } }"#;
        assert_eq!(names(&[("package.json", next), ("web/package.json", "{}")], "web"), ["next"]);
        assert_eq!(names(&[("package.json", "{}"), ("web/package.json", next)], "web"), ["next"]);
        assert_eq!(names(&[("package.json", "{}"), ("web/package.json", next)], ""), Vec::<&str>::new());
    }

    #[test]
    fn nothing_is_made_of_what_cannot_be_read() {
        for odd in ["", "[]", "{", r#"{ "dependencies": ["next"] }"#, r#"{ "next": "16" }"#] {
            assert_eq!(names(&[("package.json", odd)], ""), Vec::<&str>::new(), "{odd}");
        }
    }

    #[test]
    fn an_origin_is_sent_only_where_it_is_wanted() {
        let address = "::1".parse().unwrap();
        let wants: Vec<_> = KNOWN.iter().filter_map(|it| it.origin(address, 5173)).collect();
        assert_eq!(wants, ["http://[::1]:5173"; 2]);
        assert!(KNOWN.iter().all(|it| it.headers(address, 1).len() == usize::from(it.wants_origin)));
    }
}
