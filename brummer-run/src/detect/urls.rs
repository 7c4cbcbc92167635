//! URLs in the output, with what the line calls them; also those of servers that name their port only.

use std::{collections::VecDeque, net::IpAddr, num::NonZeroU16, sync::LazyLock};

use regex::Regex;

use super::structured;
use crate::log::mask::MASK;

/// How many URLs are remembered. A project has a handful; pages of links in somebody's log must not grow without end.
pub(crate) const MAX_URLS: usize = 100;

/// A label longer than this is a sentence.
const MAX_LABEL: usize = 40;

static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\bhttps?://(?:\[[0-9a-f:.%]+\])?(?:\[masked\]|[^\s<>"'{}|\\^\[\]`])*"#)
        .expect("part of the program, and tested")
});

/// `API started on `, `Server is running at `.
static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)^(.*?)\s*(?:is\s+|now\s+)*(?:started|starting|listening|running|ready|available|served|serving|up)(?:\s+(?:on|at|in))?:?$";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// `Server listening on port 4720`, `started at localhost:4720`, `Tomcat started on port(s): 8080 (http)`.
static PORT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix)
        \b(?:listening|listens|started|starting|running|runs|ready|available|served|serving|server|up|live)
        (?:\s+(?:locally|now|server|and\s+\w+))?
        \s*(?:\b(?:on|at|in|with))?:?\s+
        (?:(?:https?|tcp|local|the)\s+)?
        (?:port(?:\(s\)|s)?\s*[:=\#]?\s*[:\[]?(?<port>[0-9]{2,5})
        | (?<host>localhost|127(?:\.[0-9]+){3}|0\.0\.0\.0|\*|\[::1?\]|:::?)?:(?<behind>[0-9]{2,5})
        )(?:[^0-9.:\w-]|[.:]?$|\.\s|:\s)";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// `Listening on 3000`, which only this word makes a port.
static BARE_PORT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)\blisten(?:ing|s)\s+(?:on|at):?\s+(?<port>[0-9]{2,5})(?:[^0-9.:\w-]|[.:]?$)";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// Words in a line that say that a port is not, or not by HTTP, to be reached.
static NO_SERVER: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix)://|\b(?:in\ use|already|occupied|taken|fail(?:ed|s|ure)?|cannot|can't|could\ not|unable|refused
        |eaddrinuse|not|trying|retry(?:ing)?|debugger|inspector|hmr|sockets?|websockets?|ws|grpc|postgres\w*|mysqld?|mariadb
        |redis|valkey|mongod?\w*|memcached|kafka|amqp|rabbitmq|smtp|imap|ssh|sftp|ftp|udp|dns|mqtt)\b";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// What stands right before a URL that was asked for, or is a value in something that was printed whole.
static ASKED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?x)
        (?: \b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\]?
        | (?i:\b(?:redirect(?:ed|ing)?|request(?:ed)?|fetch(?:ed|ing)?)(?:\s+(?:to|from|for))?)
        | (?i:\b(?:referr?er|origin)[:=]?)
        )\s*["'(]?\s*$
        | (?i:(?:ur[li]|href|origin|referr?er|target|path|host))["']?\s*[:=]\s*["']$
        | "\s[1-5][0-9]{2}\s\S+\s"$"#;
    Regex::new(pattern).expect("part of the program, and tested")
});

/// Words of lines about something that went wrong.
static WRONG: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?ix)\b(?:errors?|exception|fail(?:ed|s|ure|ing)?|unhandled|uncaught|cannot|can't|could\ not|couldn't|unable
        |refused|denied|timed?[\ -]?out|e(?:conn|addr|host|timed)[a-z]+)\b";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// How a line begins that a logger calls an error.
static LEVEL: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\W*(?i:error|fatal|err|critical|fail(?:ed|ure)?)\s*[\]:|)]|^\W*(?:ERROR|FATAL|CRITICAL|ERR)\b|^\W*(?i:failed|cannot|can't|could|unable|unhandled|uncaught)\b";
    Regex::new(pattern).expect("part of the program, and tested")
});

/// A URL that a process has printed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FoundUrl {
    pub(crate) url: String,
    pub(crate) label: Option<String>,
    pub(crate) is_local: bool,
    /// The process that has printed it last, by its number.
    pub(crate) process: u32,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u64,
}

/// The URLs that were found, by process and URL. Owned by the log's task.
#[derive(Debug, Default)]
pub(crate) struct Urls {
    found: VecDeque<FoundUrl>,
}

