//! Writes the first input of each fuzz target: the examples of `docs/protocol.md`.
//!
//! Usage: `seeds DIRECTORY`. The directory gets a folder for each target. It is a program of its own
//! that `run.sh` compiles, because all of the package is compiled for the fuzzer.

use std::path::Path;
use std::{env, fs, io};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// The bytes of the example of this name.
fn example(name: &str) -> Vec<u8> {
    let (_, rest) = DOCUMENT.split_once(&format!("```hex {name}\n")).expect("a documented example");
    let (hex, _) = rest.split_once("```").expect("the end of the example");
    let byte = |byte: &str| u8::from_str_radix(byte, 16).expect("a byte in hexadecimal");
    hex.split_whitespace().map(byte).collect()
}

fn main() -> io::Result<()> {
    let directory = env::args().nth(1).ok_or_else(|| io::Error::other("usage: seeds DIRECTORY"))?;
    let segment = example("segment");
    // What is between the header of a segment and its digest is a run of records.
    let run = segment[96..segment.len() - 16].to_vec();
    let seeds = [
        ("head", vec![example("head")]),
        ("records", vec![run]),
        ("segment", vec![segment, example("merged segment")]),
        ("merged", vec![example("merged segment")]),
        ("checkpoint", vec![example("checkpoint")]),
        ("pin", vec![example("pin")]),
    ];
    for (target, examples) in seeds {
        let folder = Path::new(&directory).join(target);
        fs::create_dir_all(&folder)?;
        for (at, bytes) in examples.iter().enumerate() {
            fs::write(folder.join(format!("example-{at}")), bytes)?;
        }
    }
    Ok(())
}
