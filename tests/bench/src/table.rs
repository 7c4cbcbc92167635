//! The table that comes out.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use anyhow::{Context, Result};

/// The table stands between these lines of the document.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// One line of the table. `None` is shown as a dash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) direct: Option<String>,
    pub(crate) floor: Option<String>,
    pub(crate) hub: Option<String>,
    pub(crate) target: String,
    pub(crate) met: Option<bool>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, target: impl Into<String>) -> Self {
        Self { what: what.into(), target: target.into(), ..Self::default() }
    }

    /// Sets the hub's value when it was measured, and whether it is good enough.
    pub(crate) fn hub<T: Copy>(
        mut self,
        value: Option<T>,
        show: impl Fn(T) -> String,
        met: impl Fn(T) -> bool,
    ) -> Self {
        self.hub = value.map(show);
        self.met = value.map(met);
        self
    }
}

/// A duration with the unit and the digits that suit it.
pub(crate) fn time(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..100.0 => format!("{micros:.1} µs"),
        ..1_000.0 => format!("{micros:.0} µs"),
        ..100_000.0 => format!("{:.2} ms", micros / 1e3),
        ..1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// How many times `part` is of `whole`.
pub(crate) fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(1e-9)
}

/// The table in Markdown.
pub(crate) fn render(rows: &[Row], about: &str) -> String {
    let mut text =
        format!("{about}\n\n| what | direct | floor | hub | target | met? |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".into());
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {met} |",
            row.what,
            cell(&row.direct),
            cell(&row.floor),
            cell(&row.hub),
            row.target
        );
    }
    text
}

/// Puts the table into a document that has the two marks.
pub(crate) fn write(document: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no `{BEGIN}` in the document"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no `{END}` in the document"))?;
    fs::write(document, format!("{before}{BEGIN}\n{table}{END}{after}"))
        .with_context(|| format!("cannot write {}", document.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_between_the_marks_only() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("a\n{BEGIN}\nold\n{END}\nz\n")).unwrap();
        write(file.path(), "new\n").unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nz\n"));
    }

    #[test]
    fn times_have_fitting_units() {
        assert_eq!(time(Duration::from_nanos(22_340)), "22.3 µs");
        assert_eq!(time(Duration::from_micros(2_500)), "2.50 ms");
        assert_eq!(time(Duration::from_millis(2_500)), "2.50 s");
    }
}
