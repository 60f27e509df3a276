use super::*;

fn contains(range: &str, version: &str) -> bool {
    let version = Version::parse(version).expect("a version");
    Range::parse(range).expect("a range").contains(&version)
}

#[test]
fn ranges() {
    #[rustfmt::skip]
    let cases: &[(&str, &[&str], &[&str])] = &[
        // range               in                                    out
        ("*",                  &["0.0.0", "1.2.3", "v9.9.9"],        &["1.0.0-rc.1"]),
        ("*-0",                &["1.0.0-rc.1", "1.0.0"],             &[]),
        ("1.2.3",              &["1.2.3", "1.2.3+build"],            &["1.2.4"]),
        ("=1.2",               &["1.2.0", "1.2.9"],                  &["1.3.0"]),
        ("1.x",                &["1.0.0", "1.9.9"],                  &["2.0.0", "0.9.9"]),
        ("!=1.2",              &["1.3.0", "2.2.0"],                  &["1.2.0", "1.2.7"]),
        ("!=1.2.3",            &["1.2.4"],                           &["1.2.3"]),
        (">1.2",               &["1.3.0", "2.0.0"],                  &["1.2.0", "1.2.9"]),
        (">1",                 &["2.0.0"],                           &["1.9.9"]),
        ("<=1.2",              &["1.2.9", "0.1.0"],                  &["1.3.0"]),
        ("<=1",                &["1.9.9"],                           &["2.0.0"]),
        ("<1.2",               &["1.1.9"],                           &["1.2.0"]),
        ("~1.2.3",             &["1.2.3", "1.2.9"],                  &["1.3.0", "1.2.2"]),
        ("~1",                 &["1.9.9"],                           &["2.0.0"]),
        ("~0.0.0",             &["0.0.0", "9.0.0"],                  &[]),
        ("^1.2.3",             &["1.9.0"],                           &["2.0.0", "1.2.2"]),
        ("^0.2.3",             &["0.2.9"],                           &["0.3.0"]),
        ("^0.0.3",             &["0.0.3"],                           &["0.0.4"]),
        ("^0.0",               &["0.0.9"],                           &["0.1.0"]),
        ("^0",                 &["0.9.0"],                           &["1.0.0"]),
        (">=1.0 <2.0",         &["1.5.0"],                           &["2.0.0"]),
        (">=1.0, <2.0",        &["1.5.0"],                           &["2.0.0"]),
        ("1.x || >=3",         &["1.0.0", "3.0.0"],                  &["2.0.0"]),
        ("1.2 - 1.4",          &["1.2.0", "1.4.9"],                  &["1.5.0"]),
        (">=1.0.0-rc.1",       &["1.0.0-rc.2", "1.0.0"],             &["1.0.0-beta.1"]),
        (">=1.0.0-0 <2.0.0",   &["1.5.0-alpha"],                     &["2.0.0"]),
        (">=v1.0.0",           &["v1.0.0", "01.0.0"],                &["0.9.0"]),
    ];
    for (range, inside, outside) in cases {
        for version in *inside {
            assert!(contains(range, version), "{version} is in {range}");
        }
        for version in *outside {
            assert!(!contains(range, version), "{version} is not in {range}");
        }
    }
}

#[test]
fn versions_have_three_numbers() {
    for tag in ["1.0", "1", "1.0.0.1", "b1.2.3", "1.2.x", "1.0.0-01", "", "latest"] {
        assert_eq!(Version::parse(tag), None, "{tag}");
    }
    for tag in ["1.0.0", "v1.0.0", "1.0.0-rc.1+b", "01.2.3"] {
        assert!(Version::parse(tag).is_some(), "{tag}");
    }
}

#[test]
fn precedence() {
    let ascending = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0",
    ];
    for pair in ascending.windows(2) {
        let [a, b] = [pair[0], pair[1]].map(|tag| Version::parse(tag).expect("a version"));
        assert_eq!(a.order(&b), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn what_is_no_range() {
    let or = |n: usize| vec!["1"; n].join("||");
    for text in ["", "a", ">>1", "1.2.3.4", "^", &"1".repeat(600), &or(33)] {
        assert!(Range::parse(text).is_err(), "{text}");
    }
    assert!(Range::parse(&or(32)).is_ok());
}
