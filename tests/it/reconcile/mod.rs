//! The whole loop as a user sees it: a push to a real Git host, the built `hence`, a real server.

mod accounts;
mod basics;
mod crash;
mod faults;
mod fights;
mod idle;
mod matrix;
mod recreate;
mod refusals;
mod takeover;
mod tenancy;
mod units;
mod world;
