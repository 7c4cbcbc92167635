/*
 * brummer-hub for C++: brummer_hub.h with owners that free what they own, and exceptions instead of statuses. C++17.
 *
 *     brummer::Hub hub;
 *     brummer::Session session(hub);
 *     std::cout << session.call_tool("shop", "echo", R"({"message":"hi"})", std::chrono::seconds(5)) << '\n';
 *
 * Every function may throw brummer::Error. Owners can be moved, not copied; get() gives the C handle, for what is missing
 * here. What brummer_hub.h says of threads and lifetimes holds. An exception that leaves a callback is swallowed, because
 * it cannot pass through the library.
 */
#ifndef BRUMMER_HUB_HPP
#define BRUMMER_HUB_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "brummer_hub.h"

namespace brummer {

/** Why something failed. */
class Error : public std::runtime_error {
  public:
    Error(bh_status status, std::string const &message, std::int64_t rpc_code, std::string data)
        : std::runtime_error(message), status_(status), rpc_code_(rpc_code), data_(std::move(data)) {}

    /** What the C function returned. */
    bh_status status() const noexcept { return status_; }
    /** Code of the JSON-RPC error that was answered, or 0. */
    std::int64_t rpc_code() const noexcept { return rpc_code_; }
    /** Its data as JSON, or empty. */
    std::string const &data() const noexcept { return data_; }

  private:
    bh_status status_;
    std::int64_t rpc_code_;
    std::string data_;
};

/** How long to wait; without a value as long as it takes. */
using Timeout = std::optional<std::chrono::milliseconds>;

namespace detail {

struct Free {
    void operator()(bh_error *it) const noexcept { bh_error_free(it); }
    void operator()(bh_string *it) const noexcept { bh_string_free(it); }
    void operator()(bh_instances *it) const noexcept { bh_instances_free(it); }
    void operator()(bh_event *it) const noexcept { bh_event_free(it); }
    void operator()(bh_events *it) const noexcept { bh_events_free(it); }
    void operator()(bh_subscription *it) const noexcept { bh_subscription_free(it); }
    void operator()(bh_cancel *it) const noexcept { bh_cancel_free(it); }
    void operator()(bh_session *it) const noexcept { bh_session_free(it); }
    void operator()(bh_hub *it) const noexcept { bh_hub_free(it); }
    void operator()(bh_registration *it) const noexcept { (void)bh_unregister(it, nullptr); }
    void operator()(bh_stdio_instance *it) const noexcept { (void)bh_stdio_instance_stop(it, nullptr); }
};

template <typename T> using Own = std::unique_ptr<T, Free>;

[[noreturn]] inline void fail(bh_status status, bh_error *error) {
    Own<bh_error> owned(error);
    char const *data = bh_error_data(error);
    throw Error(status, bh_error_message(error), bh_error_rpc_code(error), data ? data : "");
}

/** Calls a C function whose last parameter is the error. */
template <typename Function, typename... Arguments> void check(Function function, Arguments... arguments) {
    bh_error *error = nullptr;
    bh_status const status = function(arguments..., &error);
    if (status != BH_STATUS_OK) {
        fail(status, error);
    }
}

inline std::int32_t milliseconds(Timeout const &timeout) {
    if (!timeout) {
        return BH_FOREVER;
    }
    auto const count = timeout->count();
    return count < 0 ? 0 : count > INT32_MAX ? INT32_MAX : static_cast<std::int32_t>(count);
}

inline std::string take(bh_string *text) {
    Own<bh_string> owned(text);
    return std::string(bh_string_data(text), bh_string_length(text));
}

inline char const *or_null(std::string const &text) { return text.empty() ? nullptr : text.c_str(); }

inline std::string or_empty(char const *text) { return text ? text : ""; }

} // namespace detail

/** Ends calls that wait, from another thread. */
class Cancel {
  public:
    Cancel() : handle_(bh_cancel_new()) {}
    void fire() { detail::check(bh_cancel_fire, handle_.get()); }
    bh_cancel *get() const noexcept { return handle_.get(); }

  private:
    detail::Own<bh_cancel> handle_;
};

/** The instances as they were at one moment. */
class Instances {
  public:
    explicit Instances(bh_instances *list) : handle_(list) {}
    std::size_t size() const noexcept { return bh_instances_count(handle_.get()); }
    bh_instance const &operator[](std::size_t index) const {
        bh_instance const *instance = bh_instances_get(handle_.get(), index);
        if (!instance) {
            throw std::out_of_range("there are not that many instances");
        }
        return *instance;
    }

