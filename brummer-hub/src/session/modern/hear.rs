//! What instances say of their own accord, for clients without a handshake: these may only be told what belongs to a
//! request in flight or to a listen (2026-07-28, transports, stdio § Receiving Messages).

use serde::Deserialize;

use crate::{
    frame::{Frame, Parts, splice},
    instance::Instance,
    protocol::method,
    session::{
        client::{Caller, ReplyTo},
        jobs::Done,
        level::Level,
        links::Asker,
        notify::{Cancelled, Updated},
        task::SessionTask,
    },
    upstream::LinkId,
};

impl SessionTask {
    /// A notification on the link of a caller; progress is none of these.
    pub(in crate::session) fn on_notification_for_claims(
        &mut self,
        link: LinkId,
        carrier: Option<u64>,
        name: &str,
        frame: &Frame,
    ) {
        let Some(open) = self.links.get(link) else { return };
        let (caller, alias) = (open.caller, open.instance.alias.clone());
        match name {
            method::CANCELLED => {
                let Some(Cancelled { request }) = frame.peek() else { return };
                let here = self.links.pending().filter(|(at, _)| *at == link);
                let requests: Vec<u64> = here.map(|(_, pending)| pending.request).collect();
                self.suspensions.withdraw(&requests, request.get());
            }
            method::TOOLS_LIST_CHANGED | method::PROMPTS_LIST_CHANGED | method::RESOURCES_LIST_CHANGED => {
                self.emit_all(self.listens.list_changed(Some(caller), frame));
            }
            method::RESOURCES_UPDATED => self.on_updated_for_claims(caller, &alias, frame),
            method::MESSAGE => {
                if self.is_wanted(link, carrier, frame) {
                    self.emit(Parts::whole(frame.bytes().clone()));
                }
            }
            // It belongs to a revision that the client does not speak.
            method::ELICITATION_COMPLETE => {}
            _ if self.waiting(carrier).is_some() => self.emit(Parts::whole(frame.bytes().clone())),
            _ => tracing::debug!(%alias, "a notification is dropped that belongs to no request: {name}"),
        }
    }

    /// The request of the client on whose stream something was said.
    fn waiting(&self, carrier: Option<u64>) -> Option<&ReplyTo> {
        match self.links.asker(carrier?)? {
            Asker::Client { reply, .. } => Some(reply),
            Asker::Suspended { .. } | Asker::Job { .. } | Asker::Nobody => None,
        }
    }

    /// Whether a log message is wanted: by the request on whose stream it came, or, on the standing stream, where some
    /// servers write all of theirs, by any that is in flight there.
    fn is_wanted(&self, link: LinkId, carrier: Option<u64>, frame: &Frame) -> bool {
        #[derive(Deserialize)]
        struct Message {
            level: Level,
        }
        let said = frame.peek::<Message>().map(|message| message.level);
        let wants = |to: &ReplyTo| {
            let wanted = to.claim.as_ref().and_then(|claim| claim.log_level);
            // A level that nobody knows is the instance's business.
            wanted.is_some_and(|wanted| said.is_none_or(|said| said >= wanted))
        };
        if carrier.is_some() {
            return self.waiting(carrier).is_some_and(wants);
        }
        let here = self.links.pending().filter(|(at, _)| *at == link);
        here.map(|(_, pending)| &pending.asker)
            .any(|asker| matches!(asker, Asker::Client { reply, .. } if wants(reply)))
    }

    fn on_updated_for_claims(&mut self, caller: Caller, alias: &str, frame: &Frame) {
        let Some(Updated { uri }) = frame.peek() else { return };
        let Ok(original) = serde_json::from_str::<String>(uri.get()) else { return };
        let renamed = self.merged.renamed(alias, &original).map(|listed| {
            let with = serde_json::Value::from(listed).to_string();
            splice(frame.bytes(), [(frame.span_of(uri.get()), with.into())])
        });
        let renamed = renamed.and_then(|text| Frame::parse(text).ok());
        let told = renamed.as_ref().unwrap_or(frame);
        self.emit_all(self.listens.updated(Some((caller, alias)), &original, told));
    }

    /// Has the instance send log messages from the level on that this request wants, if it has not been asked yet.
    /// `true`: the request goes on once that is done.
    pub(in crate::session) fn raise_level(
        &mut self,
        instance: &Instance,
        frame: &Frame,
        to: &ReplyTo,
    ) -> bool {
        let Some(level) = to.claim.as_ref().and_then(|claim| claim.log_level) else { return false };
        if self.speaks_modern(instance, to.caller()) {
            return false;
        }
        let link = self.link_to(instance, to.caller());
        let Some(open) = self.links.get(link) else { return false };
        let silent = open.era.is_some() && !open.manners.logs;
        if silent || open.level.is_some_and(|set| set <= level) {
            return false;
        }
        let (asking, frame, reply, at) =
            (self.asking(to.caller()), frame.clone(), to.clone(), instance.clone());
        self.start_job(to, async move {
            let params = format!(r#"{{"level":"{}"}}"#, level.as_str());
            // An instance without log messages refuses, and there is nothing to be done about it.
            let _ = asking.request(&at, method::LOGGING_SET_LEVEL, params).await;
            Done::Leveled { to: reply, frame, at: Box::new(at), level }
        });
        true
    }

    /// The level is set.
    pub(in crate::session) fn on_leveled(
        &mut self,
        frame: &Frame,
        to: &ReplyTo,
        at: &Instance,
        level: Level,
    ) {
        let link = self.link_to(at, to.caller());
        if let Some(open) = self.links.get_mut(link) {
            open.level = Some(open.level.map_or(level, |set| set.min(level)));
        }
        self.route(frame, to);
    }
}
