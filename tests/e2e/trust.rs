//! What other users and programs of the machine are kept from, and what an instance must prove.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use crate::support::{
    Answer, Behaviour, Doorbell, Fake, Home, Hub, HubOptions, Instance, PATIENCE, expect, unique_id,
};

/// The first line of the answer to a request for `initialize`, with these header fields.
async fn status(port: u16, fields: &str) -> (String, String) {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "o", "version": "1" } },
    })
    .to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nconnection: close\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("an answer").unwrap();
    (answer.lines().next().unwrap_or_default().to_owned(), answer.to_lowercase())
}

fn token_of(home: &Home, id: &str) -> String {
    let text = std::fs::read_to_string(home.file(id)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().expect("a token").to_owned()
}

/// A `run` of a project without scripts.
struct Guarded {
    _child: Child,
    id: String,
    port: u16,
    said: String,
}

impl Guarded {
    async fn start(home: &Home, arguments: &[&str]) -> Self {
        let project = home.project("guarded");
        std::fs::write(project.join("package.json"), "{}").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
        command.args(["run", "--port", "0", "--dir"]).arg(&project).args(arguments);
        command.env("BRUMMER_DATA_DIR", home.data()).kill_on_drop(true).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while !said.contains("directly: claude")
            || (arguments.contains(&"--no-token") && !said.contains("takes no"))
        {
            let line = expect("it says where it is", lines.next_line()).await.unwrap().expect("it runs");
            said.push_str(&(line + "\n"));
        }
        let file = std::fs::read_dir(home.data().join("instances")).unwrap().next().unwrap().unwrap().path();
        let bell: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let id = bell["id"].as_str().unwrap().to_owned();
        Self { _child: child, id, port: bell["port"].as_u64().unwrap().try_into().unwrap(), said }
    }
}

#[tokio::test]
async fn without_a_token_everybody_is_let_in_and_the_user_is_told() {
    let home = Home::new();
    let instance = Guarded::start(&home, &["--no-token"]).await;
    assert!(instance.said.contains("warning: it takes no token"), "{}", instance.said);
    assert!(!instance.said.contains("Bearer"), "{}", instance.said);
    assert_eq!(status(instance.port, "").await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn an_instance_of_this_library_wants_its_token_and_the_hub_has_it() {
    let home = Home::new();
    let instance = Guarded::start(&home, &[]).await;
    let token = token_of(&home, &instance.id);
    assert_eq!(token.len(), 43, "32 bytes: {token}");
    // All that a client without a hub needs.
    let header = format!("--header \"Authorization: Bearer {token}\"");
    assert!(instance.said.contains(&header), "{}", instance.said);
    let (first, answer) = status(instance.port, "").await;
    assert_eq!(first, "HTTP/1.1 401 Unauthorized");
    assert!(answer.contains("www-authenticate: bearer realm="), "{answer}");
    for wrong in ["Bearer x".to_owned(), format!("Basic {token}"), format!("Bearer {token}x")] {
        let (first, answer) = status(instance.port, &format!("authorization: {wrong}\r\n")).await;
        assert_eq!(first, "HTTP/1.1 401 Unauthorized", "{wrong}");
        assert!(!answer.contains(&token.to_lowercase()));
    }
    let right = format!("authorization: Bearer {token}\r\n");
    assert_eq!(status(instance.port, &right).await.0, "HTTP/1.1 200 OK");
    let page = format!("{right}origin: http://example.com\r\n");
    assert_eq!(status(instance.port, &page).await.0, "HTTP/1.1 403 Forbidden");

    // The hub calls its tools, and neither its answers nor its most talkative log say the token.
    let hub = Hub::start(&home, HubOptions::args(&["--log-level", "trace"])).await;
    hub.active(&instance.id).await;
    hub.connect(&instance.id).await;
    for tool in ["instances_list", "instances_health", "instances_tools"] {
        let answer = hub.hub_tool(tool, json!({})).await;
        assert!(!answer.to_string().contains(&token), "{tool}");
    }
    let exit = hub.end().await;
    assert!(!exit.stderr.contains(&token), "{}", exit.stderr);
}

#[tokio::test]
async fn a_token_and_other_header_fields_go_to_their_instance_only() {
    let home = Home::new();
    let (guarded, open) = (Fake::start(Behaviour::default()).await, Fake::start(Behaviour::default()).await);
    let bell = home
        .doorbell("guarded", guarded.port)
        .with("token", "hunter2")
        .with("headers", json!({ "X-Api-Key": "swordfish" }));
    bell.write(&home.data());
    let other = home.announce("open", open.port);
    let hub = Hub::start(&home, HubOptions::args(&["--log-level", "trace"])).await;
    for id in [&bell.id, &other] {
        hub.active(id).await;
        let call = json!({ "instance_id": id, "tool": "echo", "arguments": { "message": "hi" } });
        assert_json!(hub.call("instances_call", call).await.ok(), "/content/0/text", "hi");
    }
    for seen in guarded.seen() {
        assert_eq!(seen.header("authorization"), Some("Bearer hunter2"), "{} {}", seen.verb, seen.path);
        assert_eq!(seen.header("x-api-key"), Some("swordfish"));
    }
    for seen in open.seen() {
        assert_eq!((seen.header("authorization"), seen.header("x-api-key")), (None, None));
    }
    let listed = hub.hub_tool("instances_list", json!({})).await.to_string();
    let exit = hub.end().await;
    for secret in ["hunter2", "swordfish"] {
        assert!(!listed.contains(secret) && !exit.stderr.contains(secret), "{listed}\n{}", exit.stderr);
    }
}

#[tokio::test]
async fn register_takes_secrets_from_the_environment_and_from_files() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let file = home.path().join("token");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let register = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
        command
            .args(["register", "--port", &fake.port.to_string(), "--id", "wrapped", "--path"])
            .arg(home.path());
        command
            .args(arguments)
            .env("BRUMMER_DATA_DIR", home.data())
            .env("SHOP_TOKEN", "hunter2")
            .env("KEY", "swordfish");
        command.kill_on_drop(true).stderr(std::process::Stdio::piped());
        command
    };
    let path = file.to_str().unwrap();
    for (arguments, token) in [
        (&["--token-env", "SHOP_TOKEN", "--header-env", "X-Key=KEY"][..], "hunter2"),
        (&["--token-file", path], "from-a-file"),
    ] {
        let mut child = register(arguments).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        expect("it is announced", lines.read_line(&mut said)).await.unwrap();
        assert!(said.starts_with("announced port"), "{said}");
        assert!(!said.contains(token), "{said}");
        assert_eq!(token_of(&home, "wrapped"), token);
        child.kill().await.unwrap();
    }
    for (arguments, expected) in [
        (&["--token-env", "NOT_SET"][..], "`NOT_SET` is not set"),
        (&["--token-file", "/no/such/file"], "cannot read /no/such/file"),
        (&["--header-env", "X-Key=NOT_SET"], "`NOT_SET` is not set"),
    ] {
        let output = register(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

/// A user who is neither this one nor root. Only root can be somebody else.
#[cfg(unix)]
fn stranger(program: &str) -> Option<Command> {
    if !rustix::process::geteuid().is_root() || !std::path::Path::new("/usr/bin/perl").exists() {
        eprintln!("left out: there is no second user here (needs root and /usr/bin/perl)");
        return None;
    }
    let mut command = Command::new("/usr/bin/perl");
    command.args(["-MIO::Socket::INET", "-e", program]).current_dir("/").env_clear().uid(65534).gid(65534);
    command.kill_on_drop(true).stdout(std::process::Stdio::piped());
    Some(command)
}

#[cfg(unix)]
#[tokio::test]
async fn another_user_is_neither_let_in_nor_told_the_token() {
    let home = Home::new();
    let instance = Guarded::start(&home, &[]).await;
    // Everything but the file's own mode would let the stranger in.
    for directory in [home.path(), home.data(), home.data().join("instances")] {
        std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let program = r#"
        open(my $f, '<', $ARGV[1]) and print "read it\n";
        my $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die;
        my $b = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"o","version":"1"}}}';
        print $s "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: " . length($b) . "\r\n\r\n$b";
        print scalar <$s>;
    "#;
    let Some(mut command) = stranger(program) else { return };
    let output = expect(
        "the stranger ends",
        command.arg(instance.port.to_string()).arg(home.file(&instance.id)).output(),
    );
    let output = output.await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "HTTP/1.1 401 Unauthorized");
}

/// A server of another user that says when it is connected to.
#[cfg(unix)]
async fn foreign_server() -> Option<(Child, BufReader<tokio::process::ChildStdout>, u16)> {
    let program = r#"
        $| = 1;
        my $l = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die;
        print $l->sockport, "\n";
        while (my $c = $l->accept) { my $line = <$c>; print "heard $line" if defined $line; close $c; }
    "#;
    let mut child = stranger(program)?.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut port = String::new();
    expect("it listens", lines.read_line(&mut port)).await.unwrap();
    Some((child, lines, port.trim().parse().unwrap()))
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_sent_to_a_port_of_another_user() {
    let Some((mut server, mut lines, port)) = foreign_server().await else { return };
    let home = Home::new();
    // The process that is named lives, and is this one; and a file of another PID namespace names none that counts here.
    let named = home.doorbell("named", port);
    let elsewhere = Doorbell::new(&unique_id("elsewhere"), "elsewhere", &home.project("elsewhere"), port, 1);
    named.write(&home.data());
    elsewhere.clone().with("pid_namespace", 1).write(&home.data());
    let hub = Hub::start(&home, HubOptions::default()).await;
    for id in [&named.id, &elsewhere.id] {
        let refused = |list: &[Value]| list.iter().any(|it| it["id"] == **id && it["state"] == "retrying");
        hub.instances_until("it is refused", refused).await;
        let health = hub.hub_tool("instances_health", json!({ "instance_id": id })).await.to_string();
        assert!(health.contains("held by another user (uid 65534)"), "{health}");
    }
    let list = Command::new(env!("CARGO_BIN_EXE_brummer-hub"))
        .arg("list")
        .env("BRUMMER_DATA_DIR", home.data())
        .output()
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).contains("retrying"), "{list:?}");
    hub.end().await;
    server.kill().await.unwrap();
    let mut heard = String::new();
    lines.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "", "not a byte");
}

