/*
 * The hub of the MCP client on standard input and output.
 *
 *     stdio DATA_DIR
 */
#include "check.h"

int main(int count, char **arguments) {
    bh_hub_options options = BH_HUB_OPTIONS_INIT;
    CHECK(count == 2);
    options.data_dir = arguments[1];
    OK(bh_run_stdio(&options, NULL, NULL, &error));
    return 0;
}
