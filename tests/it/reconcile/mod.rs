//! The whole loop as a user sees it: a push to a real Git host, the built `hence`, a real server.

mod accounts;
mod basics;
mod crash;
mod faults;
mod idle;
mod matrix;
mod takeover;
mod units;
mod world;
