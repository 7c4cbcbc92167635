/*
 * Announcing, listing and calling, as it is meant to be done.
 *
 *     calls DATA_DIR    where an instance `shop` is announced, with the tools of tests/vectors/README.md
 */
#define _POSIX_C_SOURCE 200809L

#include "shop.h"

static const bh_instance *find(const bh_instances *list, const char *alias) {
    for (size_t at = 0; at < bh_instances_count(list); at++) {
        const bh_instance *instance = bh_instances_get(list, at);
        if (strcmp(instance->alias, alias) == 0) {
            return instance;
        }
    }
    return NULL;
}

static void test_version(void) {
    char version[32];
    OK(BH_CHECK_ABI(&error));
    STATUS(VERSION, bh_check_version(BH_ABI_VERSION + 1, BH_VERSION_MAJOR, BH_VERSION_MINOR, &error));
    STATUS(VERSION, bh_check_version(BH_ABI_VERSION, BH_VERSION_MAJOR, BH_VERSION_MINOR + 1, &error));
    CHECK(bh_abi_version() == BH_ABI_VERSION);
    snprintf(version, sizeof version, "%d.%d.%d", BH_VERSION_MAJOR, BH_VERSION_MINOR, BH_VERSION_PATCH);
    CHECK(strcmp(version, bh_version()) == 0);
    CHECK(strcmp(bh_status_name(BH_STATUS_TIMEOUT), "TIMEOUT") == 0);
    CHECK(strcmp(bh_state_name(BH_STATE_ACTIVE), "active") == 0);
    CHECK(strcmp(bh_event_kind_name(BH_EVENT_KIND_GONE), "gone") == 0);
}

