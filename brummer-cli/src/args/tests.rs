use super::*;

fn parsed(line: &str) -> Result<Invocation, clap::Error> {
    parse(
        ["brummer-hub", "--data-dir", "/data"].into_iter().chain(line.split_whitespace()).map(OsString::from),
    )
}

fn refused(line: &str) -> String {
    parsed(line).unwrap_err().to_string()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn mcp_without_options_is_the_default_hub() {
    let Command::Mcp { hub, session } = parsed("--mcp").unwrap().command else { panic!("another command") };
    let defaults = HubConfig::default();
    assert_eq!(hub.sources.choice, SourceChoice::Auto);
    assert_eq!(hub.only, None);
    assert_eq!(hub.health.ping_interval, defaults.health.ping_interval);
    assert_eq!((session.name_budget, session.tools), (None, None));
    assert!(session.auto_connect);
    assert_eq!(session.working_directory, std::env::current_dir().ok());
}

#[test]
fn sources_and_labels_select() {
    let Command::List { hub, .. } =
        parsed("list --sources next,astro --only label=tier=web").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!(hub.sources.choice, "next,astro".parse().unwrap());
    assert_eq!(hub.only, Some("tier=web".parse().unwrap()));
    assert!(refused("list --sources vite").contains("`vite` is not a source"));
    assert!(refused("list --only web").contains("write label=NAME"));
    let Command::Announce { announcement, .. } =
        parsed("register --port 3000 --label tier=web --label frontend").unwrap().command
    else {
        panic!("another command")
    };
    let labels: Vec<_> = announcement.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["frontend=true", "tier=web"]);
    assert!(refused("register --port 3000 --label =web").contains("write NAME=VALUE"));
}

#[test]
fn every_option_of_mcp_arrives() {
    let line = "--mcp --tools all --name-budget 64 --no-auto-connect --ping-interval 500ms --give-up-after 2m \
        --call-timeout 1h --max-message-size 8 --max-buffered 16 --handshake-timeout 1m --log-level debug --log-file /tmp/hub.log";
    let invocation = parsed(line).unwrap();
    let Command::Mcp { hub, session } = invocation.command else { panic!("another command") };
    assert_eq!((session.tools, session.name_budget), (Some(ToolsMode::All), Some(64)));
    assert!(!session.auto_connect);
    assert_eq!(hub.health.ping_interval, Duration::from_millis(500));
    assert_eq!(hub.health.give_up_after, Duration::from_secs(120));
    assert_eq!(hub.limits.call_timeout, Duration::from_secs(3600));
    assert_eq!(hub.limits.max_message_bytes, 8 * MEBIBYTE);
    assert_eq!(hub.limits.max_buffered, 16 * MEBIBYTE);
    assert_eq!(hub.limits.initialize_timeout, Duration::from_secs(60));
    assert_eq!(invocation.logs, LogOptions { level: LogLevel::Debug, file: Some("/tmp/hub.log".into()) });
}

#[test]
fn a_healthy_hub_is_silent_by_default() {
    assert_eq!(parsed("--mcp").unwrap().logs, LogOptions { level: LogLevel::Warn, file: None });
}

#[test]
fn what_answers_once_warns_of_nothing_else_unless_it_is_asked_to() {
    let level = |line: &str| parsed(line).unwrap().logs.level;
    for command in
        ["list", "tools", "call x y", "logs", "stop x", "restart x", "wait x", "doctor", "install", "config"]
    {
        assert_eq!(level(command), LogLevel::Error, "{command}");
        assert_eq!(level(&format!("{command} -v")), LogLevel::Info, "{command}");
        assert_eq!(level(&format!("{command} --log-file /l")), LogLevel::Warn, "{command}");
        assert_eq!(level(&format!("{command} --log-level warn")), LogLevel::Warn, "{command}");
    }
    for command in ["--mcp", "watch", "run dev", "register --port 1", "register --stdio -- x"] {
        assert_eq!(level(command), LogLevel::Warn, "{command}");
    }
}

#[test]
fn register_announces_what_runs() {
    let line = "register --port 3001 --name web --path app --endpoint api/mcp --id web-1 --pid 77 --wait 5s";
    let Command::Announce { announcement, pid, wait } = parsed(line).unwrap().command else {
        panic!("another command")
    };
    assert_eq!(announcement.port, 3001);
    assert_eq!(announcement.name.as_deref(), Some("web"));
    assert_eq!(announcement.path, Some("app".into()));
    assert_eq!(announcement.endpoint.as_deref(), Some("/api/mcp"));
    assert_eq!(announcement.id.as_deref(), Some("web-1"));
    assert_eq!(announcement.directories, Directories::only("/data"));
    assert_eq!(pid, Some(77));
    assert_eq!(wait, Some(Duration::from_secs(5)));
}

