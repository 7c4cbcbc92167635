//! What is read of recorded traces, and what a hub makes of real files.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use super::{
    SourceChoice, SourceKind, Trace,
    record::{Reading, Record, Unfit},
    servers::DevServer,
};
use crate::{Hub, HubConfig, discovery::Directories, hub::Snapshot};

pub(crate) fn dev_server() -> DevServer {
    DevServer {
        url: "http://localhost:3000/".to_owned(),
        also: vec!["https://three.localhost/".to_owned()],
        framework: "next".to_owned(),
        script: Some("dev".to_owned()),
        path: "/p/three".to_owned(),
        branch: Some("main".to_owned()),
        pid: 4711,
        port: 3000,
        started: Some("2026-11-28T10:00:00Z".to_owned()),
        started_by: Some("npm < zsh".to_owned()),
        log: Some("/p/three/.next/dev/logs/next-development.log".to_owned()),
        source: "next",
        instance: None,
    }
}

/// A directory that is absolute on this system.
const PROJECT: &str = if cfg!(windows) { "C:/p/web" } else { "/p/web" };

/// The name of a file by the process and the port that it must have.
const FILE: &str = "gemini-ide-server-4711-41234.json";

fn reading(kind: SourceKind, contents: &[u8]) -> Result<Reading, Unfit> {
    let beside = |name: &str| (name == "proxy.port").then(|| b"1355".to_vec());
    let (project, working) = (Some(Path::new(PROJECT)), Some(Path::new(PROJECT)));
    kind.source().unwrap().read(&Trace { project, name: FILE, contents, beside: &beside, working })
}

/// The first record of a trace.
fn read(kind: SourceKind, contents: &[u8]) -> Result<Record, Unfit> {
    reading(kind, contents).and_then(|reading| reading.records.into_iter().next().ok_or(Unfit::NoServer))
}

/// What each tool writes that writes JSON of one server; in the order of [`SourceKind::SWITCHABLE`].
fn recorded() -> [(SourceKind, Value); 6] {
    [
        // devframe 1.3.2 within Vite DevTools 0.8.0 (Vite 8.4.0).
        (
            SourceKind::Devframe,
            json!({"pid": 4711, "port": 5173, "origin": "http://localhost:5173", "basePath": "/__devtools/",
                "id": "vite-devtools", "name": "Vite DevTools", "rootDir": PROJECT,
                "mcp": {"path": "/__devtools/__mcp"}, "startedAt": 1_795_000_000_000_i64}),
        ),
        // Storybook 10.6.7 with addon-mcp 10.6.2; `agent` is there when it finds one.
        (
            SourceKind::Storybook,
            json!({"schemaVersion": 1, "instanceId": "5f0c", "pid": 4711, "cwd": PROJECT,
                "configDir": format!("{PROJECT}/.storybook"), "url": "http://localhost:6006", "port": 6006, "agent": "claude",
                "token": "65de8338", "storybookVersion": "10.6.7", "startedAt": "2026-11-29T00:06:49.603Z",
                "updatedAt": "2026-11-28T10:00:00.000Z", "mcp": {"status": "ready", "endpoint": "/mcp"}}),
        ),
        // Next.js 16.4.6.
        (
            SourceKind::Next,
            json!({"pid": 4711, "port": 3000, "hostname": "localhost", "appUrl": "http://localhost:3000",
                "startedAt": 1_795_910_617_466_i64}),
        ),
        // Nuxt CLI 3.37.0, started with `--host 127.0.0.1`.
        (
            SourceKind::Nuxt,
            json!({"pid": 4711, "startedAt": 1_795_000_000_000_i64, "command": "dev", "cwd": PROJECT, "port": 3001,
                "hostname": "127.0.0.1", "url": "http://127.0.0.1:3001/"}),
        ),
        // Astro 7, after its source: it needs a later Node than the others.
        (
            SourceKind::Astro,
            json!({"pid": 4711, "port": 4321, "url": "http://localhost:4321/docs", "background": true,
                "urls": {"local": ["http://localhost:4321/docs"], "network": []},
                "startedAt": "2026-11-28T10:00:00.000Z"}),
        ),
        // The companion of Gemini CLI 0.40, after its specification.
        (
            SourceKind::Gemini,
            json!({"port": 41234, "workspacePath": std::env::join_paths([PROJECT, "other"]).unwrap().to_str(), "authToken": "0f0f-secret",
                "ideInfo": {"name": "vscode", "displayName": "VS Code"}}),
        ),
    ]
}

