//! Packs that clients push: whole objects and deltas of both kinds.
//!
//! In: the bytes of a pack, and a repository that may hold the bases of its deltas. Out: its
//! objects, or what is wrong with it.
//!
//! Pure. Source: `gitformat-pack`. Limit: an object is at most [`super::PACK_BYTES_MAX`] long.

use std::collections::HashMap;
use std::io::Read;

use bytes::Bytes;
use flate2::bufread::ZlibDecoder;
use gix::hash::ObjectId;

use super::PACK_BYTES_MAX;
use super::repository::Kind;
use super::repository::Object;
use super::repository::Repository;

/// Adds the objects of a pack to a repository.
pub(crate) fn unpack(repository: &mut Repository, pack: &[u8]) -> Result<usize, String> {
    let short = || "the pack is cut short".to_owned();
    let body_end = pack.len().checked_sub(20).ok_or_else(short)?;
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack[..body_end]);
    let hash = hasher.try_finalize().map_err(|error| error.to_string())?;
    if hash.as_slice() != &pack[body_end..] {
        return Err("the pack's checksum does not match".to_owned());
    }
    if !pack.starts_with(b"PACK\x00\x00\x00\x02") {
        return Err("not a pack of version 2".to_owned());
    }
    let count = pack.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let mut reader = Reader { pack: &pack[..body_end], at: 12, done: HashMap::new() };
    let mut waiting = Vec::new();
    for _ in 0..count.ok_or_else(short)? {
        let start = reader.at;
        if let Some(delta) = reader.entry(repository, start)? {
            waiting.push(delta);
        }
    }
    // A delta may name a base that comes later in the pack.
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut left = Vec::new();
        for delta in waiting {
            left.extend(reader.resolve(repository, delta)?);
        }
        if left.len() == before {
            return Err("a delta's base is missing".to_owned());
        }
        waiting = left;
    }
    Ok(reader.done.len())
}

struct Delta {
    start: usize,
    base: Base,
    data: Vec<u8>,
}

enum Base {
    Offset(usize),
    Id(ObjectId),
}

struct Reader<'p> {
    pack: &'p [u8],
    at: usize,
    /// Where an entry starts, and which object it is.
    done: HashMap<usize, ObjectId>,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.pack.get(self.at).copied().ok_or("the pack is cut short")?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads one entry; a delta whose base is not known yet is given back.
    fn entry(
        &mut self,
        repository: &mut Repository,
        start: usize,
    ) -> Result<Option<Delta>, String> {
        let first = self.byte()?;
        let kind = first >> 4 & 0x07;
        let mut size = usize::from(first & 0x0f);
        let (mut more, mut shift) = (first & 0x80 != 0, 4);
        while more {
            let byte = self.byte()?;
            size |= usize::from(byte & 0x7f).checked_shl(shift).ok_or("a size is too large")?;
            shift += 7;
            more = byte & 0x80 != 0;
        }
        if size > PACK_BYTES_MAX {
            return Err("an object is too large".to_owned());
        }
        let base = match kind {
            6 => Some(Base::Offset(start.checked_sub(self.offset()?).ok_or("a bad offset")?)),
            7 => {
                let bytes = self.pack.get(self.at..self.at + 20).ok_or("the pack is cut short")?;
                self.at += 20;
                Some(Base::Id(ObjectId::try_from(bytes).map_err(|error| error.to_string())?))
            }
            _ => None,
        };
        let data = self.inflate(size)?;
        if let Some(base) = base {
            return self.resolve(repository, Delta { start, base, data });
        }
        let kind = match kind {
            1 => Kind::Commit,
            2 => Kind::Tree,
            3 => Kind::Blob,
            4 => Kind::Tag,
            other => return Err(format!("an unknown kind of object: {other}")),
        };
        self.done.insert(start, repository.add(kind, data.into()));
        Ok(None)
    }

    /// How far back the base of a delta starts.
    fn offset(&mut self) -> Result<usize, String> {
        let mut byte = self.byte()?;
        let mut offset = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            offset = (offset + 1).checked_shl(7).ok_or("a bad offset")? | usize::from(byte & 0x7f);
        }
        Ok(offset)
    }

    fn inflate(&mut self, size: usize) -> Result<Vec<u8>, String> {
        let mut decoder = ZlibDecoder::new(&self.pack[self.at..]);
        let mut data = Vec::with_capacity(size);
        let limit = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1);
        (&mut decoder).take(limit).read_to_end(&mut data).map_err(|error| error.to_string())?;
        if data.len() != size {
            return Err("an object has another size than it says".to_owned());
        }
        let used = usize::try_from(decoder.total_in()).map_err(|error| error.to_string())?;
        self.at += used;
        Ok(data)
    }

    fn resolve(
        &mut self,
        repository: &mut Repository,
        delta: Delta,
    ) -> Result<Option<Delta>, String> {
        let id = match &delta.base {
            Base::Offset(start) => self.done.get(start).copied(),
            Base::Id(id) => Some(*id),
        };
        let base: Option<Object> = id.and_then(|id| repository.get(&id).cloned());
        let Some(base) = base else { return Ok(Some(delta)) };
        let data = patched(&base.data, &delta.data).ok_or("a delta does not fit its base")?;
        self.done.insert(delta.start, repository.add(base.kind, data));
        Ok(None)
    }
}

