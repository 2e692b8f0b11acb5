//! What a plugin says of itself.

use super::kind::Kinds;

/// What a plugin says of itself. Names are of `A-Z a-z 0-9 . _ -`, at most 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The kinds of fields that it wants.
    pub kinds: Kinds,
    /// Whether a chunk that it could not treat must not be stored.
    pub redacts: bool,
    /// Whether it asks for whole events.
    pub needs_events: bool,
    /// Whether it asks for elements.
    pub needs_elements: bool,
    /// Why it may drop a chunk: [`super::Chunk::drop_chunk`] names a row.
    pub drop_reasons: Vec<String>,
    /// What `process` may fail with.
    pub error_codes: Vec<String>,
    /// The JSON Schema of its config, empty for none.
    pub config_schema: String,
}

impl Manifest {
    /// A manifest that wants nothing yet.
    pub fn new(name: &str, version: &str) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }

    /// Wants fields of these kinds.
    #[must_use]
    pub fn kinds(mut self, kinds: impl Into<Kinds>) -> Self {
        self.kinds = kinds.into();
        self
    }

    /// A chunk that it could not treat must not be stored.
    #[must_use]
    pub fn redacts(mut self) -> Self {
        self.redacts = true;
        self
    }

    /// Asks for whole events.
    #[must_use]
    pub fn needs_events(mut self) -> Self {
        self.needs_events = true;
        self
    }

    /// Asks for elements.
    #[must_use]
    pub fn needs_elements(mut self) -> Self {
        self.needs_elements = true;
        self
    }

    /// May drop chunks for these reasons.
    #[must_use]
    pub fn drop_reasons(mut self, reasons: &[&str]) -> Self {
        self.drop_reasons = reasons.iter().map(|&reason| reason.into()).collect();
        self
    }

    /// May fail with these codes.
    #[must_use]
    pub fn error_codes(mut self, codes: &[&str]) -> Self {
        self.error_codes = codes.iter().map(|&code| code.into()).collect();
        self
    }

    /// The JSON Schema of its config.
    #[must_use]
    pub fn config_schema(mut self, schema: &str) -> Self {
        self.config_schema = schema.into();
        self
    }
}
