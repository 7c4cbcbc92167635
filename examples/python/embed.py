"""Embeds a hub in Python, with nothing but ctypes: proof that any language with a foreign function interface will do.

    python3 embed.py LIBRARY                             lists the instances
    python3 embed.py LIBRARY INSTANCE TOOL [ARGUMENTS]   calls a tool; ARGUMENTS is JSON

LIBRARY is the shared library, such as /usr/local/lib/libbrummer_hub.so.
"""

import ctypes
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int32, c_uint8, c_uint16, c_uint32, c_double, c_size_t, c_void_p

OK = 0
TIMEOUT_MS = 30_000


class Instance(ctypes.Structure):
    """bh_instance: only ever read through a pointer that the library gives."""

    _fields_ = [
        *((name, c_char_p) for name in (
            "id", "alias", "name", "path", "endpoint", "started", "version", "connected_at", "era",
            "protocol_version", "last_error",
        )),
        ("latency_ms", c_double),
        ("state", c_int32),
        ("pid", c_uint32),
        ("port", c_uint16),
        ("has_package_json", c_uint8),
    ]


EVENT_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)


class HubError(Exception):
    """A status and its message."""


class Library:
    """The functions that are used here, with their types."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        handle, out, text = c_void_p, POINTER(c_void_p), c_char_p
        self.declare("bh_status_name", text, c_int32)
        self.declare("bh_error_message", text, handle)
        self.declare("bh_string_data", text, handle)
        self.declare("bh_state_name", text, c_int32)
        self.declare("bh_event_kind_name", text, c_int32)
        self.declare("bh_event_get_kind", c_int32, handle)
        self.declare("bh_instances_count", c_size_t, handle)
        self.declare("bh_instances_get", POINTER(Instance), handle, c_size_t)
        for name in ("error", "string", "instances", "subscription", "session", "hub"):
            self.declare(f"bh_{name}_free", None, handle)
        self.declare("bh_check_version", c_int32, c_uint32, c_uint32, c_uint32, out)
        self.declare("bh_hub_start", c_int32, handle, out, out)
        self.declare("bh_hub_wait_settled", c_int32, handle, c_int32, out)
        self.declare("bh_hub_instances", c_int32, handle, out, out)
        self.declare("bh_hub_on_event", c_int32, handle, EVENT_CALLBACK, handle, handle, out, out)
        self.declare("bh_session_open", c_int32, handle, handle, out, out)
        self.declare("bh_session_call_tool", c_int32, handle, text, text, text, c_int32, handle, out, out)
        # The numbers of the header that this was written for.
        self.call("bh_check_version", 1, 0, 1)

    def declare(self, name, result, *arguments):
        function = getattr(self.library, name)
        function.restype, function.argtypes = result, arguments

    def __getattr__(self, name):
        return getattr(self.library, name)

    def call(self, name, *arguments):
        """Calls a function whose last parameter is the error."""
        error = c_void_p()
        status = getattr(self.library, name)(*arguments, byref(error))
        if status != OK:
            message = self.bh_error_message(error).decode()
            self.bh_error_free(error)
            raise HubError(f"{message} ({self.bh_status_name(status).decode()})")

    def make(self, name, *arguments):
        """Calls a function that also gives something."""
        made = c_void_p()
        self.call(name, *arguments, byref(made))
        return made


def main(path, *words):
    library = Library(path)
    hub = library.make("bh_hub_start", None)
    seen = []

    @EVENT_CALLBACK
    def told(_user_data, event):
        seen.append(library.bh_event_kind_name(library.bh_event_get_kind(event)).decode())

    subscription = library.make("bh_hub_on_event", hub, told, None, None)
    library.call("bh_hub_wait_settled", hub, TIMEOUT_MS)
    if words:
        instance, tool, *rest = words
        session = library.make("bh_session_open", hub, None)
        arguments = rest[0].encode() if rest else None
        result = library.make(
            "bh_session_call_tool", session, instance.encode(), tool.encode(), arguments, TIMEOUT_MS, None
        )
        print(json.loads(library.bh_string_data(result))["content"][0]["text"])
        library.bh_string_free(result)
        library.bh_session_free(session)
    else:
        instances = library.make("bh_hub_instances", hub)
        for at in range(library.bh_instances_count(instances)):
            instance = library.bh_instances_get(instances, at).contents
            print(instance.alias.decode(), library.bh_state_name(instance.state).decode(), instance.port)
        library.bh_instances_free(instances)
    library.bh_hub_free(hub)
    library.bh_subscription_free(subscription)
    print("events:", ", ".join(seen), file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except HubError as error:
        sys.exit(f"embed.py: {error}")
