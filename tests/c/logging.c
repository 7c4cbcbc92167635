/*
 * The log callback: when it is called, what it may do, and how it ends.
 *
 *     logging DATA_DIR    where an instance `shop` is announced, with the tools of tests/vectors/README.md
 */
#define _POSIX_C_SOURCE 200809L

#include "shop.h"

/* A file that every hub warns of. */
static const char *write_bad_file(void) {
    static char file[4096];
    FILE *bad;
    snprintf(file, sizeof file, "%s/instances/bad name.json", data_dir);
    bad = fopen(file, "w");
    CHECK(bad != NULL);
    fputs("{}", bad);
    fclose(bad);
    return file;
}

typedef struct {
    counter lines, warned, dropped;
} logged;

static void on_log(void *user_data, int32_t level, const char *target, const char *message) {
    logged *it = user_data;
    CHECK(level >= BH_LOG_LEVEL_ERROR && level <= BH_LOG_LEVEL_INFO && target[0] != '\0');
    counter_raise(&it->lines);
    if (level == BH_LOG_LEVEL_WARN && strstr(message, "bad name") != NULL) {
        bh_hub *hub = NULL;
        STATUS(WOULD_DEADLOCK, bh_hub_start(NULL, &hub, &error));
        STATUS(WOULD_DEADLOCK, bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
        counter_raise(&it->warned);
    }
}

static void on_log_drop(void *user_data) {
    logged *it = user_data;
    counter_raise(&it->dropped);
}

static void test_log(void) {
    logged it = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT};
    const char *file = write_bad_file();
    bh_hub *hub;
    int lines;
    STATUS(INVALID_ARGUMENT, bh_set_log_callback(9, on_log, &it, on_log_drop, &error));
    CHECK(counter_get(&it.dropped) == 1);
    OK(bh_set_log_callback(BH_LOG_LEVEL_INFO, on_log, &it, on_log_drop, &error));
    hub = start_hub(data_dir);
    counter_wait(&it.warned, 1);
    OK(bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
    CHECK(counter_get(&it.dropped) == 2);
    lines = counter_get(&it.lines);
    bh_hub_free(hub);
    CHECK(counter_get(&it.lines) == lines);
    remove(file);
}

typedef struct {
    counter entered, go_on, left, dropped;
} slow;

static void on_slow_log(void *user_data, int32_t level, const char *target, const char *message) {
    slow *it = user_data;
    (void)level, (void)target, (void)message;
    counter_raise(&it->entered);
    counter_wait(&it->go_on, 1);
    counter_raise(&it->left);
}

static void on_slow_drop(void *user_data) {
    slow *it = user_data;
    CHECK(counter_get(&it->entered) == counter_get(&it->left));
    counter_raise(&it->dropped);
}

static void *end_log(void *argument) {
    slow *it = argument;
    OK(bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
    CHECK(counter_get(&it->left) > 0 && counter_get(&it->dropped) == 1);
    return NULL;
}

/* Who ends the log waits for a callback that is running. */
static void test_slow_log(void) {
    slow it = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT};
    const char *file = write_bad_file();
    pthread_t thread;
    bh_hub *hub;
    OK(bh_set_log_callback(BH_LOG_LEVEL_WARN, on_slow_log, &it, on_slow_drop, &error));
    hub = start_hub(data_dir);
    counter_wait(&it.entered, 1);
    CHECK(pthread_create(&thread, NULL, end_log, &it) == 0);
    counter_raise(&it.go_on);
    pthread_join(thread, NULL);
    bh_hub_free(hub);
    remove(file);
}

static void count_line(void *user_data, int32_t level, const char *target, const char *message) {
    (void)level, (void)target, (void)message;
    CHECK(counter_get(user_data) == 0);
}

static void count_drop(void *user_data) { counter_raise(user_data); }

#define REPLACEMENTS 100

static void *replace_log(void *argument) {
    counter *dropped = argument;
    for (int turn = 0; turn < REPLACEMENTS; turn++) {
        OK(bh_set_log_callback(BH_LOG_LEVEL_TRACE, count_line, &dropped[turn], count_drop, &error));
    }
    return NULL;
}

/* Several threads set it, while others log: each is released once, and not called after that. */
static void test_log_of_many(void) {
    static counter dropped[2][REPLACEMENTS];
    pthread_t threads[2];
    for (int at = 0; at < 2; at++) {
        for (int turn = 0; turn < REPLACEMENTS; turn++) {
            pthread_mutex_init(&dropped[at][turn].mutex, NULL);
            pthread_cond_init(&dropped[at][turn].changed, NULL);
        }
        CHECK(pthread_create(&threads[at], NULL, replace_log, dropped[at]) == 0);
    }
    for (int turn = 0; turn < 5; turn++) {
        bh_hub_free(start_with_shop(data_dir));
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    OK(bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
    for (int turn = 0; turn < REPLACEMENTS; turn++) {
        CHECK(counter_get(&dropped[0][turn]) == 1 && counter_get(&dropped[1][turn]) == 1);
    }
}

/* What a log callback frees, on whatever thread of the library it is. */
typedef struct {
    bh_hub *hub;
    bh_session *session;
    bh_subscription *subscription;
    counter ready, freed;
} freed_by_log;

static void on_line_that_frees(void *user_data, int32_t level, const char *target, const char *message) {
    freed_by_log *it = user_data;
    (void)level, (void)target, (void)message;
    counter_wait(&it->ready, 1);
    if (counter_get(&it->freed) == 0) {
        bh_subscription_free(it->subscription);
        bh_session_free(it->session);
        bh_hub_free(it->hub);
        counter_raise(&it->freed);
    }
}

static void ignore_event(void *user_data, const bh_event *event) { (void)user_data, (void)event; }

/* The last handles are freed by a log callback. */
static void test_free_in_log(void) {
    freed_by_log it = {NULL, NULL, NULL, COUNTER_INIT, COUNTER_INIT};
    const char *file = write_bad_file();
    OK(bh_set_log_callback(BH_LOG_LEVEL_WARN, on_line_that_frees, &it, NULL, &error));
    it.hub = start_hub(data_dir);
    it.session = open_session(it.hub);
    OK(bh_hub_on_event(it.hub, ignore_event, NULL, NULL, &it.subscription, &error));
    counter_raise(&it.ready);
    counter_wait(&it.freed, 1);
    OK(bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
    remove(file);
}

static void *hang_until_end(void *argument) {
    const bh_session *session = argument;
    STATUS(CLOSED, bh_session_call_tool(session, "shop", "hang", NULL, BH_FOREVER, NULL, NULL, &error));
    return NULL;
}

/* It does not wait, but what others wait for has ended all the same. */
static void test_end_in_log(int free_hub) {
    freed_by_log it = {NULL, NULL, NULL, COUNTER_INIT, COUNTER_INIT};
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    const char *file;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, hang_until_end, session) == 0);
    expect_hanging(session);
    it.hub = free_hub ? hub : NULL;
    it.session = free_hub ? NULL : session;
    counter_raise(&it.ready);
    OK(bh_set_log_callback(BH_LOG_LEVEL_WARN, on_line_that_frees, &it, NULL, &error));
    file = write_bad_file();
    pthread_join(thread, NULL);
    OK(bh_set_log_callback(BH_LOG_LEVEL_OFF, NULL, NULL, NULL, &error));
    CHECK(counter_get(&it.freed) == 1);
    if (free_hub) {
        bh_session_free(session);
    } else {
        bh_hub_free(hub);
    }
    remove(file);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    begin();
    data_dir = arguments[1];
    test_log();
    test_slow_log();
    test_log_of_many();
    test_free_in_log();
    test_end_in_log(1);
    test_end_in_log(0);
    return end();
}