/// The lock of Copilot CLI's companion in VS Code, after what other programs read of it.
#[cfg(unix)]
fn copilot() -> Value {
    json!({"socketPath": "/tmp/mcp-5f0c.sock", "scheme": "unix", "headers": {"Authorization": "Nonce 0f0f"}, "pid": 4711,
        "ideName": "VS Code", "timestamp": 1_795_000_000_000_i64, "workspaceFolders": [PROJECT], "isTrusted": true})
}

#[cfg(unix)]
#[test]
fn a_socket_is_a_file_of_this_machine() {
    let read = |file: &Value| read(SourceKind::Copilot, file.to_string().as_bytes());
    let record = read(&copilot()).unwrap();
    assert_eq!((record.pid, record.port), (4711, 0));
    assert_eq!(record.socket.as_deref(), Some(Path::new("/tmp/mcp-5f0c.sock")));
    assert_eq!(record.project.as_deref(), Some(Path::new(PROJECT)));
    assert_eq!(record.mcp.as_ref().unwrap().headers["authorization"].expose(), "Nonce 0f0f");
    assert!(!format!("{record:?}").contains("0f0f\""), "{record:?}");
    assert!(record.framework.is_none(), "an editor is no dev server");
    for (member, values) in [
        (
            "socketPath",
            vec![
                json!("relative.sock"),
                json!(""),
                json!("/a\u{1b}"),
                json!("\\\\host\\pipe\\x"),
                Value::Null,
            ],
        ),
        ("pid", vec![json!(0), json!(1), json!(-1), json!("4711"), Value::Null]),
        ("headers", vec![json!({"a": "two\r\nlines"}), json!({"a": ""}), json!([]), Value::Null]),
        // One that cannot be sent is not left out in silence, nor are the others with it.
        (
            "headers",
            vec![json!({"Authorization": "n", "Host": "x"}), json!({"Authorization": "n", "a b": "x"})],
        ),
        ("workspaceFolders", vec![json!(["relative"]), json!("x"), json!([1])]),
    ] {
        for value in values {
            let mut file = copilot();
            file[member] = value.clone();
            assert!(read(&file).is_err(), "{member}: {value}");
        }
    }
}

/// The settings of an IDE of JetBrains (2026.2), after its source: what is as by default is not written.
const JETBRAINS: &str = r#"<application>
  <component name="McpServerSettings">
    <option name="enableMcpServer" value="true" />
    <option name="mcpServerPort" value="64400" />
  </component>
</application>"#;

/// portless 0.13.0; the second route is a person's alias.
const PORTLESS: &str = r#"[
  { "hostname": "shop.localhost", "port": 4455, "pid": 4711 },
  { "hostname": "db.localhost", "port": 5432, "pid": 0 },
  { "hostname": "fix-ui.shop.localhost", "port": 4456, "pid": 4712, "tailscaleUrl": "https://x.ts.net" }
]"#;

