//! What a process that listens is, by what it calls itself and how it was started. Pure.

use std::borrow::Cow;

use crate::process::Description;

/// Arguments that may name the program which an interpreter runs.
const LOOKED_AT: usize = 6;

/// Dev servers, by a part of a path or an argument that is theirs: `node_modules/.bin/vite`, `manage.py`.
const KNOWN: [(&str, &str); 46] = [
    ("vite", "vite"),
    ("next", "next"),
    ("next-server", "next"),
    ("nuxt", "nuxt"),
    ("nuxi", "nuxt"),
    ("astro", "astro"),
    ("storybook", "storybook"),
    ("webpack", "webpack"),
    ("webpack-dev-server", "webpack"),
    ("ng", "angular"),
    ("react-scripts", "react-scripts"),
    ("react-router", "react-router"),
    ("remix", "remix"),
    ("gatsby", "gatsby"),
    ("parcel", "parcel"),
    ("rsbuild", "rsbuild"),
    ("rspack", "rspack"),
    ("vue-cli-service", "vue-cli"),
    ("expo", "expo"),
    ("metro", "metro"),
    ("wrangler", "wrangler"),
    ("workerd", "wrangler"),
    ("eleventy", "eleventy"),
    ("docusaurus", "docusaurus"),
    ("vitepress", "vitepress"),
    ("vinext", "vinext"),
    ("json-server", "json-server"),
    ("http-server", "http-server"),
    ("nest", "nest"),
    ("manage.py", "django"),
    ("django-admin", "django"),
    ("flask", "flask"),
    ("uvicorn", "uvicorn"),
    ("gunicorn", "gunicorn"),
    ("hypercorn", "hypercorn"),
    ("fastapi", "fastapi"),
    ("streamlit", "streamlit"),
    ("http.server", "http.server"),
    ("rails", "rails"),
    ("puma", "puma"),
    ("jekyll", "jekyll"),
    ("artisan", "laravel"),
    ("hugo", "hugo"),
    ("caddy", "caddy"),
    ("mix", "mix"),
    ("air", "air"),
];

/// What leads to servers, and is none itself.
const PROXIES: [&str; 1] = ["portless"];

/// Interpreters: what they run in a project and listens there is its server, whatever it is made with.
const RUNTIMES: [&str; 11] =
    ["node", "bun", "deno", "python", "ruby", "php", "java", "dotnet", "beam.smp", "perl", "workerd"];

/// What serves, when it is a program of which a port in a project is a dev server. `is_own`: its executable lies in the project.
pub(super) fn of(process: &Description, is_own: bool) -> Option<Cow<'static, str>> {
    let arguments = process.arguments.iter().take(LOOKED_AT).map(String::as_str);
    // What calls itself something with a space: `next-server (v16.2.0)`.
    let arguments = arguments.flat_map(|argument| argument.split(' ').next());
    let named =
        |argument: &str| argument.rsplit(['/', '\\']).next().is_some_and(|name| PROXIES.contains(&name));
    if arguments.clone().any(named) {
        return None;
    }
    if let Some(known) = arguments.clone().find_map(known) {
        return Some(known.into());
    }
    let program = process.program();
    // `python3.12`
    let plain = program.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.');
    match RUNTIMES.into_iter().find(|it| *it == plain || *it == program) {
        Some(runtime) => Some(runtime.into()),
        None => is_own.then(|| super::record::name(program)).flatten().map(Cow::from),
    }
}

/// Whether it is more than the language that it is written in.
pub(super) fn is_known(framework: &str) -> bool {
    KNOWN.iter().any(|(_, name)| *name == framework)
}

/// The dev server that an argument names. The nearest to its end counts: a project may be called `vite`.
fn known(argument: &str) -> Option<&'static str> {
    let file = argument.rsplit(['/', '\\']).next()?;
    let stem = ["js", "mjs", "cjs", "exe"].iter().find_map(|end| file.strip_suffix(end)?.strip_suffix('.'));
    let stem = stem.unwrap_or(file);
    let named = |name: &str| KNOWN.iter().find(|(known, _)| *known == name).map(|(_, framework)| *framework);
    // `node_modules/vite/bin/vite.js`, and `node_modules/@angular/cli/bin/ng`; elsewhere only the file counts.
    let package = || {
        let (_, package) = argument
            .replace('\\', "/")
            .rsplit_once("node_modules/")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        named(package.split('/').find(|part| !part.starts_with('@') && *part != ".bin")?)
    };
    named(stem).or_else(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framework(arguments: &[&str], is_own: bool) -> Option<String> {
        let arguments = arguments.iter().map(|it| (*it).to_owned()).collect();
        of(&Description { arguments, ..Description::default() }, is_own).map(Cow::into_owned)
    }

    #[test]
    fn a_server_is_known_by_how_it_was_started() {
        for (arguments, expected) in [
            (&["node", "/p/web/node_modules/.bin/vite", "--port", "5173"][..], "vite"),
            (&["node", "/p/node_modules/vite/bin/vite.js"], "vite"),
            (&["next-server (v16.2.0)"], "next"),
            (&["node", "/p/node_modules/@storybook/cli/bin/index.cjs"], "node"),
            (&["node", "/p/node_modules/webpack/bin/webpack.js", "serve"], "webpack"),
            (&["/usr/bin/python3.12", "manage.py", "runserver"], "django"),
            (&["/p/.venv/bin/python", "/p/.venv/bin/uvicorn", "app:app"], "uvicorn"),
            (&["python3", "-m", "http.server"], "http.server"),
            (&["node", "server.js"], "node"),
            (&["C:\\Program Files\\nodejs\\node.exe", "C:\\p\\node_modules\\vite\\bin\\vite.js"], "vite"),
            (&["/usr/bin/ruby", "bin/rails", "server"], "rails"),
        ] {
            assert_eq!(framework(arguments, false).as_deref(), Some(expected), "{arguments:?}");
        }
        assert_eq!(framework(&["/p/target/debug/api"], true).as_deref(), Some("api"));
    }

    #[test]
    fn what_is_no_server_of_a_project_is_none() {
        for arguments in [
            &["postgres", "-D", "/p/data"][..],
            &["/usr/bin/redis-server *:6379"],
            &["claude"],
            &["node", "/p/node_modules/.bin/portless", "proxy"],
            &[""],
            &[],
        ] {
            assert_eq!(framework(arguments, false), None, "{arguments:?}");
        }
    }
}
