/*
 * The hub of the MCP client on standard input and output. Two threads want to be it, and one is told that it cannot be: then
 * the program says "busy" on standard error.
 *
 *     stdio DATA_DIR
 */
#include "check.h"

static counter refused = COUNTER_INIT;

static void *serve(void *argument) {
    const bh_hub_options *options = argument;
    bh_error *error = NULL;
    bh_status status = bh_run_stdio(options, NULL, NULL, &error);
    if (status == BH_STATUS_BUSY) {
        counter_raise(&refused);
        fprintf(stderr, "busy\n");
    }
    expect_status(__FILE__, __LINE__, status == BH_STATUS_BUSY ? BH_STATUS_BUSY : BH_STATUS_OK, status, error);
    return NULL;
}

int main(int count, char **arguments) {
    bh_hub_options options = BH_HUB_OPTIONS_INIT;
    pthread_t thread;
    CHECK(count == 2);
    begin();
    options.data_dir = arguments[1];
    CHECK(pthread_create(&thread, NULL, serve, &options) == 0);
    serve(&options);
    pthread_join(thread, NULL);
    CHECK(counter_get(&refused) == 1);
    return 0;
}
