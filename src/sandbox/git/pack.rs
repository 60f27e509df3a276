//! Packs to send: whole objects, without deltas.
//!
//! Pure. Source: `gitformat-pack`. Not here: packs that were received (`unpack.rs`).

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix::hash::ObjectId;

use super::repository::Kind;
use super::repository::Repository;

/// The number of an object kind in a pack.
fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}

/// A pack of these objects; ids that are not there are left out.
pub(crate) fn write<'i>(
    repository: &Repository,
    ids: impl Iterator<Item = &'i ObjectId>,
) -> std::io::Result<Vec<u8>> {
    let objects: Vec<_> = ids.filter_map(|id| repository.get(id)).collect();
    let count = u32::try_from(objects.len()).map_err(std::io::Error::other)?;
    let mut out = b"PACK\x00\x00\x00\x02".to_vec();
    out.extend_from_slice(&count.to_be_bytes());
    for object in objects {
        header(&mut out, number(object.kind), object.data.len());
        let mut encoder = ZlibEncoder::new(&mut out, Compression::fast());
        encoder.write_all(&object.data)?;
        encoder.finish()?;
    }
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&out);
    let hash = hasher.try_finalize().map_err(std::io::Error::other)?;
    out.extend_from_slice(hash.as_slice());
    Ok(out)
}

/// Kind and size: four bits of size first, then seven at a time.
fn header(out: &mut Vec<u8>, kind: u8, size: usize) {
    let mut rest = size >> 4;
    let low = |bits: usize| u8::try_from(bits).expect("masked to less than eight bits");
    let mut byte = kind << 4 | low(size & 0x0f);
    while rest > 0 {
        out.push(byte | 0x80);
        byte = low(rest & 0x7f);
        rest >>= 7;
    }
    out.push(byte);
}