/* What programs that were compiled before rely on, where pointers have 64 bits. It changes with BH_ABI_VERSION only. */
static void test_binary_interface(void) {
    CHECK(BH_ABI_VERSION == 1);
    CHECK(BH_STATUS_OK == 0 && BH_STATUS_INVALID_ARGUMENT == 1 && BH_STATUS_INVALID_HANDLE == 2);
    CHECK(BH_STATUS_INVALID_UTF8 == 3 && BH_STATUS_INVALID_JSON == 4 && BH_STATUS_TIMEOUT == 5);
    CHECK(BH_STATUS_CANCELLED == 6 && BH_STATUS_CLOSED == 7 && BH_STATUS_RPC == 8 && BH_STATUS_TOOL == 9);
    CHECK(BH_STATUS_IO == 10 && BH_STATUS_BUSY == 11 && BH_STATUS_WOULD_DEADLOCK == 12 && BH_STATUS_FORKED == 13);
    CHECK(BH_STATUS_UNSUPPORTED == 14 && BH_STATUS_VERSION == 15 && BH_STATUS_PANIC == 16);
    CHECK(BH_STATUS_TOO_MANY == 17 && BH_FOREVER == -1);
    CHECK(BH_STATE_DISCOVERED == 1 && BH_STATE_CONNECTING == 2 && BH_STATE_ACTIVE == 3 && BH_STATE_RETRYING == 4);
    CHECK(BH_STATE_DEAD == 5);
    CHECK(BH_EVENT_KIND_APPEARED == 1 && BH_EVENT_KIND_STATE_CHANGED == 2 && BH_EVENT_KIND_ALIAS_CHANGED == 3);
    CHECK(BH_EVENT_KIND_GONE == 4 && BH_EVENT_KIND_MISSED == 5);
    CHECK(BH_LOG_LEVEL_OFF == 0 && BH_LOG_LEVEL_ERROR == 1 && BH_LOG_LEVEL_WARN == 2 && BH_LOG_LEVEL_INFO == 3);
    CHECK(BH_LOG_LEVEL_DEBUG == 4 && BH_LOG_LEVEL_TRACE == 5);
    CHECK(BH_TOOLS_MODE_CONNECTED == 0 && BH_TOOLS_MODE_ALL == 1 && BH_TOOLS_MODE_HUB == 2);
    CHECK(sizeof(bh_status) == 4);
#define AT(type, member, place) CHECK(offsetof(type, member) == (place))
    if (sizeof(void *) == 8) {
        AT(bh_hub_options, size, 0);
        AT(bh_hub_options, data_dir, 8);
        AT(bh_hub_options, ping_interval_ms, 16);
        AT(bh_hub_options, give_up_after_ms, 20);
        AT(bh_hub_options, call_timeout_ms, 24);
        AT(bh_hub_options, max_message_bytes, 28);
        AT(bh_stdio_options, size, 0);
        AT(bh_stdio_options, program, 8);
        AT(bh_stdio_options, arguments_json, 16);
        AT(bh_stdio_options, data_dir, 24);
        AT(bh_stdio_options, name, 32);
        AT(bh_stdio_options, path, 40);
        AT(bh_stdio_options, id, 48);
        AT(bh_stdio_options, version, 56);
        AT(bh_stdio_options, labels_json, 64);
        AT(bh_stdio_options, inventory, 72);
        AT(bh_stdio_options, idle_ms, 80);
        AT(bh_stdio_options, port, 88);
        AT(bh_stdio_options, per_session, 90);
        AT(bh_stdio_options, reserved, 92);
        AT(bh_register_options, size, 0);
        AT(bh_register_options, data_dir, 8);
        AT(bh_register_options, name, 16);
        AT(bh_register_options, path, 24);
        AT(bh_register_options, endpoint, 32);
        AT(bh_register_options, id, 40);
        AT(bh_register_options, version, 48);
        AT(bh_register_options, labels_json, 56);
        AT(bh_register_options, pid, 64);
        AT(bh_register_options, port, 68);
        AT(bh_register_options, reserved, 70);
        AT(bh_register_options, token, 72);
        AT(bh_register_options, headers_json, 80);
        AT(bh_session_options, size, 0);
        AT(bh_session_options, working_directory, 8);
        AT(bh_session_options, client_name, 16);
        AT(bh_session_options, client_version, 24);
        AT(bh_session_options, capabilities_json, 32);
        AT(bh_session_options, tools, 40);
        AT(bh_session_options, name_budget, 44);
        AT(bh_session_options, manual_handshake, 48);
        AT(bh_session_options, reserved, 52);
        AT(bh_instance, id, 0);
        AT(bh_instance, alias, 8);
        AT(bh_instance, name, 16);
        AT(bh_instance, path, 24);
        AT(bh_instance, endpoint, 32);
        AT(bh_instance, started, 40);
        AT(bh_instance, version, 48);
        AT(bh_instance, connected_at, 56);
        AT(bh_instance, era, 64);
        AT(bh_instance, protocol_version, 72);
        AT(bh_instance, last_error, 80);
        AT(bh_instance, latency_ms, 88);
        AT(bh_instance, state, 96);
        AT(bh_instance, pid, 100);
        AT(bh_instance, port, 104);
        AT(bh_instance, has_package_json, 106);
    }
}

static void test_registration(void) {
    uint16_t port;
    listener socket_ = listening(&port);
    bh_registration *registration = announce("mine", port);
    char file[4096], text[1024];
    FILE *opened;
    size_t read;
    snprintf(file, sizeof file, "%s", bh_registration_file(registration));
    CHECK(strstr(file, bh_registration_id(registration)) != NULL);
    opened = fopen(file, "r");
    CHECK(opened != NULL);
    read = fread(text, 1, sizeof text - 1, opened);
    text[read] = '\0';
    fclose(opened);
    CHECK(strstr(text, "\"mine\"") && strstr(text, "1.2.3") && strstr(text, "team"));
    OK(bh_unregister(registration, &error));
    CHECK(access(file, F_OK) != 0);
    OK(bh_unregister(NULL, &error));
    close_listener(socket_);
}

