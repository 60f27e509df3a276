//! Rules about the code that are tests themselves, so that review can argue about design.
//!
//! In: the text of every file of the repository. Out: complaints, each with file and line.
//! Each check is a function over a file, and has a test beside it that sees it fail.
//!
//! Text only: nothing here is compiled with, or knows types of, what it checks.

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use text::File;

/// What may hold files of ours. Everything else at the top (`target`, the lock file) is made.
const PLACES: &[&str] = &[
    "src",
    "tests",
    "rules",
    "schemas",
    "benches",
    ".ci",
    "README.md",
    "Cargo.toml",
    "deny.toml",
    "clippy.toml",
    "rustfmt.toml",
];

/// Every text file of the repository, in order of path.
fn all_files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for place in PLACES {
            collect(root, &root.join(place), &mut files);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the repository was not found");
        files
    })
}

fn collect(root: &Path, at: &Path, files: &mut Vec<File>) {
    if at.is_dir() {
        for entry in fs::read_dir(at).expect("a folder of the repository can be listed") {
            collect(root, &entry.expect("a folder of the repository can be listed").path(), files);
        }
    } else if let Ok(text) = fs::read_to_string(at) {
        // What is not text is data of a test.
        let path = at.strip_prefix(root).expect("it was found below the root");
        files.push(File::new(&path.to_string_lossy(), &text));
    }
}

/// Applies a check to each file that `applies` chooses, and fails with every complaint.
fn hold(applies: impl Fn(&File) -> bool, check: impl Fn(&File) -> Vec<String>) {
    complain(all_files().iter().filter(|file| applies(file)).flat_map(check).collect());
}

fn complain(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} found:\n{}", wrong.len(), wrong.join("\n"));
}

fn is_rule(file: &File) -> bool {
    file.path.starts_with("rules/") && file.path.ends_with(".dl")
}

fn is_script(file: &File) -> bool {
    file.text.starts_with("#!")
}

#[test]
fn imports_point_one_way() {
    hold(File::is_rust, layers::imports);
}

#[test]
fn the_table_of_layers_is_the_tree() {
    let modules = all_files().iter().filter_map(File::module).map(str::to_owned);
    complain(layers::table(layers::LAYERS, &modules.collect::<BTreeSet<_>>()));
}

#[test]
fn pure_modules_do_not_name_the_world() {
    hold(File::is_rust, layers::purity);
}

#[test]
fn one_module_uses_the_kube_client() {
    hold(File::is_rust, layers::one_client);
}

#[test]
fn files_are_short() {
    hold(|file| file.is_rust() || is_script(file), sizes::files);
}

#[test]
fn functions_are_short() {
    hold(File::is_rust, sizes::functions);
}

#[test]
fn lines_are_narrow() {
    hold(|file| file.is_rust() || is_rule(file) || is_script(file), sizes::columns);
}

#[test]
fn every_file_says_what_it_is_for() {
    hold(File::is_rust, words::header);
}

#[test]
fn names_name_something() {
    hold(File::is_rust, words::names);
}

#[test]
fn imports_can_be_searched() {
    hold(File::is_rust, words::imports);
}

#[test]
fn nobody_passes_on_what_is_not_his() {
    hold(File::is_rust, words::reexports);
}

#[test]
fn nothing_unwraps_outside_tests() {
    hold(File::is_rust, words::unwraps);
}

#[test]
fn tests_wait_for_conditions() {
    hold(File::is_rust, words::waiting);
}

#[test]
fn only_long_tests_are_left_out() {
    hold(File::is_rust, words::ignored);
}

#[test]
fn nothing_is_left_for_later() {
    hold(|_| true, words::leftovers);
}

#[test]
fn rule_files_keep_the_house_rules() {
    hold(is_rule, rules::check);
}

#[test]
fn no_file_is_forgotten() {
    complain(files::forgotten(all_files()));
}