impl Urls {
    /// Takes note of the URLs in a line and returns those that this process has not printed before.
    pub(crate) fn take(&mut self, process: u32, line: &str, at: i64) -> Vec<FoundUrl> {
        let mut new = Vec::new();
        for (url, label) in in_line(line) {
            let known = self.found.iter_mut().find(|known| known.process == process && known.url == url);
            if let Some(known) = known {
                known.last = at;
                known.count += 1;
                known.label = known.label.take().or(label);
                continue;
            }
            let is_local = is_local(&url);
            let found = FoundUrl { url, label, is_local, process, first: at, last: at, count: 1 };
            if self.found.len() == MAX_URLS {
                // Links into the world go before those of the project's own servers.
                let foreign = self.found.iter().position(|known| !known.is_local);
                self.found.remove(foreign.unwrap_or_default());
            }
            self.found.push_back(found.clone());
            new.push(found);
        }
        new
    }

    /// All of them, in the order in which they were found.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &FoundUrl> {
        self.found.iter()
    }

    /// Forgets those of a process.
    pub(crate) fn forget(&mut self, process: u32) {
        self.found.retain(|known| known.process != process);
    }
}

/// The URLs in a line without control sequences, each with its label.
fn in_line(line: &str) -> Vec<(String, Option<String>)> {
    let mut before = 0;
    let mut found = Vec::new();
    for place in URL.find_iter(line) {
        if is_mentioned(line, place.start(), place.as_str()) {
            before = place.end();
            continue;
        }
        let url = place.as_str().trim_end_matches(['.', ',', ';', '!', '?', ':', '*', '\'']);
        // A bracket is the sentence's, unless it was opened within the URL.
        let url = if url.contains('(') { url } else { url.trim_end_matches(')') };
        let host = host(url);
        if host.is_empty() || place.as_str().ends_with(':') && is_local(url) && !has_port(url) {
            continue;
        }
        // What is left of it does not work: nobody is to take it for one that does.
        found.push((url.replace(MASK, "***"), label(&line[before..place.start()])));
        before = place.end();
    }
    if found.is_empty() && before == 0 {
        found.extend(by_port(line));
    }
    found
}

/// Whether a URL is only spoken of: it was asked for, is where a frame of a stack is, or part of what went wrong.
fn is_mentioned(line: &str, start: usize, url: &str) -> bool {
    let before = &line[..start];
    if ASKED.is_match(before) || is_frame(url) {
        return true;
    }
    if structured::read(line).is_some_and(|record| record.is_error) {
        return true;
    }
    if !WRONG.is_match(line) {
        return false;
    }
    // A server may have the word in its name.
    let before = before.trim_end();
    let says_so = ANNOUNCED.is_match(before) && !NO_SERVER.is_match(before)
        || before.strip_suffix(':').is_some_and(|name| {
            name.split_whitespace().count() <= 4
                && !name.split_whitespace().next_back().is_some_and(|last| WRONG.is_match(last))
        });
    LEVEL.is_match(line) || !says_so
}

/// Whether a line and a column stand behind the path of a URL.
fn is_frame(url: &str) -> bool {
    let url = url.trim_end_matches(')');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = url.rsplitn(3, ':');
    let (column, line, rest) = (parts.next(), parts.next(), parts.next());
    column.is_some_and(is_number)
        && line.is_some_and(is_number)
        && rest.is_some_and(|rest| rest.contains("://"))
}

/// The URL of a server that names its port, without a scheme.
fn by_port(line: &str) -> Option<(String, Option<String>)> {
    let found = PORT.captures(line).or_else(|| BARE_PORT.captures(line))?;
    let port = found.name("port").or_else(|| found.name("behind"))?;
    let port: NonZeroU16 = port.as_str().parse().ok()?;
    if NO_SERVER.is_match(line) {
        return None;
    }
    let host = match found.name("host").map(|host| host.as_str()) {
        Some(host) if host.starts_with("127.") || host == "[::1]" => host,
        _ => "localhost",
    };
    let rest = &line[found.get(0)?.start()..];
    let is_secure = ["https", "HTTPS", "TLS", "SSL"].iter().any(|word| line.contains(word));
    let scheme = if is_secure { "https" } else { "http" };
    let verb = rest.find(char::is_whitespace).map_or(line, |end| &line[..line.len() - rest.len() + end]);
    Some((format!("{scheme}://{host}:{port}"), label(verb)))
}

