use std::fs;

use super::*;
use crate::doorbell::Doorbell;

#[tokio::test]
async fn it_is_announced_as_it_listens() {
    let (builder, data) = builder();
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let server = builder.path(data.path()).labels(labels.clone()).start().await.unwrap();
    let file = data.path().join("instances").join(format!("{}.json", server.id()));
    assert_eq!(*server.announcement().borrow(), Announcement::Announced(file.clone()));
    let name = format!("{}.json", server.id());
    let doorbell = Doorbell::parse(&name, &fs::read(&file).unwrap()).unwrap();
    assert_eq!((doorbell.port, doorbell.pid), (server.port(), std::process::id()));
    assert_eq!((doorbell.name.as_str(), doorbell.version.as_deref()), ("test", Some("1.2.3")));
    assert_eq!(doorbell.labels, labels);
    assert_eq!(doorbell.endpoint, "/mcp");
    assert_eq!(server.url(), format!("http://127.0.0.1:{}/mcp", server.port()));
    server.shutdown().await;
    assert!(!file.exists());
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_stops_nothing() {
    let data = TempDir::new().unwrap();
    let blocked = data.path().join("blocked");
    fs::write(&blocked, "a file where a directory should be").unwrap();
    let (builder, _data) = with_tools();
    let server = builder.directories(Directories::only(&blocked)).start().await.unwrap();
    let mut announcement = server.announcement();
    assert_eq!(*announcement.borrow(), Announcement::Retrying);
    LegacyClient::open(server.port(), "2025-11-25").await;
    let alone =
        within(announcement.wait_for(|it| matches!(it, Announcement::Alone(_)))).await.unwrap().clone();
    let Announcement::Alone(reason) = alone else { unreachable!() };
    assert!(reason.starts_with("cannot write "), "{reason}");
    LegacyClient::open(server.port(), "2025-11-25").await;
    server.shutdown().await;
}

#[tokio::test]
async fn it_is_announced_as_soon_as_the_directory_can_be_written() {
    let data = TempDir::new().unwrap();
    let blocked = data.path().join("blocked");
    fs::write(&blocked, "a file where a directory should be").unwrap();
    let (builder, _data) = with_tools();
    let server = builder.directories(Directories::only(&blocked)).start().await.unwrap();
    fs::remove_file(&blocked).unwrap();
    let mut announcement = server.announcement();
    let announced = within(announcement.wait_for(|it| matches!(it, Announcement::Announced(_)))).await;
    let Announcement::Announced(file) = announced.unwrap().clone() else { unreachable!() };
    assert!(file.exists());
    server.shutdown().await;
    assert!(!file.exists());
}

#[tokio::test]
async fn what_no_hub_would_accept_is_an_error() {
    let (builder, data) = builder();
    let error = builder.name("x".repeat(10_000)).start().await.unwrap_err();
    assert!(matches!(error, ServeError::Announce(_)), "{error}");
    assert!(error.to_string().starts_with("cannot announce this: "), "{error}");
    assert!(fs::read_dir(data.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_what_to_do() {
    let (first, _data) = builder();
    let first = first.start().await.unwrap();
    let (second, data) = builder();
    let error = second.port(first.port()).start().await.unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with(&format!("cannot listen on 127.0.0.1:{}: ", first.port())), "{message}");
    assert!(message.ends_with("; give another port, or 0 for any free one"), "{message}");
    assert!(fs::read_dir(data.path()).unwrap().next().is_none(), "nothing is announced");
    first.shutdown().await;
}
