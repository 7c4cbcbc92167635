/*
 * What comes of its own accord: messages, questions and events, taken or by callback.
 *
 *     listening DATA_DIR    where an instance `shop` is announced, with the tools of tests/vectors/README.md
 */
#define _POSIX_C_SOURCE 200809L

#include "shop.h"

static void ignore_message(void *user_data, const char *message, size_t length) {
    (void)user_data, (void)message, (void)length;
}

static void test_messages(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    bh_subscription *subscription = NULL;
    bh_string *message = NULL;
    bh_descriptor descriptor, again;
    STATUS(TIMEOUT, bh_session_receive(session, 0, &message, &error));
    STATUS(TIMEOUT, bh_session_receive(session, 20, &message, &error));
    CHECK(message == NULL);
    OK(bh_session_descriptor(session, &descriptor, &error));
    OK(bh_session_descriptor(session, &again, &error));
    CHECK(descriptor == again);
    OK(bh_session_send(session, "{\"jsonrpc\":\"2.0\",\n\"id\":\"mine\",\"method\":\"ping\"}", &error));
    for (;;) {
        bh_error *error = NULL;
        bh_status status;
        CHECK(is_ready(descriptor, PATIENCE));
        status = bh_session_receive(session, 0, &message, &error);
        if (status == BH_STATUS_OK) {
            break;
        }
        expect_status(__FILE__, __LINE__, BH_STATUS_TIMEOUT, status, error);
    }
    CHECK(strstr(bh_string_data(message), "\"id\":\"mine\"") != NULL);
    bh_string_free(message);
    message = NULL;
    /* It may be readable once more, but becomes quiet. */
    do {
        STATUS(TIMEOUT, bh_session_receive(session, 0, &message, &error));
    } while (is_ready(descriptor, 0));
    /* What an instance says during a call, in order. */
    OK(bh_session_call_tool(session, "shop", "talk", "{\"count\":3}", PATIENCE, NULL, NULL, &error));
    for (int number = 0; number < 3; number++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "\"word %d\"", number);
        OK(bh_session_receive(session, PATIENCE, &message, &error));
        CHECK(strstr(bh_string_data(message), wanted) != NULL);
        bh_string_free(message);
    }
    CHECK(bh_session_missed(session) == 0);
    OK(bh_session_close(session, &error));
    STATUS(CLOSED, bh_session_receive(session, BH_FOREVER, &message, &error));
    STATUS(CLOSED, bh_session_on_message(session, ignore_message, NULL, NULL, &subscription, &error));
    CHECK(subscription == NULL);
    CHECK(is_ready(descriptor, PATIENCE));
    bh_session_free(session);
    bh_hub_free(hub);
}

static void test_missed(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    OK(bh_session_call_tool(session, "shop", "talk", "{\"count\":2000}", PATIENCE, NULL, NULL, &error));
    echo(session, "shop", "although nobody reads");
    for (;;) {
        bh_string *message = NULL;
        bh_status status = bh_session_receive(session, 20, &message, NULL);
        bh_string_free(message);
        if (status == BH_STATUS_TIMEOUT && bh_session_missed(session) > 0) {
            break;
        }
        CHECK(status == BH_STATUS_OK || status == BH_STATUS_TIMEOUT);
    }
    bh_session_free(session);
    bh_hub_free(hub);
}

/* As a program with a loop of its own does: it waits for the descriptor and takes what is there, until the end. */
static void *loop_over_session(void *argument) {
    const bh_session *session = argument;
    bh_descriptor descriptor;
    bh_status status;
    OK(bh_session_descriptor(session, &descriptor, &error));
    for (;;) {
        bh_string *message = NULL;
        CHECK(is_ready(descriptor, PATIENCE));
        status = bh_session_receive(session, 0, &message, NULL);
        bh_string_free(message);
        if (status != BH_STATUS_OK && status != BH_STATUS_TIMEOUT) {
            CHECK(status == BH_STATUS_CLOSED);
            return NULL;
        }
    }
}

static void *loop_over_events(void *argument) {
    const bh_events *events = argument;
    bh_descriptor descriptor;
    bh_status status;
    OK(bh_events_descriptor(events, &descriptor, &error));
    for (;;) {
        bh_event *event = NULL;
        CHECK(is_ready(descriptor, PATIENCE));
        status = bh_events_next(events, 0, &event, NULL);
        bh_event_free(event);
        if (status != BH_STATUS_OK && status != BH_STATUS_TIMEOUT) {
            CHECK(status == BH_STATUS_CLOSED);
            return NULL;
        }
    }
}

