//! Makes an ascent program of the shipped rules.

#[path = "src/ascent_text.rs"]
mod ascent_text;
#[path = "src/order.rs"]
mod order;
#[path = "src/ours.rs"]
mod ours;
#[path = "src/program.rs"]
mod program;
#[path = "src/reader.rs"]
mod reader;
#[allow(dead_code, reason = "the bench uses more of it")]
#[path = "src/shipped.rs"]
mod shipped;
#[allow(dead_code, unused_imports, reason = "the bench uses more of it")]
#[path = "../eval/world.rs"]
mod world;

use std::path::Path;

fn main() {
    for file in ["build.rs", "src", "../eval"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let out = std::env::var("OUT_DIR").expect("a build script has one");
    let made = ascent_text::ascent_text(&shipped::program());
    std::fs::write(Path::new(&out).join("peer.rs"), made).expect("it can be written");
}
