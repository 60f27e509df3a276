//! The relation catalogue: rows to types and back, generations, snapshot and log of deltas.
