//! One test per bug that the simulation has found: each failed before its fix.

mod lapping;
mod retaining;
mod shares;
mod taking_in;
mod timing;
