//! Bytes of a segment: one header, then frames, each chained to the one before it.
//!
//! ```text
//! segment  magic 6 · version 2 · number 8 · record before 8 · its hash 32 · CRC 4   = 60
//! frame    stored length 4 · CRC 4 · record number 8 · hash before 32 · stored body
//!          = 48 + stored
//! ```
//!
//! A body is JSON; a long one is stored deflated (zlib), since proofs repeat themselves. All
//! numbers are little-endian. The CRC covers what is stored and finds accidents; the SHA-256 chain
//! finds changes. A record's hash covers its number, the hash before it and the *digest* of its
//! JSON, so that an export can leave a body out and the chain still verifies.
//!
//! Pure. Not here: walking a whole segment (`scan.rs`).

use std::borrow::Cow;
use std::io::Read as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::Deserialize;
use serde::Serialize;

use crate::audit::text;
use crate::model::Digest;

/// Longest body of one record, in bytes.
pub const RECORD_BYTES_MAX: usize = 8 << 20;
pub(super) const SEGMENT_HEADER_BYTES: usize = 60;
pub(super) const FRAME_HEADER_BYTES: usize = 48;
pub(super) const SEGMENT_VERSION: u16 = 2;
/// The first version, in which no body is deflated, is read too.
const SEGMENT_VERSION_FIRST: u16 = 1;
/// A shorter body is stored as it is.
const DEFLATED_BYTES_MIN: usize = 512;
const MAGIC: &[u8; 6] = b"HENCEJ";

/// The last record of a chain: its number (from 1; 0 means none yet) and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The record's number.
    pub seq: u64,
    /// The record's hash.
    #[serde(with = "text::digest")]
    pub hash: Digest,
}

impl Head {
    /// The head of a journal without records.
    pub fn empty() -> Self {
        Self { seq: 0, hash: Digest::from_bytes([0; 32]) }
    }

    /// The head after a record with this body.
    pub(super) fn then(&self, body_digest: &Digest) -> Self {
        let seq = self.seq + 1;
        Self { seq, hash: record_hash(seq, &self.hash, body_digest) }
    }
}

/// The hash of record `seq` that follows `prev`.
pub(super) fn record_hash(seq: u64, prev: &Digest, body_digest: &Digest) -> Digest {
    Digest::of_parts([
        b"hence journal record".as_slice(),
        &seq.to_le_bytes(),
        prev.as_bytes(),
        body_digest.as_bytes(),
    ])
}

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The segment's number, which its file name repeats.
    pub(super) number: u64,
    /// The head when the segment began.
    pub(super) before: Head,
}

/// Why bytes are not a segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// Another version of this program wrote it.
    Version(u16),
    /// Torn or damaged.
    Damaged,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.before.seq.to_le_bytes());
        bytes.extend_from_slice(self.before.hash.as_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let mut rest = Cursor(bytes);
        let damaged = BadHeader::Damaged;
        let magic: [u8; 6] = rest.take().ok_or(damaged)?;
        let version = u16::from_le_bytes(rest.take().ok_or(damaged)?);
        let number = u64::from_le_bytes(rest.take().ok_or(damaged)?);
        let seq = u64::from_le_bytes(rest.take().ok_or(damaged)?);
        let hash = Digest::from_bytes(rest.take().ok_or(damaged)?);
        let crc = u32::from_le_bytes(rest.take().ok_or(damaged)?);
        let covered = bytes.get(..SEGMENT_HEADER_BYTES - 4).ok_or(damaged)?;
        if &magic != MAGIC || crc32fast::hash(covered) != crc {
            return Err(damaged);
        }
        if !(SEGMENT_VERSION_FIRST..=SEGMENT_VERSION).contains(&version) {
            return Err(BadHeader::Version(version));
        }
        Ok(Self { number, before: Head { seq, hash } })
    }
}

/// A frame with a good length and checksum. Whether it continues the chain is not said.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub(super) seq: u64,
    pub(super) prev: Digest,
    /// The record's JSON.
    pub(super) body: Cow<'a, [u8]>,
    /// Bytes in which it is stored.
    stored: usize,
}

