//! `watch`: the instances as they come and go. On a terminal a table that is kept up to date, elsewhere a line for each
//! thing that happens.

mod screen;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use brummer_hub::{Hub, HubConfig, hub::HubEvent, instance::Instance, session::InstanceEntry};
use crossterm::{cursor, queue, terminal};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use self::screen::Screen;
use crate::{
    clean, colour,
    exit::{ExitStatus, Failure},
    list::{self, Style, table::shortened},
    output,
    signals::Signals,
};

/// The times in the table are those of the last second.
const TICK: Duration = Duration::from_secs(1);

/// Shows what happens until a signal comes, or nobody reads any more.
pub(crate) async fn watch(config: HubConfig, json: bool) -> Result<ExitStatus, Failure> {
    let mut signals = Signals::listen()?;
    let hub = Hub::start(config);
    let live = !json && io::stdout().is_terminal();
    let ended = tokio::select! {
        biased;
        _ = signals.next() => Ok(()),
        ended = show_live(&hub), if live => ended,
        ended = print_lines(&hub, json), if !live => ended,
    };
    hub.shutdown().await;
    ended.map(|()| ExitStatus::Success)
}

/// One thing that happened.
#[derive(Clone, Debug)]
struct Happening {
    at: Timestamp,
    instance: Option<InstanceEntry>,
    /// `listed`, `announced`, `state`, `alias`, `gone` or `missed`.
    kind: &'static str,
    /// What it was before.
    from: Option<&'static str>,
    missed: u64,
}

impl Happening {
    fn of(event: &HubEvent) -> Option<Self> {
        let about = |instance: &Instance, kind| Self {
            at: Timestamp::now(),
            instance: Some(InstanceEntry::of(instance, false)),
            kind,
            from: None,
            missed: 0,
        };
        Some(match event {
            HubEvent::InstanceAppeared(instance) => about(instance, "announced"),
            HubEvent::StateChanged { instance, from } => {
                Self { from: Some(from.name()), ..about(instance, "state") }
            }
            HubEvent::AliasChanged(instance) => about(instance, "alias"),
            HubEvent::InstanceGone(instance) => about(instance, "gone"),
            HubEvent::Lagged(missed) => {
                Self { at: Timestamp::now(), instance: None, kind: "missed", from: None, missed: *missed }
            }
            _ => return None,
        })
    }

    /// For a person.
    fn text(&self, home: Option<&PathBuf>) -> String {
        let at = self.at.strftime("%H:%M:%SZ");
        let Some(entry) = &self.instance else {
            return format!("{at}  {} more, too fast to show", self.missed);
        };
        let alias = clean::line(&entry.alias);
        let what = match (self.kind, self.from) {
            ("listed", _) => format!("is {}", entry.state),
            ("announced", _) => "was announced".to_owned(),
            ("state", Some(from)) => format!("is {} (was {from})", entry.state),
            ("alias", _) => "is called so now".to_owned(),
            _ => "is gone".to_owned(),
        };
        let path = clean::line(&shortened(&entry.path, home.map(PathBuf::as_path)));
        format!("{at}  {alias} {what}  port {}  {path}", entry.port)
    }

    fn json(&self) -> Value {
        json!({
            "at": self.at.to_string(), "event": self.kind, "from": self.from, "missed": self.missed,
            "instance": self.instance,
        })
    }
}

/// A line for each thing that happens, those first that are there.
async fn print_lines(hub: &Hub, json: bool) -> Result<(), Failure> {
    let home = std::env::home_dir();
    let print = |happening: &Happening| {
        let text =
            if json { clean::json(&happening.json().to_string()) } else { happening.text(home.as_ref()) };
        output::stream(&format!("{text}\n"))
    };
    let snapshot = hub.settled().await;
    // With no wait in between: what happened before is in the snapshot, and nothing is told twice.
    let mut events = hub.events();
    for instance in &snapshot.instances {
        let entry = InstanceEntry::of(instance, false);
        let at = Timestamp::now();
        let listed = Happening { at, instance: Some(entry), kind: "listed", from: None, missed: 0 };
        if !print(&listed)? {
            return Ok(());
        }
    }
    while let Some(event) = events.recv().await {
        if let Some(happening) = Happening::of(&event)
            && !print(&happening)?
        {
            return Ok(());
        }
    }
    Ok(())
}

/// The table and what happens below it, on a screen of its own, which is gone afterwards.
async fn show_live(hub: &Hub) -> Result<(), Failure> {
    let _terminal = Terminal::take()?;
    let style = if colour::is_wanted(&io::stdout()) { Style::Colour } else { Style::Plain };
    let home = std::env::home_dir();
    let mut screen = Screen::default();
    let mut events = hub.events();
    let mut snapshots = hub.instances();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = Timestamp::now();
        let entries: Vec<InstanceEntry> = snapshots
            .borrow_and_update()
            .instances
            .iter()
            .map(|instance| InstanceEntry::of(instance, false))
            .collect();
        let rows: Vec<list::Row> =
            entries.iter().map(|entry| list::row(entry, now, home.as_deref())).collect();
        let (width, height) = terminal::size().unwrap_or((80, 24));
        draw(&screen.render(&rows, usize::from(width), usize::from(height), style))?;
        tokio::select! {
            changed = snapshots.changed() => if changed.is_err() {
                return Ok(());
            },
            Some(event) = events.recv() => {
                if let Some(happening) = Happening::of(&event) {
                    screen.add(happening.text(home.as_ref()));
                }
            }
            _ = tick.tick() => {}
        }
    }
}

fn draw(lines: &[String]) -> io::Result<()> {
    let mut frame = Vec::new();
    queue!(frame, cursor::MoveTo(0, 0))?;
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            frame.extend_from_slice(b"\r\n");
        }
        frame.extend_from_slice(line.as_bytes());
        queue!(frame, terminal::Clear(terminal::ClearType::UntilNewLine))?;
    }
    queue!(frame, terminal::Clear(terminal::ClearType::FromCursorDown))?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&frame)?;
    stdout.flush()
}

/// The terminal while it shows the table. It is given back however this ends.
struct Terminal;

impl Terminal {
    fn take() -> io::Result<Self> {
        let mut stdout = io::stdout().lock();
        queue!(stdout, terminal::EnterAlternateScreen, cursor::Hide)?;
        stdout.flush()?;
        Ok(Self)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut stdout = io::stdout().lock();
        // A terminal that is gone needs nothing.
        let _ = queue!(stdout, cursor::Show, terminal::LeaveAlternateScreen).and_then(|()| stdout.flush());
    }
}
