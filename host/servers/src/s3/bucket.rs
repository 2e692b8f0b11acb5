//! One bucket: looking, reading and listing, and how long that may take.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::Bytes;
use replay_ports::{ObjectHead, ObjectTag, PortError, Result};

use super::client::{client, timeouts};
use super::fault::Fault;
use super::settings::S3Settings;

/// The most keys that a listing gives at once.
const MAX_PAGE: usize = 1000;

/// A bucket and how to reach it.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) settings: S3Settings,
    /// Bucket and address, as messages name them.
    pub(super) place: String,
}

impl Bucket {
    /// Checks the settings; connects at the first call.
    pub(super) async fn new(settings: &S3Settings) -> Result<Self> {
        let wrong = |what: &str| PortError::refused(format!("the object store's settings: {what}"));
        settings.check().map_err(|what| wrong(&what))?;
        let client = client(settings).await;
        if client.config().region().is_none() {
            return Err(wrong("there is no `region`, and the AWS chain names none"));
        }
        Ok(Self { client, settings: settings.clone(), place: settings.place() })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.bucket
    }

    /// What a fault means, told for the operator.
    pub(super) fn error(&self, fault: &Fault, doing: &str) -> PortError {
        fault.error(doing, &self.place)
    }

    /// For calls that send a body.
    pub(super) fn patient(&self) -> Builder {
        Builder::new().timeout_config(timeouts(&self.settings, self.settings.transfer_timeout))
    }

    /// What the store says of an object.
    pub(super) async fn look(&self, key: &str) -> Result<Option<HeadObjectOutput>> {
        match self.client.head_object().bucket(self.name()).key(key).send().await {
            Ok(found) => Ok(Some(found)),
            Err(error) => {
                self.absent_or_error(&Fault::of(&error), &format!("look at {key}")).await?;
                Ok(None)
            }
        }
    }

    pub(super) async fn head(&self, key: &str) -> Result<Option<ObjectHead>> {
        let Some(found) = self.look(key).await? else { return Ok(None) };
        Ok(Some(ObjectHead {
            key: key.to_owned(),
            tag: self.tag(found.e_tag.as_deref())?,
            size: unsigned(found.content_length),
            modified_at_ms: millis(found.last_modified.as_ref()),
        }))
    }