  private:
    detail::Own<bh_instances> handle_;
};

/** Something that happened to an instance. */
class Event {
  public:
    explicit Event(bh_event *event) : handle_(event) {}
    bh_event_kind kind() const noexcept { return static_cast<bh_event_kind>(bh_event_get_kind(handle_.get())); }
    /** Null for BH_EVENT_KIND_MISSED. */
    bh_instance const *instance() const noexcept { return bh_event_instance(handle_.get()); }
    bh_event const *get() const noexcept { return handle_.get(); }

  private:
    detail::Own<bh_event> handle_;
};

/** Events, taken when the program is ready. */
class Events {
  public:
    explicit Events(bh_events *events) : handle_(events) {}
    /** The next event; none when the time is up or the hub has ended. */
    std::optional<Event> next(Timeout timeout = {}) {
        bh_event *event = nullptr;
        bh_error *error = nullptr;
        bh_status const status = bh_events_next(handle_.get(), detail::milliseconds(timeout), &event, &error);
        if (status == BH_STATUS_OK) {
            return Event(event);
        }
        if (status == BH_STATUS_TIMEOUT || status == BH_STATUS_CLOSED) {
            bh_error_free(error);
            return std::nullopt;
        }
        detail::fail(status, error);
    }
    bh_events *get() const noexcept { return handle_.get(); }

  private:
    detail::Own<bh_events> handle_;
};

/** Calls a function until it goes. */
class Subscription {
  public:
    explicit Subscription(bh_subscription *subscription) : handle_(subscription) {}
    void end() noexcept { handle_.reset(); }

  private:
    detail::Own<bh_subscription> handle_;
};

/** A hub; it stops when it goes. */
class Hub {
  public:
    explicit Hub(bh_hub_options const &options = BH_HUB_OPTIONS_INIT) {
        bh_hub *hub = nullptr;
        detail::check(bh_hub_start, &options, &hub);
        handle_.reset(hub);
    }
    void wait_settled(Timeout timeout = {}) {
        detail::check(bh_hub_wait_settled, get(), detail::milliseconds(timeout));
    }
    Instances instances() const {
        bh_instances *list = nullptr;
        detail::check(bh_hub_instances, get(), &list);
        return Instances(list);
    }
    std::string instances_json() const {
        bh_string *json = nullptr;
        detail::check(bh_hub_instances_json, get(), &json);
        return detail::take(json);
    }
    Events events() const {
        bh_events *events = nullptr;
        detail::check(bh_hub_events, get(), &events);
        return Events(events);
    }
    /** Calls `told` on the hub's thread of callbacks. */
    Subscription on_event(std::function<void(bh_event const &)> told) const {
        using Told = std::function<void(bh_event const &)>;
        auto const call = [](void *user_data, bh_event const *event) {
            try {
                (*static_cast<Told *>(user_data))(*event);
            } catch (...) {
            }
        };
        auto const drop = [](void *user_data) { delete static_cast<Told *>(user_data); };
        bh_subscription *subscription = nullptr;
        detail::check(bh_hub_on_event, get(), static_cast<bh_event_callback>(call),
                      static_cast<void *>(new Told(std::move(told))), static_cast<bh_drop_callback>(drop), &subscription);
        return Subscription(subscription);
    }
    void stop() { detail::check(bh_hub_stop, get()); }
    bh_hub *get() const noexcept { return handle_.get(); }

