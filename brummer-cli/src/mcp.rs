//! `--mcp`: the hub for one client on standard input and output.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use brummer_hub::{Hub, HubConfig, session::SessionConfig, stdio};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Followed, Wanted},
    exit::{ExitStatus, Failure},
    output,
    signals::Signals,
};

/// Serves until the client goes away or a signal comes. A second signal does not wait for anything.
pub(crate) async fn serve(
    mut config: HubConfig,
    session: SessionConfig,
    (followed, servers): (Followed, Vec<Wanted>),
) -> Result<ExitStatus, Failure> {
    let mut signals = Signals::listen()?;
    if io::stdin().is_terminal() {
        output::note(introduction(std::env::current_exe().ok().as_deref()));
    }
    config.followed = followed.files();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    // A task of its own: what `block_on` runs itself costs one more look at the system for each of its wake-ups, and
    // would poll the signals with every message.
    let mut serving = tokio::spawn(async move {
        let hub = Hub::start(config);
        let _following = config::follow(&hub, followed, servers);
        let served = stdio::serve(&hub, session, stopped).await;
        hub.shutdown().await;
        served.map(|()| ExitStatus::Success).map_err(Failure::from)
    });
    let ended = tokio::select! {
        biased;
        ended = &mut serving => ended,
        _ = signals.next() => {
            stop.cancel();
            tokio::select! {
                biased;
                ended = &mut serving => ended,
                second = signals.next() => return Ok(ExitStatus::Signalled(second)),
            }
        }
    };
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What a person reads who starts the hub at a terminal. The program's own path works from any client, whose `PATH` is
/// often not that of the shell.
fn introduction(program: Option<&Path>) -> String {
    let program = program.map_or_else(|| "brummer-hub".to_owned(), |path| path.display().to_string());
    let snippet = serde_json::json!({
        "mcpServers": { "brummer-hub": { "command": program, "args": ["--mcp"] } }
    });
    let leave = if cfg!(windows) { "Ctrl-Z and Enter, or Ctrl-C" } else { "Ctrl-D or Ctrl-C" };
    format!(
        "brummer-hub {version}: an MCP server on standard input and output. MCP clients start it. `brummer-hub install` \
         configures yours; any other client needs this:\n\n{snippet:#}\n\n\
         It is waiting for MCP messages, one per line. Leave with {leave}.",
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_introduction_holds_a_configuration_that_can_be_pasted() {
        let text = introduction(Some(Path::new(r#"C:\a "b"\brummer-hub.exe"#)));
        let json = &text[text.find("{\n").unwrap()..=text.rfind("\n}").unwrap() + 1];
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value["mcpServers"]["brummer-hub"]["command"], r#"C:\a "b"\brummer-hub.exe"#);
        assert_eq!(value["mcpServers"]["brummer-hub"]["args"][0], "--mcp");
        assert!(text.contains("Leave with"));
    }
}
