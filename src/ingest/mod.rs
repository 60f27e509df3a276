//! The only writer of facts: one adapter per kind of observation.