/* The end wakes loops, too. */
static void test_end_of_loops(void) {
    for (int turn = 0; turn < 20; turn++) {
        bh_hub *hub = start_hub(data_dir);
        bh_session *session = open_session(hub);
        bh_events *events = NULL;
        pthread_t one, other;
        OK(bh_hub_events(hub, &events, &error));
        CHECK(pthread_create(&one, NULL, loop_over_session, session) == 0);
        CHECK(pthread_create(&other, NULL, loop_over_events, events) == 0);
        OK(bh_session_close(session, &error));
        pthread_join(one, NULL);
        OK(bh_hub_stop(hub, &error));
        pthread_join(other, NULL);
        bh_events_free(events);
        bh_session_free(session);
        bh_hub_free(hub);
    }
}

typedef struct {
    const bh_session *session;
    counter answered;
    counter dropped;
} asked;

/* Answers what the instance asks, from within the callback. */
static void on_message(void *user_data, const char *message, size_t length) {
    asked *it = user_data;
    const char *id = strstr(message, "\"id\":");
    char answer[256];
    int length_of_id;
    CHECK(strlen(message) == length);
    if (strstr(message, "\"roots/list\"") == NULL || id == NULL) {
        return;
    }
    length_of_id = (int)strcspn(id + 5, ",}");
    snprintf(answer, sizeof answer,
             "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"roots\":[{\"uri\":\"file:///c\"}]}}", length_of_id, id + 5);
    OK(bh_session_send(it->session, answer, &error));
    /* A call that waits is fine too: callbacks have a thread of their own. */
    echo(it->session, "shop", "from a callback");
    counter_raise(&it->answered);
}

static void on_drop(void *user_data) {
    asked *it = user_data;
    counter_raise(&it->dropped);
}

static void test_questions(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session_options options = BH_SESSION_OPTIONS_INIT;
    bh_session *session = NULL;
    bh_subscription *subscription = NULL, *second = NULL;
    bh_string *result = NULL;
    asked it = {NULL, COUNTER_INIT, COUNTER_INIT}, other = {NULL, COUNTER_INIT, COUNTER_INIT};
    options.capabilities_json = "{\"roots\":{}}";
    options.client_name = "listening.c";
    OK(bh_session_open(hub, &options, &session, &error));
    it.session = session;
    OK(bh_session_on_message(session, on_message, &it, on_drop, &subscription, &error));
    STATUS(BUSY, bh_session_on_message(session, on_message, &other, on_drop, &second, &error));
    CHECK(second == NULL && counter_get(&other.dropped) == 1);
    STATUS(BUSY, bh_session_receive(session, 0, &result, &error));
    OK(bh_session_call_tool(session, "shop", "ask", NULL, PATIENCE, NULL, &result, &error));
    CHECK(strstr(bh_string_data(result), "file:///c") != NULL);
    bh_string_free(result);
    counter_wait(&it.answered, 1);
    bh_subscription_free(subscription);
    CHECK(counter_get(&it.dropped) == 1);
    bh_session_free(session);
    bh_hub_free(hub);
}

static void test_event_queue(void) {
    bh_hub *hub = start_hub(data_dir);
    bh_events *events = NULL;
    bh_event *event = NULL;
    bh_registration *registration;
    uint16_t port;
    listener socket_ = listening(&port);
    bh_descriptor descriptor;
    int seen = 0;
    OK(bh_hub_wait_settled(hub, PATIENCE, &error));
    OK(bh_hub_events(hub, &events, &error));
    OK(bh_events_descriptor(events, &descriptor, &error));
    registration = announce("queued", port);
    while (!seen) {
        CHECK(is_ready(descriptor, PATIENCE));
        for (;;) {
            bh_error *error = NULL;
            bh_status status = bh_events_next(events, 0, &event, &error);
            const bh_instance *instance;
            if (status != BH_STATUS_OK) {
                expect_status(__FILE__, __LINE__, BH_STATUS_TIMEOUT, status, error);
                break;
            }
            instance = bh_event_instance(event);
            CHECK(bh_event_missed(event) == 0);
            CHECK(bh_event_get_kind(event) != BH_EVENT_KIND_STATE_CHANGED || bh_event_previous_state(event) > 0);
            if (instance && bh_event_get_kind(event) == BH_EVENT_KIND_APPEARED && strcmp(instance->name, "queued") == 0) {
                CHECK(instance->port == port && strcmp(instance->version, "1.2.3") == 0);
                seen = 1;
            }
            bh_event_free(event);
        }
    }
    OK(bh_unregister(registration, &error));
    close_listener(socket_);
    OK(bh_hub_stop(hub, &error));
    /* What was queued can still be taken; then it has ended. */
    for (;;) {
        bh_error *error = NULL;
        bh_status status = bh_events_next(events, BH_FOREVER, &event, &error);
        if (status != BH_STATUS_OK) {
            expect_status(__FILE__, __LINE__, BH_STATUS_CLOSED, status, error);
            break;
        }
        bh_event_free(event);
    }
    bh_hub_free(hub);
    bh_events_free(events);
}

