/*
 * What happens when the C interface is used as it should not be: a status, never a crash.
 *
 *     misuse DATA_DIR
 */
#include "check.h"

static void test_null(const char *data_dir) {
    bh_hub *hub = start_hub(data_dir);
    bh_session *session = open_session(hub);
    bh_events *events = NULL;
    bh_string *text = NULL;
    bh_descriptor descriptor;
    OK(bh_hub_events(hub, &events, &error));
    /* Without a place for the error. */
    CHECK(bh_hub_start(NULL, NULL, NULL) == BH_STATUS_INVALID_ARGUMENT);
    STATUS(INVALID_ARGUMENT, bh_hub_start(NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_stop(NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_wait_settled(NULL, 0, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_instances(hub, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_instances(NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_instances_json(hub, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_events(hub, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_hub_on_event(hub, NULL, NULL, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_events_next(NULL, 0, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_events_next(events, 0, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_events_descriptor(events, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_events_descriptor(NULL, &descriptor, &error));
    STATUS(INVALID_ARGUMENT, bh_session_open(hub, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_open(NULL, NULL, &session, &error));
    STATUS(INVALID_ARGUMENT, bh_session_call_tool(session, NULL, NULL, NULL, 0, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_call_tool(NULL, NULL, "x", NULL, 0, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_request(session, NULL, NULL, 0, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_connect(session, NULL, 0, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_disconnect(NULL, 0, &error));
    STATUS(INVALID_ARGUMENT, bh_session_send(session, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_receive(session, 0, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_receive(NULL, 0, &text, &error));
    STATUS(INVALID_ARGUMENT, bh_session_descriptor(session, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_on_message(session, NULL, NULL, NULL, NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_session_close(NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_cancel_fire(NULL, &error));
    STATUS(INVALID_ARGUMENT, bh_register(NULL, NULL, &error));
    CHECK(bh_error_status(NULL) == BH_STATUS_INVALID_HANDLE && bh_error_message(NULL)[0] != '\0');
    CHECK(bh_error_rpc_code(NULL) == 0 && bh_error_data(NULL) == NULL);
    CHECK(bh_string_data(NULL)[0] == '\0' && bh_string_length(NULL) == 0);
    CHECK(bh_instances_count(NULL) == 0 && bh_instances_get(NULL, 0) == NULL);
    CHECK(bh_event_get_kind(NULL) == 0 && bh_event_instance(NULL) == NULL && bh_event_missed(NULL) == 0);
    CHECK(bh_registration_id(NULL) == NULL && bh_registration_file(NULL) == NULL && bh_session_missed(NULL) == 0);
    bh_error_free(NULL);
    bh_string_free(NULL);
    bh_instances_free(NULL);
    bh_event_free(NULL);
    bh_events_free(NULL);
    bh_subscription_free(NULL);
    bh_cancel_free(NULL);
    bh_session_free(NULL);
    bh_hub_free(NULL);
    bh_events_free(events);
    bh_session_free(session);
    bh_hub_free(hub);
    CHECK(text == NULL);
}

static void test_handles(const char *data_dir) {
    bh_hub *hub = start_hub(data_dir);
    bh_session *session = open_session(hub);
    bh_cancel *cancel = bh_cancel_new();
    bh_error *error = NULL;
    size_t not_a_handle[8] = {0};
    /* Of another kind: also when it is to be freed. */
    STATUS(INVALID_HANDLE, bh_hub_stop((const bh_hub *)(const void *)session, &error));
    STATUS(INVALID_HANDLE, bh_session_close((const bh_session *)(const void *)hub, &error));
    bh_hub_free((bh_hub *)(void *)cancel);
    OK(bh_cancel_fire(cancel, &error));
    /* Memory that is no handle, and an address that cannot be one. */
    STATUS(INVALID_HANDLE, bh_hub_stop((const bh_hub *)(const void *)not_a_handle, &error));
    STATUS(INVALID_HANDLE, bh_hub_stop((const bh_hub *)(const void *)((const char *)not_a_handle + 1), &error));
    /* Freed: used again, and freed again. */
    bh_session_free(session);
    STATUS(INVALID_HANDLE, bh_session_close(session, &error));
    STATUS(INVALID_HANDLE, bh_session_call_tool(session, NULL, "x", NULL, 0, NULL, NULL, &error));
    bh_session_free(session);
    bh_hub_free(hub);
    bh_hub_free(hub);
    STATUS(INVALID_HANDLE, bh_hub_stop(hub, &error));
    bh_cancel_free(cancel);
    bh_cancel_free(cancel);
    STATUS(INVALID_HANDLE, bh_cancel_fire(cancel, &error));
    CHECK(bh_hub_start(NULL, NULL, &error) == BH_STATUS_INVALID_ARGUMENT);
    bh_error_free(error);
    bh_error_free(error);
    CHECK(bh_error_status(error) == BH_STATUS_INVALID_HANDLE);
    /* Even when many others were freed since, as long as they are not too many. */
    for (int turn = 0; turn < 900; turn++) {
        bh_cancel_free(bh_cancel_new());
    }
    STATUS(INVALID_HANDLE, bh_hub_stop(hub, &error));
    for (int turn = 0; turn < 5000; turn++) {
        bh_cancel_free(bh_cancel_new());
    }
}

static void test_texts(const char *data_dir) {
    static const char *const not_json[] = {"", "nonsense", "{", "[1]", "\"text\"", "1", "null", "{} {}"};
    bh_hub *hub = start_hub(data_dir);
    bh_session *session = open_session(hub), *other = NULL;
    bh_session_options options = BH_SESSION_OPTIONS_INIT;
    bh_hub_options hub_options = BH_HUB_OPTIONS_INIT;
    bh_hub *none = NULL;
    for (size_t at = 0; at < sizeof not_json / sizeof *not_json; at++) {
        STATUS(INVALID_JSON, bh_session_call_tool(session, "shop", "echo", not_json[at], 0, NULL, NULL, &error));
        STATUS(INVALID_JSON, bh_session_request(session, "x", not_json[at], 0, NULL, NULL, &error));
        options.capabilities_json = not_json[at];
        STATUS(INVALID_JSON, bh_session_open(hub, &options, &other, &error));
    }
    STATUS(INVALID_UTF8, bh_session_call_tool(session, "\xff", "echo", NULL, 0, NULL, NULL, &error));
    STATUS(INVALID_UTF8, bh_session_call_tool(session, NULL, "\xc3(", NULL, 0, NULL, NULL, &error));
    STATUS(INVALID_UTF8, bh_session_call_tool(session, NULL, "x", "{\"a\":\"\xed\xa0\x80\"}", 0, NULL, NULL, &error));
    STATUS(INVALID_UTF8, bh_session_send(session, "\xfe", &error));
    STATUS(INVALID_UTF8, bh_session_connect(session, "\xc0\xaf", 0, NULL, NULL, &error));
    STATUS(INVALID_JSON, bh_session_send(session, "nonsense", &error));
    STATUS(INVALID_ARGUMENT, bh_session_send(session, "{}", &error));
    STATUS(INVALID_ARGUMENT, bh_session_send(session, "[]", &error));
    STATUS(INVALID_ARGUMENT, bh_session_send(session, "{\"jsonrpc\":\"2.0\",\"id\":\"bh-1\",\"method\":\"ping\"}", &error));
    hub_options.data_dir = "";
    STATUS(INVALID_ARGUMENT, bh_hub_start(&hub_options, &none, &error));
    hub_options.data_dir = "\xff";
    STATUS(INVALID_UTF8, bh_hub_start(&hub_options, &none, &error));
    CHECK(other == NULL && none == NULL);
    bh_session_free(session);
    bh_hub_free(hub);
}

static void test_options(const char *data_dir) {
    struct {
        bh_hub_options known;
        uint64_t unknown;
    } newer = {BH_HUB_OPTIONS_INIT, 0};
    bh_session_options session_options = BH_SESSION_OPTIONS_INIT;
    bh_register_options register_options = BH_REGISTER_OPTIONS_INIT;
    bh_registration *registration = NULL;
    bh_session *session = NULL;
    bh_hub *hub = NULL;
    char file[4096];
    FILE *made;
    /* A newer program: what this library does not know must not be asked for. */
    newer.known.size = sizeof newer;
    newer.known.data_dir = data_dir;
    newer.unknown = 1;
    STATUS(UNSUPPORTED, bh_hub_start(&newer.known, &hub, &error));
    newer.unknown = 0;
    OK(bh_hub_start(&newer.known, &hub, &error));
    session_options.tools = 7;
    STATUS(INVALID_ARGUMENT, bh_session_open(hub, &session_options, &session, &error));
    session_options.tools = BH_TOOLS_MODE_ALL;
    session_options.reserved = 1;
    STATUS(UNSUPPORTED, bh_session_open(hub, &session_options, &session, &error));
    session_options.reserved = 0;
    session_options.size = 0;
    STATUS(INVALID_ARGUMENT, bh_session_open(hub, &session_options, &session, &error));
    bh_hub_free(hub);
    register_options.data_dir = data_dir;
    STATUS(INVALID_ARGUMENT, bh_register(&register_options, &registration, &error));
    register_options.port = 9;
    register_options.reserved = 1;
    STATUS(UNSUPPORTED, bh_register(&register_options, &registration, &error));
    register_options.reserved = 0;
    register_options.id = "../../escape";
    STATUS(INVALID_ARGUMENT, bh_register(&register_options, &registration, &error));
    register_options.id = NULL;
    register_options.labels_json = "{\"a\":1}";
    STATUS(INVALID_JSON, bh_register(&register_options, &registration, &error));
    register_options.labels_json = NULL;
    register_options.token = "two\nlines";
    STATUS(INVALID_ARGUMENT, bh_register(&register_options, &registration, &error));
    register_options.token = NULL;
    register_options.headers_json = "[]";
    STATUS(INVALID_JSON, bh_register(&register_options, &registration, &error));
    register_options.headers_json = "{\"host\":\"elsewhere\"}";
    STATUS(INVALID_ARGUMENT, bh_register(&register_options, &registration, &error));
    register_options.headers_json = NULL;
    /* Where a file is, there can be no directory. */
    snprintf(file, sizeof file, "%s/file", data_dir);
    made = fopen(file, "w");
    CHECK(made != NULL);
    fclose(made);
    register_options.data_dir = file;
    STATUS(IO, bh_register(&register_options, &registration, &error));
    remove(file);
    CHECK(registration == NULL && session == NULL);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    begin();
    test_null(arguments[1]);
    test_handles(arguments[1]);
    test_texts(arguments[1]);
    test_options(arguments[1]);
    return end();
}
