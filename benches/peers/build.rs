//! Makes an ascent program of `program.dl`, which `run` exported.

#[path = "src/ascent_text.rs"]
mod ascent_text;
#[path = "src/text.rs"]
mod text;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=program.dl");
    println!("cargo::rerun-if-changed=src/ascent_text.rs");
    println!("cargo::rerun-if-changed=src/text.rs");
    let program = std::fs::read_to_string("program.dl").expect("start the bench with ./run");
    let program = text::Program::read(&program);
    let out = std::env::var("OUT_DIR").expect("a build script has one");
    let made = ascent_text::ascent_text(&program);
    std::fs::write(Path::new(&out).join("peer.rs"), made).expect("it can be written");
}
