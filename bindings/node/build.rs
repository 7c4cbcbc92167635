//! Tells the linker that Node provides the symbols of Node-API.

use std::env;

fn main() {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    // With the GNU toolchain of Windows it would look for a library of Node that nobody has. The addon finds the symbols when
    // it is loaded (feature `dyn-symbols`).
    if !(is("CARGO_CFG_TARGET_OS", "windows") && is("CARGO_CFG_TARGET_ENV", "gnu")) {
        napi_build::setup();
    }
}