#[test]
fn recorded_traces_are_read() {
    let records: Vec<Record> =
        recorded().iter().map(|(kind, file)| read(*kind, file.to_string().as_bytes()).unwrap()).collect();
    let shown: Vec<_> = records.iter().map(|it| (it.framework.as_deref(), &*it.url, it.port)).collect();
    assert_eq!(
        shown,
        [
            (Some("vite"), "http://localhost:5173/__devtools/", 5173),
            (Some("storybook"), "http://localhost:6006/", 6006),
            (Some("next"), "http://localhost:3000/", 3000),
            (Some("nuxt"), "http://127.0.0.1:3001/", 3001),
            (Some("astro"), "http://localhost:4321/docs", 4321),
            (None, "http://localhost:41234/", 41234),
        ]
    );
    let endpoints: Vec<_> = records.iter().map(|it| it.mcp.as_ref().map(|mcp| &*mcp.endpoint)).collect();
    let mcp = Some("/mcp");
    assert_eq!(endpoints, [Some("/__devtools/__mcp"), mcp, Some("/_next/mcp"), None, None, mcp]);
    let mcp = records[0].mcp.as_ref().unwrap();
    assert_eq!(mcp.headers["Origin"].expose(), "http://localhost:5173");
    assert!(records[1..].iter().flat_map(|it| &it.mcp).all(|mcp| mcp.headers.is_empty()));
    let tokens: Vec<_> = records.iter().filter_map(|it| it.mcp.as_ref()?.token.as_ref()).collect();
    assert_eq!(tokens.iter().map(|it| it.expose()).collect::<Vec<_>>(), ["0f0f-secret"]);
    assert!(records.iter().all(|it| it.pid == 4711 && it.project.as_deref() == Some(Path::new(PROJECT))));
    assert!(records[..5].iter().all(|it| it.started.is_some()));
    assert_eq!(records[1].started_by.as_deref(), Some("claude"));
    assert_eq!(records[3].host, Some("127.0.0.1".parse::<IpAddr>().unwrap()));
}

