//! What a plugin says of itself, checked.

use replay_core::rrweb::Kinds;
use serde::{Deserialize, Serialize};

use crate::failure::{LoadError, Stage};
use crate::wit;

/// Bytes of a name.
const MAX_NAME_BYTES: usize = 64;
/// Drop reasons, and error codes.
const MAX_NAMES: usize = 64;
/// Bytes of a config's schema.
const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name, `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// Its version, likewise.
    pub version: String,
    /// The fields that it is shown.
    #[serde(with = "kinds_as_bits")]
    pub kinds: Kinds,
    /// Whether a chunk that it could not treat must not be stored.
    pub redacts: bool,
    /// Whether it asks for whole events.
    pub needs_events: bool,
    /// Whether it asks for elements.
    pub needs_elements: bool,
    /// Why it drops chunks; a verdict names a row.
    pub drop_reasons: Vec<String>,
    /// The errors that it may answer.
    pub error_codes: Vec<String>,
    /// The JSON Schema of its config, empty for none.
    pub config_schema: String,
}

impl Manifest {
    /// Checks what `configure` answered.
    pub(crate) fn check(said: wit::Manifest) -> Result<Self, LoadError> {
        check_name("name", &said.name)?;
        check_name("version", &said.version)?;
        check_names("drop-reasons", &said.drop_reasons)?;
        check_names("error-codes", &said.error_codes)?;
        if said.config_schema.len() > MAX_SCHEMA_BYTES {
            return Err(Stage::Manifest.refuse(format!("config-schema is over {MAX_SCHEMA_BYTES} bytes")));
        }
        Ok(Self {
            name: said.name,
            version: said.version,
            kinds: Kinds::from_bits(said.kinds),
            redacts: said.redacts,
            needs_events: said.needs_events,
            needs_elements: said.needs_elements,
            drop_reasons: said.drop_reasons,
            error_codes: said.error_codes,
            config_schema: said.config_schema,
        })
    }

    /// The code to report for an error that the plugin answered.
    pub(crate) fn error_code(&self, said: &str) -> String {
        self.error_codes.iter().find(|code| *code == said).map_or("unknown", String::as_str).to_owned()
    }
}

fn check_names(list: &str, names: &[String]) -> Result<(), LoadError> {
    if names.len() > MAX_NAMES {
        return Err(Stage::Manifest.refuse(format!("{list} has more than {MAX_NAMES} rows")));
    }
    names.iter().try_for_each(|name| check_name(list, name))
}

/// The name itself is not quoted: it may be anything.
fn check_name(what: &str, name: &str) -> Result<(), LoadError> {
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if fits {
        return Ok(());
    }
    Err(Stage::Manifest.refuse(format!("{what} must match [A-Za-z0-9._-]{{1,{MAX_NAME_BYTES}}}")))
}

mod kinds_as_bits {
    use replay_core::rrweb::Kinds;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(kinds: &Kinds, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(kinds.bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kinds, D::Error> {
        u32::deserialize(deserializer).map(Kinds::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> wit::Manifest {
        wit::Manifest {
            name: "mask-mail".into(),
            version: "1.0.0".into(),
            kinds: 0b11,
            redacts: true,
            needs_events: false,
            needs_elements: false,
            drop_reasons: vec!["bot".into()],
            error_codes: vec!["too_deep".into()],
            config_schema: String::new(),
        }
    }

    #[test]
    fn names_are_bounded_and_plain() {
        assert!(Manifest::check(said()).is_ok());
        for bad in ["", "a b", "anna@example.com", "ä", "a\nb", &"x".repeat(65)] {
            assert!(Manifest::check(wit::Manifest { name: bad.into(), ..said() }).is_err(), "{bad:?}");
            assert!(Manifest::check(wit::Manifest { error_codes: vec![bad.into()], ..said() }).is_err());
        }
        assert!(Manifest::check(wit::Manifest { drop_reasons: vec!["x".into(); 65], ..said() }).is_err());
        assert!(Manifest::check(wit::Manifest { config_schema: " ".repeat(1 << 17), ..said() }).is_err());
    }

    #[test]
    fn an_error_that_is_not_declared_is_unknown() {
        let manifest = Manifest::check(said()).unwrap();
        assert_eq!(manifest.error_code("too_deep"), "too_deep");
        assert_eq!(manifest.error_code("anna@example.com"), "unknown");
    }

    #[test]
    fn a_manifest_survives_the_cache() {
        let manifest = Manifest::check(said()).unwrap();
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
    }
}
