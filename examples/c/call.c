/*
 * Embeds a hub: lists the instances, or calls a tool of one.
 *
 *     call                                  lists them
 *     call INSTANCE TOOL [ARGUMENTS]        INSTANCE: id, alias, name or a beginning of one; ARGUMENTS: JSON
 */
#include <stdio.h>

#include <brummer_hub.h>

/* A person waits that long at most. */
#define TIMEOUT_MS 30000

static bh_status list(const bh_hub *hub, bh_error **error) {
    bh_instances *instances = NULL;
    bh_status status = bh_hub_wait_settled(hub, TIMEOUT_MS, error);
    if (status == BH_STATUS_OK) {
        status = bh_hub_instances(hub, &instances, error);
    }
    for (size_t at = 0; at < bh_instances_count(instances); at++) {
        const bh_instance *instance = bh_instances_get(instances, at);
        printf("%-16s %-12s port %-6u %s\n", instance->alias, bh_state_name(instance->state), instance->port,
               instance->path);
    }
    bh_instances_free(instances);
    return status;
}

static bh_status call(const bh_hub *hub, char **words, bh_error **error) {
    bh_session *session = NULL;
    bh_string *result = NULL;
    bh_status status = bh_session_open(hub, NULL, &session, error);
    if (status == BH_STATUS_OK) {
        status = bh_session_call_tool(session, words[0], words[1], words[2], TIMEOUT_MS, NULL, &result, error);
    }
    if (status == BH_STATUS_OK) {
        puts(bh_string_data(result));
    }
    bh_string_free(result);
    bh_session_free(session);
    return status;
}

int main(int count, char **arguments) {
    bh_hub *hub = NULL;
    bh_error *error = NULL;
    bh_status status = BH_CHECK_ABI(&error);
    if (status == BH_STATUS_OK) {
        status = bh_hub_start(NULL, &hub, &error);
    }
    if (status == BH_STATUS_OK) {
        /* The last word is NULL when there are no ARGUMENTS. */
        status = count < 3 ? list(hub, &error) : call(hub, arguments + 1, &error);
    }
    if (status != BH_STATUS_OK) {
        fprintf(stderr, "call: %s\n", bh_error_message(error));
        bh_error_free(error);
    }
    bh_hub_free(hub);
    return status == BH_STATUS_OK ? 0 : 1;
}
