/*
 * A server that speaks only stdio becomes an instance, is called through a hub of the same program, and ends.
 *
 *     sharing DATA_DIR SCRIPT    tests/node/stdio-server.mjs, for `node`
 */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

static void test_mistakes(const char *data_dir) {
    bh_stdio_options options = BH_STDIO_OPTIONS_INIT;
    bh_stdio_instance *instance = NULL;
    STATUS(INVALID_ARGUMENT, bh_stdio_instance_start(NULL, &instance, &error));
    options.data_dir = data_dir;
    STATUS(INVALID_ARGUMENT, bh_stdio_instance_start(&options, &instance, &error));
    options.program = "node";
    STATUS(INVALID_ARGUMENT, bh_stdio_instance_start(&options, NULL, &error));
    options.arguments_json = "{}";
    STATUS(INVALID_JSON, bh_stdio_instance_start(&options, &instance, &error));
    options.arguments_json = "[]";
    options.idle_ms = -2;
    STATUS(INVALID_ARGUMENT, bh_stdio_instance_start(&options, &instance, &error));
    options.idle_ms = 0;
    options.id = "no id";
    STATUS(INVALID_ARGUMENT, bh_stdio_instance_start(&options, &instance, &error));
    options.id = NULL;
    options.reserved = 1;
    STATUS(UNSUPPORTED, bh_stdio_instance_start(&options, &instance, &error));
    CHECK(instance == NULL);
    STATUS(INVALID_ARGUMENT, bh_stdio_instance_report(NULL, NULL, &error));
    CHECK(bh_stdio_instance_id(NULL) == NULL && bh_stdio_instance_url(NULL) == NULL);
    CHECK(bh_stdio_instance_token(NULL) == NULL);
    OK(bh_stdio_instance_stop(NULL, &error));
}

static void test_sharing(const char *data_dir, const char *script) {
    bh_stdio_options options = BH_STDIO_OPTIONS_INIT;
    bh_hub_options hub_options = BH_HUB_OPTIONS_INIT;
    bh_stdio_instance *instance = NULL;
    bh_hub *hub = NULL;
    bh_session *session = NULL;
    bh_string *text = NULL;
    char arguments[4096];
    char id[64];
    snprintf(arguments, sizeof arguments, "[\"%s\"]", script);
    options.data_dir = data_dir;
    options.program = "node";
    options.arguments_json = arguments;
    options.name = "scripted";
    options.labels_json = "{\"tier\":\"tools\"}";
    options.idle_ms = -1;
    OK(bh_stdio_instance_start(&options, &instance, &error));
    CHECK(strncmp(bh_stdio_instance_url(instance), "http://127.0.0.1:", 17) == 0);
    CHECK(strlen(bh_stdio_instance_token(instance)) > 20);
    snprintf(id, sizeof id, "%s", bh_stdio_instance_id(instance));

    hub_options.data_dir = data_dir;
    OK(bh_hub_start(&hub_options, &hub, &error));
    OK(bh_session_open(hub, NULL, &session, &error));
    OK(bh_session_call_tool(session, id, "echo", "{\"message\":\"hi\"}", PATIENCE, NULL, &text, &error));
    CHECK(strstr(bh_string_data(text), "hi") != NULL);
    bh_string_free(text);
    /* It is told after the answer, maybe. */
    for (int waited = 0;; waited++) {
        OK(bh_stdio_instance_report(instance, &text, &error));
        if (strstr(bh_string_data(text), "\"starts\":1") != NULL && strstr(bh_string_data(text), "\"running\"") != NULL) {
            break;
        }
        bh_string_free(text);
        CHECK(waited < PATIENCE);
        let_others_run();
    }
    CHECK(strstr(bh_string_data(text), "\"sharing\":\"shared\"") != NULL);
    bh_string_free(text);
    bh_session_free(session);

    OK(bh_stdio_instance_stop(instance, &error));
    STATUS(INVALID_HANDLE, bh_stdio_instance_report(instance, &text, &error));
    STATUS(INVALID_HANDLE, bh_stdio_instance_stop(instance, &error));
    bh_hub_free(hub);
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    begin();
    test_mistakes(arguments[1]);
    test_sharing(arguments[1], arguments[2]);
    return end();
}
