//! A program that announces its server: every hub of this user lists it while it runs.
//!
//! ```sh
//! cargo run -p brummer-hub --example register
//! ```
#![expect(clippy::print_stdout, reason = "it tells a person what it does")]

use brummer_hub::{Registration, registration::RegistrationOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let registration = Registration::announce(RegistrationOptions::new(listener.local_addr()?.port()))?;
    println!("announced as {}", registration.id());
    // … serve MCP on the listener. This one only waits until its input ends.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    registration.remove()?;
    Ok(())
}
