// The wrapper for C++: what it owns goes with it, and what fails is thrown.
//
//     wrapper DATA_DIR    where an instance `shop` is announced, with the tools of tests/vectors/README.md

#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "brummer_hub.hpp"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::cerr << __FILE__ << ':' << __LINE__ << ": not so: " #condition "\n";                                  \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

constexpr std::chrono::seconds patience{120};

class Flag {
  public:
    void raise() {
        std::lock_guard<std::mutex> const lock(mutex_);
        raised_ = true;
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        CHECK(changed_.wait_for(lock, patience, [this] { return raised_; }));
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool raised_ = false;
};

template <typename Function> bh_status thrown(Function function) {
    try {
        function();
        return BH_STATUS_OK;
    } catch (brummer::Error const &error) {
        CHECK(*error.what() != '\0');
        return error.status();
    }
}

static bool is_active(brummer::Hub const &hub, std::string const &alias) {
    brummer::Instances const instances = hub.instances();
    for (std::size_t at = 0; at < instances.size(); ++at) {
        if (instances[at].alias == alias) {
            return instances[at].state == BH_STATE_ACTIVE;
        }
    }
    return false;
}

static brummer::Hub start(char const *data_dir) {
    bh_hub_options options = BH_HUB_OPTIONS_INIT;
    options.data_dir = data_dir;
    brummer::Hub hub(options);
    brummer::Events events = hub.events();
    while (!is_active(hub, "shop")) {
        CHECK(events.next(patience));
    }
    return hub;
}

static void calls(char const *data_dir) {
    brummer::Hub hub = start(data_dir);
    brummer::Session session(hub);
    hub.wait_settled(patience);
    CHECK(hub.instances_json().find("\"shop\"") != std::string::npos);
    session.connect("shop", patience);
    CHECK(session.call_tool("", "echo", R"({"message":"hi"})", patience).find("\"hi\"") != std::string::npos);
    CHECK(session.request("tools/list", "", patience).find("\"echo\"") != std::string::npos);
    session.disconnect();
    session.send(R"({"jsonrpc":"2.0","id":"mine","method":"ping"})");
    for (;;) {
        std::optional<std::string> const message = session.receive(patience);
        CHECK(message);
        if (message->find("\"mine\"") != std::string::npos) {
            break;
        }
    }
    while (session.receive(std::chrono::milliseconds(0))) {
    }
    brummer::Cancel cancel;
    cancel.fire();
    CHECK(thrown([&] { session.call_tool("shop", "hang", "", {}, &cancel); }) == BH_STATUS_CANCELLED);
    CHECK(thrown([&] { session.call_tool("shop", "hang", "", std::chrono::milliseconds(20)); }) == BH_STATUS_TIMEOUT);
    CHECK(thrown([&] { session.call_tool("shop", "echo", "nonsense"); }) == BH_STATUS_INVALID_JSON);
    try {
        session.call_tool("shop", "refuse", "", patience);
        CHECK(false);
    } catch (brummer::Error const &error) {
        CHECK(error.status() == BH_STATUS_RPC && error.rpc_code() == -32001);
        CHECK(error.data().find("asked to") != std::string::npos);
    }
    try {
        (void)hub.instances()[1000];
        CHECK(false);
    } catch (std::out_of_range const &) {
    }
    session.close();
    CHECK(thrown([&] { session.send(R"({"jsonrpc":"2.0","method":"x"})"); }) == BH_STATUS_CLOSED);
    while (session.receive()) {
    }
    brummer::Hub moved = std::move(hub);
    moved.stop();
    CHECK(thrown([&] { moved.instances(); }) == BH_STATUS_CLOSED);
}

static void callbacks(char const *data_dir) {
    brummer::Hub hub = start(data_dir);
    brummer::Session session(hub);
    Flag told, spoken;
    std::shared_ptr<int> const owned = std::make_shared<int>(1);
    brummer::Subscription events = hub.on_event([&told, owned](bh_event const &event) {
        bh_instance const *instance = bh_event_instance(&event);
        if (instance && std::string(instance->name) == "mine") {
            told.raise();
        }
        throw std::runtime_error("goes no further");
    });
    brummer::Subscription const messages = session.on_message([&spoken](std::string_view message) {
        if (message.find("word 0") != std::string_view::npos) {
            spoken.raise();
        }
    });
    CHECK(owned.use_count() == 2);
    bh_register_options options = BH_REGISTER_OPTIONS_INIT;
    options.data_dir = data_dir;
    options.name = "mine";
    options.port = 9;
    brummer::Registration registration(options);
    CHECK(registration.file().find(registration.id()) != std::string::npos);
    told.wait();
    registration.end();
    CHECK(registration.id().empty());
    session.call_tool("shop", "talk", "", patience);
    spoken.wait();
    events.end();
    CHECK(owned.use_count() == 1);
    options.port = 0;
    CHECK(thrown([&] { brummer::Registration const none(options); }) == BH_STATUS_INVALID_ARGUMENT);
}

static void sharing(char const *data_dir) {
    bh_stdio_options options = BH_STDIO_OPTIONS_INIT;
    options.data_dir = data_dir;
    CHECK(thrown([&] { brummer::StdioInstance const none(options); }) == BH_STATUS_INVALID_ARGUMENT);
    // One that is missing is told of where it is needed, not here.
    options.program = "no-such-program-of-anybody";
    brummer::StdioInstance shared(options);
    CHECK(!shared.id().empty() && shared.url().rfind("http://127.0.0.1:", 0) == 0 && !shared.token().empty());
    CHECK(shared.report().find("\"sharing\":\"shared\"") != std::string::npos);
    shared.end();
    CHECK(shared.id().empty() && thrown([&] { (void)shared.report(); }) == BH_STATUS_INVALID_ARGUMENT);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    calls(arguments[1]);
    callbacks(arguments[1]);
    sharing(arguments[1]);
    std::cout << "all as it should be" << std::endl;
}
