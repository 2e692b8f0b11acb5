//! Every store of dead letters keeps every promise of its port.

use std::sync::Arc;

use replay_embedded::sqlite::{SqliteDeadLetters, SqliteSettings};
use replay_ports::DeadLetters;
use tempfile::TempDir;

async fn open_sqlite() -> Option<(Arc<dyn DeadLetters>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.sqlite");
    let store = SqliteDeadLetters::open(&path, &SqliteSettings::default()).unwrap();
    Some((Arc::new(store), folder))
}

mod sqlite {
    replay_tests::dead_letters_contract!(crate::dead_letters::open_sqlite);
}

#[cfg(feature = "servers")]
mod clickhouse {
    replay_tests::dead_letters_contract!(crate::clickhouse::open_letters);
}

#[cfg(feature = "servers")]
mod kafka {
    use std::sync::Arc;

    use replay_ports::DeadLetters;
    use replay_servers::kafka::KafkaDeadLetters;
    use replay_tests::kafka::Topic;

    /// The store makes its topic itself.
    async fn open() -> Option<(Arc<dyn DeadLetters>, (Topic, Topic))> {
        let records = Topic::new(1).await?;
        let letters = records.unmade();
        let store = KafkaDeadLetters::open(&records.own_settings(), &letters.name).unwrap();
        Some((Arc::new(store), (records, letters)))
    }

    /// Several partitions, and an index that holds few of the letters.
    async fn open_narrow() -> Option<(Arc<dyn DeadLetters>, (Topic, Topic))> {
        let records = Topic::new(1).await?;
        let letters = records.unmade();
        let mut settings = records.own_settings();
        settings.letters.partitions = 3;
        settings.letters.indexed_letters = 100;
        let store = KafkaDeadLetters::open(&settings, &letters.name).unwrap();
        Some((Arc::new(store), (records, letters)))
    }

    replay_tests::dead_letters_contract!(crate::dead_letters::kafka::open);

    mod narrow {
        replay_tests::dead_letters_contract!(crate::dead_letters::kafka::open_narrow);
    }
}
