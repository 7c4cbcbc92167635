/* What the test programs share: checks that say what they saw, and threads. */
#ifndef CHECK_H
#define CHECK_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#endif
#ifdef __linux__
#include <dirent.h>
#include <sys/prctl.h>
#endif

#include "brummer_hub.h"

/* Nothing here takes long; under valgrind on a busy machine it takes longer. */
#define PATIENCE 120000

/* No program takes longer than that, in seconds: whoever started it has given up on it. */
#define LIFETIME 600

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#ifdef _WIN32
static DWORD WINAPI end_late(void *unused) {
    (void)unused;
    Sleep(LIFETIME * 1000);
    ExitProcess(1);
}
#endif

/* The thread sanitizer starts a thread of its own when it likes. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define THREADS_ARE_NOT_COUNTED
#endif
#endif

/* How many threads there are, where the system tells. */
static inline int threads(void) {
    int count = 0;
#if defined(__linux__) && !defined(THREADS_ARE_NOT_COUNTED)
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    while (readdir(tasks) != NULL) {
        count++;
    }
    closedir(tasks);
#endif
    return count;
}

static int threads_at_begin;

/* The beginning of each program. It ends with whoever started it, or at the latest after a while. */
static inline void begin(void) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
#ifdef _WIN32
    CloseHandle(CreateThread(NULL, 0, end_late, NULL, 0, NULL));
#else
    alarm(LIFETIME);
#endif
    threads_at_begin = threads();
}

/* Waits until a descriptor is ready; 0 if it is not in time. */
static inline int is_ready(bh_descriptor descriptor, int milliseconds) {
#ifdef _WIN32
    return WaitForSingleObject(descriptor, (DWORD)milliseconds) == WAIT_OBJECT_0;
#else
    struct pollfd ready;
    ready.fd = descriptor;
    ready.events = POLLIN;
    return poll(&ready, 1, milliseconds) == 1;
#endif
}

/* Lets other threads go on, in a loop that looks for something. */
static inline void let_others_run(void) {
#ifdef _WIN32
    Sleep(1);
#else
    poll(NULL, 0, 1);
#endif
}

/* The end of each program: the threads of the library end with the last handles, or soon after. */
static inline int end(void) {
    for (int waited = 0; threads() > threads_at_begin; waited++) {
        CHECK(waited < PATIENCE);
        let_others_run();
    }
    puts("all as it should be");
    return 0;
}

static inline void expect_status(const char *file, int line, bh_status wanted, bh_status found, bh_error *error) {
    if (found != wanted) {
        fprintf(stderr, "%s:%d: %s instead of %s: %s\n", file, line, bh_status_name(found), bh_status_name(wanted),
                error ? bh_error_message(error) : "no message");
        exit(1);
    }
    /* There is an error exactly on failure, and it says the same. */
    if ((wanted == BH_STATUS_OK) != (error == NULL)) {
        fprintf(stderr, "%s:%d: %s and an error do not go together\n", file, line, bh_status_name(found));
        exit(1);
    }
    if (error) {
        if (bh_error_status(error) != wanted || bh_error_message(error)[0] == '\0') {
            fprintf(stderr, "%s:%d: the error does not say what the status says\n", file, line);
            exit(1);
        }
        bh_error_free(error);
    }
}

/* Calls a function whose last parameter is the error, and expects this status. */
#define STATUS(wanted, call)                                                                                           \
    do {                                                                                                               \
        bh_error *error = NULL;                                                                                        \
        bh_status status = call;                                                                                       \
        expect_status(__FILE__, __LINE__, BH_STATUS_##wanted, status, error);                                          \
    } while (0)

#define OK(call) STATUS(OK, call)

static inline bh_hub *start_hub(const char *data_dir) {
    bh_hub_options options = BH_HUB_OPTIONS_INIT;
    bh_hub *hub = NULL;
    options.data_dir = data_dir;
    OK(bh_hub_start(&options, &hub, &error));
    return hub;
}

/* The state of an instance; 0 if it is not in the list. */
static inline int32_t state_of(const bh_hub *hub, const char *alias) {
    bh_instances *list = NULL;
    int32_t state = 0;
    OK(bh_hub_instances(hub, &list, &error));
    for (size_t at = 0; at < bh_instances_count(list); at++) {
        if (strcmp(bh_instances_get(list, at)->alias, alias) == 0) {
            state = bh_instances_get(list, at)->state;
        }
    }
    bh_instances_free(list);
    return state;
}

/* A hub whose instance `shop` is active: on a slow machine that takes longer than the hub's start waits for it. */
static inline bh_hub *start_with_shop(const char *data_dir) {
    bh_hub *hub = start_hub(data_dir);
    bh_events *events = NULL;
    OK(bh_hub_events(hub, &events, &error));
    while (state_of(hub, "shop") != BH_STATE_ACTIVE) {
        bh_event *event = NULL;
        OK(bh_events_next(events, PATIENCE, &event, &error));
        bh_event_free(event);
    }
    bh_events_free(events);
    return hub;
}

static inline bh_session *open_session(const bh_hub *hub) {
    bh_session *session = NULL;
    OK(bh_session_open(hub, NULL, &session, &error));
    return session;
}

/* A flag that one thread raises and another waits for. */
typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count;
} counter;

#define COUNTER_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void counter_raise(counter *it) {
    pthread_mutex_lock(&it->mutex);
    it->count++;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->mutex);
}

static inline void counter_wait(counter *it, int least) {
    pthread_mutex_lock(&it->mutex);
    while (it->count < least) {
        pthread_cond_wait(&it->changed, &it->mutex);
    }
    pthread_mutex_unlock(&it->mutex);
}

static inline int counter_get(counter *it) {
    int count;
    pthread_mutex_lock(&it->mutex);
    count = it->count;
    pthread_mutex_unlock(&it->mutex);
    return count;
}

#endif