/// A number of a delta: seven bits at a time, the lowest first.
fn varint(delta: &mut &[u8]) -> Option<usize> {
    let (mut number, mut shift) = (0usize, 0);
    loop {
        let (byte, rest) = delta.split_first()?;
        *delta = rest;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

/// Carries out a delta's copies and insertions.
fn patched(base: &[u8], mut delta: &[u8]) -> Option<Bytes> {
    if varint(&mut delta)? != base.len() {
        return None;
    }
    let size = varint(&mut delta)?;
    if size > PACK_BYTES_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(size);
    while let Some((code, rest)) = delta.split_first() {
        delta = rest;
        if code & 0x80 == 0 {
            let count = usize::from(*code);
            out.extend_from_slice(delta.get(..count).filter(|_| count > 0)?);
            delta = &delta[count..];
            continue;
        }
        let mut field = |bits: std::ops::Range<u8>| {
            let mut number = 0usize;
            for (place, bit) in bits.enumerate() {
                if code & 1 << bit != 0 {
                    let (byte, rest) = delta.split_first()?;
                    delta = rest;
                    number |= usize::from(*byte) << (8 * place);
                }
            }
            Some(number)
        };
        let offset = field(0..4)?;
        let count = match field(4..7)? {
            0 => 0x10000,
            count => count,
        };
        out.extend_from_slice(base.get(offset..offset.checked_add(count)?)?);
    }
    (out.len() == size).then(|| out.into())
}

#[cfg(test)]
mod tests {
    use super::super::pack;
    use super::*;

    #[test]
    fn a_pack_is_read_as_it_was_written() {
        let mut from = Repository::new();
        let large = vec![b'x'; 5000];
        let id = from.commit("main", "one", &[("a/b", Some(large.as_slice()))], 0);
        let mut ids = std::collections::BTreeSet::from([id]);
        from.walk_tree(&from.links(&id).tree.expect("a commit has a tree"), &mut ids);
        let bytes = pack::write(&from, ids.iter()).expect("memory does not fail");
        let mut to = Repository::new();
        assert_eq!(unpack(&mut to, &bytes), Ok(4));
        assert!(to.is_complete(&id));
        let mut broken = bytes.clone();
        broken[20] ^= 1;
        assert!(unpack(&mut Repository::new(), &broken).is_err());
        assert!(unpack(&mut Repository::new(), &bytes[..10]).is_err());
    }

    #[test]
    fn deltas_copy_and_insert() {
        // base 5 long, result 7 long: copy 0..3, insert "xy", copy 3..5
        let delta = [5, 7, 0x90, 3, 2, b'x', b'y', 0x91, 3, 2];
        assert_eq!(patched(b"abcde", &delta).as_deref(), Some(b"abcxyde".as_slice()));
        assert_eq!(patched(b"abcd", &delta), None);
    }
}