#[tokio::test]
async fn leftovers_take_no_place_and_two_doorbells_of_a_listener_are_one_instance() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let mut gone = Command::new(env!("CARGO_BIN_EXE_brummer-hub"))
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = gone.id().unwrap();
    gone.wait().await.unwrap();
    for _ in 0..1_100 {
        Doorbell::new(&unique_id("left"), "shop", &home.project("shop"), fake.port, pid).write(&home.data());
    }
    let hub = Hub::start(&home, HubOptions::default()).await;
    let first = home.announce("shop", fake.port);
    hub.active(&first).await;
    let second = home.announce("shop", fake.port);
    hub.active(&second).await;
    let one = |list: &[Value]| list.len() == 1 && list[0]["id"] == *second && list[0]["alias"] == "shop";
    hub.instances_until("only the newest counts", one).await;
    // The process has announced itself anew: its former file is put away.
    expect("the older file is gone", async {
        while home.file(&first).exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hub.end_quietly().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_address_is_the_one_that_the_named_process_listens_on() {
    let home = Home::new();
    let serve = async |address: &str| {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        Fake::serve(listener, Behaviour::default())
    };
    let third = serve("127.0.0.3:0").await;
    let id = home.announce("third", third.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&id).await;
    // The same port on another address, with another server: `host` says which is meant.
    let second = serve(&format!("127.0.0.2:{}", third.port)).await;
    let named = home.doorbell("second", second.port).with("host", "127.0.0.2");
    named.write(&home.data());
    hub.active(&named.id).await;
    let call = json!({ "instance_id": named.id, "tool": "echo", "arguments": { "message": "hi" } });
    hub.call("instances_call", call).await.ok();
    second.saw("the call", |seen| seen.method() == "tools/call").await;
    assert!(third.seen().iter().all(|seen| seen.method() != "tools/call"));
    hub.end_quietly().await;
}

#[tokio::test]
async fn a_file_that_looks_older_than_its_process_hides_nothing() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "resumed").await;
    // As after a virtual machine went on: the clock has jumped, and the process seems to have begun after the file.
    let file = std::fs::File::options().write(true).open(home.file(&instance.id)).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(7200)).unwrap();
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.active(&instance.id).await;
    hub.end_quietly().await;
}

