//! The table for people: pure text, aligned, no wider than it must be.

use std::path::{MAIN_SEPARATOR, Path};

use brummer_hub::instance::InstanceState;
use jiff::Timestamp;

use crate::columns;

/// One instance as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) alias: String,
    pub(crate) name: String,
    pub(crate) state: InstanceState,
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) uptime: String,
    pub(crate) path: String,
}

/// Whether the terminal's colours are used. The words alone say everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    Plain,
    Colour,
}

const HEADER: [&str; 7] = ["ALIAS", "NAME", "STATE", "PORT", "PID", "UPTIME", "PATH"];
const STATE: usize = 2;
/// Numbers stand under each other by their last digit.
const RIGHT: [bool; 7] = [false, false, false, true, true, true, false];

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// The table with its header, each line ended.
pub(crate) fn render(rows: &[Row], style: Style) -> String {
    let cells: Vec<[String; 7]> = rows.iter().map(Row::cells).collect();
    let mut widths = HEADER.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns::width(cell));
        }
    }
    let mut text = line(&HEADER.map(str::to_owned), widths, |_| match style {
        Style::Plain => "",
        Style::Colour => BOLD,
    });
    for (row, cells) in rows.iter().zip(&cells) {
        text += &line(cells, widths, |column| match style {
            Style::Colour if column == STATE => colour_of(row.state),
            Style::Plain | Style::Colour => "",
        });
    }
    text
}

/// The dev servers, under each other by column.
pub(crate) fn servers(lines: &[[String; 6]]) -> String {
    const HEADER: [&str; 6] = ["URL", "FRAMEWORK", "PID", "UPTIME", "PATH", "STARTED BY"];
    let header = HEADER.map(str::to_owned);
    let all = || std::iter::once(&header).chain(lines);
    let mut text = String::new();
    for line in all() {
        for (column, cell) in line.iter().enumerate() {
            let width = all().map(|line| columns::width(&line[column])).max().unwrap_or_default();
            text += &columns::padded(cell, width);
            text += "  ";
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

fn line(cells: &[String; 7], widths: [usize; 7], colour: impl Fn(usize) -> &'static str) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padding = columns::padding(cell, width);
        let colour = colour(column);
        let reset = if colour.is_empty() { "" } else { RESET };
        let (before, after) = if RIGHT[column] { (padding.as_str(), "") } else { ("", padding.as_str()) };
        let gap = if column == 0 { "" } else { "  " };
        text += &format!("{gap}{before}{colour}{cell}{reset}{after}");
    }
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
    text
}

fn colour_of(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Active => GREEN,
        InstanceState::Retrying => YELLOW,
        InstanceState::Discovered | InstanceState::Connecting | InstanceState::Dead => DIM,
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        [
            self.alias.clone(),
            self.name.clone(),
            self.state.name().to_owned(),
            self.port.to_string(),
            self.pid.to_string(),
            self.uptime.clone(),
            self.path.clone(),
        ]
    }
}

/// Time since the start, in its two largest units at most; `-` when the file gives no usable time.
pub(crate) fn uptime(started: &str, now: Timestamp) -> String {
    let Ok(started) = started.parse::<Timestamp>() else { return "-".to_owned() };
    // A clock that was set back in between is no reason for a negative number.
    let seconds = now.duration_since(started).as_secs().max(0);
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s:02}s"),
        (0, h, m, _) => format!("{h}h{m:02}m"),
        (d, h, _, _) => format!("{d}d{h:02}h"),
    }
}

/// The path with the user's own directory as `~`.
pub(crate) fn shortened(path: &str, home: Option<&Path>) -> String {
    let rest = home
        .filter(|home| home.components().count() > 1)
        .and_then(|home| Path::new(path).strip_prefix(home).ok());
    match rest {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~{MAIN_SEPARATOR}{}", rest.display()),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(alias: &str, name: &str, state: InstanceState, port: u16) -> Row {
        Row {
            alias: alias.to_owned(),
            name: name.to_owned(),
            state,
            port,
            pid: 4711,
            uptime: "1m05s".to_owned(),
            path: "~/shop".to_owned(),
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            row("shop", "shop – Straße", InstanceState::Active, 3001),
            row("api-2", "api", InstanceState::Retrying, 80),
        ];
        let expected = "\
ALIAS  NAME           STATE     PORT   PID  UPTIME  PATH
shop   shop – Straße  active    3001  4711   1m05s  ~/shop
api-2  api            retrying    80  4711   1m05s  ~/shop
";
        assert_eq!(render(&rows, Style::Plain), expected);
    }

    #[test]
    fn columns_are_aligned_whatever_is_in_them() {
        let rows = [
            row("店", "日本語の店", InstanceState::Active, 3001),
            row("api", "👩\u{200d}💻 api", InstanceState::Retrying, 80),
            row("web", "web", InstanceState::Active, 3000),
        ];
        let last_column = |shown: &str, names: [&str; 2]| {
            let at = |line: &str| {
                names.iter().find_map(|name| line.find(name)).map(|at| columns::width(&line[..at]))
            };
            shown.lines().map(at).collect::<Vec<_>>()
        };
        let shown = render(&rows, Style::Plain);
        assert_eq!(last_column(&shown, ["~/", "PATH"]), [Some(49); 4], "{shown}");
        let line = |path: &str| ["u", "vite", "1", "2s", path, "by"].map(str::to_owned);
        let shown = servers(&[line("~/漢字"), line("~/shop")]);
        assert_eq!(last_column(&shown, ["by", "STARTED"]), [Some(37); 3], "{shown}");
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let rows =
            [row("shop", "shop", InstanceState::Active, 3001), row("api", "", InstanceState::Connecting, 80)];
        let coloured = render(&rows, Style::Colour);
        assert!(coloured.contains("\x1b[32mactive\x1b[0m"));
        let mut plain = coloured;
        for sequence in [BOLD, DIM, GREEN, YELLOW, RESET] {
            plain = plain.replace(sequence, "");
        }
        assert_eq!(plain, render(&rows, Style::Plain));
    }

    #[test]
    fn uptime_has_two_units() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (started, expected) in [
            ("2026-01-02T03:04:05Z", "0s"),
            ("2026-01-02T03:03:00.5Z", "1m04s"),
            ("2026-01-02T04:04:05+01:00", "0s"),
            ("2026-01-01T22:00:00Z", "5h04m"),
            ("2025-12-30T00:04:05Z", "3d03h"),
            ("2027-01-01T00:00:00Z", "0s"),
            ("yesterday", "-"),
        ] {
            assert_eq!(uptime(started, now), expected, "{started}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_home_directory_is_a_tilde() {
        let home = Some(Path::new("/home/ada"));
        assert_eq!(shortened("/home/ada/shop", home), "~/shop");
        assert_eq!(shortened("/home/ada", home), "~");
        assert_eq!(shortened("/home/adam/shop", home), "/home/adam/shop");
        assert_eq!(shortened("/srv", Some(Path::new("/"))), "/srv");
        assert_eq!(shortened("/srv", None), "/srv");
    }
}
