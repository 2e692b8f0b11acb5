//! S3 without an SDK: what a foreign client sees of a store, buckets that clean up after themselves, and
//! a proxy that changes what is said on the way.

mod proxy;
mod raw;
mod sign;

pub use proxy::{Fate, Proxy, Said, http_date};
pub use raw::{Answer, Raw, TestBucket, values};
