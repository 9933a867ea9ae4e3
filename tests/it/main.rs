//! End-to-end tests of the whole: one binary, one module for each topic.

mod campaigns;
mod command_line;
mod dependencies;
mod determinism;
mod guided;
mod nights;
mod pages;
mod plans;
mod planted_bugs;
mod refactored;
mod strategies;
mod systems;
mod unsound_stores;
mod verifying;

use std::process::{Command, Output};

/// Runs `vopr` with these arguments.
fn vopr(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vopr"))
        .args(arguments)
        .output()
        .expect("the binary was built with the tests")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("reports are UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}
