//! Writing one object under its condition, in one piece or in parts.
//!
//! A write may succeed and its answer get lost; the attempt after it then meets what the first one
//! wrote. So each write carries an id of its own in the object's metadata, and whoever is told that the
//! condition does not hold looks whether it was himself.

use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use replay_ports::{ObjectTag, PortError, Precondition, PutOutcome, Result};
use uuid::Uuid;

use super::bucket::{Bucket, is_tag};
use super::fault::Fault;
use super::key::{check_key, check_metadata, content_type};
use super::upload::Upload;

/// The metadata name of a write's own id.
const WRITE_ID: &str = "write-id";

/// What is written, and how it is told from all other writes.
pub(super) struct Write<'a> {
    pub(super) key: &'a str,
    pub(super) body: &'a [Bytes],
    pub(super) metadata: HashMap<String, String>,
    pub(super) condition: Condition,
    id: String,
}

/// The headers of a condition.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

impl Bucket {
    /// Writes under the condition. Where the store holds none (`conditional` is false), the condition is
    /// only looked at beforehand.
    pub(super) async fn put(
        self: &std::sync::Arc<Self>,
        key: &str,
        body: &[Bytes],
        metadata: &[(&str, String)],
        precondition: Precondition,
        conditional: bool,
    ) -> Result<PutOutcome> {
        check_key(key)?;
        let id = Uuid::new_v4().to_string();
        let mut metadata = metadata.to_vec();
        metadata.push((WRITE_ID, id.clone()));
        check_metadata(&metadata)?;
        let size = body.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let most = self.settings.max_object_bytes;
        if size > most {
            return Err(PortError::rejected(format!(
                "{key} would have {size} bytes, and `max_object_bytes` is {most}"
            )));
        }
        if matches!(&precondition, Precondition::Matches(tag) if !is_tag(&tag.0)) {
            return Ok(PutOutcome::PreconditionFailed);
        }
        let in_parts = size > self.settings.part_bytes;
        // A large object is not sent in vain, and a store without conditions has to be looked at.
        if (in_parts || !conditional) && !self.permits(key, &precondition).await? {
            return Ok(PutOutcome::PreconditionFailed);
        }
        let condition = if conditional { Condition::of(precondition) } else { Condition::default() };
        let metadata = metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let write = Write { key, body, metadata, condition, id };
        let written = match in_parts {
            true => Upload::run(self, &write).await,
            false => self.put_whole(&write).await,
        };
        self.outcome(&write, written).await
    }

    async fn put_whole(&self, write: &Write<'_>) -> std::result::Result<Option<String>, Fault> {
        let mut pieces = Pieces::new(write.body);
        let body = pieces.next(usize::MAX).unwrap_or_default();
        let call = self.client.put_object().bucket(self.name()).key(write.key);
        let call = call
            .content_type(content_type(write.key))
            .set_metadata(Some(write.metadata.clone()))
            .set_if_match(write.condition.if_match.clone())
            .set_if_none_match(write.condition.if_none_match.clone())
            .body(ByteStream::from(body));
        let sent = call.customize().config_override(self.patient()).send().await;
        sent.map(|written| written.e_tag).map_err(|error| Fault::of(&error))
    }

    /// What became of the write.
    async fn outcome(
        &self,
        write: &Write<'_>,
        written: std::result::Result<Option<String>, Fault>,
    ) -> Result<PutOutcome> {
        let fault = match written {
            Ok(e_tag) => return Ok(PutOutcome::Written(self.tag(e_tag.as_deref())?)),
            Err(fault) => fault,
        };
        if !fault.is_precondition() && !fault.is_no_upload() {
            return Err(self.error(&fault, &format!("write {}", write.key)));
        }
        if let Some(found) = self.look(write.key).await? {
            let id = found.metadata().and_then(|metadata| metadata.get(WRITE_ID));
            if id == Some(&write.id) {
                return Ok(PutOutcome::Written(self.tag(found.e_tag())?));
            }
        }
        if fault.is_no_upload() {
            let key = write.key;
            return Err(PortError::unavailable(format!(
                "the unfinished upload of {key} was aborted by someone else; the write is repeated"
            )));
        }
        Ok(PutOutcome::PreconditionFailed)
    }

    async fn permits(&self, key: &str, precondition: &Precondition) -> Result<bool> {
        let found = self.head(key).await?.map(|head| head.tag);
        Ok(match precondition {
            Precondition::Absent => found.is_none(),
            Precondition::Matches(tag) => found.as_ref() == Some(tag),
        })
    }
}

impl Condition {
    fn of(precondition: Precondition) -> Self {
        match precondition {
            Precondition::Absent => Self { if_none_match: Some("*".to_owned()), if_match: None },
            Precondition::Matches(ObjectTag(tag)) => Self { if_match: Some(tag), if_none_match: None },
        }
    }
}

/// Takes a body of many pieces apart into parts, copying only where a part spans pieces.
pub(super) struct Pieces<'a> {
    rest: &'a [Bytes],
    /// Bytes of the first piece that are taken.
    taken: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(body: &'a [Bytes]) -> Self {
        Self { rest: body, taken: 0 }
    }

    /// The next `most` bytes, or what is left; `None` at the end.
    pub(super) fn next(&mut self, most: usize) -> Option<Bytes> {
        let left: usize = self.rest.iter().map(Bytes::len).sum::<usize>() - self.taken;
        if left == 0 {
            return None;
        }
        let wanted = left.min(most);
        let mut part: Option<BytesMut> = None;
        let mut missing = wanted;
        while let Some(piece) = self.rest.first() {
            let slice = piece.slice(self.taken..piece.len().min(self.taken + missing));
            missing -= slice.len();
            self.taken += slice.len();
            if self.taken == piece.len() {
                self.rest = self.rest.get(1..).unwrap_or_default();
                self.taken = 0;
            }
            if part.is_none() && missing == 0 {
                return Some(slice);
            }
            part.get_or_insert_with(|| BytesMut::with_capacity(wanted)).extend_from_slice(&slice);
            if missing == 0 {
                break;
            }
        }
        part.map(BytesMut::freeze)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_body_in_order() {
        let body: Vec<Bytes> = ["", "abc", "", "defgh", "i", ""].map(Bytes::from).to_vec();
        for most in 1..=12 {
            let mut pieces = Pieces::new(&body);
            let mut parts: Vec<Bytes> = Vec::new();
            while let Some(part) = pieces.next(most) {
                parts.push(part);
            }
            assert_eq!(parts.concat(), b"abcdefghi");
            let (last, others) = parts.split_last().unwrap();
            assert!(others.iter().all(|part| part.len() == most), "{most}: {parts:?}");
            assert!(!last.is_empty() && last.len() <= most);
        }
        assert_eq!(Pieces::new(&[]).next(1), None);
        assert_eq!(Pieces::new(&[Bytes::new()]).next(1), None);
    }

    #[test]
    fn one_piece_is_not_copied() {
        let body = [Bytes::from(vec![1; 100])];
        let part = Pieces::new(&body).next(usize::MAX).unwrap();
        assert_eq!(part.as_ptr(), body[0].as_ptr());
    }
}