/// What stands before a URL, as far as it is a name.
fn label(before: &str) -> Option<String> {
    let name = |text: &str| {
        let text = text.trim_matches(|c: char| !c.is_alphanumeric() && c != ')' && c != '(');
        let text = text.trim_start_matches(')').trim_end_matches('(').trim();
        (!text.is_empty() && text.len() <= MAX_LABEL).then(|| text.to_owned())
    };
    if let Some((_, rest)) = before.split_once('[')
        && let Some((bracketed, _)) = rest.split_once(']')
        && bracketed.chars().any(char::is_alphabetic)
        && !bracketed.contains(':')
    {
        return name(bracketed);
    }
    let trimmed = before.trim_end();
    if let Some(found) = ANNOUNCED.captures(trimmed) {
        return found.get(1).and_then(|subject| name(subject.as_str()));
    }
    // `  ➜  Local:   http://…`
    trimmed.strip_suffix(':').filter(|text| text.split_whitespace().count() <= 4).and_then(name)
}

/// The host of a URL, without brackets, port and credentials.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// The port of a URL: that which it names, else that of its scheme.
pub(crate) fn port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let named = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    match named {
        Some((_, port)) => port.parse().ok(),
        None => Some(if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 }),
    }
}

fn has_port(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once(':').is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether the host of this URL is this machine, by its name or number.
pub(crate) fn is_local(url: &str) -> bool {
    let host = host(url).to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<(String, Option<String>)> {
        in_line(line)
    }

    #[test]
    fn urls_of_dev_servers_have_labels() {
        for (line, url, label) in [
            ("  ➜  Local:   http://localhost:5173/", "http://localhost:5173/", Some("Local")),
            ("  ➜  Network: http://192.168.1.5:5173/", "http://192.168.1.5:5173/", Some("Network")),
            ("[API] up at http://localhost:3000.", "http://localhost:3000", Some("API")),
            ("API started on http://localhost:4000", "http://localhost:4000", Some("API")),
            (
                "Server is running at http://127.0.0.1:8080/x?y=1!",
                "http://127.0.0.1:8080/x?y=1",
                Some("Server"),
            ),
            ("Serving HTTP on :: port 8000 (http://[::]:8000/) ...", "http://[::]:8000/", None),
            ("see https://vite.dev/guide (docs)", "https://vite.dev/guide", None),
            ("- Local:        http://localhost:3000", "http://localhost:3000", Some("Local")),
            ("at http://localhost:80/?token=[masked].", "http://localhost:80/?token=***", None),
            ("at http://localhost:80/?token=[masked]&a=b", "http://localhost:80/?token=***&a=b", None),
            ("at http://me:[masked]@localhost:80/", "http://me:***@localhost:80/", None),
            ("at http://[masked]@localhost:80/", "http://***@localhost:80/", None),
            ("\"http://localhost:3000/a\"", "http://localhost:3000/a", None),
        ] {
            assert_eq!(found(line), [(url.to_owned(), label.map(str::to_owned))], "{line}");
        }
    }

    #[test]
    fn a_port_alone_is_an_address_where_a_server_says_it() {
        for (line, url, label) in [
            ("Server listening on port 4720", "http://localhost:4720", Some("Server")),
            ("started at localhost:4720", "http://localhost:4720", None),
            ("Listening on :4720", "http://localhost:4720", None),
            ("Listening at 127.0.0.1:4720", "http://127.0.0.1:4720", None),
            ("listening on 0.0.0.0:4720", "http://localhost:4720", None),
            ("listening on *:4720", "http://localhost:4720", None),
            ("listening on [::]:4720.", "http://localhost:4720", None),
            ("listening on [::1]:4720", "http://[::1]:4720", None),
            ("Express server started on port: 4720", "http://localhost:4720", Some("Express server")),
            ("Example app listening on port 3000!", "http://localhost:3000", Some("Example app")),
            ("API is running on port 4000 in development mode", "http://localhost:4000", Some("API")),
            ("HTTPS server listening on port 8443", "https://localhost:8443", Some("HTTPS server")),
            ("Tomcat started on port(s): 8080 (http)", "http://localhost:8080", Some("Tomcat")),
            (
                "Tomcat started on port 8080 (http) with context path '/'",
                "http://localhost:8080",
                Some("Tomcat"),
            ),
            ("serving at port 8000", "http://localhost:8000", None),
            ("Server up and running on port 5000", "http://localhost:5000", Some("Server")),
            ("Listening on 3000", "http://localhost:3000", None),
            ("ready on localhost:3000, in 20 ms", "http://localhost:3000", None),
        ] {
            assert_eq!(found(line), [(url.to_owned(), label.map(str::to_owned))], "{line}");
        }
        for line in [
            "Port 3000 is in use, trying 3001 instead",
            "Server on port 3000 is already running on port 3000",
            "Error: listen EADDRINUSE: address already in use :::3000",
            "Debugger listening on ws://127.0.0.1:9229/0f2c936f",
            "Redis is ready on port 6379",
            "connected to localhost:5432",
            "cannot start: not listening on port 80",
            "running at 12:30:45",
            "started at 2026-01-31 12:00",
            "server listening on port 99999",
            "listening on 10.0.0.5:80",
            "running on 2024",
            "at run (/a/server.ts:120:7)",
            "viewport 1024",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
    }

    #[test]
    fn what_was_asked_for_or_went_wrong_is_no_announcement() {
        for line in [
            "[request error] [unhandled] [GET] http://localhost:3000/api/price",
            " ERROR  [nuxt] [request error] [unhandled] [500] http://localhost:3000/ Cannot read properties",
            "GET http://localhost:3000/api 200 in 3ms",
            " │ GET https://api.example.com/x 200 in 30ms (cache skip)",
            "127.0.0.1 - - [29/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 12 \"http://localhost:3000/\" \"Mozilla/5.0\"",
            "127.0.0.1 - - [29/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 - \"http://localhost:3000/cart\" \"curl\"",
            "Redirected to http://localhost:3000/login",
            "    at price (http://localhost:5173/src/price.ts:3:5)",
            "price@http://localhost:5173/src/price.ts:3:5",
            "FetchError: request to http://localhost:9000/api failed, reason: connect ECONNREFUSED 127.0.0.1:9000",
            "Error: connect ECONNREFUSED http://localhost:9000",
            "[ERROR] Proxy: http://localhost:3000 refused",
            "Failed to load resource: http://localhost:3000/x.js",
            "Learn more about this error: https://nextjs.org/docs/messages/x",
            "    url: 'http://localhost:3000/api',",
            r#"{"level":30,"req":{"method":"GET","url":"http://localhost:3000/api"},"msg":"request completed"}"#,
            r#"{"level":50,"msg":"cannot reach http://localhost:3000/api"}"#,
            "level=error msg=\"no answer of http://localhost:3000/api\"",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
        for (line, url, label) in [
            (
                "Error tracking is running at http://localhost:9000",
                "http://localhost:9000",
                Some("Error tracking"),
            ),
            ("Error dashboard: http://localhost:9000", "http://localhost:9000", Some("Error dashboard")),
            (
                r#"{"level":30,"msg":"Server listening at http://127.0.0.1:3000"}"#,
                "http://127.0.0.1:3000",
                None,
            ),
            ("Proxying: http://localhost:3000", "http://localhost:3000", Some("Proxying")),
            ("Visit http://localhost:3000 to see the page", "http://localhost:3000", None),
            ("url: http://localhost:3000", "http://localhost:3000", Some("url")),
        ] {
            let urls: Vec<_> = found(line)
                .into_iter()
                .map(|(url, label)| (url, label.filter(|_| !line.starts_with('{'))))
                .collect();
            assert_eq!(urls, [(url.to_owned(), label.map(str::to_owned))], "{line}");
        }
    }

    #[test]
    fn what_is_no_address_is_left_out() {
        for line in ["http://", "http://localhost:", "http://localhost: 5", "no url", "https://?"] {
            assert_eq!(found(line), [], "{line}");
        }
    }

    #[test]
    fn hosts_of_this_machine_are_told_apart() {
        for url in [
            "http://localhost",
            "http://a.localhost:1/",
            "https://127.0.0.9/",
            "http://[::1]:3",
            "http://0.0.0.0:1",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in ["http://192.168.0.1", "http://localhost.example.com", "http://u@example.com:80/localhost"]
        {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn each_is_remembered_once_and_their_number_is_bounded() {
        let mut urls = Urls::default();
        assert_eq!(urls.take(1, "http://localhost:1/ and http://localhost:2/", 5).len(), 2);
        assert_eq!(urls.take(1, "Local: http://localhost:1/", 6), []);
        let first = urls.iter().next().unwrap();
        assert_eq!((first.count, first.last, first.label.as_deref()), (2, 6, Some("Local")));
        for page in 0..3 * MAX_URLS {
            urls.take(1, &format!("https://example.com/{page}"), 7);
        }
        assert_eq!(urls.iter().count(), MAX_URLS);
        assert_eq!(urls.iter().filter(|url| url.is_local).count(), 2);
        urls.forget(1);
        assert_eq!(urls.iter().count(), 0);
    }
}
