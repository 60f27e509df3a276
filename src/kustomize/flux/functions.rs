//! The functions of `${…}`: case, length, substring, trimming, replacement.
//!
//! Values are bytes: a substring may end inside a character.

use super::error::SubstituteError;
use super::glob::BadPattern;
use super::glob::Pattern;

/// Longest value, in bytes, that a pattern (`#`, `##`, `%`, `%%`) is tried on: the work grows with
/// its square.
pub(super) const PATTERN_SUBJECT_BYTES_MAX: usize = 16_384;

/// What `operator` makes of `value`. `at` is the call's place, for errors.
pub(super) fn apply(
    operator: &str,
    value: &[u8],
    arguments: &[Vec<u8>],
    at: usize,
) -> Result<Vec<u8>, SubstituteError> {
    let first = arguments.first().map(Vec::as_slice);
    let second = arguments.get(1).map(Vec::as_slice);
    Ok(match (operator, first) {
        (",", _) => first_character(value, lower),
        (",,", _) => every_character(value, lower),
        ("^", _) => first_character(value, upper),
        ("^^", _) => every_character(value, upper),
        ("#", None) => value.len().to_string().into_bytes(),
        ("#" | "##" | "%" | "%%", Some(pattern)) => {
            if value.len() > PATTERN_SUBJECT_BYTES_MAX {
                let max = PATTERN_SUBJECT_BYTES_MAX;
                return Err(SubstituteError::LongSubject { at, max });
            }
            trim(operator, value, pattern)
        }
        (":", Some(from)) => substring(value, from, second, at)?,
        ("/#", Some(from)) => match (value.starts_with(from), second) {
            (true, Some(to)) => replace(value, from, to, 1),
            _ => value.to_vec(),
        },
        ("/%", Some(from)) => match (value.strip_suffix(from), second) {
            (Some(kept), Some(to)) => [kept, to].concat(),
            _ => value.to_vec(),
        },
        ("/", Some(from)) => replace(value, from, second.unwrap_or_default(), 1),
        ("//", Some(from)) => replace(value, from, second.unwrap_or_default(), usize::MAX),
        _ if value.is_empty() => arguments.concat(),
        _ => value.to_vec(),
    })
}

/// The simple lower-case mapping of one character, as Go has it.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The simple upper-case mapping of one character, as Go has it: never more than one character.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    let first = mapped.next().unwrap_or(c);
    if mapped.next().is_none() {
        return first;
    }
    match u32::from(c) {
        // Greek letters with iota below: their full mapping has two letters, their simple one not.
        code @ (0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7) => {
            char::from_u32(code + 8).unwrap_or(c)
        }
        code @ (0x1FB3 | 0x1FC3 | 0x1FF3) => char::from_u32(code + 9).unwrap_or(c),
        _ => c,
    }
}

/// Characters of a text that may be broken; broken bytes come one by one as U+FFFD, as Go reads
/// them.
fn characters(text: &[u8]) -> impl Iterator<Item = (char, usize)> {
    text.utf8_chunks().flat_map(|chunk| {
        let broken = chunk.invalid().iter().map(|_| (char::REPLACEMENT_CHARACTER, 1));
        chunk.valid().chars().map(|c| (c, c.len_utf8())).chain(broken)
    })
}

fn every_character(text: &[u8], map: fn(char) -> char) -> Vec<u8> {
    if text.is_ascii() {
        return text.iter().map(|b| map(char::from(*b))).collect::<String>().into_bytes();
    }
    characters(text).map(|(c, _)| map(c)).collect::<String>().into_bytes()
}

fn first_character(text: &[u8], map: fn(char) -> char) -> Vec<u8> {
    match characters(text).next() {
        Some((c, width)) => {
            let mut mapped = map(c).to_string().into_bytes();
            mapped.extend_from_slice(&text[width..]);
            mapped
        }
        None => Vec::new(),
    }
}

/// Go's `strings.Replace`: an empty `from` stands before every character and at the end.
fn replace(text: &[u8], from: &[u8], to: &[u8], count: usize) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    if from.is_empty() {
        let mut left = count;
        let mut at = 0;
        for (_, width) in characters(text) {
            if left > 0 {
                result.extend_from_slice(to);
                left -= 1;
            }
            result.extend_from_slice(&text[at..at + width]);
            at += width;
        }
        if left > 0 {
            result.extend_from_slice(to);
        }
        return result;
    }
    let mut rest = text;
    for _ in 0..count {
        let Some(at) = rest.windows(from.len()).position(|window| window == from) else { break };
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

/// Go's `strconv.Atoi`.
fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `${v:from}` and `${v:from:length}`, in bytes. What is no number changes nothing.
fn substring(
    value: &[u8],
    from: &[u8],
    length: Option<&[u8]>,
    at: usize,
) -> Result<Vec<u8>, SubstituteError> {
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let Some(mut start) = number(from) else { return Ok(value.to_vec()) };
    if start < 0 {
        start = size.wrapping_add(start).max(0);
    }
    let tail = || value.get(usize::try_from(start).unwrap_or(usize::MAX)..).unwrap_or_default();
    let Some(length) = length else { return Ok(tail().to_vec()) };
    let Some(length) = number(length) else { return Ok(value.to_vec()) };
    let end = start.wrapping_add(length);
    if end >= size {
        return Ok(tail().to_vec());
    }
    // Upstream panics here, and its caller reports that as an error.
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => Ok(value[start..end].to_vec()),
        (_, Err(_)) => Err(SubstituteError::NegativeLength { at, bounds: format!("[:{end}]") }),
        _ => Err(SubstituteError::NegativeLength { at, bounds: format!("[{start}:{end}]") }),
    }
}

/// Cuts what the pattern matches off the start (`#`) or the end (`%`): the shortest, or with the
/// sign doubled the longest match. A pattern that cannot be read cuts nothing.
fn trim(operator: &str, value: &[u8], pattern: &[u8]) -> Vec<u8> {
    let longest = operator.len() == 2;
    if operator.starts_with('#') {
        return trim_start(value, pattern, longest).to_vec();
    }
    // Upstream turns value and pattern round; so classes such as `[a-z]` do not work here.
    reversed(trim_start(&reversed(value), &reversed(pattern), longest))
}

fn trim_start<'v>(value: &'v [u8], pattern: &[u8], longest: bool) -> &'v [u8] {
    let pattern = Pattern::read(pattern);
    let mut cut = 0;
    for end in (1..=value.len()).rev() {
        match pattern.matches(&value[..end]) {
            Err(BadPattern) => return value,
            Ok(is_match) if is_match => cut = end,
            Ok(_) => {}
        }
        if longest && cut > 0 {
            break;
        }
    }
    &value[cut..]
}

fn reversed(text: &[u8]) -> Vec<u8> {
    let characters: Vec<char> = characters(text).map(|(c, _)| c).collect();
    characters.into_iter().rev().collect::<String>().into_bytes()
}
