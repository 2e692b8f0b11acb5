//! `plugin test --dead-letter`: the record that a letter is about, as a chain would see it.

use std::collections::BTreeMap;
use std::path::Path;

use replay_core::codec::Scratch;
use replay_core::identity::SessionKey;
use serde::Serialize;

use crate::cli::recorded::{RecordedChunk, chunk_of};
use crate::cli::{CliError, dead_letter};

/// What the letter says.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LetterFound {
    letter: String,
    letter_reason: &'static str,
    letter_detail: String,
    letter_attempts: u32,
}

/// Sessions, and how many records were broken.
type Sessions = (BTreeMap<SessionKey, Vec<RecordedChunk>>, usize);

/// The letter, and its record as the one chunk of its session. The other chunks of the visit are not there,
/// nor what they said of the page's elements.
pub(super) fn fetch(config: Option<&Path>, id: &str) -> Result<(Option<LetterFound>, Sessions), CliError> {
    let (context, letter) = dead_letter::find(config, id)?;
    let found = LetterFound {
        letter: letter.id.to_string(),
        letter_reason: letter.reason.as_str(),
        letter_detail: letter.detail.clone(),
        letter_attempts: letter.attempts,
    };
    let record = dead_letter::original(&context, letter, "plugin test")?;
    let chunk = chunk_of(&record, &mut Scratch::default()).map_err(|reject| {
        CliError::failed(format!(
            "the record of {id} is no chunk, and no plugin ever saw it: {} ({}); `dead-letter show {id} --payload` \
             prints it",
            reject.reason.as_str(),
            reject.detail
        ))
    })?;
    Ok((Some(found), (BTreeMap::from([(chunk.head.session.clone(), vec![chunk])]), 0)))
}
