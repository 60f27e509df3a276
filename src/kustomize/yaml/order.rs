//! The order of keys in printed maps: go-yaml v2's natural order, in which `a2` comes before `a10`.

use std::cmp::Ordering;

/// The fields in printed order.
///
/// The order is not a strict one for every set of keys (digits with leading zeros), so this is a
/// merge sort of our own: the library's sort may panic then.
pub(super) fn sorted<K: AsRef<str>, T>(mut fields: Vec<(K, T)>) -> Vec<(K, T)> {
    if fields.is_sorted_by(|(a, _), (b, _)| !is_less(b.as_ref(), a.as_ref())) {
        return fields;
    }
    if fields.len() == 2 {
        fields.swap(0, 1);
        return fields;
    }
    let right = fields.split_off(fields.len() / 2);
    let mut merged = Vec::with_capacity(fields.len() + right.len());
    let (mut left, mut right) =
        (sorted(fields).into_iter().peekable(), sorted(right).into_iter().peekable());
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        let from_right = is_less(b.as_ref(), a.as_ref());
        merged.extend(if from_right { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

/// Does key `a` come before key `b`?
fn is_less(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        compare(a.as_bytes(), b.as_bytes(), char::from)
    } else {
        let a: Vec<char> = a.chars().collect();
        let b: Vec<char> = b.chars().collect();
        compare(&a, &b, |c| c)
    }
}

fn compare<T: Copy + PartialEq>(a: &[T], b: &[T], char_of: fn(T) -> char) -> bool {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return a.len() < b.len();
    };
    let (first_a, first_b) = (char_of(a[at]), char_of(b[at]));
    match (is_letter(first_a), is_letter(first_b)) {
        (true, true) => return first_a < first_b,
        (false, false) => {}
        (_, b_is_letter) => return b_is_letter,
    }
    // A zero counts when it stands inside a number: then both numbers get a digit before.
    let inside_number = (first_a == '0' || first_b == '0')
        && a[..at].iter().rev().map(|c| char_of(*c)).take_while(|c| is_digit(*c)).any(|c| c != '0');
    let number = |text: &[T]| {
        let digits = text[at..].iter().map(|c| char_of(*c)).take_while(|c| is_digit(*c));
        digits.fold((i64::from(inside_number), 0_usize), |(value, count), c| {
            let digit = i64::from(u32::from(c)) - i64::from(u32::from('0'));
            (value.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    match number(a).cmp(&number(b)) {
        Ordering::Equal => first_a < first_b,
        unequal => unequal == Ordering::Less,
    }
}

/// Go's `unicode.IsLetter`.
fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { super::unicode::is_letter(c) }
}

/// Go's `unicode.IsDigit`.
fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { super::unicode::is_digit(c) }
}
