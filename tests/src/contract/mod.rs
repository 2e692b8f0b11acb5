//! One suite a port. Each function is one promise of the port's documentation, kept by what is read
//! back. A store that is shared with other tests will do: every promise works in names of its own.

pub mod cold;
pub mod dead_letters;
pub mod hot;
pub mod source;
