//! Names the shared library after its ABI, so that a program is never loaded with one that does not fit.

use std::{env, fs};

fn main() {
    let version = "src/version.rs";
    println!("cargo::rerun-if-changed={version}");
    let source = fs::read_to_string(version).unwrap_or_default();
    let number = source.lines().find_map(|line| line.strip_prefix("pub const BH_ABI_VERSION: u32 = "));
    let Some(abi) = number.and_then(|rest| rest.strip_suffix(';')) else {
        println!("cargo::error={version} has no BH_ABI_VERSION");
        return;
    };
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libbrummer_hub.{abi}.dylib");
        }
        Ok("windows") => {}
        _ => println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libbrummer_hub.so.{abi}"),
    }
}
