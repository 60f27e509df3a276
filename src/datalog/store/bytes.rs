//! Numbers and texts as bytes, for a generation that is kept (`keep`).

use std::io;
use std::io::Write;

/// How many words are turned into bytes at once.
const TOGETHER: usize = 1 << 10;

pub(crate) fn put_u32(out: &mut dyn Write, number: u32) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}

pub(crate) fn put_u64(out: &mut dyn Write, number: u64) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}

/// A length, then the bytes.
pub(crate) fn put_bytes(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    put_u64(out, bytes.len() as u64)?;
    out.write_all(bytes)
}

/// Words without their number.
pub(crate) fn put_words(out: &mut dyn Write, words: &[u32]) -> io::Result<()> {
    for words in words.chunks(TOGETHER) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// So many double words without their number.
pub(crate) fn put_wide(out: &mut dyn Write, words: &[u64]) -> io::Result<()> {
    for words in words.chunks(TOGETHER) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Bytes that are read from the front. Each answer is none when they end too early.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(crate) fn len(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    pub(crate) fn words(&mut self, len: usize) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let bytes = self.take(len.checked_mul(4)?)?;
        Some(
            bytes
                .chunks_exact(4)
                .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])),
        )
    }

    pub(crate) fn wide(&mut self, len: usize) -> Option<impl Iterator<Item = u64> + use<'a>> {
        let bytes = self.take(len.checked_mul(8)?)?;
        let number = |word: &[u8]| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_le_bytes(bytes)
        };
        Some(bytes.chunks_exact(8).map(number))
    }
}
