/*
 * A fork of a process that has a hub: the child is told, and harms nothing of the parent's.
 *
 *     forked DATA_DIR
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/wait.h>

#include "check.h"

/* The end in a child: what it has of its parent's is lost to it, and a program that it becomes has no use for it. */
static void become_another(void) {
    execlp("true", "true", (char *)NULL);
    _exit(1);
}

/* The end of a child, which must be a good one. */
static void expect_good_end(pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

typedef struct {
    const bh_cancel *cancel;
    counter stop;
} busy;

static void *use_often(void *argument) {
    busy *it = argument;
    while (counter_get(&it->stop) == 0) {
        CHECK(bh_cancel_fire(it->cancel, NULL) == BH_STATUS_OK);
    }
    return NULL;
}

/* Other threads are in the middle of using a handle when the fork comes; the child frees it all the same. */
static void test_fork_in_the_middle(void) {
    bh_cancel *cancel = bh_cancel_new();
    busy it = {NULL, COUNTER_INIT};
    pthread_t threads[2];
    it.cancel = cancel;
    for (int at = 0; at < 2; at++) {
        CHECK(pthread_create(&threads[at], NULL, use_often, &it) == 0);
    }
    for (int turn = 0; turn < 200; turn++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            begin();
            bh_cancel_free(cancel);
            become_another();
        }
        expect_good_end(child);
    }
    counter_raise(&it.stop);
    for (int at = 0; at < 2; at++) {
        pthread_join(threads[at], NULL);
    }
    bh_cancel_free(cancel);
}

/* Set in the child: there nothing of the parent's is called. */
static int forked;

static void on_log(void *user_data, int32_t level, const char *target, const char *message) {
    (void)level, (void)target, (void)message;
    CHECK(!forked);
    counter_raise(user_data);
}

static void on_drop(void *user_data) {
    CHECK(!forked);
    counter_raise(user_data);
}

static void on_event(void *user_data, const bh_event *event) { (void)user_data, (void)event; }

static void on_message(void *user_data, const char *message, size_t length) {
    (void)user_data, (void)message, (void)length;
}

int main(int count, char **arguments) {
    static counter lines = COUNTER_INIT, dropped = COUNTER_INIT;
    bh_register_options options = BH_REGISTER_OPTIONS_INIT;
    bh_registration *registration = NULL;
    bh_hub *hub;
    bh_session *session;
    bh_events *events = NULL;
    bh_string *result = NULL;
    bh_subscription *subscription = NULL, *second = NULL;
    pid_t child;
    CHECK(count == 2);
    begin();
    test_fork_in_the_middle();
    OK(bh_set_log_callback(BH_LOG_LEVEL_TRACE, on_log, &lines, NULL, &error));
    hub = start_with_shop(arguments[1]);
    session = open_session(hub);
    OK(bh_hub_events(hub, &events, &error));
    OK(bh_hub_on_event(hub, on_event, &dropped, on_drop, &subscription, &error));
    OK(bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, &result, &error));
    options.data_dir = arguments[1];
    options.port = 9;
    OK(bh_register(&options, &registration, &error));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        bh_event *event = NULL;
        bh_instances *list = NULL;
        bh_session *late = NULL;
        bh_descriptor descriptor = 0;
        forked = 1;
        STATUS(FORKED, bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, NULL, &error));
        STATUS(FORKED, bh_session_receive(session, BH_FOREVER, &result, &error));
        STATUS(FORKED, bh_session_descriptor(session, &descriptor, &error));
        STATUS(FORKED, bh_session_on_message(session, on_message, NULL, NULL, &second, &error));
        STATUS(FORKED, bh_session_send(session, "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}", &error));
        STATUS(FORKED, bh_session_open(hub, NULL, &late, &error));
        STATUS(FORKED, bh_hub_on_event(hub, on_event, NULL, NULL, &second, &error));
        STATUS(FORKED, bh_session_close(session, &error));
        STATUS(FORKED, bh_hub_instances(hub, &list, &error));
        STATUS(FORKED, bh_hub_wait_settled(hub, BH_FOREVER, &error));
        STATUS(FORKED, bh_hub_stop(hub, &error));
        STATUS(FORKED, bh_events_next(events, BH_FOREVER, &event, &error));
        STATUS(FORKED, bh_events_descriptor(events, &descriptor, &error));
        OK(bh_unregister(registration, &error));
        STATUS(FORKED, bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
        bh_subscription_free(subscription);
        bh_events_free(events);
        bh_session_free(session);
        bh_hub_free(hub);
        /* Logged, but not to the parent's callback. */
        bh_hub_free(hub);
        become_another();
    }
    expect_good_end(child);
    /* The parent's are as they were. */
    CHECK(access(bh_registration_file(registration), F_OK) == 0);
    bh_string_free(result);
    OK(bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, NULL, &error));
    OK(bh_unregister(registration, &error));
    bh_subscription_free(subscription);
    CHECK(counter_get(&dropped) == 1);
    OK(bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
    CHECK(counter_get(&dropped) == 1 && counter_get(&lines) > 0);
    bh_events_free(events);
    bh_session_free(session);
    bh_hub_free(hub);
    return end();
}
