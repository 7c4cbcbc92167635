//! The library's `tracing` events as lines of text, for programs that have no logger for Rust: the C interface and the Node
//! addon hand them to a function of the program. A program in Rust uses a subscriber of its own.

use std::fmt::{self, Write};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

use crate::terminal::clean_line;

/// Whether an event may go into a log. Of the crates that are used here only warnings may: what they say below that has the
/// arguments of calls in it, which nobody is to find in a log. The MCP SDK warns of every error that it answers, with its
/// text: of it only errors of its own may.
#[must_use]
pub fn is_fit(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let least = if target.starts_with("rmcp") { Level::ERROR } else { Level::WARN };
    target.starts_with("brummer") || *metadata.level() <= least
}

/// Hands each event that [is fit](is_fit) to `tell`: its level, the module that says it, and its text, fields included.
///
/// `most` says how much is wanted. When its answer changes, `tracing::callsite::rebuild_interest_cache` has to be called.
/// Spans are not kept: the events of this library say by themselves what they are about.
pub struct Lines<Most, Tell> {
    most: Most,
    tell: Tell,
}

impl<Most, Tell> fmt::Debug for Lines<Most, Tell> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl<Most, Tell> Lines<Most, Tell>
where
    Most: Fn() -> LevelFilter + 'static,
    Tell: Fn(Level, &'static str, String) + 'static,
{
    /// Makes one, to be given to `tracing`.
    pub fn new(most: Most, tell: Tell) -> Self {
        Self { most, tell }
    }
}

impl<Most, Tell> Subscriber for Lines<Most, Tell>
where
    Most: Fn() -> LevelFilter + 'static,
    Tell: Fn(Level, &'static str, String) + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= (self.most)() && is_fit(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some((self.most)())
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = EventText::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let text = line.message + &line.fields;
        (self.tell)(*metadata.level(), metadata.target(), clean_line(&text).into_owned());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The text of an event: its message, then its fields.
#[derive(Default)]
struct EventText {
    message: String,
    fields: String,
}

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a text cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn events_are_told_with_their_fields_up_to_the_level() {
        let (said, lines) = mpsc::sync_channel(8);
        let subscriber = Lines::new(
            || LevelFilter::INFO,
            move |level, target, line| said.send((level, target, line)).unwrap(),
        );
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("around").entered();
            tracing::warn!(port = 7, name = %"shop", "it is \"lost\"");
            tracing::debug!("not wanted");
            tracing::info!(target: "rmcp::service", "the arguments of a call");
            tracing::warn!(target: "rmcp::service", "the text of an answer");
            tracing::error!(target: "rmcp::service", "an error of the SDK");
            tracing::warn!(target: "notify", "a warning of others");
            tracing::info!("last");
        });
        let told: Vec<_> = lines.iter().collect();
        assert_eq!(
            told,
            [
                (Level::WARN, module_path!(), r#"it is "lost" port=7 name=shop"#.to_owned()),
                (Level::ERROR, "rmcp::service", "an error of the SDK".to_owned()),
                (Level::WARN, "notify", "a warning of others".to_owned()),
                (Level::INFO, module_path!(), "last".to_owned()),
            ]
        );
    }
}
