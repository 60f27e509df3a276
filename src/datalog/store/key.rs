//! Keys: what rows are looked up by in the runs of a table.
//!
//! In: words of a row; out: 32 bits, and with the id of the row the 64 that a run keeps. Rows whose
//! first words are alike have keys side by side. Cost: a few multiplications.
//! Not here: the runs (`sorted`), which rows have a key (`table`).

/// Bits of a key that tell its first word. Rows that begin alike change together more often than
/// not; so they stand together in a run, and a change touches few leaves of it.
const NEAR_BITS: u32 = 18;
/// The other bits of a key.
pub(crate) const KEY_BITS: u32 = 32 - NEAR_BITS;
/// So many words in sequence are not told apart by these bits (as a power of two). Values that are
/// alike have words near each other, so their rows stand near each other, too.
const NEAR_WORDS: u32 = 2;

/// The key of some words: the word itself, or a hash that must be checked again.
pub(crate) fn key_of(mut words: impl ExactSizeIterator<Item = u32>) -> u32 {
    if words.len() == 1 {
        return words.next().unwrap_or_default();
    }
    let first = words.next().unwrap_or_default();
    let step = |hash: u64, word: u32| {
        (hash.rotate_left(5) ^ u64::from(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    };
    let all = words.fold(step(0x9e37_79b9_7f4a_7c15, first), step);
    let near = first >> NEAR_WORDS;
    near << KEY_BITS | ((all >> 32) as u32) >> NEAR_BITS
}

/// What a run keeps of a row: its key, and behind it its id.
pub(super) fn entry(key: u32, id: u32) -> u64 {
    u64::from(key) << 32 | u64::from(id)
}
