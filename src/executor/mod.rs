//! The only writer of the world: one file per action kind.
