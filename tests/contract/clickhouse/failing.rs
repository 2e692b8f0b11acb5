//! What a failed call means, and that it quotes nothing.

use std::time::Duration;

use replay_core::row::ChunkRow;
use replay_ports::{Disposition, HotStore};
use replay_servers::clickhouse::{ClickHouseHot, ClickHouseSettings};

use super::{Database, T0, proxy, read_all, row, session};

/// As the pipeline does it: halves what is refused until the very row is found.
async fn insert_bisecting(hot: &ClickHouseHot, rows: Vec<ChunkRow>) -> (Vec<ChunkRow>, usize) {
    let (mut refused, mut inserts) = (Vec::new(), 0);
    let mut todo = vec![rows];
    while let Some(rows) = todo.pop() {
        inserts += 1;
        let Err(error) = hot.insert(&rows).await else { continue };
        assert_eq!(error.disposition(), Disposition::DeadLetter, "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        match rows.as_slice() {
            [row] => refused.push(row.clone()),
            rows => {
                let (first, second) = rows.split_at(rows.len() / 2);
                todo.extend([second.to_vec(), first.to_vec()]);
            }
        }
    }
    (refused, inserts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_row_in_ten_thousand_is_found_and_the_rest_is_stored() {
    let Some(database) = Database::with_tables().await else { return };
    database.ask("ALTER TABLE {db}.replay_chunks ADD CONSTRAINT picky CHECK position(data, 'canary') = 0");
    let (hot, session) = (database.hot().await, session(1));
    let rows: Vec<_> = (0..10_000u32)
        .map(|index| {
            let data = if index == 6_789 { "[\"canary\"]".to_owned() } else { format!("[{index}]") };
            row(&session, index, 1, T0, data.as_bytes())
        })
        .collect();
    let (refused, inserts) = insert_bisecting(&hot, rows.clone()).await;
    assert_eq!(refused, rows[6_789..6_790]);
    assert!(inserts <= 2 * 14 + 1, "{inserts}");
    let kept: Vec<_> = rows.iter().filter(|row| row.meta.key.chunk_index != 6_789).cloned().collect();
    assert!(read_all(&hot, &session).await == kept);
}

/// What fits no column is this row's fault alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_after_the_last_day_is_rejected() {
    let Some(database) = Database::with_tables().await else { return };
    let (hot, session) = (database.hot().await, session(1));
    // 2149-06-06 is the last `Date`.
    let last = row(&session, 0, 1, 5_662_310_399_999, b"[1]");
    let beyond = row(&session, 1, 1, 5_662_310_400_000, b"[2]");
    assert_eq!(
        hot.insert(std::slice::from_ref(&beyond)).await.unwrap_err().disposition(),
        Disposition::DeadLetter
    );
    hot.insert(std::slice::from_ref(&last)).await.unwrap();
    assert_eq!(read_all(&hot, &session).await, [last]);
    assert_eq!(hot.delete_copies(&session, &[beyond.meta.copy_id()]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_and_one_that_is_silent_too() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = ClickHouseSettings::new(format!("http://127.0.0.1:{port}"), "gosight");
    let hot = ClickHouseHot::open_lazily(&away).unwrap();
    assert_eq!(hot.list_tombstones().await.unwrap_err().disposition(), Disposition::Retry);
    assert_eq!(ClickHouseHot::open(&away).await.unwrap_err().disposition(), Disposition::Retry);

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = ClickHouseSettings {
        url: format!("http://{}", silent.local_addr().unwrap()),
        request_timeout: Duration::from_secs(1),
        ..away
    };
    let error = ClickHouseHot::open(&settings).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry);
    assert!(error.to_string().contains("time"), "{error}");
}

/// Whatever the server's message holds, only its code comes through, in each class.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_words_are_not_repeated() {
    let Some(database) = Database::with_tables().await else { return };
    for (code, disposition) in [
        (252, Disposition::Retry),
        (241, Disposition::Retry),
        (999, Disposition::Retry),
        (164, Disposition::Stop),
        (497, Disposition::Stop),
        (60, Disposition::Stop),
    ] {
        let url = proxy::before(&database.settings.url, move |sql| match sql.contains("replay_tombstones") {
            true => Err((code, "near 'canary@example.com' (CANARY). (NAME)")),
            false => Ok(sql.to_owned()),
        });
        let settings = ClickHouseSettings { url, ..database.settings.clone() };
        let hot = ClickHouseHot::open(&settings).await.unwrap();
        let error = hot.list_tombstones().await.unwrap_err();
        assert_eq!(error.disposition(), disposition, "{error}");
        let said = error.to_string();
        assert!(said.contains(&format!("code {code}")) && !said.to_lowercase().contains("canary"), "{said}");
    }
}
