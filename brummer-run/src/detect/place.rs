//! A place in a source, as tools print it.

use std::{borrow::Cow, fmt};

/// A file, and where in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// Parts of paths whose code a project does not own: packages, and what belongs to the language.
const FOREIGN: [&str; 32] = [
    "node_modules/",
    "node_modules\\",
    "site-packages",
    "dist-packages",
    "/lib/python3",
    "node:",
    "https://",
    "bun:",
    "ext:",
    "<frozen ",
    "<string>",
    "<internal:",
    "/usr/lib/",
    "/usr/include/",
    "/usr/share/",
    "/usr/local/go/",
    "/go/pkg/mod/",
    "/golang.org/toolchain@",
    "/rustc/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "/gems/",
    "/lib/ruby/",
    "/.pub-cache/",
    "/lib/std/",
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
            file: unescaped(path(file)).into_owned(),
            line: line.and_then(|it| it.parse().ok()),
            column: column.and_then(|it| it.parse().ok()),
        }
    }

    /// Whether it is in the project's own sources.
    pub(crate) fn is_own(&self) -> bool {
        let file = self.file.as_str();
        let ends = |endings: &[&str]| endings.iter().any(|ending| file.ends_with(ending));
        // Packages of PHP, Ruby and Go lie in a directory that elsewhere may be about who sells something. The same goes
        // for what old versions of Node call `internal`, which is where programs in Go keep most of their code.
        let is_vendored =
            ends(&[".php", ".rb", ".go"]) && (file.starts_with("vendor/") || file.contains("/vendor/"));
        let is_dependency = ends(&[".ex", ".erl"]) && (file.starts_with("deps/") || file.contains("/deps/"));
        let is_internal = ends(&[".js"]) && file.starts_with("internal/");
        let is_library = ends(&[".py"]) && file.contains("\\Lib\\");
        !(is_vendored
            || is_dependency
            || is_internal
            || is_library
            || FOREIGN.iter().any(|part| file.contains(part)))
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

/// The path that stands in a URL, where blanks and brackets are written as numbers.
fn unescaped(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|two| *first == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let digits = escaped.and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(path), Cow::Owned)
}

/// The path in a URL that a bundler or loader makes of it, without a query.
fn path(file: &str) -> &str {
    let mut path = file.trim();
    for scheme in [
        "rsc://React/Server/",
        "about://React/Server/",
        "script:",
        "file://",
        "webpack-internal:///",
        "webpack:///",
        "webpack://",
        "turbopack:///",
    ] {
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
    // `file:///C:/app/a.ts`
    let path = match path.as_bytes() {
        [b'/', letter, b':', ..] if letter.is_ascii_alphabetic() => &path[1..],
        _ => path,
    };
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
            ("file:///C:/My%20Name/b.js", "C:/My Name/b.js"),
            ("file:///app/%28shop%29/%5Bslug%5D/gr%C3%B6%C3%9Fe.ts", "/app/(shop)/[slug]/größe.ts"),
            ("/app/100%/a%zz.ts", "/app/100%/a%zz.ts"),
            ("rsc://React/Server/webpack-internal:///(rsc)/./app/(shop)/page.tsx?3", "./app/(shop)/page.tsx"),
        ] {
            assert_eq!(Place::new(file, None, None).file, wanted);
        }
        assert_eq!(Place::new("a.ts", Some("3"), Some("5")).to_string(), "a.ts:3:5");
        assert_eq!(Place::new("a.ts", Some("3"), None).to_string(), "a.ts:3");
        for own in ["/app/fl.py", "internal/cart/cart.go", "/app/internal/cart.go", "app/vendor/page.tsx"] {
            assert!(Place::new(own, None, None).is_own(), "{own}");
        }
        for foreign in [
            "internal/modules/cjs/loader.js",
            "/app/vendor/laravel/framework/src/Foundation/Application.php",
            "vendor/github.com/pkg/errors/errors.go",
            "/home/dev/.gem/ruby/3.1.0/gems/rack-3.1.0/lib/rack.rb",
            "<internal:kernel>",
        ] {
            assert!(!Place::new(foreign, None, None).is_own(), "{foreign}");
        }
        assert!(!Place::new("/app/.venv/lib/python3.11/site-packages/flask/app.py", None, None).is_own());
    }
}
