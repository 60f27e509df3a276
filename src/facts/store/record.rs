//! One record: length, checksum, number, hash of the record before it; cut into small values.
//!
//! A record is a few values under keys that begin alike. Whether all of them are there, and are the
//! ones that were written, its length, CRC and hash tell; nothing else is relied on.

use std::ops::ControlFlow;

use crate::facts::store::shelf::Each;
use crate::facts::store::shelf::Shelf;
use crate::facts::store::shelf::ShelfError;
use crate::facts::store::shelf::Tree;
use crate::facts::store::shelf::VALUE_BYTES_MAX;
use crate::model::Digest;

const HEADER_BYTES: usize = 48;
/// The part's number behind a record's key.
const PART_KEY_BYTES: usize = 4;

/// A place in a chain of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: Digest,
}

impl Link {
    /// The place after `payload` is added.
    pub(super) fn then(&self, payload: &[u8]) -> Self {
        let seq = self.seq + 1;
        let parts = [&seq.to_be_bytes(), self.hash.as_bytes().as_slice(), payload];
        Self { seq, hash: Digest::of_parts(parts) }
    }
}

/// Writes `payload` as the record after `before`, under keys that begin with `key`. Returns its
/// place and the bytes written.
pub(super) fn write_record(
    shelf: &mut dyn Shelf,
    tree: Tree,
    key: &[u8],
    before: &Link,
    payload: &[u8],
) -> Result<(Link, u64), ShelfError> {
    let after = before.then(payload);
    let len = u32::try_from(payload.len())
        .map_err(|_| ShelfError::Io("a record of 4 GiB and more".to_owned()))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&after.seq.to_le_bytes());
    bytes.extend_from_slice(before.hash.as_bytes());
    bytes.extend_from_slice(payload);
    let crc = checksum(&bytes);
    bytes.splice(4..8, crc.to_le_bytes());
    for (number, part) in bytes.chunks(VALUE_BYTES_MAX).enumerate() {
        let number = u32::try_from(number).expect("4 GiB have fewer parts");
        let key = [key, &number.to_be_bytes()].concat();
        shelf.put(tree, &key, part)?;
    }
    Ok((after, bytes.len() as u64))
}

/// The payload of the record after `before`, if `bytes` are that record.
pub(super) fn read_record<'a>(bytes: &'a [u8], before: &Link) -> Option<(Link, &'a [u8])> {
    let (header, payload) = bytes.split_at_checked(HEADER_BYTES)?;
    let len = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
    let crc = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?);
    let seq = u64::from_le_bytes(header.get(8..16)?.try_into().ok()?);
    let after = before.then(payload);
    let whole = len as usize == payload.len() && checksum(bytes) == crc;
    let follows = seq == after.seq && header.get(16..)? == before.hash.as_bytes();
    (whole && follows).then_some((after, payload))
}

/// The checksum over everything but itself.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(bytes.get(..4).unwrap_or_default());
    crc.update(bytes.get(8..).unwrap_or_default());
    crc.finalize()
}

/// Joins the parts of each record whose key begins with `prefix`, and gives `each` the record's key
/// and bytes, in order. A record with a part missing is cut there, or begins with the wrong bytes.
pub(super) fn scan_records(
    shelf: &dyn Shelf,
    tree: Tree,
    prefix: &[u8],
    each: Each<'_>,
) -> Result<(), ShelfError> {
    let mut key: Vec<u8> = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let mut parts = 0_u32;
    let mut stopped = false;
    shelf.scan(tree, prefix, &mut |part_key, part| {
        if !part_key.starts_with(prefix) {
            return ControlFlow::Break(());
        }
        let Some(end) = part_key.len().checked_sub(PART_KEY_BYTES) else {
            return ControlFlow::Continue(());
        };
        let (record, number) = part_key.split_at(end);
        if record != key {
            if parts > 0 && each(&key, &bytes).is_break() {
                stopped = true;
                return ControlFlow::Break(());
            }
            key.clear();
            key.extend_from_slice(record);
            bytes.clear();
            parts = 0;
        }
        // A hole among the parts: what follows it must not close up.
        let fits = number == parts.to_be_bytes();
        bytes.extend_from_slice(if fits { part } else { &[] });
        parts += 1;
        ControlFlow::Continue(())
    })?;
    if parts > 0 && !stopped {
        // Whether to go on does not matter behind the last one.
        let _ = each(&key, &bytes);
    }
    Ok(())
}

/// Removes all records for whose keys `is_stale` holds. Returns how many keys went.
pub(super) fn remove_records(
    shelf: &mut dyn Shelf,
    tree: Tree,
    is_stale: &dyn Fn(&[u8]) -> bool,
) -> Result<u64, ShelfError> {
    let mut stale = Vec::new();
    shelf.scan(tree, &[], &mut |key, _| {
        if is_stale(key) {
            stale.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    for key in &stale {
        shelf.remove(tree, key)?;
    }
    Ok(stale.len() as u64)
}
