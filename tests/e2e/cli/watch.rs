//! `watch`, at a terminal and without one.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{checked, command};
use crate::support::{Behaviour, Fake, Home, expect};

#[cfg(unix)]
#[tokio::test]
async fn at_a_terminal_the_table_is_kept_up_to_date_and_the_screen_given_back() {
    use crate::support::{Doorbell, Pty};

    let home = Home::new();
    let watch = Pty::start(command(&home, &["watch"]), 100, 20);
    let shown = watch.shows("Nothing is running.").await;
    assert!(shown.starts_with("\x1b[?1049h\x1b[?25l"), "a screen of its own: {shown:?}");
    let fake = Fake::start(Behaviour::default()).await;
    let project = home.project("shop");
    Doorbell::new("shop-1", "shop\u{1b}[2J", &project, fake.port, std::process::id()).write(&home.data());
    watch.shows("1 instance, 1 active.").await;
    watch.shows("is active (was connecting)").await;
    let shown = watch.shows("shop\u{fffd}[2J").await;
    assert!(shown.contains(&format!("{}", fake.port)) && !shown.contains("\x1b[2J"), "{shown:?}");
    crate::support::signal(watch.child.id().unwrap(), rustix::process::Signal::INT);
    let (code, shown) = watch.end().await;
    assert_eq!(code, Some(0));
    assert!(shown.ends_with("\x1b[?25h\x1b[?1049l"), "{shown:?}");
}

#[tokio::test]
async fn without_a_terminal_each_thing_that_happens_is_a_line() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("first", fake.port);
    let mut watch = command(&home, &["watch", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let line = expect("a line", lines.next_line()).await.unwrap().unwrap();
        checked("watch", &line)
    };
    let listed = next().await;
    assert_json!(listed, "/event", "listed");
    assert_json!(listed, "/instance/alias", "first");
    assert_json!(listed, "/instance/state", "active");
    let second = Fake::start(Behaviour::default()).await;
    home.announce("second", second.port);
    let announced = next().await;
    assert_json!(announced, "/event", "announced");
    assert_json!(announced, "/instance/alias", "second");
    loop {
        let state = next().await;
        assert_json!(state, "/event", "state");
        if state["instance"]["state"] == "active" {
            assert_json!(state, "/from", "connecting");
            break;
        }
    }
    // Nobody reads any more: the next thing that happens ends it.
    drop(lines);
    let third = Fake::start(Behaviour::default()).await;
    home.announce("third", third.port);
    let status = expect("its end", watch.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}
