//! One register workload on the engine and on published simulators, one after another in turn.
//!
//! Built without `--cfg madsim` this is a launcher: it starts `cargo bench` again in its own
//! directory, where `.cargo/config.toml` sets that flag (cargo looks for the file from the working
//! directory, not from the manifest). Built with it, it is the benchmark itself:
//!
//! | file | what is in it |
//! |---|---|
//! | `workload` | what the clients do, over the small trait `Env` |
//! | `world` | the register, the history, and the check at the end |
//! | `adapters` | one file for each simulator |
//! | `measure` | rounds, CPU time, the table |

#[cfg(madsim)]
mod adapters;
#[cfg(madsim)]
mod measure;
#[cfg(madsim)]
mod workload;
#[cfg(madsim)]
mod world;

use std::process::ExitCode;

#[cfg(madsim)]
fn main() -> ExitCode {
    match measure::Options::parse(std::env::args().skip(1)) {
        Ok(options) => {
            measure::run(&options);
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("peers: {message}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(madsim))]
fn main() -> ExitCode {
    const LAUNCHED: &str = "PEERS_LAUNCHED";
    if std::env::var_os(LAUNCHED).is_some() {
        eprintln!("peers: the second build did not see `--cfg madsim`");
        return ExitCode::FAILURE;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    // Cargo adds `--bench` itself.
    let arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--bench");
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env(LAUNCHED, "1")
        .args(["bench", "--locked", "--"])
        .args(arguments);
    // Flags in the environment replace those of the file.
    if let Ok(flags) = std::env::var("RUSTFLAGS") {
        command.env("RUSTFLAGS", format!("{flags} --cfg madsim"));
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(
            status
                .code()
                .and_then(|code| code.try_into().ok())
                .unwrap_or(1),
        ),
        Err(error) => {
            eprintln!("peers: cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
