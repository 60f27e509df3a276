//! Sizes: 600 lines a file, 70 a function, 100 columns.

use crate::text::File;
use crate::text::item_end;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Files longer than the limit.
pub(crate) fn files(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!("{}: {lines} lines, {FILE_LINES_MAX} at most: split it by noun", file.path)]
}

/// Functions longer than the limit, from the line of `fn` to the closing brace.
pub(crate) fn functions(file: &File) -> Vec<String> {
    let code = file.code();
    let mut wrong = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let body = &code[at..item_end(code, at)];
        let lines = body.lines().count();
        if lines > FUNCTION_LINES_MAX {
            let number = code[..at].matches('\n').count();
            let complaint = format!("a function of {lines} lines, {FUNCTION_LINES_MAX} at most");
            wrong.push(file.complain(number, &complaint));
        }
    }
    wrong
}

/// Lines wider than the limit. What is inside quotes does not count: it is text, not layout.
pub(crate) fn columns(file: &File) -> Vec<String> {
    // Comments and strings of rule files look like those of Rust.
    let quoted =
        if file.is_rust() || file.path.ends_with(".dl") { file.quoted_columns() } else { &[] };
    let mut wrong = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let columns = line.chars().count() - quoted.get(number).copied().unwrap_or(0);
        if columns > COLUMNS_MAX {
            let complaint = format!("{columns} columns, {COLUMNS_MAX} at most");
            wrong.push(file.complain(number, &complaint));
        }
    }
    wrong
}

#[test]
fn what_is_too_long_is_found() {
    let lines = |n: usize| "a;\n".repeat(n);
    assert!(files(&File::new("a.rs", &lines(600))).is_empty());
    assert_eq!(files(&File::new("a.rs", &lines(601))).len(), 1);

    let function = |n: usize| format!("\nfn a(b: [u8; 2]) {{\n{}}}\nfn c() {{}}\n", lines(n - 2));
    assert!(functions(&File::new("a.rs", &function(70))).is_empty());
    let wrong = functions(&File::new("a.rs", &function(71)));
    assert_eq!(wrong, ["a.rs:2: a function of 71 lines, 70 at most"]);
}

#[test]
fn what_is_too_wide_is_found() {
    let wide = "é".repeat(100);
    assert!(columns(&File::new("a.dl", &wide)).is_empty(), "characters count, not bytes");
    assert_eq!(columns(&File::new("a.dl", &format!("{wide}é"))).len(), 1);
    let quoted = |outside: usize| {
        let text = "x".repeat(200);
        columns(&File::new("a.rs", &format!("{}\"{text}\n{text}\"", " ".repeat(outside)))).len()
    };
    assert_eq!((quoted(99), quoted(100)), (0, 1));
}
