// Shows the instances and what happens to them; ends when COUNT things have happened.
//
//     watch [COUNT]

#include <cstdlib>
#include <iostream>

#include <brummer_hub.hpp>

int main(int count, char **arguments) try {
    int left = count > 1 ? std::atoi(arguments[1]) : -1;

    brummer::Hub hub;
    brummer::Events events = hub.events();
    hub.wait_settled(std::chrono::seconds(5));
    brummer::Instances instances = hub.instances();
    for (std::size_t at = 0; at < instances.size(); ++at) {
        std::cout << instances[at].alias << " is " << bh_state_name(instances[at].state) << std::endl;
    }

    brummer::Session session(hub);
    std::cout << session.call_tool("", "instances_health", "", std::chrono::seconds(5)) << std::endl;

    while (left-- != 0) {
        std::optional<brummer::Event> event = events.next();
        if (!event) {
            break;
        }
        bh_instance const *instance = event->instance();
        std::cout << bh_event_kind_name(event->kind()) << ' ' << (instance ? instance->alias : "") << std::endl;
    }
} catch (brummer::Error const &error) {
    std::cerr << "watch: " << error.what() << " (" << bh_status_name(error.status()) << ")\n";
    return 1;
}
