//! A place in a source, as tools print it.

use std::fmt;

/// A file, and where in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// Parts of paths whose code a project does not own: packages, and what belongs to the language.
const FOREIGN: [&str; 25] = [
    "node_modules/",
    "node_modules\\",
    "site-packages",
    "dist-packages",
    "/lib/python3",
    "\\Lib\\",
    "node:",
    "bun:",
    "ext:",
    "internal/",
    "<frozen ",
    "<string>",
    "/usr/lib/",
    "/usr/local/go/",
    "/usr/share/go",
    "/go/pkg/mod/",
    "/rustc/",
    "/.cargo/registry/",
    "/.yarn/",
    "webpack/bootstrap",
    "webpack/runtime",
    "/.next/",
    "_next/static/",
    "@vite/",
    "@id/",
];

impl Place {
    pub(crate) fn new(file: &str, line: Option<&str>, column: Option<&str>) -> Self {
        Self {
            file: path(file).to_owned(),
            line: line.and_then(|it| it.parse().ok()),
            column: column.and_then(|it| it.parse().ok()),
        }
    }

    /// Whether it is in the project's own sources.
    pub(crate) fn is_own(&self) -> bool {
        !FOREIGN.iter().any(|part| self.file.contains(part))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.line.and(self.column)].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// The path in a URL that a bundler or loader makes of it, without a query.
fn path(file: &str) -> &str {
    let mut path = file.trim();
    for scheme in ["script:", "file://", "webpack-internal:///", "webpack:///", "webpack://", "turbopack:///"]
    {
        if let Some(rest) = path.strip_prefix(scheme) {
            path = rest;
            // `webpack-internal:///(rsc)/./app/page.tsx`
            if let Some((_, inside)) = path.strip_prefix('(').and_then(|rest| rest.split_once(")/")) {
                path = inside;
            }
            // `webpack://shop/./src/page.js`
            if let Some((_, inside)) = path.split_once("/./").filter(|(name, _)| !name.contains('/')) {
                path = inside;
            }
        }
    }
    let path = path.strip_prefix("[project]/").unwrap_or(path);
    path.split_once('?').map_or(path, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_project() {
        for (file, wanted) in [
            ("file:///app/a.mjs", "/app/a.mjs"),
            ("webpack-internal:///(rsc)/./app/page.tsx", "./app/page.tsx"),
            ("webpack://shop/./src/page.js", "src/page.js"),
            ("/app/src/a.vue?vue&type=script", "/app/src/a.vue"),
            ("C:\\p\\src\\b.js", "C:\\p\\src\\b.js"),
        ] {
            assert_eq!(Place::new(file, None, None).file, wanted);
        }
        assert_eq!(Place::new("a.ts", Some("3"), Some("5")).to_string(), "a.ts:3:5");
        assert_eq!(Place::new("a.ts", Some("3"), None).to_string(), "a.ts:3");
        assert!(Place::new("/app/fl.py", None, None).is_own());
        assert!(!Place::new("/app/.venv/lib/python3.11/site-packages/flask/app.py", None, None).is_own());
    }
}
