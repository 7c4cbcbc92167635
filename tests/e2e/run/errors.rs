//! Errors are read from what tools print, and are gone when a build or a run does without them.

use serde_json::{Value, json};

use super::{Client, Run, command, project};
use crate::support::Home;

/// A compiler that watches: each connection to its port is an edit, after which it prints the next build.
const WATCHER: &str = "const builds = [
    'src/a.ts(1,7): error TS2322: Type one.\\nsrc/b.ts(2,7): error TS2322: Type two.\\nFound 2 errors. Watching for file changes.',
    'src/b.ts(2,7): error TS2322: Type two.\\nFound 1 error. Watching for file changes.',
    'Found 0 errors. Watching for file changes.',
    'src/c.ts(3,7): error TS2322: Type three.\\nFound 1 error. Watching for file changes.'];
    const build = () => console.log('File change detected. Starting incremental compilation...\\n\\n' + builds.shift());
    require('net').createServer(socket => { socket.destroy(); build(); })
        .listen(0, '127.0.0.1', function () { console.log('watching on ' + this.address().port); });";

async fn edit(port: u32) {
    let port = u16::try_from(port).unwrap();
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
}

fn places(errors: &Value) -> Vec<&str> {
    errors["errors"].as_array().unwrap().iter().map(|it| it["place"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_clean_build_resolves_them_and_can_be_waited_for() {
    let home = Home::new();
    let directory = project(&home, &[("types", "node watch.js")], &[("watch.js", WATCHER)]);
    let _run = Run::start(command(&home, &directory, &["types"]));
    let client = Client::of(&home, &directory).await;
    let port = client.number("watching on ").await;
    let list = |arguments: Value| client.tool("errors_list", arguments);
    assert_json!(list(json!({})).await, "/scripts/0/build", "unknown");

    edit(port).await;
    client.wait(json!({ "log": "Found 2 errors" })).await;
    let errors = list(json!({})).await;
    assert_eq!(places(&errors), ["src/b.ts:2:7", "src/a.ts:1:7"]);
    assert_json!(errors, "/errors/0/kind", "TS2322");
    assert_json!(errors, "/errors/0/resolved", false);
    assert_json!(errors, "/scripts/0/build", "failing");
    assert_json!(errors, "/scripts/0/errors", 2);

    // A build with errors ends the wait, too.
    let condition = json!({ "clean": "types" });
    let waiting = client.tool("wait_until", condition.clone());
    let (waited, ()) = tokio::join!(waiting, async {
        // Only when the wait has begun does a build that fails end it.
        client.wait(json!({ "log": "watching on" })).await;
        edit(port).await;
    });
    assert_json!(waited, "/met", false);
    assert_json!(waited, "/build/errors", 1);
    assert_eq!(places(&list(json!({})).await), ["src/b.ts:2:7"]);

    let (waited, ()) = tokio::join!(client.tool("wait_until", condition.clone()), edit(port));
    assert_json!(waited, "/met", true);
    assert_json!(waited, "/build/build", "clean");
    let errors = list(json!({})).await;
    assert_json!(errors, "/errors", []);
    assert_json!(errors, "/scripts/0/build", "clean");
    let all = list(json!({ "resolved": true })).await;
    assert_eq!(places(&all).len(), 2);
    assert_json!(all, "/errors/0/resolved", true);

    // What is clean already need not be waited for, unless a later build is meant.
    client.wait(condition).await;
    let cursor = client.tool("logs_tail", json!({})).await["cursor"].clone();
    let later = json!({ "clean": "types", "cursor": cursor });
    let (waited, ()) = tokio::join!(client.tool("wait_until", later), edit(port));
    assert_json!(waited, "/met", false);
    assert_json!(waited, "/build/build", "failing");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn a_new_run_resolves_those_of_the_one_before() {
    let home = Home::new();
    let check = "const fs = require('fs');
        if (fs.existsSync(__dirname + '/fixed')) console.log('Found 0 errors.');
        else console.log('src/a.ts(1,7): error TS2322: bad');
        setInterval(() => {}, 1e6);";
    let directory = project(&home, &[("types", "node check.js")], &[("check.js", check)]);
    let _run = Run::start(command(&home, &directory, &["types"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "TS2322" })).await;
    assert_eq!(places(&client.tool("errors_list", json!({})).await), ["src/a.ts:1:7"]);
    std::fs::write(directory.join("fixed"), "").unwrap();
    client.tool("scripts_restart", json!({ "processId": "types" })).await;
    client.wait(json!({ "clean": "types" })).await;
    let errors = client.tool("errors_list", json!({ "processId": "types" })).await;
    assert_json!(errors, "/errors", []);
    assert_json!(errors, "/scripts/0/processId", "types-2");
    assert_json!(errors, "/scripts/0/build", "clean");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn the_end_of_a_script_says_whether_it_is_clean() {
    let home = Home::new();
    let scripts = [("ok", "node -p \"'no errors'\""), ("bad", "node bad.js"), ("caught", "node caught.js")];
    let bad = "console.log('building'); require('./gone');";
    let caught = "try { null.price; } catch (error) { console.error(error); }";
    let directory = project(&home, &scripts, &[("bad.js", bad), ("caught.js", caught)]);
    let _run = Run::start(command(&home, &directory, &[]));
    let client = Client::of(&home, &directory).await;
    client.run("ok").await;
    client.wait(json!({ "clean": "ok" })).await;
    // Its end is what it says of a build, also for whoever means none of before; later nothing more is said.
    let before = client.tool("logs_tail", json!({})).await["cursor"].clone();
    let later = json!({ "clean": "ok", "cursor": before });
    assert_json!(client.tool("wait_until", later.clone()).await, "/met", false);
    client.run("ok").await;
    client.wait(later).await;
    client.run("bad").await;
    let waited = client.tool("wait_until", json!({ "clean": "bad" })).await;
    assert_json!(waited, "/met", false);
    client.wait(json!({ "exit": "bad" })).await;
    let errors = client.tool("errors_list", json!({ "processId": "bad" })).await;
    assert!(
        errors["errors"][0]["message"].as_str().unwrap().starts_with("Error: Cannot find module './gone'"),
        "{errors:#}"
    );
    assert!(places(&errors)[0].contains("bad.js:1:"), "{errors:#}");
    assert_json!(errors, "/scripts/0/build", "failing");
    // What it has printed is told all the same.
    client.run("caught").await;
    client.wait(json!({ "exit": "caught" })).await;
    client.wait(json!({ "clean": "caught" })).await;
    let errors = client.tool("errors_list", json!({ "processId": "caught" })).await;
    assert_eq!(places(&errors).len(), 1, "{errors:#}");
    assert_json!(errors, "/scripts/0/build", "clean");
    assert_json!(errors, "/scripts/0/errors", 1);
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn many_errors_come_in_pages_and_each_once() {
    let home = Home::new();
    // Each has a long text, and they differ by more than numbers.
    let many = "for (let i = 0; i < 60; i++) {
        const name = String.fromCharCode(97 + i / 26, 97 + i % 26).repeat(4);
        console.error('TypeError: ' + name + ' is not a function\\n'
            + `    at ${name.repeat(9)} (/src/${name}.js:1:1)\\n`.repeat(30) + '\\n');
    }
    console.log('done');";
    let directory = project(&home, &[("many", "node many.js")], &[("many.js", many)]);
    let _run = Run::start(command(&home, &directory, &["many"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "log": "done", "exit": "many" })).await;
    let (mut seen, mut pages, mut arguments) = (Vec::new(), 0, json!({ "limit": 100 }));
    loop {
        let page = client.tool("errors_list", arguments).await;
        assert!(page.to_string().len() < 34_000, "{}", page.to_string().len());
        assert_json!(page, "/total", 60);
        assert_eq!(page["scripts"].as_array().unwrap().len(), usize::from(pages == 0));
        seen.extend(places(&page).into_iter().map(str::to_owned));
        pages += 1;
        if page["cursor"].is_null() {
            assert_json!(page, "/truncated", false);
            break;
        }
        assert_json!(page, "/truncated", true);
        assert!(page["note"].as_str().unwrap().contains("pass `cursor`"), "{}", page["note"]);
        arguments = json!({ "limit": 100, "cursor": page["cursor"] });
    }
    assert!(pages > 2, "{pages}");
    assert!(seen[0].contains("chch") && seen[59].contains("aaaa"), "the latest come first: {seen:#?}");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 60);
    let few = client.tool("errors_list", json!({ "limit": 2 })).await;
    assert_eq!(places(&few).len(), 2);
    let said = client.refused("errors_list", json!({ "cursor": "7" })).await;
    assert!(said.contains("not a cursor of errors_list"), "{said}");
    client.hub.end_quietly().await;
}

#[tokio::test]
async fn what_happens_in_a_page_is_marked() {
    let home = Home::new();
    // What Vite 8 prints, and what the plugins of the npm package print.
    let lines = "8:50:38 AM [vite] (client) [console.warn] only a warning\n\
        8:50:38 AM [vite] (client) [Unhandled error] TypeError: no cents\n > price src/lib/price.ts:5:20\n    5  |  return cents;\n\n\
        [browser] [console.error] payment refused\n    at pay (http://localhost:3000/src/pay.js:3:5)\n\n\
        Error: in the server\n    at load (server.js:4:2)\n";
    let directory = project(
        &home,
        &[("dev", "node dev.js")],
        &[("lines.txt", lines), ("dev.js", "process.stderr.write(require('fs').readFileSync('lines.txt'))")],
    );
    let _run = Run::start(command(&home, &directory, &["dev"]));
    let client = Client::of(&home, &directory).await;
    client.wait(json!({ "exit": "dev" })).await;
    let errors = client.tool("errors_list", json!({})).await;
    let found = errors["errors"].as_array().unwrap().iter();
    let found: Vec<_> = found
        .map(|error| (error["message"].clone(), error["place"].clone(), error["browser"].clone()))
        .collect();
    let wanted = [
        (json!("Error: in the server"), json!("server.js:4:2"), json!(false)),
        (json!("payment refused"), json!("src/pay.js"), json!(true)),
        (json!("TypeError: no cents"), json!("src/lib/price.ts:5:20"), json!(true)),
    ];
    assert_eq!(found, wanted, "{errors:#}");
    let text = client.hub.call("errors_list", json!({})).await.text().to_owned();
    assert!(text.contains("×1, in the browser at src/pay.js: payment refused"), "{text}");
    client.hub.end_quietly().await;
}
