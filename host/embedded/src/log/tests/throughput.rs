//! How many appends a second a real disk takes. Prints, asserts nothing.

use std::time::Instant;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it by name with --nocapture"]
async fn appends_a_second_with_32_appenders() {
    let dir = tempfile::tempdir().unwrap();
    for payload_bytes in [1 << 10, 50 << 10] {
        let offsets = Arc::new(MemoryOffsets::default());
        let log =
            LocalLog::open(&dir.path().join(payload_bytes.to_string()), LogSettings::default(), offsets);
        let log = Arc::new(log.unwrap());
        let begun = Instant::now();
        let appenders: Vec<_> = (0..32)
            .map(|_| {
                let (log, payload) = (log.clone(), Bytes::from(vec![7; payload_bytes]));
                tokio::spawn(async move {
                    for n in 0..100 {
                        log.append(payload.clone(), n, None).await.unwrap();
                    }
                })
            })
            .collect();
        for appender in appenders {
            appender.await.unwrap();
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{payload_bytes} bytes: {:.0} appends/s, {:?}", 3_200.0 / seconds, log.status());
    }
}
