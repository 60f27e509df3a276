//! The whole loop as a user sees it: a push to a real Git host, the built `hence`, a real server.

mod answers;
mod basics;
mod canary;
mod crash;
mod idle;
mod matrix;
mod operated;
mod sources;
mod takeover;
mod units;
mod world;
