//! The ascent program, made by the build script.

#![allow(warnings, reason = "it is generated")]

use std::time::Duration;
use std::time::Instant;

include!(concat!(env!("OUT_DIR"), "/peer.rs"));

/// What is included.
pub const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/peer.rs"));

trait Number {
    fn number(self) -> i32;
}

impl Number for &i32 {
    fn number(self) -> i32 {
        *self
    }
}

impl Number for &&i32 {
    fn number(self) -> i32 {
        **self
    }
}

/// The number, whether a clause bound it or an aggregate gave it.
fn n(value: impl Number) -> i32 {
    value.number()
}

fn count32(rows: impl Iterator<Item = ()>) -> impl Iterator<Item = i32> {
    std::iter::once(i32::try_from(rows.count()).expect("fewer rows than that"))
}

fn sum32<'a>(rows: impl Iterator<Item = (&'a i32,)>) -> impl Iterator<Item = i32> {
    std::iter::once(rows.map(|(value,)| *value).sum())
}

fn min32<'a>(rows: impl Iterator<Item = (&'a i32,)>) -> impl Iterator<Item = i32> {
    rows.map(|(value,)| *value).min().into_iter()
}

fn max32<'a>(rows: impl Iterator<Item = (&'a i32,)>) -> impl Iterator<Item = i32> {
    rows.map(|(value,)| *value).max().into_iter()
}
