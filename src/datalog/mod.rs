//! The Datalog engine: text rules over typed facts, kept up to date, every conclusion with a proof.
