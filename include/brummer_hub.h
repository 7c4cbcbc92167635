/*
 * brummer-hub: one MCP server for every dev process on a machine. The C interface; C99 and later, C++11 and later.
 *
 * Made from bindings/c/src by `cargo xtask header`; changes belong there. https://github.com/standardbeagle/brummer-hub
 *
 *     bh_hub *hub = NULL;
 *     bh_session *session = NULL;
 *     bh_string *result = NULL;
 *     bh_error *error = NULL;
 *     if (BH_CHECK_ABI(&error) == BH_STATUS_OK && bh_hub_start(NULL, &hub, &error) == BH_STATUS_OK &&
 *         bh_session_open(hub, NULL, &session, &error) == BH_STATUS_OK &&
 *         bh_session_call_tool(session, "shop", "echo", "{\"message\":\"hi\"}", 5000, NULL, &result, &error) ==
 *             BH_STATUS_OK)
 *         puts(bh_string_data(result));
 *     else
 *         fprintf(stderr, "%s\n", bh_error_message(error));
 *     bh_string_free(result);
 *     bh_session_free(session);
 *     bh_hub_free(hub);
 *     bh_error_free(error);
 *
 * Rules that hold for all functions:
 *
 * - Ownership. What a function writes to a `T **` belongs to the caller, who frees it with the function named there, once.
 *   What a function returns as a `const` pointer belongs to the object that it was asked of. Arguments are borrowed for
 *   the call: texts may be changed or freed when the function has returned. Memory of the library is never passed to
 *   free(), nor the program's to the library.
 * - Failure. A function that can fail returns a bh_status. Its last parameter, which may be NULL, receives an error object
 *   with a message. On failure nothing else is written, and on success no error is. Nothing aborts, and no Rust panic
 *   leaves the library (BH_STATUS_PANIC; Rust writes a line about it to standard error).
 * - Handles. NULL where a handle must not be NULL is BH_STATUS_INVALID_ARGUMENT. A handle of another kind, or one that was
 *   freed, is BH_STATUS_INVALID_HANDLE; freeing one again does nothing but log it. The latter is noticed for the last 1,024
 *   handles that were freed, which are kept for that (40 KiB). A pointer that never was a handle is not noticed. Functions
 *   that return no status give 0, NULL or an empty text for such handles, unless they say something else.
 * - Texts are UTF-8 that ends with a NUL. Others are BH_STATUS_INVALID_UTF8. Paths are UTF-8 too.
 * - Times are in milliseconds: 0 does not wait, BH_FOREVER waits without a limit.
 * - Threads. Every function may be called on any thread, and a handle used on several at the same time; a handle may
 *   also be freed while others use it: what waits on it returns BH_STATUS_CLOSED. Each hub has a thread for its work, one
 *   for callbacks, and some that wait for the system. The library installs no signal handler, no logger and no atexit()
 *   function, and uses the standard streams only in bh_run_stdio(); but where the system tells of the end of a child by
 *   SIGCHLD only (macOS, old kernels), bh_stdio_instance_start() installs a handler for that. Its threads take no signals,
 *   and none is sent SIGPIPE; only the thread of callbacks has the signal mask of the thread that started the hub.
 * - Callbacks are called on the hub's thread of callbacks, one after the other, and may call every function. They must not
 *   throw C++ exceptions or longjmp() out of themselves. They may come until the hub, or the subscription, is freed: do
 *   that before the program ends. Log callbacks have rules of their own: bh_set_log_callback().
 * - fork(). The threads of a hub are not in the child. There, functions on a hub from before, and on its sessions, queues
 *   and subscriptions, return BH_STATUS_FORKED, freeing only lets go of them, and no callback is called. A child that goes
 *   on (rather than to exec another program) should be forked before the first hub is started.
 * - dlclose(). Do not unload the library: a thread may still be on its way out after the last handle was freed.
 * - Linking. Define BH_STATIC before this header when linking the static library on Windows.
 */


#ifndef BRUMMER_HUB_H
#define BRUMMER_HUB_H



#include <stddef.h>
#include <stdint.h>

#if defined(BH_STATIC)
#define BH_API
#elif defined(_WIN32)
#define BH_API __declspec(dllimport)
#elif defined(__GNUC__)
#define BH_API __attribute__((visibility("default")))
#else
#define BH_API
#endif

/** As a time-out: wait without a limit. */
#define BH_FOREVER (-1)

/** Initial values of a bh_hub_options. */
#define BH_HUB_OPTIONS_INIT {sizeof(struct bh_hub_options), NULL, 0, 0, 0, 0}