#[tokio::test]
async fn doorbells_are_taken_as_other_programs_write_them() {
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::args(&["--log-level", "warn"])).await;
    type Written = fn(u16) -> Value;
    let members: [(&str, Written); 9] = [
        ("started", |_| json!("2026-11-28T18:00:00.123456")),
        ("started", |_| json!(1_764_352_800_000_u64)),
        ("has_package_json", |_| json!(1)),
        ("name", |_| json!(7)),
        ("port", |port| json!(f64::from(port))),
        ("port", |port| json!(port.to_string())),
        ("endpoint", |port| json!(format!("http://127.0.0.1:{port}/mcp"))),
        ("endpoint", |_| json!("mcp")),
        ("endpoint", |_| json!("")),
    ];
    for (member, value) in members {
        let fake = Fake::start(Behaviour::default()).await;
        let bell = home.doorbell("odd", fake.port).with(member, value(fake.port));
        bell.write(&home.data());
        hub.active(&bell.id).await;
    }
    let fake = Fake::start(Behaviour::default()).await;
    let bell = home.doorbell("strange", fake.port).with("started", "soon");
    bell.write(&home.data());
    hub.active(&bell.id).await;
    let said = hub.stderr_until(|text| text.contains("`started`")).await;
    assert_eq!(said.lines().count(), 1, "one remark for the one that cannot be understood:\n{said}");
}

