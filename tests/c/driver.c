/*
 * Does what it reads, one line each, for the cases in tests/vectors: words separated by tabs, `-` for NULL. Answers each
 * with a line: the name of the status, the code of the JSON-RPC error, and the result or the message.
 *
 *     driver DATA_DIR
 */
#include "check.h"

#define WORDS 8
#define LINE 65536

static bh_registration *registration;

static const char *word(char **words, int at) {
    return words[at] == NULL || strcmp(words[at], "-") == 0 ? NULL : words[at];
}

static int32_t milliseconds(char **words, int at) {
    return word(words, at) ? (int32_t)atoi(words[at]) : PATIENCE;
}

static bh_status do_register(const char *data_dir, char **words, bh_error **error) {
    bh_register_options options = BH_REGISTER_OPTIONS_INIT;
    options.data_dir = data_dir;
    options.name = word(words, 1);
    options.port = (uint16_t)atoi(words[2]);
    options.pid = (uint32_t)atoi(words[3]);
    options.path = word(words, 4);
    return bh_register(&options, &registration, error);
}

int main(int count, char **arguments) {
    static char line[LINE];
    bh_hub *hub;
    bh_session *session;
    CHECK(count == 2);
    begin();
    hub = start_hub(arguments[1]);
    session = open_session(hub);
    while (fgets(line, sizeof line, stdin)) {
        char *words[WORDS] = {NULL};
        int many = 0;
        bh_error *error = NULL;
        bh_string *result = NULL;
        bh_status status = BH_STATUS_INVALID_ARGUMENT;
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        while (rest != NULL && many < WORDS) {
            char *tab = strchr(rest, '\t');
            if (tab) {
                *tab++ = '\0';
            }
            words[many++] = rest;
            rest = tab;
        }
        if (strcmp(words[0], "list") == 0) {
            status = bh_hub_wait_settled(hub, PATIENCE, &error);
            if (status == BH_STATUS_OK) {
                status = bh_hub_instances_json(hub, &result, &error);
            }
        } else if (strcmp(words[0], "call") == 0) {
            status = bh_session_call_tool(session, word(words, 1), word(words, 2), word(words, 3),
                                          milliseconds(words, 4), NULL, &result, &error);
        } else if (strcmp(words[0], "request") == 0) {
            status = bh_session_request(session, word(words, 1), word(words, 2), milliseconds(words, 3), NULL, &result,
                                        &error);
        } else if (strcmp(words[0], "connect") == 0) {
            status = bh_session_connect(session, word(words, 1), PATIENCE, NULL, &result, &error);
        } else if (strcmp(words[0], "disconnect") == 0) {
            status = bh_session_disconnect(session, PATIENCE, &error);
        } else if (strcmp(words[0], "register") == 0) {
            status = do_register(arguments[1], words, &error);
        } else if (strcmp(words[0], "unregister") == 0) {
            status = bh_unregister(registration, &error);
            registration = NULL;
        }
        printf("%s\t%lld\t%s\n", bh_status_name(status), (long long)bh_error_rpc_code(error),
               error ? bh_error_message(error) : bh_string_data(result));
        fflush(stdout);
        bh_string_free(result);
        bh_error_free(error);
    }
    CHECK(bh_unregister(registration, NULL) == BH_STATUS_OK);
    bh_session_free(session);
    bh_hub_free(hub);
    return 0;
}