/** Initial values of a bh_register_options. */
#define BH_REGISTER_OPTIONS_INIT \
    {sizeof(struct bh_register_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL}

/** Initial values of a bh_stdio_options. */
#define BH_STDIO_OPTIONS_INIT \
    {sizeof(struct bh_stdio_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0}

/** Initial values of a bh_session_options. */
#define BH_SESSION_OPTIONS_INIT {sizeof(struct bh_session_options), NULL, NULL, NULL, NULL, 0, 0, 0, 0}

/** Whether the library fits this header: see bh_check_version(). `error` is a bh_error ** or NULL. */
#define BH_CHECK_ABI(error) bh_check_version(BH_ABI_VERSION, BH_VERSION_MAJOR, BH_VERSION_MINOR, error)

/**
 * The binary interface that this header describes; also the number in the shared library's name. It changes whenever a
 * program has to be compiled anew.
 */
#define BH_ABI_VERSION 1

/**
 * The version that this header is of.
 */
#define BH_VERSION_MAJOR 0

/**
 * The version that this header is of.
 */
#define BH_VERSION_MINOR 1

/**
 * The version that this header is of.
 */
#define BH_VERSION_PATCH 0

/**
 * How a function ended. Numbers are never given to something else; later versions may add some, so treat one that you do
 * not know as a failure.
 */
enum bh_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It was done.
     */
    BH_STATUS_OK = 0,
    /**
     * An argument is missing or says something that cannot be meant.
     */
    BH_STATUS_INVALID_ARGUMENT = 1,
    /**
     * A handle is of another kind, or was freed already.
     */
    BH_STATUS_INVALID_HANDLE = 2,
    /**
     * A text is not UTF-8.
     */
    BH_STATUS_INVALID_UTF8 = 3,
    /**
     * A text is not the JSON that is wanted there.
     */
    BH_STATUS_INVALID_JSON = 4,
    /**
     * Nothing came within the time that was given.
     */
    BH_STATUS_TIMEOUT = 5,
    /**
     * It was cancelled with bh_cancel_fire().
     */
    BH_STATUS_CANCELLED = 6,
    /**
     * The hub or the session has ended.
     */
    BH_STATUS_CLOSED = 7,
    /**
     * The hub or the instance answered with a JSON-RPC error: see bh_error_rpc_code() and bh_error_data().
     */
    BH_STATUS_RPC = 8,
    /**
     * A tool of the hub refused, such as to connect to an instance that nobody knows; the message names the candidates.
     */
    BH_STATUS_TOOL = 9,
    /**
     * The system did not let us.
     */
    BH_STATUS_IO = 10,
    /**
     * Another thread is receiving from the same object.
     */
    BH_STATUS_BUSY = 11,
    /**
     * It would wait for its own caller: within a log callback nothing may wait.
     */
    BH_STATUS_WOULD_DEADLOCK = 12,
    /**
     * The handle is from before a fork(): its threads are in the other process.
     */
    BH_STATUS_FORKED = 13,
    /**
     * This system, or this version of the library, cannot.
     */
    BH_STATUS_UNSUPPORTED = 14,
    /**
     * Header and library do not fit together.
     */
    BH_STATUS_VERSION = 15,
    /**
     * A defect in the library. It was stopped at the boundary; the process can go on.
     */
    BH_STATUS_PANIC = 16,
    /**
     * Too many requests of this session are unanswered.
     */
    BH_STATUS_TOO_MANY = 17,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bh_status bh_status;
#else
typedef int32_t bh_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much is logged. A healthy hub says nothing at BH_LOG_LEVEL_WARN.
 */
enum bh_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing.
     */
    BH_LOG_LEVEL_OFF = 0,
    /**
     * What makes the hub fail.
     */
    BH_LOG_LEVEL_ERROR = 1,
    /**
     * Also what it had to refuse or put right, such as a bad doorbell file.
     */
    BH_LOG_LEVEL_WARN = 2,
    /**
     * Also instances that come and go, and what they should have answered.
     */
    BH_LOG_LEVEL_INFO = 3,
    /**
     * Also every decision.
     */
    BH_LOG_LEVEL_DEBUG = 4,
    /**
     * Everything.
     */
    BH_LOG_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bh_log_level bh_log_level;
#else
typedef int32_t bh_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What `tools/list` shows in a session.
 */
enum bh_tools_mode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The hub's tools, then those of the connected instance under their own names.
     */
    BH_TOOLS_MODE_CONNECTED = 0,
    /**
     * The hub's tools, then those of every active instance as <alias>__<tool>.
     */
    BH_TOOLS_MODE_ALL = 1,
    /**
     * The hub's tools only.
     */
    BH_TOOLS_MODE_HUB = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bh_tools_mode bh_tools_mode;
#else
typedef int32_t bh_tools_mode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where an instance stands.
 */
enum bh_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Its file was found.
     */
    BH_STATE_DISCOVERED = 1,
    /**
     * The hub is connecting to it.
     */
    BH_STATE_CONNECTING = 2,
    /**
     * The last exchange succeeded.
     */
    BH_STATE_ACTIVE = 3,
    /**
     * It does not answer; the hub tries again, with growing pauses.
     */
    BH_STATE_RETRYING = 4,
    /**
     * It is gone, and is dropped from the list.
     */
    BH_STATE_DEAD = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bh_state bh_state;
#else
typedef int32_t bh_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What happened.
 */
enum bh_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * An instance was announced and is in the list now.
     */
    BH_EVENT_KIND_APPEARED = 1,
    /**
     * An instance is in another state; bh_event_previous_state() tells the former one.
     */
    BH_EVENT_KIND_STATE_CHANGED = 2,
    /**
     * An instance got the alias of its predecessor.
     */
    BH_EVENT_KIND_ALIAS_CHANGED = 3,
    /**
     * An instance left the list.
     */
    BH_EVENT_KIND_GONE = 4,
    /**
     * The program was too slow, and bh_event_missed() events were dropped: read the list again.
     */
    BH_EVENT_KIND_MISSED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bh_event_kind bh_event_kind;
#else
typedef int32_t bh_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Ends calls that wait, from another thread. It can be given to any number of calls; once fired it stays so.
 */
typedef struct bh_cancel bh_cancel;

/**
 * Why a function failed. Functions that can fail take a `bh_error **` as their last parameter, which may be NULL; it is
 * written only on failure, and what it then points to belongs to the caller, who frees it with bh_error_free().
 */
typedef struct bh_error bh_error;

/**
 * An event of an instance. The list of instances shows the change before the event is sent.
 */
typedef struct bh_event bh_event;

/**
 * A queue of events, for programs that take them when they are ready.
 */
typedef struct bh_events bh_events;

/**
 * A hub: it finds the MCP servers of this machine and keeps a connection to each. Any number of them may run in one
 * process; each has threads of its own.
 */
typedef struct bh_hub bh_hub;

/**
 * The instances of a hub as they were at one moment, in the order of their aliases.
 */
typedef struct bh_instances bh_instances;

/**
 * An announcement that stands, until bh_unregister().
 */
typedef struct bh_registration bh_registration;

/**
 * The program's own conversation with the hub, as an MCP client. It has its own connection to an instance. Any number of
 * threads may use it at the same time.
 */
typedef struct bh_session bh_session;

/**
 * A stdio server that is an instance, until bh_stdio_instance_stop().
 */
typedef struct bh_stdio_instance bh_stdio_instance;

/**
 * A text that a function gave to the caller, who frees it with bh_string_free() (never with free()).
 */
typedef struct bh_string bh_string;

/**
 * A callback that is being called, until this is freed with bh_subscription_free().
 */
typedef struct bh_subscription bh_subscription;

/**
 * What to announce. Begin with BH_REGISTER_OPTIONS_INIT and set the port; the rest may stay 0 or NULL. Texts are borrowed
 * for the call.
 */
typedef struct bh_register_options {
    /**
     * Set by BH_REGISTER_OPTIONS_INIT.
     */
    size_t size;
    /**
     * Announce in this directory. NULL: the user's, or $BRUMMER_DATA_DIR.
     */
    const char *data_dir;
    /**
     * What people call it. NULL: `name` of package.json, else the directory's name.
     */
    const char *name;
    /**
     * Directory of its project. NULL: the working directory.
     */
    const char *path;
    /**
     * Where on the server MCP is spoken. NULL: "/mcp".
     */
    const char *endpoint;
    /**
     * Id. NULL: a random UUID.
     */
    const char *id;
    /**
     * Version of the program that serves. NULL: not told.
     */
    const char *version;
    /**
     * Labels, as a JSON object of texts. NULL: none.
     */
    const char *labels_json;
    /**
     * Process that serves. 0: this one.
     */
    uint32_t pid;
    /**
     * Loopback port of the MCP server, read from the bound listener. Must be set.
     */
    uint16_t port;
    /**
     * For later versions: 0.
     */
    uint16_t reserved;
    /**
     * What hubs are to send to the server as `Authorization: Bearer`. NULL: nothing.
     */
    const char *token;
    /**
     * Other header fields that hubs are to send, as a JSON object of texts by name. NULL: none.
     */
    const char *headers_json;
} bh_register_options;

/**
 * Settings of a hub. Begin with BH_HUB_OPTIONS_INIT and set what is to differ; what is 0 or NULL is as with the command
 * `brummer-hub --mcp`. Texts are borrowed for the call.
 */
typedef struct bh_hub_options {
    /**
     * Set by BH_HUB_OPTIONS_INIT.
     */
    size_t size;
    /**
     * Use only this directory for doorbell files. NULL: the user's, or $BRUMMER_DATA_DIR.
     */
    const char *data_dir;
    /**
     * Milliseconds between two health checks of an instance. 0: 5 s.
     */
    uint32_t ping_interval_ms;
    /**
     * Milliseconds for which a silent instance is retried before it is dropped. 0: a minute.
     */
    uint32_t give_up_after_ms;
    /**
     * Milliseconds for which a request that shows no progress may take, whoever waits for it. 0: an hour.
     */
    uint32_t call_timeout_ms;
    /**
     * Largest message that is taken from an instance, in bytes. 0: 64 MiB.
     */
    uint32_t max_message_bytes;
} bh_hub_options;

/**
 * An instance as it was at one moment. Texts are UTF-8 and live as long as what the instance was taken from: a list or
 * an event. Later versions may add members at the end, so use it only through the pointers that you are given.
 */
typedef struct bh_instance {
    /**
     * Unique on the machine. Never NULL.
     */
    const char *id;
    /**
     * Short name, unique in the list, stable over restarts. Never NULL.
     */
    const char *alias;
    /**
     * Name that it announced. Never NULL.
     */
    const char *name;
    /**
     * Project directory. Never NULL.
     */
    const char *path;
    /**
     * Path of its MCP endpoint, such as "/mcp". Never NULL.
     */
    const char *endpoint;
    /**
     * When it began to listen, as it said (RFC 3339). Never NULL, may be "".
     */
    const char *started;
    /**
     * Version that it announced. NULL if it did not.
     */
    const char *version;
    /**
     * When the hub last connected to it (RFC 3339). NULL if it never did.
     */
    const char *connected_at;
    /**
     * "legacy" or "modern": without or with the MCP revision 2026-07-28. NULL while it is not known.
     */
    const char *era;
    /**
     * MCP revision that was settled on with it. NULL while it is not known.
     */
    const char *protocol_version;
    /**
     * Why it is not active. NULL if there is nothing to say.
     */
    const char *last_error;
    /**
     * Round trip of the last check in milliseconds; negative while it is not known.
     */
    double latency_ms;
    /**
     * Where it stands: one of bh_state.
     */
    int32_t state;
    /**
     * Process that announced it.
     */
    uint32_t pid;
    /**
     * Loopback port of its MCP server.
     */
    uint16_t port;
    /**
     * 1 if the project has a package.json, else 0.
     */
    uint8_t has_package_json;
} bh_instance;

/**
 * Called with each event; `event` is valid only during the call.
 */
typedef void (*bh_event_callback)(void *user_data, const struct bh_event *event);

/**
 * Releases what a callback's `user_data` points to. It is called exactly once, also when the function that was given it
 * fails, on the thread that ends the callback or on one of the library's. It must be quick, and must not wait: functions
 * of this library that would return BH_STATUS_WOULD_DEADLOCK, and those that free do not wait for what they end. In the
 * child of a fork() it is not called for what the parent had set up.
 */
typedef void (*bh_drop_callback)(void *user_data);

#if !defined(_WIN32)
/**
 * What the event loop of a program waits for: a file descriptor, for poll(), select() and the like.
 */
typedef int32_t bh_descriptor;
#endif

#if defined(_WIN32)
/**
 * On Windows the HANDLE of an event, for WaitForMultipleObjects() and the like.
 */
typedef void *bh_descriptor;
#endif

/**
 * Settings of a session. Begin with BH_SESSION_OPTIONS_INIT and set what is to differ. Texts are borrowed for the call.
 */
typedef struct bh_session_options {
    /**
     * Set by BH_SESSION_OPTIONS_INIT.
     */
    size_t size;
    /**
     * The directory that the program works in: the instance of that project is connected by itself. NULL: none is.
     */
    const char *working_directory;
    /**
     * Name of the client, as instances see it. NULL: "brummer-hub-client".
     */
    const char *client_name;
    /**
     * Version of the client, as instances see it. NULL: the library's.
     */
    const char *client_version;
    /**
     * What the program can do for instances, as a JSON object such as {"sampling":{}}: it must then answer their questions,
     * which come as messages. NULL: {}.
     */
    const char *capabilities_json;
    /**
     * What tools/list shows: one of bh_tools_mode.
     */
    int32_t tools;
    /**
     * Longest tool name in the mode BH_TOOLS_MODE_ALL, in characters. 0: 46.
     */
    uint32_t name_budget;
    /**
     * 1: the program makes the handshake itself, or sends requests that need none. 0: the library does.
     */
    int32_t manual_handshake;
    /**
     * For later versions: 0.
     */
    uint32_t reserved;
} bh_session_options;

/**
 * Called with each message: NUL-terminated UTF-8, and its length without the NUL. It is valid only during the call.
 */
typedef void (*bh_message_callback)(void *user_data, const char *message, size_t length);

/**
 * A stdio server and how it is announced. Begin with BH_STDIO_OPTIONS_INIT and set the program; the rest may stay 0 or NULL.
 * Texts are borrowed for the call.
 */
typedef struct bh_stdio_options {
    /**
     * Set by BH_STDIO_OPTIONS_INIT.
     */
    size_t size;
    /**
     * The program, looked for in PATH unless it has a path in it. It has the environment of this process. Must be set.
     */
    const char *program;
    /**
     * What it is given, as a JSON array of texts. NULL: nothing.
     */
    const char *arguments_json;
    /**
     * Announce in this directory. NULL: the user's, or $BRUMMER_DATA_DIR.
     */
    const char *data_dir;
    /**
     * What people call it. NULL: the program's name.
     */
    const char *name;
    /**
     * Where it is started, and the project that it belongs to. NULL: the working directory.
     */
    const char *path;
    /**
     * Id. NULL: a random UUID.
     */
    const char *id;
    /**
     * Version. NULL: not told.
     */
    const char *version;
    /**
     * Labels, as a JSON object of texts. NULL: none.
     */
    const char *labels_json;
    /**
     * The file in which it is kept what the server offers, so that it is listed before the server runs. NULL: nowhere.
     */
    const char *inventory;
    /**
     * How long a process is kept that nobody needs. 0: ten minutes; -1: for ever.
     */
    int64_t idle_ms;
    /**
     * Loopback port. 0: any free one.
     */
    uint16_t port;
    /**
     * Not 0: each session of a client has a process of its own. 0: all share one.
     */
    uint16_t per_session;
    /**
     * For later versions: 0.
     */
    uint32_t reserved;
} bh_stdio_options;

/**
 * Called with each log line: its level (one of bh_log_level), the module that logs it, and the text, both UTF-8. They are valid
 * only during the call.
 */
typedef void (*bh_log_callback)(void *user_data, int32_t level, const char *target, const char *message);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status without its `BH_STATUS_`, such as "TIMEOUT"; "UNKNOWN" for a number that this version does not
 * know. The text is constant.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_status_name(int32_t status);

/**
 * The version of the library, such as "0.1.0". The text is constant.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_version(void);

/**
 * The binary interface of the library: #BH_ABI_VERSION of the header that it was built with.
 *
 * Threads: any; never waits.
 */
BH_API uint32_t bh_abi_version(void);

/**
 * Whether a program that was compiled with some header can use this library. Use the macro BH_CHECK_ABI(error), which
 * fills in the numbers of the header; call it once, before anything else.
 *
 * @param abi    BH_ABI_VERSION of the header.
 * @param major  BH_VERSION_MAJOR of the header.
 * @param minor  BH_VERSION_MINOR of the header: a library that is older may lack functions.
 * @param error  may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, or BH_STATUS_VERSION.
 *
 * Threads: any; never waits.
 */
BH_API bh_status bh_check_version(uint32_t abi, uint32_t major, uint32_t minor, struct bh_error **error);

/**
 * The status that the function returned. BH_STATUS_INVALID_HANDLE if `error` is NULL or was freed.
 *
 * Threads: any; never waits.
 */
BH_API bh_status bh_error_status(const struct bh_error *error);

/**
 * What went wrong, for people: UTF-8, never NULL. With BH_STATUS_RPC it is what was answered. The text lives as long
 * as the error.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_error_message(const struct bh_error *error);

/**
 * The code of the JSON-RPC error that was answered, such as -32602. 0 if the status is not BH_STATUS_RPC.
 *
 * Threads: any; never waits.
 */
BH_API int64_t bh_error_rpc_code(const struct bh_error *error);

/**
 * The `data` of the JSON-RPC error that was answered, as JSON. NULL if there is none. The text lives as long as the
 * error.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_error_data(const struct bh_error *error);

/**
 * Frees an error. NULL is fine.
 *
 * Threads: any; never waits.
 */
BH_API void bh_error_free(struct bh_error *error);

/**
 * The text: UTF-8 that ends with a NUL; JSON is on one line. It lives as long as the string. "" if `string` is NULL or
 * was freed.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_string_data(const struct bh_string *string);

/**
 * Its length in bytes, without the NUL.
 *
 * Threads: any; never waits.
 */
BH_API size_t bh_string_length(const struct bh_string *string);

/**
 * Frees a string. NULL is fine.
 *
 * Threads: any; never waits.
 */
BH_API void bh_string_free(struct bh_string *string);

/**
 * Announces an MCP server, so that every hub of this user finds it. Call it after the server listens: hubs connect within
 * milliseconds. Needs no hub.
 *
 * @param options       must not be NULL.
 * @param registration  must not be NULL; receives the announcement, which bh_unregister() ends.
 * @param error         may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT for what no hub would accept, BH_STATUS_INVALID_UTF8,
 *         BH_STATUS_INVALID_JSON, BH_STATUS_UNSUPPORTED for options that this version does not know, BH_STATUS_IO when
 *         the file cannot be written. A server works without being announced: report the error and go on.
 *
 * Threads: any; waits for a few file operations.
 */
BH_API
bh_status bh_register(const struct bh_register_options *options,
                      struct bh_registration **registration,
                      struct bh_error **error);

/**
 * The instance's id. It lives as long as the registration. NULL if `registration` is NULL or was ended.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_registration_id(const struct bh_registration *registration);

/**
 * The file that announces it. It lives as long as the registration. NULL if `registration` is NULL or was ended.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_registration_file(const struct bh_registration *registration);

/**
 * Ends an announcement and frees it, whatever it returns. NULL is fine. A file that somebody else has written since is
 * left alone, and so is that of the parent in the child of a fork(). If the process ends without it, hubs notice.
 *
 * @param registration  may be NULL.
 * @param error         may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_IO when the file is there and cannot be removed, BH_STATUS_INVALID_HANDLE.
 *
 * Threads: any; waits for a few file operations.
 */
BH_API bh_status bh_unregister(struct bh_registration *registration, struct bh_error **error);

/**
 * Starts a hub. It needs no instance and no directory to exist. It takes nothing of the process but some threads: no
 * signals, no standard streams, no logger.
 *
 * @param options  may be NULL: as BH_HUB_OPTIONS_INIT.
 * @param hub      must not be NULL; receives the hub, which the caller frees with bh_hub_free().
 * @param error    may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8, BH_STATUS_UNSUPPORTED for options that this
 *         version does not know, BH_STATUS_IO when the system gives no threads, BH_STATUS_WOULD_DEADLOCK in a log
 *         callback.
 *
 * Threads: any; does not wait for instances.
 */
BH_API bh_status bh_hub_start(const struct bh_hub_options *options, struct bh_hub **hub, struct bh_error **error);

/**
 * Waits until the hub has tried every instance that was announced when it started: then the list is complete. It takes
 * milliseconds, or one second when an instance does not answer. Calls and sessions need not wait for it.
 *
 * @param hub         must not be NULL.
 * @param timeout_ms  how long to wait at most; BH_FOREVER (or any negative number) for as long as it takes.
 * @param error       may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_TIMEOUT, BH_STATUS_CLOSED after bh_hub_stop(), BH_STATUS_WOULD_DEADLOCK in a log
 *         callback, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any; waits.
 */
BH_API bh_status bh_hub_wait_settled(const struct bh_hub *hub, int32_t timeout_ms, struct bh_error **error);

/**
 * Stops a hub and waits until its connections are closed, for at most two seconds. Calls that wait on other threads return
 * BH_STATUS_CLOSED, and so does everything that is asked of the hub and its sessions from then on. The handles stay
 * valid until they are freed. Stopping twice is fine.
 *
 * @param hub    must not be NULL.
 * @param error  may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE,
 *         BH_STATUS_FORKED.
 *
 * Threads: any, also in callbacks; waits.
 */
BH_API
bh_status bh_hub_stop(const struct bh_hub *hub,
                      struct bh_error **error);

/**
 * Stops a hub, if it was not, and frees it. NULL is fine. Its threads end with the last handle that needs them: free its
 * sessions, queues and subscriptions too, in any order. In the child of a fork() it only lets go of the handle. In a log
 * callback and in a `drop_user_data` it does not wait.
 *
 * Threads: any, also in callbacks; waits as bh_hub_stop() does, and, if it was the last handle of the hub, for its threads
 * to end.
 */
BH_API
void bh_hub_free(struct bh_hub *hub);

/**
 * Takes the list of instances that are not dead. It does not change afterwards.
 *
 * @param hub        must not be NULL.
 * @param instances  must not be NULL; receives the list, which the caller frees with bh_instances_free().
 * @param error      may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_CLOSED after bh_hub_stop(),
 *         BH_STATUS_FORKED.
 *
 * Threads: any; never waits. Right after the start the list is short: see bh_hub_wait_settled().
 */
BH_API bh_status bh_hub_instances(const struct bh_hub *hub, struct bh_instances **instances, struct bh_error **error);

/**
 * How many there are. 0 if `instances` is NULL or was freed.
 *
 * Threads: any; never waits.
 */
BH_API size_t bh_instances_count(const struct bh_instances *instances);

/**
 * One of them; it lives as long as the list. NULL if there are not that many.
 *
 * Threads: any; never waits.
 */
BH_API const struct bh_instance *bh_instances_get(const struct bh_instances *instances, size_t index);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any; never waits.
 */
BH_API void bh_instances_free(struct bh_instances *instances);

/**
 * The same list as JSON, as `brummer-hub list --json` prints it: {"instances":[…]}.
 *
 * @param hub    must not be NULL.
 * @param json   must not be NULL; receives the text, which the caller frees with bh_string_free().
 * @param error  may be NULL; on failure receives an error, which the caller frees.
 * @return as bh_hub_instances().
 *
 * Threads: any; never waits.
 */
BH_API bh_status bh_hub_instances_json(const struct bh_hub *hub, struct bh_string **json, struct bh_error **error);

/**
 * Calls `callback` for everything that happens to instances from now on.
 *
 * Callbacks of one hub are called on one thread of its own, one after the other. They may call every function of this
 * library, and may take their time: what comes meanwhile waits in a queue, and what does not fit into it is counted by
 * an event BH_EVENT_KIND_MISSED. They must not throw C++ exceptions or longjmp() out.
 *
 * @param hub             must not be NULL.
 * @param callback        must not be NULL.
 * @param user_data       may be NULL; given to the callback as it is.
 * @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
 * @param subscription    must not be NULL; receives what ends the calls: bh_subscription_free().
 * @param error           may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_CLOSED, BH_STATUS_FORKED.
 *
 * Threads: any; never waits.
 */
BH_API
bh_status bh_hub_on_event(const struct bh_hub *hub,
                          bh_event_callback callback,
                          void *user_data,
                          bh_drop_callback drop_user_data,
                          struct bh_subscription **subscription,
                          struct bh_error **error);

/**
 * Opens a queue of everything that happens to instances from now on.
 *
 * @param hub     must not be NULL.
 * @param events  must not be NULL; receives the queue, which the caller frees with bh_events_free().
 * @param error   may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_CLOSED, BH_STATUS_FORKED.
 *
 * Threads: any; never waits.
 */
BH_API bh_status bh_hub_events(const struct bh_hub *hub, struct bh_events **events, struct bh_error **error);

/**
 * Takes the next event.
 *
 * @param events      must not be NULL.
 * @param timeout_ms  how long to wait; 0 does not wait, BH_FOREVER (or any negative number) waits until something comes.
 * @param event       must not be NULL; receives the event, which the caller frees with bh_event_free().
 * @param error       may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_TIMEOUT, BH_STATUS_CLOSED when the hub has ended and all events were taken,
 *         BH_STATUS_BUSY when another thread is waiting here, BH_STATUS_WOULD_DEADLOCK in a log callback,
 *         BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any, one at a time; waits.
 */
BH_API
bh_status bh_events_next(const struct bh_events *events,
                         int32_t timeout_ms,
                         struct bh_event **event,
                         struct bh_error **error);

/**
 * A descriptor for an event loop: it is readable (on Windows: set) when there may be an event, or the hub has ended. Then
 * call bh_events_next() with a time-out of 0 until it returns something else than BH_STATUS_OK. It belongs to the queue and
 * lives as long: do not read from it, reset it or close it.
 *
 * @param events      must not be NULL.
 * @param descriptor  must not be NULL; receives the descriptor, the same each time.
 * @param error       may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_IO, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any; never waits.
 */
BH_API
bh_status bh_events_descriptor(const struct bh_events *events,
                               bh_descriptor *descriptor,
                               struct bh_error **error);

/**
 * Frees a queue. NULL is fine. A thread that waits in bh_events_next() gets BH_STATUS_CLOSED.
 *
 * Threads: any; if it was the last handle of its hub, waits for its threads to end.
 */
BH_API void bh_events_free(struct bh_events *events);

/**
 * What happened: one of bh_event_kind; 0 if `event` is NULL or was freed.
 *
 * Threads: any; never waits.
 */
BH_API int32_t bh_event_get_kind(const struct bh_event *event);

/**
 * The name of a kind of event, such as "state_changed"; "unknown" for a number that this version does not know. The text
 * is constant.
 *
 * Threads: any; never waits.
 */
BH_API
const char *bh_event_kind_name(int32_t kind);

/**
 * The name of a state, such as "active"; "unknown" for a number that this version does not know. The text is constant.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_state_name(int32_t state);

/**
 * The instance that it happened to, as it was then; it lives as long as the event. NULL for BH_EVENT_KIND_MISSED.
 *
 * Threads: any; never waits.
 */
BH_API const struct bh_instance *bh_event_instance(const struct bh_event *event);

/**
 * The former state, one of bh_state, for BH_EVENT_KIND_STATE_CHANGED; else 0.
 *
 * Threads: any; never waits.
 */
BH_API int32_t bh_event_previous_state(const struct bh_event *event);

/**
 * How many events were dropped, for BH_EVENT_KIND_MISSED; else 0.
 *
 * Threads: any; never waits.
 */
BH_API uint64_t bh_event_missed(const struct bh_event *event);

/**
 * Frees an event that bh_events_next() gave. NULL is fine. Events that a callback gets are not freed by it.
 *
 * Threads: any; never waits.
 */
BH_API void bh_event_free(struct bh_event *event);

/**
 * Opens a session. The library makes the MCP handshake, unless the options say otherwise.
 *
 * @param hub      must not be NULL.
 * @param options  may be NULL: as BH_SESSION_OPTIONS_INIT.
 * @param session  must not be NULL; receives the session, which the caller frees with bh_session_free().
 * @param error    may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8, BH_STATUS_INVALID_JSON, BH_STATUS_CLOSED
 *         after bh_hub_stop(), BH_STATUS_UNSUPPORTED for options that this version does not know,
 *         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any; never waits.
 */
BH_API
bh_status bh_session_open(const struct bh_hub *hub,
                          const struct bh_session_options *options,
                          struct bh_session **session,
                          struct bh_error **error);

/**
 * How many messages were dropped so far because nobody took them: notifications only, and questions of instances, which
 * were refused for the program. 0 if `session` is NULL or was freed.
 *
 * Threads: any; never waits.
 */
BH_API uint64_t bh_session_missed(const struct bh_session *session);

/**
 * Ends a session and waits until its connections are closed. Calls that wait on other threads return BH_STATUS_CLOSED, and
 * so does everything that is asked of it from then on. The handle stays valid until it is freed. Closing twice is fine.
 *
 * @param session  must not be NULL.
 * @param error    may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE,
 *         BH_STATUS_FORKED.
 *
 * Threads: any, also in callbacks; waits.
 */
BH_API
bh_status bh_session_close(const struct bh_session *session,
                           struct bh_error **error);

/**
 * Ends a session, if it was not, and frees it. NULL is fine. In the child of a fork() it only lets go of the handle. In a
 * log callback and in a `drop_user_data` it does not wait.
 *
 * Threads: any, also in callbacks; waits as bh_session_close() does, and, if it was the last handle of its hub, for the
 * hub's threads to end.
 */
BH_API
void bh_session_free(struct bh_session *session);

/**
 * Calls a tool and waits for its result.
 *
 * A tool that failed on its own terms has a result too, with `"isError":true`: that is BH_STATUS_OK. When the time is up,
 * or the call is cancelled, the instance is told; whether it had done what was asked is not known. A call is never
 * repeated by the library.
 *
 * @param session         must not be NULL.
 * @param instance        which instance: id, alias, name, or a unique beginning of one. NULL: a tool that the session
 *                        lists: one of the hub's own, or of the connected instance.
 * @param tool            must not be NULL.
 * @param arguments_json  a JSON object. NULL: {}.
 * @param timeout_ms      how long to wait at most; BH_FOREVER (or any negative number) for as long as it takes.
 * @param cancel          may be NULL; ends the call from another thread with bh_cancel_fire().
 * @param result_json     may be NULL; receives the `result` of tools/call as the instance wrote it, which the caller frees
 *                        with bh_string_free().
 * @param error           may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_RPC for an error that was answered (an unknown tool, an instance that died),
 *         BH_STATUS_TIMEOUT, BH_STATUS_CANCELLED, BH_STATUS_CLOSED, BH_STATUS_TOO_MANY, BH_STATUS_INVALID_ARGUMENT,
 *         BH_STATUS_INVALID_UTF8, BH_STATUS_INVALID_JSON, BH_STATUS_WOULD_DEADLOCK in a log callback,
 *         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any number at the same time, also callbacks; waits.
 */
BH_API
bh_status bh_session_call_tool(const struct bh_session *session,
                               const char *instance,
                               const char *tool,
                               const char *arguments_json,
                               int32_t timeout_ms,
                               const struct bh_cancel *cancel,
                               struct bh_string **result_json,
                               struct bh_error **error);

/**
 * Sends a request of any method, such as "tools/list" or "resources/read", and waits for its result.
 *
 * @param session      must not be NULL.
 * @param method       must not be NULL.
 * @param params_json  a JSON object. NULL: no params.
 * @param timeout_ms   as for bh_session_call_tool().
 * @param cancel       may be NULL.
 * @param result_json  may be NULL; receives the `result` as it was answered, which the caller frees with bh_string_free().
 * @param error        may be NULL; on failure receives an error, which the caller frees.
 * @return as bh_session_call_tool().
 *
 * Threads: any number at the same time, also callbacks; waits.
 */
BH_API
bh_status bh_session_request(const struct bh_session *session,
                             const char *method,
                             const char *params_json,
                             int32_t timeout_ms,
                             const struct bh_cancel *cancel,
                             struct bh_string **result_json,
                             struct bh_error **error);

/**
 * Connects the session to an instance: from then on its tools, resources and prompts are there under their own names. A
 * former connection is replaced. When the instance restarts, the session follows it.
 *
 * @param session      must not be NULL.
 * @param instance     must not be NULL: id, alias, name, or a unique beginning of one.
 * @param timeout_ms   as for bh_session_call_tool().
 * @param cancel       may be NULL.
 * @param result_json  may be NULL; receives the result of the tool instances_connect, which the caller frees with
 *                     bh_string_free().
 * @param error        may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_TOOL when there is no such instance, several could be meant, or it does not answer; else
 *         as bh_session_call_tool().
 *
 * Threads: any, also in callbacks; waits.
 */
BH_API
bh_status bh_session_connect(const struct bh_session *session,
                             const char *instance,
                             int32_t timeout_ms,
                             const struct bh_cancel *cancel,
                             struct bh_string **result_json,
                             struct bh_error **error);

/**
 * Ends the session's connection to its instance. Without one that is fine too.
 *
 * @param session     must not be NULL.
 * @param timeout_ms  as for bh_session_call_tool().
 * @param error       may be NULL; on failure receives an error, which the caller frees.
 * @return as bh_session_call_tool().
 *
 * Threads: any, also in callbacks; waits for the hub only.
 */
BH_API bh_status bh_session_disconnect(const struct bh_session *session, int32_t timeout_ms, struct bh_error **error);

/**
 * Sends one JSON-RPC message as it is: a notification, the answer to an instance's question, or a request with an id of
 * the program's own, whose answer comes as a message. Ids that begin with "bh-" are the library's.
 *
 * @param session  must not be NULL.
 * @param message  must not be NULL: JSON of one message; no batch.
 * @param error    may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_JSON, BH_STATUS_INVALID_ARGUMENT for JSON that is no JSON-RPC message,
 *         BH_STATUS_INVALID_UTF8, BH_STATUS_CLOSED, BH_STATUS_WOULD_DEADLOCK in a log callback,
 *         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any, also in callbacks; waits only while the session is busy.
 */
BH_API bh_status bh_session_send(const struct bh_session *session, const char *message, struct bh_error **error);

/**
 * Takes the next message: a notification, a question of an instance, or the answer to a request that was sent with
 * bh_session_send(). Answers to bh_session_call_tool() and its like never come here. Messages that nobody takes wait in a
 * queue; what does not fit into it is counted (bh_session_missed()), but answers are never dropped.
 *
 * @param session     must not be NULL.
 * @param timeout_ms  how long to wait; 0 does not wait, BH_FOREVER (or any negative number) waits until something comes.
 * @param message     must not be NULL; receives the message, which the caller frees with bh_string_free().
 * @param error       may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_TIMEOUT, BH_STATUS_CLOSED, BH_STATUS_BUSY when another thread is waiting here or the
 *         messages go to a callback, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_INVALID_ARGUMENT,
 *         BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any, one at a time; waits.
 */
BH_API
bh_status bh_session_receive(const struct bh_session *session,
                             int32_t timeout_ms,
                             struct bh_string **message,
                             struct bh_error **error);

/**
 * A descriptor that is ready when there may be a message, or the session has ended; as bh_events_descriptor(), with
 * bh_session_receive(). It belongs to the session.
 *
 * @param session     must not be NULL.
 * @param descriptor  must not be NULL; receives the descriptor, the same each time.
 * @param error       may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_IO, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any; never waits.
 */
BH_API
bh_status bh_session_descriptor(const struct bh_session *session,
                                bh_descriptor *descriptor,
                                struct bh_error **error);

/**
 * Calls `callback` for every message of the session from now on, instead of bh_session_receive(). The rules for callbacks
 * are those of bh_hub_on_event(). A session has one such callback for its whole life: after bh_subscription_free()
 * notifications are dropped and questions refused.
 *
 * @param session         must not be NULL.
 * @param callback        must not be NULL.
 * @param user_data       may be NULL; given to the callback as it is.
 * @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
 * @param subscription    must not be NULL; receives what ends the calls: bh_subscription_free().
 * @param error           may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_BUSY when there is a callback already or a thread is receiving, BH_STATUS_CLOSED,
 *         BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
 *
 * Threads: any; never waits.
 */
BH_API
bh_status bh_session_on_message(const struct bh_session *session,
                                bh_message_callback callback,
                                void *user_data,
                                bh_drop_callback drop_user_data,
                                struct bh_subscription **subscription,
                                struct bh_error **error);

/**
 * Makes a cancel object, which the caller frees with bh_cancel_free().
 *
 * Threads: any; never waits.
 */
BH_API struct bh_cancel *bh_cancel_new(void);

/**
 * Ends every call that was, or will be, given this object: they return BH_STATUS_CANCELLED, and requests that are under
 * way are cancelled towards the instance. Does not wait for them.
 *
 * @param cancel  must not be NULL.
 * @param error   may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE.
 *
 * Threads: any, that is what it is for; also in callbacks. Not in signal handlers.
 */
BH_API bh_status bh_cancel_fire(const struct bh_cancel *cancel, struct bh_error **error);

/**
 * Frees a cancel object. NULL is fine. Calls that were given it go on, and can no longer be cancelled.
 *
 * Threads: any; never waits.
 */
BH_API void bh_cancel_free(struct bh_cancel *cancel);

/**
 * Ends a subscription and frees it. NULL is fine. When this returns, its callback is not running and will not be called
 * again, and `drop_user_data` has been called. If it is called by a callback of the same hub, it does not wait for
 * itself: no further call begins, and `drop_user_data` is called soon after that callback returns. In a log callback and
 * in a `drop_user_data` it does not wait either.
 *
 * Threads: any; waits for a callback that is running, so do not hold a lock that it takes; if it was the last handle of its
 * hub, waits for the hub's threads to end.
 */
BH_API
void bh_subscription_free(struct bh_subscription *subscription);

/**
 * Is the hub of the MCP client on standard input and output, as `brummer-hub --mcp`, until standard input ends, standard
 * output is closed, or `stop` is fired. Nothing else in the process may use these two meanwhile: one line of other output
 * breaks the conversation. What it has read of standard input is gone. Signals stay the program's: handle them by firing
 * `stop` on another thread.
 *
 * @param hub_options      may be NULL: as BH_HUB_OPTIONS_INIT.
 * @param session_options  may be NULL: as BH_SESSION_OPTIONS_INIT. `client_name`, `client_version`, `capabilities_json` and
 *                         `manual_handshake` are not used; without `working_directory` it is the process's.
 * @param stop             may be NULL.
 * @param error            may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK at the end, also when `stop` was fired; BH_STATUS_IO when standard input cannot be read,
 *         BH_STATUS_BUSY when another thread is doing it, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8,
 *         BH_STATUS_INVALID_HANDLE, BH_STATUS_UNSUPPORTED, BH_STATUS_WOULD_DEADLOCK in a log callback.
 *
 * Threads: any, one in the process at a time; waits for the end.
 */
BH_API
bh_status bh_run_stdio(const struct bh_hub_options *hub_options,
                       const struct bh_session_options *session_options,
                       const struct bh_cancel *stop,
                       struct bh_error **error);

/**
 * Makes an instance of an MCP server that speaks only stdio, and announces it: one process that all hubs and clients share,
 * started when a call needs it, ended when nobody does, started anew after a crash. docs/STDIO.md says what its clients share.
 * A program that cannot be started is no failure here: bh_stdio_instance_report() and the calls that need it say why.
 *
 * @param options   must not be NULL.
 * @param instance  must not be NULL; receives the instance, which bh_stdio_instance_stop() ends.
 * @param error     may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_UTF8, BH_STATUS_INVALID_JSON, BH_STATUS_UNSUPPORTED for
 *         options that this version does not know, BH_STATUS_IO when the port cannot be listened on or the system gives no
 *         thread, BH_STATUS_WOULD_DEADLOCK in a log callback.
 *
 * Threads: any; waits for a few file operations. It has a thread of its own, which takes no signals.
 */
BH_API
bh_status bh_stdio_instance_start(const struct bh_stdio_options *options,
                                  struct bh_stdio_instance **instance,
                                  struct bh_error **error);

/**
 * The instance's id. It lives as long as the instance. NULL if `instance` is NULL or was ended.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_stdio_instance_id(const struct bh_stdio_instance *instance);

/**
 * The URL of its MCP endpoint. It lives as long as the instance. NULL if `instance` is NULL or was ended.
 *
 * Threads: any; never waits.
 */
BH_API const char *bh_stdio_instance_url(const struct bh_stdio_instance *instance);

/**
 * What a client without a hub sends as `Authorization: Bearer`. It lives as long as the instance. NULL if `instance` is NULL or
 * was ended.
 *
 * Threads: any; never waits.
 */
BH_API
const char *bh_stdio_instance_token(const struct bh_stdio_instance *instance);

/**
 * What is known of the server's processes now, as a JSON object: `sharing`, `processes` (`pid`, `state`), `sessions`, `tools`,
 * `is_stale`, `starts`, `last_end`, `garbage`, and `stderr`, the end of what it wrote to standard error.
 *
 * @param instance  must not be NULL.
 * @param report    must not be NULL; receives the object, which the caller frees with bh_string_free().
 * @param error     may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE.
 *
 * Threads: any; never waits.
 */
BH_API
bh_status bh_stdio_instance_report(const struct bh_stdio_instance *instance,
                                   struct bh_string **report,
                                   struct bh_error **error);

/**
 * Ends an instance and frees it, whatever it returns: takes the announcement back, gives requests in flight two seconds, and ends
 * the server's processes. NULL is fine. In the child of a fork() it only lets go of the handle.
 *
 * @param instance  may be NULL.
 * @param error     may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_HANDLE.
 *
 * Threads: any; waits until the processes have ended, for some seconds at most, but not in a log callback and a `drop_user_data`.
 */
BH_API
bh_status bh_stdio_instance_stop(struct bh_stdio_instance *instance,
                                 struct bh_error **error);

/**
 * Sets the log callback, for all hubs of the process. A second call replaces the first; NULL as the callback removes it. Unless
 * one is set, the library logs nothing anywhere.
 *
 * The callback is called on the thread on which something happens, possibly on several at the same time. It must be
 * quick, and must not wait: functions that would return BH_STATUS_WOULD_DEADLOCK, and those that free do not wait for
 * what they end. What they log is dropped. In the child of a fork() it is not called.
 *
 * @param level           the most detailed level that is logged: one of bh_log_level.
 * @param callback        may be NULL: nothing is logged any more.
 * @param user_data       may be NULL; given to the callback as it is.
 * @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
 * @param error           may be NULL; on failure receives an error, which the caller frees.
 * @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_WOULD_DEADLOCK in a log callback, BH_STATUS_UNSUPPORTED when
 *         the library is linked statically into a Rust program that logs by itself, BH_STATUS_FORKED in the child of a
 *         fork() when the parent had set a callback.
 *
 * Threads: any; waits until the former callback is not running any more and its `drop_user_data` has been called, so do
 * not hold a lock that it takes.
 */
BH_API
bh_status bh_set_log_callback(int32_t level,
                              bh_log_callback callback,
                              void *user_data,
                              bh_drop_callback drop_user_data,
                              struct bh_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BRUMMER_HUB_H */
