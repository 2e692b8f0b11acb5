//! One past the last offset of each partition, asked for by a thread of its own: a broker that is slow
//! to answer must hold up neither the poll nor who looks at the lag.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;

use super::context::Group;
use super::watermarks;

/// The ends as they were last seen.
#[derive(Debug, Default)]
pub(super) struct Ends {
    known: Mutex<Known>,
    thread: OnceLock<Thread>,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    ends: BTreeMap<u32, End>,
    consumer: Option<Weak<BaseConsumer<Group>>>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    offset: u64,
    seen: Instant,
}

impl Ends {
    /// Starts the thread.
    pub(super) fn spawn(topic: String, interval: Duration, timeout: Duration) -> io::Result<Arc<Self>> {
        let ends = Arc::new(Self::default());
        let this = Arc::clone(&ends);
        let builder = thread::Builder::new().name("kafka-ends".into());
        let handle = builder.spawn(move || {
            while !this.is_over.load(Ordering::Acquire) {
                this.ask(&topic, timeout);
                thread::park_timeout(interval);
            }
        })?;
        let _ = ends.thread.set(handle.thread().clone());
        Ok(ends)
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wake();
    }

    /// From now on these partitions are ours; `found` are ends that were just seen.
    pub(super) fn watch(&self, consumer: &Arc<BaseConsumer<Group>>, found: &[(u32, u64)]) {
        let mut known = self.lock();
        known.consumer = Some(Arc::downgrade(consumer));
        for &(partition, offset) in found {
            known.ends.insert(partition, End { offset, seen: Instant::now() });
        }
        drop(known);
        self.wake();
    }

    /// These are no longer.
    pub(super) fn forget(&self, partitions: &[u32]) {
        self.lock().ends.retain(|partition, _| !partitions.contains(partition));
    }

    /// The ends of all partitions that are ours.
    pub(super) fn all(&self) -> Vec<(u32, u64)> {
        self.lock().ends.iter().map(|(&partition, end)| (partition, end.offset)).collect()
    }

    /// The end of one, if it was seen at or after this moment.
    pub(super) fn seen_since(&self, partition: u32, since: Instant) -> Option<u64> {
        self.lock().ends.get(&partition).filter(|end| end.seen >= since).map(|end| end.offset)
    }

    fn ask(&self, topic: &str, timeout: Duration) {
        let (partitions, consumer) = {
            let known = self.lock();
            let partitions: Vec<u32> = known.ends.keys().copied().collect();
            (partitions, known.consumer.as_ref().and_then(Weak::upgrade))
        };
        let Some(consumer) = consumer else { return };
        let numbers: Vec<i32> =
            partitions.iter().filter_map(|&partition| i32::try_from(partition).ok()).collect();
        if numbers.is_empty() || self.is_over.load(Ordering::Acquire) {
            return;
        }
        match watermarks::ends(&consumer, topic, &numbers, timeout) {
            Ok(found) => {
                let mut known = self.lock();
                for (number, offset) in found {
                    // It may have gone meanwhile: then it is not to come back.
                    let end = u32::try_from(number).ok().and_then(|partition| known.ends.get_mut(&partition));
                    if let Some(end) = end {
                        *end = End { offset, seen: Instant::now() };
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the ends of the partitions are not known"),
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
