//! What the service and its compiling child say to each other: a length (little-endian u32), as much
//! JSON, and the rest as bytes: component and known functions on the way there, code and functions on the
//! way back.

use std::io::{Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::checks::Passed;
use crate::failure::{LoadError, Stage};
use crate::limits::{Class, Limits};
use crate::manifest::Manifest;
use crate::prepare::Compiled;

/// Bytes of the JSON.
const MAX_HEAD_BYTES: u32 = 16 << 20;

/// What to make ready; the component follows, and functions of it that were compiled before.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) component_bytes: usize,
    pub(crate) config_json: String,
    pub(crate) class: Class,
    pub(crate) limits: Limits,
}

/// What came of it; the code follows, if there is any, and all functions, if there are new ones.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) code_bytes: usize,
    pub(crate) passed: Vec<Passed>,
    outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
enum Outcome {
    Ready { manifest: Manifest, snapshotted: bool },
    Refused { stage: Stage, message: String },
}

impl Reply {
    /// With the code that follows.
    pub(crate) fn new(passed: Vec<Passed>, result: Result<Compiled, LoadError>) -> (Self, Vec<u8>) {
        let (outcome, code) = match result {
            Ok(Compiled { manifest, snapshotted, code }) => (Outcome::Ready { manifest, snapshotted }, code),
            Err(LoadError::Refused { stage, message }) => (Outcome::Refused { stage, message }, Vec::new()),
            Err(
                error @ (LoadError::Unreadable { .. }
                | LoadError::TooLarge { .. }
                | LoadError::Digest { .. }
                | LoadError::Compiler(_)
                | LoadError::Cache(_)),
            ) => (Outcome::Refused { stage: Stage::Compile, message: error.to_string() }, Vec::new()),
        };
        (Self { code_bytes: code.len(), passed, outcome }, code)
    }

    /// `code` is what followed.
    pub(crate) fn into_result(self, code: Vec<u8>) -> Result<Compiled, LoadError> {
        match self.outcome {
            Outcome::Ready { manifest, snapshotted } => Ok(Compiled { manifest, snapshotted, code }),
            Outcome::Refused { stage, message } => Err(LoadError::Refused { stage, message }),
        }
    }
}

pub(crate) fn write<T: Serialize>(mut to: impl Write, head: &T, rest: [&[u8]; 2]) -> std::io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let length = u32::try_from(head.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&head)?;
    rest.iter().try_for_each(|part| to.write_all(part))?;
    to.flush()
}

/// The head, and what follows it in one.
pub(crate) fn read<T: DeserializeOwned>(mut from: impl Read) -> std::io::Result<(T, Vec<u8>)> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_HEAD_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut head = vec![0; length as usize];
    from.read_exact(&mut head)?;
    let mut rest = Vec::new();
    from.read_to_end(&mut rest)?;
    Ok((serde_json::from_slice(&head)?, rest))
}
