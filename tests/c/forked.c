/*
 * A fork of a process that has a hub: the child is told, and harms nothing of the parent's.
 *
 *     forked DATA_DIR
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

int main(int count, char **arguments) {
    bh_register_options options = BH_REGISTER_OPTIONS_INIT;
    bh_registration *registration = NULL;
    bh_hub *hub;
    bh_session *session;
    bh_events *events = NULL;
    bh_string *result = NULL;
    pid_t child;
    int status = 0;
    CHECK(count == 2);
    hub = start_with_shop(arguments[1]);
    session = open_session(hub);
    OK(bh_hub_events(hub, &events, &error));
    OK(bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, &result, &error));
    options.data_dir = arguments[1];
    options.port = 9;
    OK(bh_register(&options, &registration, &error));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        bh_event *event = NULL;
        bh_instances *list = NULL;
        int32_t descriptor = 0;
        STATUS(FORKED, bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, NULL, &error));
        STATUS(FORKED, bh_session_receive(session, BH_FOREVER, &result, &error));
        STATUS(FORKED, bh_session_close(session, &error));
        STATUS(FORKED, bh_hub_instances(hub, &list, &error));
        STATUS(FORKED, bh_hub_wait_settled(hub, BH_FOREVER, &error));
        STATUS(FORKED, bh_hub_stop(hub, &error));
        STATUS(FORKED, bh_events_next(events, BH_FOREVER, &event, &error));
        STATUS(FORKED, bh_events_descriptor(events, &descriptor, &error));
        OK(bh_unregister(registration, &error));
        bh_events_free(events);
        bh_session_free(session);
        bh_hub_free(hub);
        /* What it let go of is lost to it; a child that starts another program has no use for it. */
        execlp("true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* The parent's are as they were. */
    CHECK(access(bh_registration_file(registration), F_OK) == 0);
    bh_string_free(result);
    OK(bh_session_call_tool(session, "shop", "echo", NULL, PATIENCE, NULL, NULL, &error));
    OK(bh_unregister(registration, &error));
    bh_events_free(events);
    bh_session_free(session);
    bh_hub_free(hub);
    puts("all as it should be");
    return 0;
}
