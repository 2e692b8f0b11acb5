//! Registries in buckets, asked from threads that may wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use replay_ports::PortError;
use replay_servers::s3::{S3Reader, S3Settings};
use tokio::runtime::Handle;

use crate::registry::Remote;

/// Reads any bucket with the same address and keys.
pub(super) struct S3Remote {
    settings: S3Settings,
    runtime: Handle,
    buckets: Mutex<HashMap<String, Arc<S3Reader>>>,
}

impl S3Remote {
    /// Asks nothing yet. The bucket of the settings is none of its own.
    pub(super) fn new(settings: S3Settings, runtime: Handle) -> Self {
        Self { settings, runtime, buckets: Mutex::default() }
    }

    fn bucket(&self, name: &str) -> Result<Arc<S3Reader>, PortError> {
        let known = self.buckets.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let settings = S3Settings { bucket: name.to_owned(), create_bucket: false, ..self.settings.clone() };
        let opened = Arc::new(self.runtime.block_on(S3Reader::open(&settings))?);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(buckets.entry(name.to_owned()).or_insert(opened)))
    }
}

impl Remote for S3Remote {
    fn size(&self, bucket: &str, key: &str) -> Result<Option<u64>, String> {
        let bucket = self.bucket(bucket).map_err(|error| error.to_string())?;
        self.runtime.block_on(bucket.size(key)).map_err(|error| error.to_string())
    }

    fn get(&self, bucket: &str, key: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, String> {
        let bucket = self.bucket(bucket).map_err(|error| error.to_string())?;
        let got = self.runtime.block_on(bucket.get(key, max_bytes)).map_err(|error| error.to_string())?;
        Ok(got.map(Vec::from))
    }
}
