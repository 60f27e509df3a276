//! What follows from the facts, in a file beside the log: so that a start need not derive it anew.
//!
//! ```text
//! magic · build · transaction (number, generation, hash) · state · CRC
//! ```
//!
//! The file is written aside, synced and put in place whole. It is used for the transaction that it
//! names, by the build that wrote it, when its CRC holds; in any other case it is as if it were not
//! there. What it must say, the engine decides: rules that changed since then do not read it.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::facts::store::FactSource;
use crate::facts::store::LogHead;

const MAGIC: &[u8; 8] = b"derived1";
const HEADER_BYTES: usize = 8 + 8 + 8 + 8 + 32;
const CRC_BYTES: usize = 4;
const FILE: &str = "derived";
const FRESH: &str = "derived.new";

/// Which build this is: size and CRC of its program file. None when the file cannot be read.
fn build() -> Option<u64> {
    static BUILD: OnceLock<Option<u64>> = OnceLock::new();
    *BUILD.get_or_init(|| {
        let bytes = fs::read(std::env::current_exe().ok()?).ok()?;
        Some((bytes.len() as u64) << 32 | u64::from(crc32fast::hash(&bytes)))
    })
}

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

/// Puts the state of `facts` at `head` in place in the folder. On failure none is there.
pub(super) fn keep(folder: &Path, head: &LogHead, facts: &dyn FactSource) -> io::Result<()> {
    let (file, fresh) = (folder.join(FILE), folder.join(FRESH));
    let kept = write(&fresh, head, facts);
    if !matches!(kept, Ok(true)) {
        // A full disk is to have this room at once.
        remove(&fresh)?;
        remove(&file)?;
        return kept.map(drop);
    }
    fs::rename(&fresh, &file)?;
    File::open(folder)?.sync_all()
}

fn write(fresh: &Path, head: &LogHead, facts: &dyn FactSource) -> io::Result<bool> {
    let Some(build) = build() else { return Ok(false) };
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(fresh)?;
    let buffered = BufWriter::with_capacity(1 << 20, file);
    let mut out = Summed { out: buffered, crc: crc32fast::Hasher::new() };
    out.write_all(&header(build, head))?;
    if !facts.state(&mut out)? {
        return Ok(false);
    }
    let Summed { out: mut buffered, crc } = out;
    buffered.write_all(&crc.finalize().to_le_bytes())?;
    let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(true)
}

fn remove(path: &PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives `take` the state that is kept in the folder for `head`, when it is whole and by this build.
pub(super) fn read(folder: &Path, head: &LogHead, take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let (Ok(bytes), Some(build)) = (fs::read(folder.join(FILE)), build()) else { return false };
    let Some(end) = bytes.len().checked_sub(CRC_BYTES).filter(|end| *end >= HEADER_BYTES) else {
        return false;
    };
    let (body, crc) = bytes.split_at(end);
    let is_ours = body[..HEADER_BYTES] == header(build, head);
    let is_whole = is_ours && crc == crc32fast::hash(body).to_le_bytes();
    is_whole && take(&body[HEADER_BYTES..])
}
