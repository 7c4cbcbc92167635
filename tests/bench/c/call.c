/*
 * The small call through the C interface, timed: for each line that it reads, as many calls as the line says, answered with
 * the median and the 99th percentile in nanoseconds.
 *
 *     call DATA_DIR
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <brummer_hub.h>

#define TIMEOUT_MS 30000

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int compare(const void *one, const void *other) {
    long long a = *(const long long *)one, b = *(const long long *)other;
    return (a > b) - (a < b);
}

static void must(bh_status status, bh_error *error) {
    if (status != BH_STATUS_OK) {
        fprintf(stderr, "call: %s\n", bh_error_message(error));
        exit(1);
    }
}

int main(int count, char **arguments) {
    bh_hub_options options = BH_HUB_OPTIONS_INIT;
    bh_hub *hub = NULL;
    bh_session *session = NULL;
    bh_error *error = NULL;
    char line[32];
    if (count != 2) {
        return 2;
    }
    options.data_dir = arguments[1];
    must(bh_hub_start(&options, &hub, &error), error);
    must(bh_session_open(hub, NULL, &session, &error), error);
    must(bh_session_connect(session, "bench", TIMEOUT_MS, NULL, NULL, &error), error);
    while (fgets(line, sizeof line, stdin)) {
        size_t calls = strtoul(line, NULL, 10);
        long long *samples = calls > 0 ? malloc(calls * sizeof *samples) : NULL;
        if (!samples) {
            return 1;
        }
        for (size_t at = 0; at < calls; at++) {
            bh_string *result = NULL;
            long long started = now();
            must(bh_session_call_tool(session, NULL, "echo", "{\"text\":\"hello\"}", TIMEOUT_MS, NULL, &result, &error),
                 error);
            bh_string_free(result);
            samples[at] = now() - started;
        }
        qsort(samples, calls, sizeof *samples, compare);
        printf("%lld %lld\n", samples[calls / 2], samples[calls - 1 - calls / 100]);
        fflush(stdout);
        free(samples);
    }
    bh_session_free(session);
    bh_hub_free(hub);
    return 0;
}