typedef struct {
    bh_hub *hub;
    bh_subscription *subscription;
    counter subscribed, told, dropped;
    int stop;
} watcher;

/* Calls back into the library in every way that it is asked to. */
static void on_event(void *user_data, const bh_event *event) {
    watcher *it = user_data;
    bh_instances *list = NULL;
    counter_wait(&it->subscribed, 1);
    CHECK(bh_event_get_kind(event) != 0);
    if (counter_get(&it->told) == 0) {
        OK(bh_hub_instances(it->hub, &list, &error));
        bh_instances_free(list);
        OK(bh_hub_wait_settled(it->hub, PATIENCE, &error));
        if (it->stop) {
            OK(bh_hub_stop(it->hub, &error));
        }
        /* It ends itself, and the event outlives that. */
        bh_subscription_free(it->subscription);
        CHECK(bh_event_get_kind(event) != 0);
    }
    counter_raise(&it->told);
}

static void on_watcher_drop(void *user_data) {
    watcher *it = user_data;
    counter_raise(&it->dropped);
}

static void test_event_callback(int stop) {
    uint16_t port;
    listener socket_ = listening(&port);
    bh_registration *registration;
    watcher it = {NULL, NULL, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 0};
    it.hub = start_hub(data_dir);
    it.stop = stop;
    OK(bh_hub_on_event(it.hub, on_event, &it, on_watcher_drop, &it.subscription, &error));
    counter_raise(&it.subscribed);
    registration = announce("watched", port);
    counter_wait(&it.dropped, 1);
    CHECK(counter_get(&it.told) == 1);
    OK(bh_unregister(registration, &error));
    close_listener(socket_);
    bh_hub_free(it.hub);
    CHECK(counter_get(&it.dropped) == 1);
}

/* The last handle is freed by a callback of the hub itself. */
static void on_last(void *user_data, const bh_event *event) {
    watcher *it = user_data;
    (void)event;
    counter_wait(&it->subscribed, 1);
    bh_hub_free(it->hub);
    bh_subscription_free(it->subscription);
}

static void test_free_in_callback(void) {
    uint16_t port;
    listener socket_ = listening(&port);
    bh_registration *registration;
    watcher it = {NULL, NULL, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 0};
    it.hub = start_hub(data_dir);
    OK(bh_hub_on_event(it.hub, on_last, &it, on_watcher_drop, &it.subscription, &error));
    counter_raise(&it.subscribed);
    registration = announce("last", port);
    counter_wait(&it.dropped, 1);
    OK(bh_unregister(registration, &error));
    close_listener(socket_);
}

/* The last handle is freed when the user data of a callback is released. */
static void on_last_event(void *user_data, const bh_event *event) {
    watcher *it = user_data;
    (void)event;
    counter_wait(&it->subscribed, 1);
    bh_subscription_free(it->subscription);
    it->subscription = NULL;
}

static void on_last_drop(void *user_data) {
    watcher *it = user_data;
    bh_hub *other = NULL;
    STATUS(WOULD_DEADLOCK, bh_hub_start(NULL, &other, &error));
    STATUS(WOULD_DEADLOCK, bh_hub_wait_settled(it->hub, BH_FOREVER, &error));
    bh_hub_free(it->hub);
    counter_raise(&it->dropped);
}

static void test_free_in_drop(void) {
    for (int turn = 0; turn < 20; turn++) {
        uint16_t port;
        listener socket_ = listening(&port);
        bh_registration *registration;
        watcher it = {NULL, NULL, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, 0};
        it.hub = start_hub(data_dir);
        OK(bh_hub_on_event(it.hub, on_last_event, &it, on_last_drop, &it.subscription, &error));
        counter_raise(&it.subscribed);
        registration = announce("dropped", port);
        counter_wait(&it.dropped, 1);
        OK(bh_unregister(registration, &error));
        close_listener(socket_);
    }
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    begin();
    data_dir = arguments[1];
    test_messages();
    test_end_of_loops();
    test_missed();
    test_questions();
    test_event_queue();
    test_event_callback(0);
    test_event_callback(1);
    test_free_in_callback();
    test_free_in_drop();
    return end();
}
