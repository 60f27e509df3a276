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

/// The entries of some rows, with their places for ids.
pub(crate) fn sorted_entries<'a>(count: usize, row: impl Fn(u32) -> &'a [u32]) -> Vec<u64> {
    let rows = 0..u32::try_from(count).expect("fewer than 2^32 rows fit in memory");
    let mut entries: Vec<u64> = rows.map(|at| entry(key_of(row(at).iter().copied()), at)).collect();
    entries.sort_unstable();
    entries
}

/// Leaves one entry of each different row, its first, and says how often the row of each place
/// occurs; places of later occurrences get 0.
pub(super) fn occurrences<'a>(
    found: &mut Vec<u64>,
    count: usize,
    row: impl Fn(u32) -> &'a [u32],
) -> Vec<u32> {
    let mut times = vec![1; count];
    for start in 0..found.len() {
        let (key, first) = ((found[start] >> 32) as u32, found[start] as u32);
        if times[first as usize] == 0 {
            continue;
        }
        for later in &found[start + 1..] {
            if (*later >> 32) as u32 != key {
                break;
            }
            let at = *later as u32;
            if times[at as usize] > 0 && row(at) == row(first) {
                times[at as usize] = 0;
                times[first as usize] += 1;
            }
        }
    }
    found.retain(|item| times[*item as u32 as usize] > 0);
    times
}