#[tokio::test]
async fn a_refusal_for_want_of_a_token_says_so() {
    let home = Home::new();
    let fake = Fake::start(
        Behaviour::default().raw(async |_| Some(Answer::http(401, "text/plain", "who are you?"))),
    )
    .await;
    let id = home.announce("closed", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.instances_until("it is refused", |list| list.iter().any(|it| it["state"] == "retrying")).await;
    let health = hub.hub_tool("instances_health", json!({ "instance_id": id })).await.to_string();
    assert!(health.contains("401"), "{health}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_everybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let open = home.doorbell("open", fake.port);
    let file = open.write(&home.data());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let hub = Hub::start(&home, HubOptions::args(&["--log-level", "warn"])).await;
    let said = hub.stderr_until(|text| text.contains("every user may write it")).await;
    assert!(said.contains("chmod 600"), "{said}");
    assert!(hub.instances().await.is_empty());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Its mode is no reason to look again; the next write is.
    open.write(&home.data());
    hub.active(&open.id).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_data_directory_is_never_called_like_a_variable() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    let data = home.path().join("given");
    Doorbell::new("here", "here", &home.project("here"), fake.port, std::process::id()).write(&data);
    let list = async |variable: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brummer-hub"));
        command.arg("list").args(arguments).env_remove("BRUMMER_DATA_DIR").env("HOME", home.path());
        if let Some(value) = variable {
            command.env("BRUMMER_DATA_DIR", value);
        }
        command.current_dir(home.path().join("cwd")).output().await.unwrap()
    };
    for written in ["~/given", "$HOME/given", "${HOME}/given"] {
        for output in [list(Some(written), &[]).await, list(None, &["--data-dir", written]).await] {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("here") && said.contains("active"), "{written}: {output:?}");
        }
    }
    for written in ["~nobody/given", "${workspaceFolder}/given"] {
        for output in [list(Some(written), &[]).await, list(None, &["--data-dir", written]).await] {
            assert_eq!(output.status.code(), Some(2), "{written}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("write the whole path"), "{output:?}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(home.path().join("cwd")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
