//! What the tests share: the contract suites that every backend must pass.

pub mod contract;
