//! Single objects of any key, for what is no session: read, and never written.

use bytes::Bytes;
use replay_ports::Result;

use super::bucket::Bucket;
use super::settings::S3Settings;

/// A bucket that is only read.
#[derive(Debug)]
pub struct S3Reader {
    bucket: Bucket,
}

impl S3Reader {
    /// Checks the settings; connects at the first call.
    pub async fn open(settings: &S3Settings) -> Result<Self> {
        Ok(Self { bucket: Bucket::new(settings).await? })
    }

    /// The size of an object, bytes; `None` if there is none.
    pub async fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.bucket.look(key).await?.map(|found| Bucket::size_of(&found)))
    }

    /// An object's bytes, if they are at most `max_bytes`; a longer one is `Rejected` before it is read.
    pub async fn get(&self, key: &str, max_bytes: u64) -> Result<Option<Bytes>> {
        let got = self.bucket.get_at_most(key, max_bytes, "the most that is read").await?;
        Ok(got.map(|(_, bytes)| bytes))
    }
}