#[test]
fn register_wraps_a_command_with_options_of_its_own() {
    let Command::Wrap { announcement, program, arguments, wait } =
        parsed("register -p 3001 -- npx -y everything --port 3001 -- rest").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!(announcement.port, 3001);
    assert_eq!(program, "npx");
    assert_eq!(arguments, ["-y", "everything", "--port", "3001", "--", "rest"]);
    assert_eq!(wait, COMMAND_WAIT);
}

#[test]
fn secrets_are_named_and_not_given() {
    let of = |line: &str| match parsed(line).unwrap().command {
        Command::Announce { announcement, .. } => (announcement.token, announcement.headers),
        _ => panic!("another command"),
    };
    assert_eq!(of("register -p 1"), (None, vec![]));
    assert_eq!(of("register -p 1 --token-file t").0, Some(TokenSource::File("t".into())));
    let pair = |header: &str, name: &str| (header.to_owned(), name.to_owned());
    assert_eq!(
        of("register -p 1 --token-env TOKEN --header-env X-A=A --header-env X-B=B=C"),
        (Some(TokenSource::Variable("TOKEN".to_owned())), vec![pair("X-A", "A"), pair("X-B", "B=C")])
    );
    let token = |line: &str| matches!(parsed(line).unwrap().command, Command::Run(project) if project.token);
    assert!(token("run dev") && !token("run dev --no-token") && !token("--no-tui --no-token"));
}

#[test]
fn run_has_two_names() {
    let scripts = |line: &str| {
        let Command::Run(project) = parsed(line).unwrap().command else { panic!("{line}: another command") };
        assert_eq!(project.directories, Directories::only("/data"));
        (project.scripts, project.directory, project.port, project.name)
    };
    let wanted =
        (vec!["dev".to_owned(), "web#test".to_owned()], "app".into(), Some(0), Some("shop".to_owned()));
    let options = "dev web#test --dir app --port 0 --name shop";
    for line in [format!("run {options}"), format!("--no-tui {options}"), format!("{options} --no-tui")] {
        assert_eq!(scripts(&line), wanted, "{line}");
    }
    let bare = (vec![], ".".into(), None, None);
    for line in
        ["run", "--no-tui", "--log-level debug --no-tui", "run --no-tui", "--log-file /x run --no-tui"]
    {
        assert_eq!(scripts(line), bare, "{line}");
    }
}

#[test]
fn install_names_clients_and_what_to_do() {
    let request = |line: &str| {
        let Command::Install(request) = parsed(line).unwrap().command else {
            panic!("{line}: another command")
        };
        request
    };
    let all = request("install");
    assert_eq!((all.task, all.clients.len(), all.dry_run), (install::Task::Install, 0, false));
    assert_eq!(all.data_dir, Some(std::path::absolute("/data").unwrap()));
    let two = request("install cursor zed -n");
    assert_eq!((two.clients, two.dry_run), (vec!["cursor".to_owned(), "zed".to_owned()], true));
    assert_eq!(request("install --list --json").task, install::Task::List { json: true });
    assert_eq!(request("uninstall cursor").task, install::Task::Uninstall);
}

#[test]
fn mcp_is_a_word_too() {
    for line in ["mcp", "mcp --tools all", "--log-level debug mcp", "--color never mcp"] {
        assert!(matches!(parsed(line).unwrap().command, Command::Mcp { .. }), "{line}");
    }
    assert!(
        matches!(parsed("run mcp").unwrap().command, Command::Run(project) if project.scripts == ["mcp"])
    );
    assert!(
        matches!(parsed("tools mcp").unwrap().command, Command::Tools { instance: Some(name), .. } if name == "mcp")
    );
}

#[test]
fn how_much_is_said_can_be_put_in_three_ways() {
    for (line, level) in [
        ("list -v", LogLevel::Info),
        ("-vv list", LogLevel::Debug),
        ("list -q", LogLevel::Error),
        ("list -qq", LogLevel::Off),
        ("list -q --log-level trace", LogLevel::Trace),
    ] {
        assert_eq!(parsed(line).unwrap().logs.level, level, "{line}");
    }
}

#[test]
fn what_is_asked_of_instances_arrives() {
    let Command::Call { request, .. } =
        parsed("call shop find q=lamp n:=1 --json --timeout 5s").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!((request.instance.as_str(), request.tool.as_str(), request.json), ("shop", "find", true));
    assert_eq!(
        (request.arguments, request.timeout),
        (vec!["q=lamp".to_owned(), "n:=1".to_owned()], Some(Duration::from_secs(5)))
    );
    assert!(
        matches!(parsed("call shop find -").unwrap().command, Command::Call { request, .. } if request.arguments == ["-"])
    );
    let Command::Logs { request, .. } = parsed("logs -f -n 5 --script dev").unwrap().command else {
        panic!("another command")
    };
    assert_eq!(
        (request.instance, request.follow, request.lines, request.script.as_deref()),
        (None, true, 5, Some("dev"))
    );
    let Command::Scripts { request, .. } = parsed("restart . dev").unwrap().command else {
        panic!("another command")
    };
    assert_eq!((request.action, request.scripts), (Action::Restart, vec!["dev".to_owned()]));
    for (line, until) in [
        ("wait shop", Until::Active),
        ("wait shop --gone", Until::Gone),
        ("wait shop --port 3000", Until::Condition("port", 3000.into())),
        ("wait shop --log ready", Until::Condition("log", "ready".into())),
    ] {
        assert!(
            matches!(parsed(line).unwrap().command, Command::Wait { request, .. } if request.until == until),
            "{line}"
        );
    }
}

