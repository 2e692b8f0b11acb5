//! Every cold store keeps every promise of its port.

use std::sync::Arc;

use replay_embedded::dir::DirCold;
use replay_ports::ColdStore;
use tempfile::TempDir;

async fn open_dir() -> Option<(Arc<dyn ColdStore>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let store = DirCold::open(&folder.path().join("cold")).unwrap();
    Some((Arc::new(store), folder))
}

mod dir {
    replay_tests::cold_contract!(crate::cold::open_dir);
}

#[cfg(feature = "servers")]
mod s3 {
    use std::sync::Arc;

    use replay_ports::ColdStore;
    use replay_tests::s3::TestBucket;
    use replay_tests::servers::{S3, S3_OTHER};

    pub(crate) async fn open_first() -> Option<(Arc<dyn ColdStore>, TestBucket)> {
        crate::s3::open_for_contract(S3).await
    }

    pub(crate) async fn open_other() -> Option<(Arc<dyn ColdStore>, TestBucket)> {
        crate::s3::open_for_contract(S3_OTHER).await
    }

    mod first {
        replay_tests::cold_contract!(crate::cold::s3::open_first);
    }

    mod other {
        replay_tests::cold_contract!(crate::cold::s3::open_other);
    }
}