#[test]
fn routes_are_several_servers_each_with_its_name() {
    let records = reading(SourceKind::Portless, PORTLESS.as_bytes()).unwrap().records;
    let shown: Vec<_> = records.iter().map(|it| (it.pid, it.port, &*it.url, &*it.also[0])).collect();
    assert_eq!(
        shown,
        [
            (4711, 4455, "http://localhost:4455/", "http://shop.localhost:1355/"),
            (4712, 4456, "http://localhost:4456/", "http://fix-ui.shop.localhost:1355/"),
        ]
    );
    for hostile in [
        r#"[{"hostname": "evil.example/\u001b", "port": 80, "pid": 4711}]"#,
        r#"[{"hostname": "a@b", "port": 80, "pid": 4711}]"#,
        r#"[{"hostname": "a", "port": 0, "pid": 4711}]"#,
        r#"[{"hostname": "a", "port": 80, "pid": 1}]"#,
        r#"[{"hostname": "a", "port": 80, "pid": "4711"}, 1, null, []]"#,
    ] {
        assert_eq!(reading(SourceKind::Portless, hostile.as_bytes()), Ok(Reading::default()), "{hostile}");
    }
    let many = format!("[{}1]", r#"{"hostname": "a", "port": 80, "pid": 4711},"#.repeat(1000));
    assert_eq!(reading(SourceKind::Portless, many.as_bytes()).unwrap().records.len(), 256);
    for broken in [&b""[..], b"[", b"{}", b"[{\"hostname\":", &[b'['; 60_000]] {
        assert!(reading(SourceKind::Portless, broken).is_err());
    }
}

#[test]
fn an_ide_is_awaited_where_its_settings_say() {
    let awaited = |text: &str| {
        let reading = reading(SourceKind::JetBrains, text.as_bytes())?;
        assert!(reading.records.is_empty(), "nothing says that it runs");
        Ok::<_, Unfit>(reading.awaited.into_iter().next().unwrap())
    };
    let ide = awaited(JETBRAINS).unwrap();
    assert_eq!((ide.ports, &*ide.mcp.endpoint), (64_400..=64_410, "/stream"));
    assert_eq!(ide.mcp.headers["IJ_MCP_SERVER_PROJECT_PATH"].expose(), PROJECT);
    let usual = JETBRAINS.lines().filter(|line| !line.contains("mcpServerPort")).collect::<String>();
    assert_eq!(awaited(&usual).unwrap().ports, 64_342..=64_352);
    for (text, unfit) in [
        (JETBRAINS.replace("true", "false"), Unfit::NoServer),
        (JETBRAINS.replace("enableMcpServer", "enableBraveMode"), Unfit::NoServer),
        (JETBRAINS.replace("64400", "0"), Unfit::Invalid("mcpServerPort")),
        (JETBRAINS.replace("64400", "65536"), Unfit::Invalid("mcpServerPort")),
        (JETBRAINS.replace("64400", "80&quot;"), Unfit::Invalid("mcpServerPort")),
        (JETBRAINS[..80].to_owned(), Unfit::Unreadable),
        (String::new(), Unfit::Unreadable),
    ] {
        assert_eq!(awaited(&text), Err(unfit), "{text}");
    }
}

#[test]
fn hostile_traces_are_not_taken() {
    for (kind, file) in recorded() {
        let with = |member: &str, value: Value| {
            let mut file = file.clone();
            let is_known = file.as_object_mut().unwrap().insert(member.to_owned(), value).is_some();
            is_known.then(|| read(kind, file.to_string().as_bytes()))
        };
        let url = ["origin", "url", "appUrl"].into_iter().find(|name| file.get(name).is_some());
        for elsewhere in [
            "http://evil.example:5173",
            "http://192.168.0.7:80",
            "ftp://localhost:1",
            "http://localhost:5173@evil.example:80",
            "http://localhost:1",
            "localhost",
            "http://localhost.evil.example:5173",
            "",
        ] {
            let taken = url.map(|url| with(url, elsewhere.into()).unwrap());
            assert!(taken.as_ref().is_none_or(Result::is_err), "{kind}: {elsewhere}: {taken:?}");
        }
        for pid in [json!(0), json!(1), json!(-1), json!(4_294_967_295_u32), json!("4711"), Value::Null] {
            assert!(with("pid", pid.clone()).is_none_or(|taken| taken.is_err()), "{kind}: pid {pid}");
        }
        for port in [json!(0), json!(-1), json!(65_536), json!("80"), Value::Null] {
            assert!(with("port", port.clone()).unwrap().is_err(), "{kind}: port {port}");
        }
        for member in ["cwd", "rootDir", "workspacePath"] {
            for path in
                ["relative", &format!("{PROJECT}/\u{1b}[31m"), &format!("{PROJECT}/{}", "x".repeat(5000))]
            {
                assert!(with(member, path.into()).is_none_or(|taken| taken.is_err()), "{kind}: {member}");
            }
        }
        for token in ["", "two\r\nlines", &"x".repeat(5000)] {
            assert!(with("authToken", token.into()).is_none_or(|taken| taken.is_err()), "{kind}: {token:?}");
        }
        for contents in [&b""[..], b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"{\"pid\":", &[b'['; 60_000]] {
            assert!(read(kind, contents).is_err(), "{kind}");
        }
        if let Some(Ok(record)) = with("name", "a\u{1b}]0;evil\u{7}\nb".into()) {
            assert!(!record.name.unwrap().contains(char::is_control));
        }
    }
    for (kind, mcp) in [
        (SourceKind::Devframe, json!({"path": "//evil.example/mcp"})),
        (SourceKind::Devframe, json!({"path": "http://evil.example/mcp"})),
        (SourceKind::Storybook, json!({"status": "ready", "endpoint": "/mcp HTTP/1.1\r\nHost: evil"})),
    ] {
        let (_, mut file) = recorded().into_iter().find(|(other, _)| *other == kind).unwrap();
        file["mcp"] = mcp;
        assert_eq!(read(kind, file.to_string().as_bytes()), Err(Unfit::Invalid("mcp")));
    }
    // The port of another file, as if this one had been copied.
    let other = json!({"port": 41_235, "workspacePath": PROJECT, "authToken": "0f0f"});
    assert_eq!(read(SourceKind::Gemini, other.to_string().as_bytes()), Err(Unfit::Invalid("port")));
}

#[test]
fn servers_that_speak_no_mcp_are_only_servers() {
    let of = |kind: SourceKind, member: &str, value: Value| {
        let (_, mut file) = recorded().into_iter().find(|(other, _)| *other == kind).unwrap();
        file[member] = value;
        read(kind, file.to_string().as_bytes())
    };
    let speaks = |record: Result<Record, Unfit>| record.unwrap().mcp.is_some();
    assert!(!speaks(of(SourceKind::Devframe, "mcp", Value::Null)));
    assert!(!speaks(of(SourceKind::Devframe, "origin", "https://localhost:5173".into())), "TLS");
    assert!(!speaks(of(SourceKind::Storybook, "mcp", json!({"status": "not-installed"}))));
    assert!(!speaks(of(SourceKind::Next, "appUrl", "https://localhost:3000".into())), "TLS");
    assert_eq!(of(SourceKind::Nuxt, "command", "build".into()), Err(Unfit::NoServer));
    assert_eq!(of(SourceKind::Nuxt, "url", Value::Null), Err(Unfit::NoServer), "it does not listen yet");
}

#[test]
fn a_choice_is_all_none_or_some() {
    assert_eq!("none".parse(), Ok(SourceChoice::Only(Vec::new())));
    assert_eq!("next,astro".parse(), Ok(SourceChoice::Only(vec![SourceKind::Next, SourceKind::Astro])));
    assert_eq!("all".parse(), Ok(SourceChoice::Only(SourceKind::SWITCHABLE.to_vec())));
    let error = "next,vite".parse::<SourceChoice>().unwrap_err();
    assert!(error.contains("`vite` is not a source") && error.contains("storybook"), "{error}");
}

/// A hub that reads the sources of a home of its own.
struct Home {
    directory: tempfile::TempDir,
    hub: Hub,
}

impl Home {
    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Writes a file as most tools do: prepared beside it, and renamed.
    fn write(&self, path: &str, contents: &str) -> PathBuf {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let prepared = file.with_file_name(".prepared.tmp");
        fs::write(&prepared, contents).unwrap();
        fs::rename(prepared, &file).unwrap();
        file
    }

    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let mut config = HubConfig {
            directories: Directories::only(directory.path().join("data")),
            ..HubConfig::default()
        };
        config.sources.choice = "all".parse().unwrap();
        config.sources.home = Some(directory.path().to_owned());
        config.sources.temporary = Some(directory.path().join("tmp"));
        config.sources.projects = vec![directory.path().join("web")];
        Self { hub: Hub::start(config), directory }
    }

    async fn until(&self, what: &str, mut is_it: impl FnMut(&Snapshot) -> bool) -> std::sync::Arc<Snapshot> {
        let mut snapshots = self.hub.instances();
        let waited = timeout(Duration::from_secs(20), snapshots.wait_for(|snapshot| is_it(snapshot))).await;
        let Ok(Ok(snapshot)) = waited else { panic!("{what}: {:?}", self.hub.instances().borrow()) };
        std::sync::Arc::clone(&snapshot)
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn astro(port: u16, pid: u32) -> String {
    json!({"pid": pid, "port": port, "url": format!("http://localhost:{port}/"), "background": false,
        "startedAt": "2026-11-28T10:00:00.000Z"})
    .to_string()
}

fn storybook(port: u16, pid: u32, cwd: &Path) -> String {
    json!({"schemaVersion": 1, "instanceId": "5f0c", "pid": pid, "cwd": cwd, "url": format!("http://localhost:{port}"),
        "port": port, "storybookVersion": "10.4.0", "mcp": {"status": "not-installed"}})
    .to_string()
}

#[tokio::test]
async fn servers_of_the_start_are_there_when_the_hub_has_settled() {
    let (_listener, port) = listener().await;
    let home = Home::with(|home| {
        fs::create_dir_all(home.join("web/.astro")).unwrap();
        fs::write(home.join("web/.astro/dev.json"), astro(port, std::process::id())).unwrap();
    });
    let snapshot = home.hub.settled().await;
    let urls: Vec<_> = snapshot.dev_servers.iter().map(|server| &*server.url).collect();
    assert_eq!(urls, [format!("http://localhost:{port}/")]);
    home.hub.shutdown().await;
}

#[tokio::test]
async fn a_server_comes_and_goes_with_its_file() {
    let home = Home::new();
    home.hub.settled().await;
    let (_listener, port) = listener().await;
    // Both directories are made after the hub has looked for them.
    let file = home.write("web/.astro/dev.json", &astro(port, std::process::id()));
    home.until("found", |snapshot| snapshot.dev_servers.iter().any(|it| it.port == port)).await;
    let (_second, other) = listener().await;
    home.write("web/.astro/dev.json", &astro(other, std::process::id()));
    home.until("moved", |snapshot| {
        snapshot.dev_servers.iter().map(|it| it.port).collect::<Vec<_>>() == [other]
    })
    .await;
    fs::remove_file(file).unwrap();
    home.until("gone", |snapshot| snapshot.dev_servers.is_empty()).await;
    // The directory goes and comes again.
    fs::remove_dir_all(home.path("web/.astro")).unwrap();
    home.write("web/.astro/dev.json", &astro(port, std::process::id()));
    home.until("found again", |snapshot| snapshot.dev_servers.iter().any(|it| it.port == port)).await;
    let book = home
        .write(".storybook/instances/5f0c.json", &storybook(other, std::process::id(), &home.path("web")));
    home.until("a registry that is new", |snapshot| snapshot.dev_servers.len() == 2).await;
    fs::remove_file(book).unwrap();
    home.until("gone from the registry", |snapshot| snapshot.dev_servers.len() == 1).await;
    home.hub.shutdown().await;
}

#[tokio::test]
async fn sources_are_switched_while_the_hub_runs() {
    let home = Home::new();
    home.hub.settled().await;
    let (_listener, port) = listener().await;
    let (_second, other) = listener().await;
    let own = std::process::id();
    home.write("web/.astro/dev.json", &astro(port, own));
    home.write(".storybook/instances/5f0c.json", &storybook(other, own, &home.path("web")));
    let ports = |snapshot: &Snapshot| snapshot.dev_servers.iter().map(|it| it.source).collect::<Vec<_>>();
    let is_both = |snapshot: &Snapshot| ports(snapshot).len() == 2;
    home.until("both", is_both).await;
    let switch = |choice: &str| {
        let change = crate::hub::HubChange { sources: choice.parse().unwrap(), ..Default::default() };
        home.hub.changes().send_replace(std::sync::Arc::new(change));
    };
    switch("astro");
    home.until("one of them", |snapshot| ports(snapshot) == ["astro"]).await;
    switch("none");
    home.until("none", |snapshot| snapshot.dev_servers.is_empty()).await;
    switch("all");
    home.until("both again", is_both).await;
    home.hub.shutdown().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn records_that_are_not_true_are_not_listed_and_stay_where_they_are() {
    // No relative of this process, which listens: its shell ends at once.
    let orphan = "sleep 60 </dev/null >/dev/null 2>&1 & echo $!";
    let orphan = std::process::Command::new("sh").args(["-c", orphan]).output().unwrap();
    let orphan: u32 = String::from_utf8(orphan.stdout).unwrap().trim().parse().unwrap();
    let (_listener, port) = listener().await;
    let home = Home::new();
    home.hub.settled().await;
    let web = home.path("web");
    let mut files = Vec::new();
    for (name, pid) in [("gone", 4_000_000), ("other", orphan)] {
        files.push(home.write(&format!(".storybook/instances/{name}.json"), &storybook(port, pid, &web)));
        let ready = storybook(port, pid, &web).replace(r#""not-installed""#, r#""ready","endpoint":"/mcp""#);
        files.push(home.write(&format!(".storybook/instances/{name}-ready.json"), &ready));
    }
    files.push(home.write(".storybook/instances/bad.json", "{\"pid\":"));
    // What comes last is judged last.
    home.write(".storybook/instances/true.json", &storybook(port, std::process::id(), &web));
    home.until("the true one", |snapshot| !snapshot.dev_servers.is_empty()).await;
    let snapshot = home
        .until("the false ones", |snapshot| {
            snapshot.instances.iter().all(|it| it.state == crate::instance::InstanceState::Retrying)
        })
        .await;
    let pids: Vec<_> = snapshot.dev_servers.iter().map(|it| it.pid).collect();
    assert_eq!(pids, [std::process::id()]);
    let killed = std::process::Command::new("kill").arg(orphan.to_string()).status().unwrap();
    assert!(killed.success());
    home.until("nothing", |snapshot| snapshot.instances.is_empty()).await;
    home.hub.shutdown().await;
    for file in files {
        assert!(file.exists(), "{} is another tool's", file.display());
    }
}
