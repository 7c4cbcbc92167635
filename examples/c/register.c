/*
 * Announces an MCP server, so that every hub of this user finds it, until Enter is pressed.
 *
 *     register PORT [NAME]      where a server listens on 127.0.0.1:PORT and speaks MCP on /mcp
 */
#include <stdio.h>
#include <stdlib.h>

#include <brummer_hub.h>

int main(int count, char **arguments) {
    bh_register_options options = BH_REGISTER_OPTIONS_INIT;
    bh_registration *registration = NULL;
    bh_error *error = NULL;

    if (count < 2) {
        fprintf(stderr, "usage: register PORT [NAME]\n");
        return 2;
    }
    options.port = (uint16_t)strtoul(arguments[1], NULL, 10);
    options.name = count > 2 ? arguments[2] : NULL;
    if (BH_CHECK_ABI(&error) != BH_STATUS_OK || bh_register(&options, &registration, &error) != BH_STATUS_OK) {
        fprintf(stderr, "register: %s\n", bh_error_message(error));
        bh_error_free(error);
        return 1;
    }
    printf("announced by %s\n", bh_registration_file(registration));
    fflush(stdout);
    getchar();
    bh_unregister(registration, NULL);
    return 0;
}
