//! Proof ids: the hash of a journal record, short enough to paste in a chat.

use std::fmt;

use crate::model::Digest;

/// Names one record of the journal, and so an intent together with its proof.
///
/// It is the record's hash in the chain: it cannot be chosen, and it names content and place. Shown
/// in full by `Display` (`P-` and 64 hexadecimal digits); a unique beginning is enough to ask for
/// it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProofId(Digest);

impl ProofId {
    /// Fewest hexadecimal digits that are looked up.
    pub const DIGITS_MIN: usize = 4;
    /// Digits shown by [`ProofId::short`]: two records share them once in about 65,000 records.
    pub const DIGITS_SHORT: usize = 8;

    /// The id of the record with this hash.
    pub fn new(hash: Digest) -> Self {
        Self(hash)
    }

    /// The record's hash.
    pub fn hash(&self) -> &Digest {
        &self.0
    }

    /// `P-` and the first digits: for people. [`crate::audit::View::short_id`] gives one that is
    /// unique.
    pub fn short(&self) -> String {
        self.with_digits(Self::DIGITS_SHORT)
    }

    /// `P-` and the first `digits` digits.
    pub fn with_digits(&self, digits: usize) -> String {
        let hex = self.0.hex();
        format!("P-{}", hex.get(..digits).unwrap_or(&hex))
    }

    /// Reads the full form.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("P-")?;
        Digest::parse(&format!("sha256:{hex}")).map(Self)
    }
}

impl fmt::Display for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P-{}", self.0.hex())
    }
}

impl fmt::Debug for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The lower and upper bound of the hashes whose digits begin with `digits`.
///
/// `None` when `digits` is not made of 1 to 64 lower-case hexadecimal digits.
pub(super) fn hashes_between(digits: &str) -> Option<(Digest, Digest)> {
    if digits.is_empty() || digits.len() > 64 {
        return None;
    }
    let low = Digest::parse(&format!("sha256:{digits:0<64}"))?;
    let high = Digest::parse(&format!("sha256:{digits:f<64}"))?;
    Some((low, high))
}
