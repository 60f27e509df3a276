//! Shell patterns as Flux's `envsubst` matches them: `*` (slashes too), `?`, `[a-z]`, `[^a-z]`,
//! `\c`.
//!
//! Upstream tries the pieces between stars one after the other and does not go back to an earlier
//! star; the same pieces are found here.

/// The pattern cannot be read.
#[derive(Debug, PartialEq)]
pub(super) struct BadPattern;

/// Does `pattern` match the whole of `text`?
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> Result<bool, BadPattern> {
    let (mut pattern, mut text) = (pattern, text);
    'pieces: while !pattern.is_empty() {
        let (star, piece, rest) = split(pattern);
        pattern = rest;
        if star && piece.is_empty() {
            return Ok(true);
        }
        if let Some(left) = match_piece(piece, text)?
            && (left.is_empty() || !pattern.is_empty())
        {
            text = left;
            continue;
        }
        if star {
            for skipped in 1..=text.len() {
                if let Some(left) = match_piece(piece, &text[skipped..])?
                    && (left.is_empty() || !pattern.is_empty())
                {
                    text = left;
                    continue 'pieces;
                }
            }
        }
        return Ok(false);
    }
    Ok(text.is_empty())
}

/// Stars at the start, the piece up to the next star, and the rest.
fn split(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|b| **b == b'*').count();
    let pattern = &pattern[stars..];
    let mut in_class = false;
    let mut at = 0;
    while let Some(b) = pattern.get(at) {
        match b {
            b'\\' if at + 1 < pattern.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    (stars > 0, &pattern[..at], &pattern[at..])
}

/// Matches a piece without stars at the start of `text`; what is left of it when it fits. A piece
/// is only read as far as the text goes, so a broken one may go unnoticed.
fn match_piece<'t>(piece: &[u8], text: &'t [u8]) -> Result<Option<&'t [u8]>, BadPattern> {
    let (mut piece, mut text) = (piece, text);
    while let Some(&sign) = piece.first() {
        let Some(&next) = text.first() else { return Ok(None) };
        match sign {
            b'[' => {
                let (c, width) = character(text);
                text = &text[width..];
                let (fits, rest) = match_class(&piece[1..], c)?;
                if !fits {
                    return Ok(None);
                }
                piece = rest;
            }
            b'?' => {
                text = &text[character(text).1..];
                piece = &piece[1..];
            }
            _ => {
                let literal = if sign == b'\\' { &piece[1..] } else { piece };
                if *literal.first().ok_or(BadPattern)? != next {
                    return Ok(None);
                }
                piece = &literal[1..];
                text = &text[1..];
            }
        }
    }
    Ok(Some(text))
}

/// The inside of `[…]`: does it hold `c`? And what stands after it.
fn match_class(class: &[u8], c: char) -> Result<(bool, &[u8]), BadPattern> {
    let negated = class.first() == Some(&b'^');
    let mut class = if negated { &class[1..] } else { class };
    let (mut found, mut count) = (false, 0);
    loop {
        if class.first() == Some(&b']') && count > 0 {
            return Ok((found != negated, &class[1..]));
        }
        let (low, rest) = class_end(class)?;
        class = rest;
        let mut high = low;
        if class.first() == Some(&b'-') {
            (high, class) = class_end(&class[1..])?;
        }
        found |= (low..=high).contains(&c);
        count += 1;
    }
}

/// One character of a class, perhaps behind `\`. The class must go on after it.
fn class_end(class: &[u8]) -> Result<(char, &[u8]), BadPattern> {
    let class = match class.first() {
        None | Some(b'-' | b']') => return Err(BadPattern),
        Some(b'\\') => &class[1..],
        Some(_) => class,
    };
    let (c, width) = character(class);
    let is_broken = width == 0 || (c == char::REPLACEMENT_CHARACTER && width == 1);
    let rest = class.get(width..).unwrap_or_default();
    if is_broken || rest.is_empty() { Err(BadPattern) } else { Ok((c, rest)) }
}

/// The first character and its width; U+FFFD and 1 for a byte that is no part of one.
fn character(text: &[u8]) -> (char, usize) {
    let Some(chunk) = text[..text.len().min(4)].utf8_chunks().next() else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    match chunk.valid().chars().next() {
        Some(c) => (c, c.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}
