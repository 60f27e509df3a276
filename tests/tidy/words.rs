//! Words and turns of phrase that stay out of the code, and the header that every file opens with.

use crate::text::File;
use crate::text::has_word;
use crate::text::without_tests;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Left for later, which means never: write the code or an issue. In halves, or this file fails.
const LATER: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Where one machine keeps its files. In two halves, or this file fails.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Files that may wait for a while: the one place that asks again until a deadline.
const WAITING: &str = "tests/it/support/wait.rs";

/// A Rust file without a module header.
pub(crate) fn header(file: &File) -> Vec<String> {
    // A `tests.rs` is documented by what it tests.
    let exempt = file.path.starts_with("src/") && file.is_test();
    if exempt || file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![format!("{}: opens with no `//!` that says what it is for", file.path)]
}

/// A file or folder with a name that says nothing.
pub(crate) fn names(file: &File) -> Vec<String> {
    let stem = |part: &str| part.split('.').next().unwrap_or_default().to_owned();
    let empty = file.path.split('/').map(stem).find(|part| EMPTY_NAMES.contains(&part.as_str()));
    empty.map(|name| format!("{}: `{name}` names nothing", file.path)).into_iter().collect()
}

/// Imports that hide what depends on what.
pub(crate) fn imports(file: &File) -> Vec<String> {
    let reasons = [
        ("use crate::{", "one import a line keeps a dependency greppable"),
        ("use super::super", "name it from `crate::`"),
        ("super::super::", "name it from `crate::`"),
    ];
    find(file, file.code(), &reasons)
}

/// A part of another module passed on as one's own.
pub(crate) fn reexports(file: &File) -> Vec<String> {
    let Some(module) = file.module() else { return Vec::new() };
    let own = format!("pub use crate::{module}::");
    let code = file.code();
    let lines = code.lines().enumerate();
    let foreign =
        lines.filter(|(_, line)| line.contains("pub use crate::") && !line.contains(&own));
    foreign.map(|(line, _)| file.complain(line, "passes on another module's item")).collect()
}

/// `unwrap()` outside tests: an error, or `expect` with the reason why it cannot happen.
pub(crate) fn unwraps(file: &File) -> Vec<String> {
    if file.is_test() {
        return Vec::new();
    }
    let reasons = [(".unwrap()", "return an error, or `expect` the reason why it cannot happen")];
    find(file, &without_tests(file.code()), &reasons)
}

/// Tests that wait for a fixed time, or that read the real clock.
pub(crate) fn waiting(file: &File) -> Vec<String> {
    if file.path == WAITING || !file.is_test() {
        return Vec::new();
    }
    let reasons = [
        ("thread::sleep", "ask again until a deadline"),
        ("time::sleep(", "ask again until a deadline"),
        ("SystemTime::now", "a test has a clock of its own"),
    ];
    find(file, file.code(), &reasons)
}

/// Tests that are never run: an ignored test must be a long one, which `tests/run --long` runs.
pub(crate) fn ignored(file: &File) -> Vec<String> {
    // The text, not the code: the reason is inside a string.
    let lines = file.text.lines().enumerate();
    let lines = lines.filter(|(_, line)| line.trim_start().starts_with(concat!("#[", "ignore")));
    let lines = lines.filter(|(_, line)| !line.contains(concat!("#[", "ignore = \"long: ")));
    lines.map(|(line, _)| file.complain(line, "only a long test may be left out")).collect()
}

/// Work left for later, and paths of one machine, in any file, comments included.
pub(crate) fn leftovers(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for word in LATER.iter().filter(|word| has_word(line, word)) {
            wrong.push(file.complain(number, &format!("`{word}` is left for later")));
        }
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(*path)) {
            wrong.push(file.complain(number, &format!("`{path}` is a path of one machine")));
        }
    }
    wrong
}

fn find(file: &File, code: &str, reasons: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for (phrase, reason) in reasons.iter().filter(|(phrase, _)| line.contains(phrase)) {
            wrong.push(file.complain(number, &format!("`{phrase}`: {reason}")));
        }
    }
    wrong
}

#[cfg(test)]
const LONG_TEST: &str = concat!("#[", "ignore = \"long: x\"]");

#[test]
fn each_phrase_is_found_where_it_counts() {
    type Check = fn(&File) -> Vec<String>;
    #[rustfmt::skip]
    let cases: &[(&str, Check, &str, &str, usize)] = &[
        ("no header",        header,    "src/a.rs",         "use b;",                            1),
        ("a header",         header,    "src/a.rs",         "//! A.\nuse b;",                    0),
        ("tests beside",     header,    "src/a/tests.rs",   "use b;",                            0),
        ("an empty name",    names,     "src/a/utils.rs",   "",                                  1),
        ("an empty folder",  names,     "tests/common/a.rs", "",                                 1),
        ("a good name",      names,     "src/a/commonest.rs", "",                                0),
        ("many at once",     imports,   "src/a.rs",         "use crate::{a, b};",                1),
        ("one at a time",    imports,   "src/a.rs",         "use crate::a::{b, c};",             0),
        ("over two fences",  imports,   "src/a.rs",         "use super::super::a;",              2),
        ("a foreign item",   reexports, "src/a/b.rs",       "pub use crate::c::D;",              1),
        ("an own item",      reexports, "src/a/b.rs",       "pub use crate::a::D;",              0),
        ("an unwrap",        unwraps,   "src/a.rs",         "a.unwrap()",                        1),
        ("in a test",        unwraps,   "src/a.rs",         "#[cfg(test)]\nmod t { a.unwrap() }",0),
        ("in a test file",   unwraps,   "src/a/tests.rs",   "a.unwrap()",                        0),
        ("with a fallback",  unwraps,   "src/a.rs",         "a.unwrap_or(1)",                    0),
        ("a fixed wait",     waiting,   "tests/it/a.rs",    "tokio::time::sleep(d).await",       1),
        ("the waiting file", waiting,   WAITING,            "tokio::time::sleep(d).await",       0),
        ("in the product",   waiting,   "src/daemon/a.rs",  "tokio::time::sleep(d).await",       0),
        ("the real clock",   waiting,   "src/a/tests.rs",   "SystemTime::now()",                 1),
        ("never run",        ignored,   "tests/it/a.rs",    concat!("#[", "ignore]"),            1),
        ("a long test",      ignored,   "tests/it/a.rs",    LONG_TEST,                           0),
        ("left for later",   leftovers, "rules/a.dl",       concat!("// TO", "DO: more"),        1),
        ("a machine's path", leftovers, "README.md",        concat!("cd /wo", "rk/hence"),       1),
    ];
    for &(why, check, path, text, want) in cases {
        let wrong = check(&File::new(path, text));
        assert_eq!(wrong.len(), want, "{why}: {wrong:?}");
    }
}