#[test]
fn a_guard_takes_everything_as_it_is() {
    let Command::Guard { terminal: GuardedTerminal::None, program, arguments } =
        parsed("guard -- npm run dev -- --no-tui --help").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!(
        (program, arguments),
        ("npm".into(), ["run", "dev", "--", "--no-tui", "--help"].map(OsString::from).into())
    );
    let attached = parsed("guard --attached -- npm").unwrap().command;
    assert!(matches!(attached, Command::Guard { terminal: GuardedTerminal::Callers, .. }));
    assert!(!refused("--help").contains("guard"));
}

#[test]
fn list_takes_the_global_options_too() {
    let invocation = parsed("list --json --log-level off").unwrap();
    assert!(matches!(invocation.command, Command::List { json: true, .. }));
    assert_eq!(invocation.logs.level, LogLevel::Off);
}

#[test]
fn mistakes_are_named() {
    for (line, expected) in [
        ("--tools all", "--mcp"),
        ("--mcp list", "cannot be combined with a subcommand"),
        ("", "a command is missing"),
        ("--mcp --tools some", "`connected`, `all` or `hub`"),
        ("--mcp --ping-interval 5", "write `5s`"),
        ("--mcp --name-budget 5", "32..=128"),
        ("--mcp --max-message-size 0", "1..=1024"),
        ("--mcp --max-buffered 0", "1..=16384"),
        ("register", "--port <PORT>"),
        ("register --port 0", "--port <PORT>"),
        ("register --port 70000", "--port <PORT>"),
        ("register --port 3001 --pid 7 -- node", "--pid"),
        ("register --port 3001 npx", "npx"),
        ("regster", "register"),
        ("run --port 70000", "--port <PORT>"),
        ("register -p 1 --token-env A --token-file b", "--token-file"),
        ("register -p 1 --header-env X-Key", "write HEADER=NAME"),
        ("guard", "-- <COMMAND>"),
        ("install --json", "--list"),
        ("call shop", "<TOOL>"),
        ("wait shop --gone --log x", "--log"),
        ("logs -n 2000", "0..=1000"),
        ("list --color sometimes", "always"),
        ("install --list --dry-run", "--dry-run"),
    ] {
        let message = refused(line);
        assert!(message.contains(expected), "{line:?}: {message}");
        assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line:?}");
    }
}

#[test]
fn a_word_that_belongs_elsewhere_is_answered_with_what_is_meant() {
    for (line, expected) in [
        ("logs . dev", "`brummer-hub logs . --script dev`"),
        ("logs -f shop dev", "`brummer-hub logs shop --script dev`"),
        ("tools . logs_tail", "`brummer-hub call . logs_tail` calls one"),
        ("list shop", "`brummer-hub tools shop` shows what one offers"),
        ("wait shop ready", "`brummer-hub wait shop --log TEXT`"),
        ("call errors_list", "an INSTANCE comes first, then a TOOL: `brummer-hub call . errors_list`"),
        ("call", "`brummer-hub call . TOOL`"),
        ("restart", "`brummer-hub restart .` means that of the working directory"),
    ] {
        let message = refused(line);
        assert!(message.contains("tip: ") && message.contains(expected), "{line:?}: {message}");
        assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line:?}");
    }
    for line in ["logs --bogus", "register", "doctor cursor"] {
        let message = refused(line);
        assert!(!message.contains("one INSTANCE") && !message.contains("an INSTANCE"), "{line:?}: {message}");
    }
}

/// The help page of every command, `--help` of those that have a longer one.
#[test]
fn help_is_as_it_was_reviewed() {
    // However wide the terminal is.
    let shown = |words: &[&str]| {
        let words = ["brummer-hub"].iter().chain(words);
        Cli::command().term_width(100).try_get_matches_from(words).unwrap_err().to_string()
    };
    let definition = definition();
    let names = definition.get_subcommands().map(clap::Command::get_name);
    for name in names {
        let long = shown(&[name, "--help"]);
        let whole = long.contains("Examples:") && long.contains("Exit codes:");
        assert!(whole || ["man", "completions"].contains(&name), "{long}");
        insta::assert_snapshot!(name.to_owned(), long);
    }
    insta::assert_snapshot!("long", shown(&["--help"]));
    insta::assert_snapshot!("short", shown(&["-h"]));
    assert!(!shown(&["-h"]).contains("Examples:"));
}

#[test]
fn version_names_the_program() {
    assert_eq!(refused("--version"), concat!("brummer-hub ", env!("CARGO_PKG_VERSION"), "\n"));
}
