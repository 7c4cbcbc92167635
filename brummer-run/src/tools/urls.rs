//! What `urls_list` answers: the URLs that scripts have printed, and the ports on which they listen without a word.

use std::net::IpAddr;

use super::{
    App, fit,
    results::{UrlInfo, Urls, time},
};
use crate::{detect::urls, ports::Ports};

/// The URLs in the order in which they were found, then those of ports that nobody has printed.
pub(super) async fn urls(app: &App, all: bool, from: usize) -> Urls {
    let (ports, found) = tokio::join!(Ports::look(), app.logs.urls());
    let processes = app.scripts.list();
    let mut listed = Vec::new();
    for url in found.into_iter().filter(|url| all || url.is_local) {
        let Some(process) = processes.iter().find(|process| process.number == url.process) else { continue };
        let port = url.is_local.then(|| urls::port(&url.url)).flatten();
        let is_running = process.state.is_alive();
        listed.push(UrlInfo {
            label: url.label.unwrap_or_else(|| process.name.as_ref().to_owned()),
            url: url.url,
            port,
            process_id: process.id.as_ref().to_owned(),
            process_name: process.name.as_ref().to_owned(),
            running: is_running,
            listening: port.filter(|_| is_running).map(|port| ports.of(process).contains_key(&port)),
            printed: true,
            local: url.is_local,
            first_seen: Some(time(url.first)),
            last_seen: Some(time(url.last)),
        });
    }
    for process in processes.iter().filter(|process| process.state.is_alive()) {
        for (port, address) in ports.of(process) {
            let is_known = |url: &UrlInfo| url.process_id == *process.id && url.port == Some(port);
            if listed.iter().any(is_known) {
                continue;
            }
            listed.push(UrlInfo {
                url: url_of(address, port),
                port: Some(port),
                label: process.name.as_ref().to_owned(),
                process_id: process.id.as_ref().to_owned(),
                process_name: process.name.as_ref().to_owned(),
                running: true,
                listening: Some(true),
                printed: false,
                local: true,
                first_seen: None,
                last_seen: None,
            });
        }
    }
    let nothing = listed.is_empty().then(|| "no URL was printed yet".to_owned());
    let part = fit::Part::of(listed, from);
    let (cursor, more) = part.cursor(fit::PagedList::Urls);
    Urls { urls: part.items, cursor, note: more.or(nothing) }
}

fn url_of(address: IpAddr, port: u16) -> String {
    match address {
        _ if address.is_unspecified() => format!("http://localhost:{port}"),
        IpAddr::V4(address) => format!("http://{address}:{port}"),
        IpAddr::V6(address) => format!("http://[{address}]:{port}"),
    }
}
