// The events of a Streamable HTTP session, kept so that a stream can be resumed with `Last-Event-ID`.

/** Far more than any test sends while a stream is away; older events are forgotten. */
const KEPT = 1000;

export function eventStore() {
  const events = new Map();
  let stored = 0;
  return {
    async storeEvent(streamId, message) {
      const id = `${streamId}::${stored++}`;
      events.set(id, { streamId, message });
      if (events.size > KEPT) events.delete(events.keys().next().value);
      return id;
    },
    async replayEventsAfter(lastEventId, { send }) {
      const last = events.get(lastEventId);
      if (!last) throw new Error(`no such event: ${lastEventId}`);
      let passed = false;
      // A map is walked live: what is stored during the replay is sent, too. A priming event has an empty message.
      for (const [id, { streamId, message }] of events) {
        if (passed && streamId === last.streamId && Object.keys(message).length > 0) await send(id, message);
        passed ||= id === lastEventId;
      }
      return last.streamId;
    },
  };
}
