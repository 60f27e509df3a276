//! JSON pointers (RFC 6901): their parts, and how people write them.

/// A name as a part of a pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that a part of a pointer stands for.
pub fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// `spec.containers[0].image` from a pointer; names with dots or slashes stand in brackets.
pub fn shown(pointer: &str) -> String {
    let mut shown = String::new();
    for part in pointer.split('/').skip(1).map(unescaped) {
        let is_index = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if is_index || part.contains(['.', '/']) {
            shown.push_str(&format!("[{part}]"));
        } else {
            let dot = if shown.is_empty() { "" } else { "." };
            shown.push_str(&format!("{dot}{part}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_shown_as_paths() {
        assert_eq!(shown("/metadata/labels/a.b~1c"), "metadata.labels[a.b/c]");
        assert_eq!(shown("/spec/containers/1/image"), "spec.containers[1].image");
    }
}
