//! What is on the screen: pure, no wider and no higher than it.

use std::collections::VecDeque;

use brummer_hub::instance::InstanceState;

use crate::{
    columns::fitted,
    list::{Row, Style, table},
};

/// More than any screen has lines.
const HAPPENINGS: usize = 200;

/// The table and what has happened.
#[derive(Debug, Default)]
pub(super) struct Screen {
    happenings: VecDeque<String>,
}

impl Screen {
    /// Adds a line to what has happened; the oldest go.
    pub(super) fn add(&mut self, line: String) {
        if self.happenings.len() == HAPPENINGS {
            self.happenings.pop_front();
        }
        self.happenings.push_back(line);
    }

    /// The lines of the screen. If not all instances fit, their number says so; what has happened takes the rest.
    pub(super) fn render(&self, rows: &[Row], width: usize, height: usize, style: Style) -> Vec<String> {
        let active = rows.iter().filter(|row| row.state == InstanceState::Active).count();
        let count =
            if rows.len() == 1 { "1 instance".to_owned() } else { format!("{} instances", rows.len()) };
        let mut lines = vec![format!("brummer-hub: {count}, {active} active. Ctrl-C ends."), String::new()];
        if rows.is_empty() {
            lines.push(
                "Nothing is running. `brummer-hub run SCRIPT` or `brummer-hub register` announces a server."
                    .to_owned(),
            );
        } else {
            // At least two lines for what happens.
            let room = height.saturating_sub(lines.len() + 4).max(1);
            lines.extend(table::render(&rows[..rows.len().min(room)], style).lines().map(str::to_owned));
            if rows.len() > room {
                lines.push(format!("and {} more", rows.len() - room));
            }
        }
        let room = height.saturating_sub(lines.len() + 1);
        if room > 0 && !self.happenings.is_empty() {
            lines.push(String::new());
            let first = self.happenings.len().saturating_sub(room);
            lines.extend(self.happenings.range(first..).cloned());
        }
        lines.truncate(height.max(1));
        lines.iter().map(|line| fitted(line, width)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(alias: &str, state: InstanceState) -> Row {
        Row {
            alias: alias.to_owned(),
            name: alias.to_owned(),
            state,
            port: 3001,
            pid: 7,
            uptime: "5s".to_owned(),
            path: "~/shop".to_owned(),
        }
    }

    #[test]
    fn the_table_is_above_what_happens() {
        let mut screen = Screen::default();
        for n in 1..=9 {
            screen.add(format!("12:00:0{n}Z  shop is active"));
        }
        let lines = screen.render(
            &[row("shop", InstanceState::Active), row("api", InstanceState::Retrying)],
            80,
            9,
            Style::Plain,
        );
        let expected = [
            "brummer-hub: 2 instances, 1 active. Ctrl-C ends.",
            "",
            "ALIAS  NAME  STATE     PORT  PID  UPTIME  PATH",
            "shop   shop  active    3001    7      5s  ~/shop",
            "api    api   retrying  3001    7      5s  ~/shop",
            "",
            "12:00:07Z  shop is active",
            "12:00:08Z  shop is active",
            "12:00:09Z  shop is active",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_screen() {
        let mut screen = Screen::default();
        screen.add("漢字 ".repeat(40));
        let rows: Vec<Row> = (0..50).map(|n| row(&format!("shop-{n}"), InstanceState::Active)).collect();
        for (width, height) in [(1, 1), (20, 3), (40, 12), (200, 24)] {
            for style in [Style::Plain, Style::Colour] {
                let lines = screen.render(&rows, width, height, style);
                assert!(lines.len() <= height, "{width}x{height}: {lines:?}");
                for line in lines {
                    let shown = crate::columns::width(&strip(&line));
                    assert!(shown <= width, "{width}x{height}: {line:?}");
                }
            }
        }
        let some = screen.render(&rows, 80, 12, Style::Plain);
        assert!(some.iter().any(|line| line == "and 44 more"), "{some:?}");
    }

    /// Without colours.
    fn strip(line: &str) -> String {
        let mut plain = String::new();
        for part in line.split('\x1b') {
            plain +=
                part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |(_, rest)| rest);
        }
        plain
    }
}
