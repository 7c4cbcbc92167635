/* What the test programs do with the instance `shop` (tests/vectors/README.md), and with instances of their own. */
#ifndef SHOP_H
#define SHOP_H

#ifdef _WIN32
#include <winsock2.h>
#include <io.h>
typedef SOCKET listener;
#define access _access
#define F_OK 0
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
typedef int listener;
#endif

#include "check.h"

/* The first argument of each program. */
static const char *data_dir;

/* A socket that listens, and its port. */
static inline listener listening(uint16_t *port) {
    struct sockaddr_in address;
    listener socket_;
#ifdef _WIN32
    int length = sizeof address;
    WSADATA data;
    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
#else
    socklen_t length = sizeof address;
#endif
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(socket_, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(socket_, 16) == 0 && getsockname(socket_, (struct sockaddr *)&address, &length) == 0);
    *port = ntohs(address.sin_port);
    return socket_;
}

static inline void close_listener(listener socket_) {
#ifdef _WIN32
    closesocket(socket_);
    WSACleanup();
#else
    close(socket_);
#endif
}

static inline bh_registration *announce(const char *name, uint16_t port) {
    bh_register_options options = BH_REGISTER_OPTIONS_INIT;
    bh_registration *registration = NULL;
    options.data_dir = data_dir;
    options.name = name;
    options.port = port;
    options.version = "1.2.3";
    options.labels_json = "{\"team\":\"c\"}";
    options.token = "of-the-shop";
    options.headers_json = "{\"X-Shop\":\"c\"}";
    OK(bh_register(&options, &registration, &error));
    return registration;
}

/* Calls `echo` and expects the message back. */
static inline void echo(const bh_session *session, const char *instance, const char *message) {
    char arguments[256], wanted[256];
    bh_string *result = NULL;
    snprintf(arguments, sizeof arguments, "{\"message\":\"%s\"}", message);
    snprintf(wanted, sizeof wanted, "\"text\":\"%s\"", message);
    OK(bh_session_call_tool(session, instance, "echo", arguments, PATIENCE, NULL, &result, &error));
    if (strstr(bh_string_data(result), wanted) == NULL) {
        fprintf(stderr, "echo of %s answered %s\n", message, bh_string_data(result));
        exit(1);
    }
    bh_string_free(result);
}

/* Waits until the instance has the call: it says so by a notification. */
static inline void expect_hanging(const bh_session *session) {
    for (;;) {
        bh_string *message = NULL;
        int found;
        OK(bh_session_receive(session, PATIENCE, &message, &error));
        found = strstr(bh_string_data(message), "hanging") != NULL;
        bh_string_free(message);
        if (found) {
            return;
        }
    }
}

#endif