    pub(super) fn size_of(found: &HeadObjectOutput) -> u64 {
        unsigned(found.content_length)
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<(ObjectTag, Bytes)>> {
        let Some((tag, bytes)) =
            self.get_at_most(key, self.settings.max_object_bytes, "`max_object_bytes`").await?
        else {
            return Ok(None);
        };
        Ok(Some((self.tag(tag.as_deref())?, bytes)))
    }

    /// An object of at most so many bytes, with what the store gives as its `ETag`; `bound` is the name of
    /// the limit.
    pub(super) async fn get_at_most(
        &self,
        key: &str,
        most: u64,
        bound: &str,
    ) -> Result<Option<(Option<String>, Bytes)>> {
        let doing = format!("read {key}");
        let found = match self.client.get_object().bucket(self.name()).key(key).send().await {
            Ok(found) => found,
            Err(error) => {
                self.absent_or_error(&Fault::of(&error), &doing).await?;
                return Ok(None);
            }
        };
        let size = unsigned(found.content_length);
        if size > most {
            let place = &self.place;
            return Err(PortError::rejected(format!(
                "{key} in {place} has {size} bytes, and {bound} is {most}"
            )));
        }
        let tag = found.e_tag;
        let bytes = self.read(found.body, size).await.map_err(|fault| self.error(&fault, &doing))?;
        Ok(Some((tag, bytes)))
    }

    pub(super) async fn get_range(
        &self,
        key: &str,
        tag: &ObjectTag,
        range: Range<u64>,
    ) -> Result<Option<Bytes>> {
        if range.start > range.end || !is_tag(&tag.0) {
            return Ok(None);
        }
        let length = range.end - range.start;
        if length == 0 {
            // HTTP has no empty range.
            let found = self.head(key).await?;
            let fits = found.is_some_and(|head| head.tag == *tag && range.end <= head.size);
            return Ok(fits.then(Bytes::new));
        }
        let doing = format!("read a part of {key}");
        let call = self.client.get_object().bucket(self.name()).key(key).if_match(&tag.0);
        let found = match call.range(format!("bytes={}-{}", range.start, range.end - 1)).send().await {
            Ok(found) => found,
            Err(error) => {
                let fault = Fault::of(&error);
                if !fault.is_precondition() && !fault.is_past_the_end() {
                    self.absent_or_error(&fault, &doing).await?;
                }
                return Ok(None);
            }
        };
        // A store that does not know `If-Match`, or a range that the object's end cut short.
        if found.e_tag.as_deref() != Some(&tag.0) || unsigned(found.content_length) != length {
            return Ok(None);
        }
        let bytes = self.read(found.body, length).await.map_err(|fault| self.error(&fault, &doing))?;
        Ok(Some(bytes))
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectHead>> {
        let mut heads: Vec<ObjectHead> = Vec::new();
        let mut after = after.map(str::to_owned);
        while heads.len() < limit {
            let most = (limit - heads.len()).min(MAX_PAGE);
            let page = self.list_page(prefix, after.as_deref(), most).await;
            let page = page.map_err(|fault| self.error(&fault, "list objects"))?;
            let (page, is_last) = page;
            for head in page {
                if after.as_ref().is_some_and(|last| *last >= head.key) {
                    return Err(PortError::refused(format!(
                        "{} does not list its keys in ascending order: it cannot hold replays",
                        self.place
                    )));
                }
                after = Some(head.key.clone());
                heads.push(head);
            }
            if is_last {
                break;
            }
        }
        Ok(heads)
    }

    /// At most `most` objects, and whether these were the last.
    async fn list_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> std::result::Result<(Vec<ObjectHead>, bool), Fault> {
        let call = self.client.list_objects_v2().bucket(self.name()).prefix(prefix);
        let call = call.set_start_after(after.map(str::to_owned));
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let page = call.max_keys(most).send().await.map_err(|error| Fault::of(&error))?;
        let heads = page.contents.unwrap_or_default();
        let is_last = page.is_truncated != Some(true) || heads.is_empty();
        let heads = heads.into_iter().filter_map(|object| {
            Some(ObjectHead {
                key: object.key?,
                // Without one it is no tag, and fits nothing.
                tag: ObjectTag(object.e_tag.unwrap_or_default()),
                size: unsigned(object.size),
                modified_at_ms: millis(object.last_modified.as_ref()),
            })
        });
        Ok((heads.collect(), is_last))
    }

    /// Whether the bucket answers to these credentials.
    pub(super) async fn try_listing(&self) -> std::result::Result<(), Fault> {
        self.list_page("", None, 1).await.map(drop)
    }

    /// The tag that an `ETag` makes: it is in every condition, so it has to be a strong one.
    pub(super) fn tag(&self, e_tag: Option<&str>) -> Result<ObjectTag> {
        match e_tag {
            Some(e_tag) if is_tag(e_tag) => Ok(ObjectTag(e_tag.to_owned())),
            _ => Err(PortError::refused(format!(
                "{} gives objects no strong ETag (something between may compress or rewrite its answers)",
                self.place
            ))),
        }
    }

    /// Nothing is there (`Ok`), or the error. That something is absent counts only if the bucket is there.
    async fn absent_or_error(&self, fault: &Fault, doing: &str) -> Result<()> {
        if fault.is_no_key() {
            return Ok(());
        }
        if !fault.is_absent() || fault.is_no_bucket() {
            return Err(self.error(fault, doing));
        }
        let Err(error) = self.client.head_bucket().bucket(self.name()).send().await else { return Ok(()) };
        let mut fault = Fault::of(&error);
        if fault.is_absent() {
            "NoSuchBucket".clone_into(&mut fault.code);
        }
        Err(self.error(&fault, doing))
    }

    /// The whole body, of exactly this many bytes.
    async fn read(&self, mut body: ByteStream, size: u64) -> std::result::Result<Bytes, Fault> {
        let size = usize::try_from(size).map_err(|_| Fault::of_body("the body does not fit into memory"))?;
        let mut bytes = Vec::new();
        loop {
            let Ok(piece) = tokio::time::timeout(self.settings.idle_timeout, body.next()).await else {
                return Err(Fault::of_body("no byte came for a while, in the middle of a body"));
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|_| Fault::of_body("the connection broke in the middle of a body"))?;
            if bytes.is_empty() && piece.len() == size {
                return Ok(piece);
            }
            bytes.reserve_exact(size.saturating_sub(bytes.len()));
            bytes.extend_from_slice(&piece);
            if bytes.len() > size {
                break;
            }
        }
        if bytes.len() != size {
            return Err(Fault::of_body("the body has another length than its head said"));
        }
        Ok(bytes.into())
    }
}

/// Whether this is a strong entity tag, as `"9b2c"`.
pub(super) fn is_tag(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| {
        !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
    })
}

fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// Unix milliseconds.
pub(super) fn millis(time: Option<&DateTime>) -> u64 {
    time.and_then(|time| time.to_millis().ok()).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_strong_and_quoted() {
        assert!(is_tag("\"9b2cf535f27731c974343645a3985328-2\""));
        for bad in ["", "\"\"", "abc", "W/\"abc\"", "\"a\"b\"", "\"a b\"", "\"a\r\n\""] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}
