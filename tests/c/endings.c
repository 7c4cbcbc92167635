/*
 * What happens to calls that wait when they are cancelled, or when what they wait for is stopped or freed.
 *
 *     endings DATA_DIR    where an instance `shop` is announced, with the tools of tests/vectors/README.md
 */
#define _POSIX_C_SOURCE 200809L

#include "shop.h"

typedef struct {
    const bh_session *session;
    const bh_cancel *cancel;
    counter started;
    bh_status status;
} hanging;

static void *hang(void *argument) {
    hanging *it = argument;
    counter_raise(&it->started);
    it->status = bh_session_call_tool(it->session, "shop", "hang", NULL, BH_FOREVER, it->cancel, NULL, NULL);
    return NULL;
}

static void test_cancel(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    bh_cancel *cancel = bh_cancel_new();
    hanging it = {session, cancel, COUNTER_INIT, BH_STATUS_OK};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, hang, &it) == 0);
    expect_hanging(session);
    OK(bh_cancel_fire(cancel, &error));
    pthread_join(thread, NULL);
    CHECK(it.status == BH_STATUS_CANCELLED);
    /* It stays fired. */
    STATUS(CANCELLED, bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, cancel, NULL, &error));
    echo(session, "shop", "after a cancelled call");
    bh_cancel_free(cancel);
    bh_session_free(session);
    bh_hub_free(hub);
}

enum ending { STOP_HUB, CLOSE_SESSION, FREE_SESSION, FREE_HUB };

static void test_end_during_call(enum ending ending) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    hanging it = {session, NULL, COUNTER_INIT, BH_STATUS_OK};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, hang, &it) == 0);
    expect_hanging(session);
    switch (ending) {
    case STOP_HUB:
        OK(bh_hub_stop(hub, &error));
        OK(bh_hub_stop(hub, &error));
        break;
    case CLOSE_SESSION:
        OK(bh_session_close(session, &error));
        break;
    case FREE_SESSION:
        bh_session_free(session);
        session = NULL;
        break;
    case FREE_HUB:
        bh_hub_free(hub);
        hub = NULL;
        break;
    }
    pthread_join(thread, NULL);
    CHECK(it.status == BH_STATUS_CLOSED);
    if (session) {
        STATUS(CLOSED, bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, NULL, &error));
        STATUS(CLOSED, bh_session_send(session, "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}", &error));
    }
    if (ending == STOP_HUB) {
        bh_session *late = NULL;
        bh_instances *list = NULL;
        STATUS(CLOSED, bh_session_open(hub, NULL, &late, &error));
        STATUS(CLOSED, bh_hub_instances(hub, &list, &error));
        CHECK(late == NULL && list == NULL);
    }
    /* In this order too: what is left of the hub goes with the session. */
    bh_hub_free(hub);
    bh_session_free(session);
}

typedef struct {
    const bh_session *session;
    const bh_events *events;
    counter started;
    bh_status status;
} receiving;

static void *receive_for_ever(void *argument) {
    receiving *it = argument;
    bh_string *message = NULL;
    bh_event *event = NULL;
    counter_raise(&it->started);
    do {
        /* Busy while the other thread is looking. */
        it->status = it->session ? bh_session_receive(it->session, BH_FOREVER, &message, NULL)
                                 : bh_events_next(it->events, BH_FOREVER, &event, NULL);
    } while (it->status == BH_STATUS_BUSY);
    bh_string_free(message);
    bh_event_free(event);
    return NULL;
}

/* One thread receives at a time, and is told when what it receives from is freed. */
static void test_free_while_receiving(void) {
    bh_hub *hub = start_hub(data_dir);
    bh_session *session = open_session(hub);
    bh_events *events = NULL;
    receiving it = {session, NULL, COUNTER_INIT, BH_STATUS_OK};
    bh_string *message = NULL;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, receive_for_ever, &it) == 0);
    counter_wait(&it.started, 1);
    while (bh_session_receive(session, 0, &message, NULL) != BH_STATUS_BUSY) {
        CHECK(message == NULL);
        let_others_run();
    }
    bh_session_free(session);
    pthread_join(thread, NULL);
    CHECK(it.status == BH_STATUS_CLOSED);
    /* The end of the hub ends a queue of events, too, after what was queued. */
    OK(bh_hub_wait_settled(hub, PATIENCE, &error));
    OK(bh_hub_events(hub, &events, &error));
    it.session = NULL;
    it.events = events;
    do {
        CHECK(pthread_create(&thread, NULL, receive_for_ever, &it) == 0);
        OK(bh_hub_stop(hub, &error));
        pthread_join(thread, NULL);
    } while (it.status == BH_STATUS_OK);
    CHECK(it.status == BH_STATUS_CLOSED);
    bh_events_free(events);
    bh_hub_free(hub);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    begin();
    data_dir = arguments[1];
    test_cancel();
    test_end_during_call(STOP_HUB);
    test_end_during_call(CLOSE_SESSION);
    test_end_during_call(FREE_SESSION);
    test_end_during_call(FREE_HUB);
    test_free_while_receiving();
    return end();
}
