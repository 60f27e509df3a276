//! Revisions as people type them: whole, abbreviated, or by a commit, a tag or a branch.
//!
//! ```text
//! main@sha1:e1139c3d…   ◀── main@sha1:e1139c3d   main@e1139c3d   sha1:e1139c3d   E1139C   main
//! ```

/// Fewest hexadecimal digits that name a commit.
const DIGITS_MIN: usize = 4;
/// What Git puts before the names of branches and tags.
const PREFIXES: &[&str] = &["refs/heads/", "refs/tags/", "refs/remotes/origin/"];

/// The parts of `main@sha1:…`; any of them may be empty.
struct Parts<'a> {
    name: &'a str,
    algorithm: &'a str,
    digits: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        if let Some((name, checksum)) = text.rsplit_once('@') {
            let (algorithm, digits) = checksum.rsplit_once(':').unwrap_or(("", checksum));
            return Self { name, algorithm, digits };
        }
        match text.rsplit_once(':') {
            Some((algorithm, digits)) => Self { name: "", algorithm, digits },
            None if is_digits(text) => Self { name: "", algorithm: "", digits: text },
            None => Self { name: text, algorithm: "", digits: "" },
        }
    }
}

/// Whether `wanted` means this revision: the whole text, its name, or the beginning of its
/// checksum with or without the rest.
pub fn names_revision(revision: &str, wanted: &str) -> bool {
    let (have, want) = (Parts::of(revision), Parts::of(wanted));
    let is_same_name = !have.name.is_empty() && short_name(have.name) == short_name(wanted);
    if revision == wanted || is_same_name {
        return true;
    }
    let fits = want.name.is_empty() || short_name(want.name) == short_name(have.name);
    let digits = want.digits.to_lowercase();
    fits && is_digits(&digits)
        && have.digits.starts_with(&digits)
        && (want.algorithm.is_empty() || want.algorithm.eq_ignore_ascii_case(have.algorithm))
}

/// Whether the text may be that of a commit or a digest, known or not.
pub(super) fn is_checksum(wanted: &str) -> bool {
    is_digits(Parts::of(wanted).digits)
}

fn short_name(name: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

fn is_digits(text: &str) -> bool {
    text.len() >= DIGITS_MIN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_named_in_many_ways() {
        #[rustfmt::skip]
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("main@sha1:e1139c3dff",
             &["main@sha1:e1139c3dff", "main@sha1:e1139c3d", "main@e1139c", "sha1:e1139c3d", "e113",
               "E1139C3D", "SHA1:E113", "main", "refs/heads/main", "refs/heads/main@sha1:e1139c3d"],
             &["e11", "1139c", "sha256:e1139c3d", "mai", "dev", "dev@sha1:e1139c3d", "zzzz", "",
               "main@sha1:", "main@", "main@sha1:ffff", "HEAD"]),
            ("v1.0.0@sha1:abcd1234", &["v1.0.0", "refs/tags/v1.0.0"], &["v1.0", "1.0.0"]),
            ("refs/tags/v1@sha1:abcd1234", &["v1", "refs/tags/v1"], &["v2"]),
            ("sha1:abcd1234", &["abcd", "sha1:abcd"], &["main@sha1:abcd", "sha1"]),
            ("latest@sha256:0b1cff", &["sha256:0b1cff", "latest@sha256:0b1c", "latest"],
             &["sha1:0b1cff"]),
            ("sha256:0b1cff", &["sha256:0b1c", "0b1c"], &["sha256"]),
        ];
        for (revision, yes, no) in cases {
            for wanted in *yes {
                assert!(names_revision(revision, wanted), "{wanted} is {revision}");
            }
            for wanted in *no {
                assert!(!names_revision(revision, wanted), "{wanted} is not {revision}");
            }
        }
        for wanted in ["deadbeef", "main@sha1:dead", "sha256:0b1c"] {
            assert!(is_checksum(wanted), "{wanted}");
        }
        for wanted in ["zzzz", "abc", "main", "v1.0.0", "HEAD"] {
            assert!(!is_checksum(wanted), "{wanted}");
        }
    }
}
