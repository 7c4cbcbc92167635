//! portless: `~/.portless/routes.json` has the port and the process of each server that it has started, and the name by which
//! its proxy leads there.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Source, SourceKind, Trace, UserDirectories,
    record::{self, Reading, Record, Unfit},
};

/// Routes that are taken of a file.
const MAX_ROUTES: usize = 256;

/// Where the proxy listens, and the file that is there when it speaks TLS.
const PROXY_PORT: &str = "proxy.port";
const PROXY_TLS: &str = "proxy.tls";

pub(super) struct Portless;

#[derive(Deserialize)]
struct PortlessRoute {
    hostname: String,
    port: u16,
    pid: u32,
}

impl Source for Portless {
    fn registries(&self, user: &UserDirectories<'_>) -> Vec<PathBuf> {
        user.named_by("PORTLESS_STATE_DIR").into_iter().chain(user.below_home(".portless")).collect()
    }

    fn is_trace(&self, name: &str) -> bool {
        name == "routes.json"
    }

    fn read(&self, trace: &Trace<'_>) -> Result<Reading, Unfit> {
        let routes: Vec<Value> = record::json(trace.contents)?;
        let proxy = trace.beside;
        let port = proxy(PROXY_PORT).and_then(|text| str::from_utf8(&text).ok()?.trim().parse().ok());
        let proxy = port.filter(|port: &u16| *port > 0).map(|port| (port, proxy(PROXY_TLS).is_some()));
        // A route that cannot be meant spoils none of the others; one without a process is a person's alias, of which nobody
        // knows whether something runs there.
        let record = |route: &Value| {
            let route = PortlessRoute::deserialize(route).ok()?;
            let (pid, port) = (record::pid(route.pid).ok()?, record::port(route.port).ok()?);
            is_host(&route.hostname).then(|| Record {
                key: route.hostname.clone(),
                name: Some(route.hostname.clone()),
                framework: Some("portless".into()),
                also: proxy.map(|proxy| url(&route.hostname, proxy)).into_iter().collect(),
                ..Record::new(SourceKind::Portless, pid, port)
            })
        };
        let records = routes.iter().take(MAX_ROUTES).filter_map(record).collect();
        Ok(Reading { records, ..Reading::default() })
    }
}

/// Whether it is a name that a link can have.
fn is_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_plain)
}

/// Where the proxy leads to it.
fn url(host: &str, (port, is_secure): (u16, bool)) -> String {
    match (is_secure, port) {
        (true, 443) => format!("https://{host}/"),
        (true, port) => format!("https://{host}:{port}/"),
        (false, 80) => format!("http://{host}/"),
        (false, port) => format!("http://{host}:{port}/"),
    }
}