static void test_list(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_instances *list = NULL;
    bh_string *json = NULL;
    const bh_instance *shop;
    OK(bh_hub_wait_settled(hub, PATIENCE, &error));
    OK(bh_hub_instances(hub, &list, &error));
    shop = find(list, "shop");
    CHECK(shop != NULL);
    CHECK(shop->state == BH_STATE_ACTIVE && shop->port > 0 && shop->pid > 0 && shop->latency_ms >= 0);
    CHECK(strcmp(shop->name, "shop") == 0 && strcmp(shop->endpoint, "/mcp") == 0);
    CHECK(strcmp(shop->era, "legacy") == 0 && shop->protocol_version[0] == '2' && shop->connected_at[0] == '2');
    CHECK(shop->version == NULL && shop->last_error == NULL && shop->has_package_json == 0);
    CHECK(bh_instances_get(list, bh_instances_count(list)) == NULL);
    OK(bh_hub_instances_json(hub, &json, &error));
    CHECK(strlen(bh_string_data(json)) == bh_string_length(json));
    CHECK(strstr(bh_string_data(json), "\"alias\":\"shop\"") && strstr(bh_string_data(json), "\"state\":\"active\""));
    bh_string_free(json);
    /* A list does not need its hub. */
    bh_hub_free(hub);
    CHECK(strcmp(shop->alias, "shop") == 0);
    bh_instances_free(list);
}

static void test_calls(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    bh_string *result = NULL;
    bh_error *error = NULL;
    echo(session, "shop", "no need to connect");
    STATUS(RPC, bh_session_call_tool(session, NULL, "nobody_has_this", NULL, PATIENCE, NULL, NULL, &error));
    OK(bh_session_connect(session, "shop", PATIENCE, NULL, &result, &error));
    CHECK(strstr(bh_string_data(result), "\"echo\"") != NULL);
    bh_string_free(result);
    echo(session, NULL, "connected");
    OK(bh_session_request(session, "tools/list", NULL, PATIENCE, NULL, &result, &error));
    CHECK(strstr(bh_string_data(result), "instances_list") && strstr(bh_string_data(result), "\"hang\""));
    bh_string_free(result);
    OK(bh_session_disconnect(session, PATIENCE, &error));
    OK(bh_session_disconnect(session, PATIENCE, &error));
    /* A tool that fails has a result that says so. */
    OK(bh_session_call_tool(session, "shop", "fail", NULL, PATIENCE, NULL, &result, &error));
    CHECK(strstr(bh_string_data(result), "\"isError\":true") != NULL);
    bh_string_free(result);
    STATUS(TOOL, bh_session_connect(session, "nobody", PATIENCE, NULL, NULL, &error));
    /* An error of the instance arrives with its code and data. */
    CHECK(bh_session_request(session, "vendor/unknown", "{}", PATIENCE, NULL, NULL, &error) == BH_STATUS_RPC);
    CHECK(bh_error_rpc_code(error) == -32601);
    bh_error_free(error);
    STATUS(TIMEOUT, bh_session_call_tool(session, "shop", "hang", NULL, 50, NULL, NULL, &error));
    STATUS(TIMEOUT, bh_session_call_tool(session, "shop", "hang", NULL, 0, NULL, NULL, &error));
    echo(session, "shop", "after a time-out");
    bh_session_free(session);
    bh_hub_free(hub);
}

#define CALLERS 8

static void *call_often(void *argument) {
    const bh_session *session = argument;
    char message[32];
    for (int turn = 0; turn < 20; turn++) {
        snprintf(message, sizeof message, "%p-%d", (void *)&message, turn);
        echo(session, "shop", message);
    }
    return NULL;
}

static void test_many_threads(void) {
    bh_hub *hub = start_with_shop(data_dir);
    bh_session *session = open_session(hub);
    pthread_t threads[CALLERS];
    for (int at = 0; at < CALLERS; at++) {
        CHECK(pthread_create(&threads[at], NULL, call_often, session) == 0);
    }
    for (int at = 0; at < CALLERS; at++) {
        pthread_join(threads[at], NULL);
    }
    bh_session_free(session);
    bh_hub_free(hub);
}

static void test_two_hubs(void) {
    bh_hub *one = start_with_shop(data_dir), *two = start_with_shop(data_dir);
    bh_session *first = open_session(one), *second = open_session(two);
    echo(first, "shop", "one");
    echo(second, "shop", "two");
    bh_hub_free(one);
    bh_session_free(first);
    echo(second, "shop", "still two");
    bh_session_free(second);
    bh_hub_free(two);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    begin();
    data_dir = arguments[1];
    test_version();
    test_binary_interface();
    test_registration();
    test_list();
    test_calls();
    test_many_threads();
    test_two_hubs();
    return end();
}