  private:
    detail::Own<bh_hub> handle_;
};

/** The program's own conversation with the hub. */
class Session {
  public:
    explicit Session(Hub const &hub, bh_session_options const &options = BH_SESSION_OPTIONS_INIT) {
        bh_session *session = nullptr;
        detail::check(bh_session_open, hub.get(), &options, &session);
        handle_.reset(session);
    }
    void connect(std::string const &instance, Timeout timeout = {}) {
        detail::check(bh_session_connect, get(), instance.c_str(), detail::milliseconds(timeout),
                      static_cast<bh_cancel const *>(nullptr), static_cast<bh_string **>(nullptr));
    }
    void disconnect(Timeout timeout = {}) {
        detail::check(bh_session_disconnect, get(), detail::milliseconds(timeout));
    }
    /** The result of a tool as JSON; with an empty `instance` a tool that the session lists. */
    std::string call_tool(std::string const &instance, std::string const &tool, std::string const &arguments = {},
                          Timeout timeout = {}, Cancel const *cancel = nullptr) {
        bh_string *result = nullptr;
        detail::check(bh_session_call_tool, get(), detail::or_null(instance), tool.c_str(), detail::or_null(arguments),
                      detail::milliseconds(timeout), handle_of(cancel), &result);
        return detail::take(result);
    }
    /** The result of any request as JSON. */
    std::string request(std::string const &method, std::string const &params = {}, Timeout timeout = {},
                        Cancel const *cancel = nullptr) {
        bh_string *result = nullptr;
        detail::check(bh_session_request, get(), method.c_str(), detail::or_null(params), detail::milliseconds(timeout),
                      handle_of(cancel), &result);
        return detail::take(result);
    }
    void send(std::string const &message) { detail::check(bh_session_send, get(), message.c_str()); }
    /** The next message; none when the time is up or the session has ended. */
    std::optional<std::string> receive(Timeout timeout = {}) {
        bh_string *message = nullptr;
        bh_error *error = nullptr;
        bh_status const status = bh_session_receive(get(), detail::milliseconds(timeout), &message, &error);
        if (status == BH_STATUS_OK) {
            return detail::take(message);
        }
        if (status == BH_STATUS_TIMEOUT || status == BH_STATUS_CLOSED) {
            bh_error_free(error);
            return std::nullopt;
        }
        detail::fail(status, error);
    }
    /** Calls `told` on the hub's thread of callbacks, for every message. */
    Subscription on_message(std::function<void(std::string_view)> told) const {
        using Told = std::function<void(std::string_view)>;
        auto const call = [](void *user_data, char const *message, std::size_t length) {
            try {
                (*static_cast<Told *>(user_data))(std::string_view(message, length));
            } catch (...) {
            }
        };
        auto const drop = [](void *user_data) { delete static_cast<Told *>(user_data); };
        bh_subscription *subscription = nullptr;
        detail::check(bh_session_on_message, get(), static_cast<bh_message_callback>(call),
                      static_cast<void *>(new Told(std::move(told))), static_cast<bh_drop_callback>(drop), &subscription);
        return Subscription(subscription);
    }
    void close() { detail::check(bh_session_close, get()); }
    bh_session *get() const noexcept { return handle_.get(); }

  private:
    static bh_cancel const *handle_of(Cancel const *cancel) noexcept { return cancel ? cancel->get() : nullptr; }

    detail::Own<bh_session> handle_;
};

/** An announcement; it ends when it goes. */
class Registration {
  public:
    explicit Registration(bh_register_options const &options) {
        bh_registration *registration = nullptr;
        detail::check(bh_register, &options, &registration);
        handle_.reset(registration);
    }
    std::string id() const { return detail::or_empty(bh_registration_id(handle_.get())); }
    std::string file() const { return detail::or_empty(bh_registration_file(handle_.get())); }
    /** Ends it now, and says if that failed. */
    void end() { detail::check(bh_unregister, handle_.release()); }

  private:
    detail::Own<bh_registration> handle_;
};

/** A server that speaks only stdio, as an instance; it ends when this goes. */
class StdioInstance {
  public:
    explicit StdioInstance(bh_stdio_options const &options) {
        bh_stdio_instance *instance = nullptr;
        detail::check(bh_stdio_instance_start, &options, &instance);
        handle_.reset(instance);
    }
    std::string id() const { return detail::or_empty(bh_stdio_instance_id(handle_.get())); }
    std::string url() const { return detail::or_empty(bh_stdio_instance_url(handle_.get())); }
    std::string token() const { return detail::or_empty(bh_stdio_instance_token(handle_.get())); }
    /** What is known of its processes, as JSON. */
    std::string report() const {
        bh_string *report = nullptr;
        detail::check(bh_stdio_instance_report, handle_.get(), &report);
        detail::Own<bh_string> const owned(report);
        return bh_string_data(report);
    }
    /** Ends it now, and waits for its processes. */
    void end() { detail::check(bh_stdio_instance_stop, handle_.release()); }

  private:
    detail::Own<bh_stdio_instance> handle_;
};

} // namespace brummer

#endif
