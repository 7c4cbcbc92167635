//! A real project: an error is made in it in each way, read by calls of tools, mended, and gone. `cargo xtask projects` does it
//! with all of them.

use crate::support::{Home, Node};

#[tokio::test]
async fn errors_in_a_real_project_are_told_and_gone_when_they_are_mended() {
    let Some(node) = Node::ready() else { return };
    let home = Home::new();
    let packages = crate::support::repository().join("tests/node/node_modules");
    let mut command = node.script("projects/run.mjs");
    command.arg("--hub").arg(env!("CARGO_BIN_EXE_brummer-hub"));
    command.arg("--cache").arg(home.path()).arg("--light").arg(packages);
    node.run(command).await;
}