impl<'a> Frame<'a> {
    /// The bytes of record `before.seq + 1`.
    pub(super) fn encode(before: &Head, body: &[u8]) -> Vec<u8> {
        let deflated = deflated(body);
        let body = deflated.as_deref().unwrap_or(body);
        let len = u32::try_from(body.len()).expect("the writer refuses more than RECORD_BYTES_MAX");
        let seq = (before.seq + 1).to_le_bytes();
        let crc = checksum(len, &seq, before.hash.as_bytes(), body);
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + body.len());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&seq);
        bytes.extend_from_slice(before.hash.as_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// Record `before.seq + 1`, which was written with this body in so many bytes.
    pub(super) fn written(before: &Head, body: &'a [u8], bytes: usize) -> Self {
        let (seq, stored) = (before.seq + 1, bytes.saturating_sub(FRAME_HEADER_BYTES));
        Self { seq, prev: before.hash, body: Cow::Borrowed(body), stored }
    }

    /// The frame at the start of `bytes`, if a whole and undamaged one stands there.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor(bytes);
        let len = u32::from_le_bytes(rest.take()?);
        let crc = u32::from_le_bytes(rest.take()?);
        let seq: [u8; 8] = rest.take()?;
        let prev: [u8; 32] = rest.take()?;
        let size = usize::try_from(len).ok()?;
        if size == 0 || size > RECORD_BYTES_MAX {
            return None;
        }
        let stored = rest.0.get(..size)?;
        if checksum(len, &seq, &prev, stored) != crc {
            return None;
        }
        let body = match stored.first() {
            Some(b'{') => Cow::Borrowed(stored),
            _ => Cow::Owned(inflated(stored)?),
        };
        let (seq, prev) = (u64::from_le_bytes(seq), Digest::from_bytes(prev));
        Some(Self { seq, prev, body, stored: size })
    }

    /// The record number that stands at the start of `bytes`, unchecked: a cheap first filter.
    pub(super) fn peek_seq(bytes: &[u8]) -> Option<u64> {
        let seq = bytes.get(8..16)?;
        Some(u64::from_le_bytes(seq.try_into().ok()?))
    }

    /// The record's hash.
    pub(super) fn hash(&self) -> Digest {
        record_hash(self.seq, &self.prev, &Digest::of(&self.body))
    }

    /// Bytes that the frame takes in its segment.
    pub(super) fn size(&self) -> usize {
        FRAME_HEADER_BYTES + self.stored
    }
}

/// The body deflated, when that is worth it. JSON begins with `{`, what is deflated never does.
fn deflated(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < DEFLATED_BYTES_MIN {
        return None;
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().filter(|deflated| deflated.len() < body.len())
}

/// The body; nothing when it is damaged, or longer than any that was written.
fn inflated(stored: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let longest = RECORD_BYTES_MAX as u64 + 1;
    ZlibDecoder::new(stored).take(longest).read_to_end(&mut body).ok()?;
    (body.len() <= RECORD_BYTES_MAX).then_some(body)
}

fn checksum(len: u32, seq: &[u8; 8], prev: &[u8; 32], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&len.to_le_bytes());
    crc.update(seq);
    crc.update(prev);
    crc.update(body);
    crc.finalize()
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(of: &str, times: usize) -> Vec<u8> {
        format!("{{\"proof\":\"{}\"}}", of.repeat(times)).into_bytes()
    }

    #[test]
    fn a_long_body_is_stored_deflated_and_comes_back() {
        let body = body("flux-system/shop owns ConfigMap/shop/old ", 100);
        let bytes = Frame::encode(&Head::empty(), &body);
        assert!(bytes.len() < body.len() / 4, "{} of {}", bytes.len(), body.len());
        let frame = Frame::decode(&bytes).expect("it is whole");
        assert_eq!((&*frame.body, frame.size()), (&*body, bytes.len()));
        assert_eq!(frame.hash(), Head::empty().then(&Digest::of(&body)).hash);
        let mut damaged = bytes;
        *damaged.last_mut().expect("not empty") ^= 1;
        assert!(Frame::decode(&damaged).is_none());
    }

    #[test]
    fn what_the_first_version_wrote_is_read() {
        let body = body("a", 10_000);
        let len = u32::try_from(body.len()).unwrap();
        let (seq, before) = (1u64.to_le_bytes(), Head::empty());
        let crc = checksum(len, &seq, before.hash.as_bytes(), &body);
        let parts =
            [&len.to_le_bytes()[..], &crc.to_le_bytes(), &seq, before.hash.as_bytes(), &body];
        let bytes = parts.concat();
        assert_eq!(&*Frame::decode(&bytes).expect("it is whole").body, &*body);
    }

    #[test]
    fn a_body_that_inflates_beyond_the_limit_is_damage() {
        let body = body("a", RECORD_BYTES_MAX);
        let bytes = Frame::encode(&Head::empty(), &body);
        assert!(bytes.len() < RECORD_BYTES_MAX && Frame::decode(&bytes).is_none());
    }
}
