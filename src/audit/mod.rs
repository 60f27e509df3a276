//! The journal: hash-chained intents with proofs, outcomes, verification.
