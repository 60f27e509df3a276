//! What follows from the facts, as a file beside the log: so that a start need not derive it anew.
//!
//! ```text
//! magic · build · transaction (number, generation, hash) · state · CRC
//! ```
//!
//! It is used for the transaction that it names, when its CRC holds; in any other case it is as if
//! it were not there. What the state must say, the engine decides: another build, or rules that
//! changed since then, only compare what it concluded.
//!
//! Pure. Not here: the file itself, which is put in place whole (`disk.rs`).

use std::io;
use std::io::Write;

use crate::facts::store::FactSource;
use crate::facts::store::LogHead;

const MAGIC: &[u8; 8] = b"derived1";
const HEADER_BYTES: usize = 8 + 8 + 8 + 8 + 32;
const CRC_BYTES: usize = 4;

fn header(build: u64, head: &LogHead) -> Vec<u8> {
    let numbers = [build, head.seq, head.generation];
    let mut header = MAGIC.to_vec();
    numbers.iter().for_each(|number| header.extend_from_slice(&number.to_le_bytes()));
    header.extend_from_slice(head.hash.as_bytes());
    header
}

/// Writes through, and sums up what it wrote.
struct Summed<W> {
    out: W,
    crc: crc32fast::Hasher,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the state of `facts`, which are those of `head`. False: there is none to be kept.
pub(super) fn write(
    out: &mut dyn Write,
    build: u64,
    head: &LogHead,
    facts: &dyn FactSource,
) -> io::Result<bool> {
    let mut summed = Summed { out: &mut *out, crc: crc32fast::Hasher::new() };
    summed.write_all(&header(build, head))?;
    if !facts.state(&mut summed)? {
        return Ok(false);
    }
    let crc = summed.crc.finalize();
    out.write_all(&crc.to_le_bytes())?;
    Ok(true)
}

/// The state in the bytes of a file, and which build wrote it, when it is whole and of `head`.
pub(super) fn state<'a>(bytes: &'a [u8], head: &LogHead) -> Option<(&'a [u8], u64)> {
    let end = bytes.len().checked_sub(CRC_BYTES).filter(|end| *end >= HEADER_BYTES)?;
    let (body, crc) = bytes.split_at(end);
    let build = u64::from_le_bytes(body.get(MAGIC.len()..MAGIC.len() + 8)?.try_into().ok()?);
    let is_ours = body[..HEADER_BYTES] == header(build, head);
    let is_whole = is_ours && crc == crc32fast::hash(body).to_le_bytes();
    is_whole.then(|| (&body[HEADER_BYTES..], build))
}
