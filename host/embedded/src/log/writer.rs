//! The one thread that writes: everything that waits is written, flushed once, and answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use replay_ports::{PortError, Result};
use tokio::sync::{mpsc, oneshot, watch};

use super::OnFatal;
use super::disk::write_all;
use super::frame::{self, LogRecord, MAX_OVERHEAD_BYTES};
use super::segments::{Active, HEADER_BYTES, Segments, classify};

/// What the thread is asked.
pub(super) enum Request {
    /// Write a record; answered with its offset once it is durable.
    Append { record: LogRecord, answer: oneshot::Sender<Result<u64>> },
    /// Start a new segment, so that the present one can age out.
    Roll { answer: oneshot::Sender<Result<()>> },
}

pub(super) struct Writer {
    segments: Arc<Segments>,
    active: Active,
    durable: watch::Sender<u64>,
    on_fatal: OnFatal,
    /// After a failed flush nothing may be written any more.
    broken: bool,
    frames: Vec<u8>,
}

type Answers = Vec<oneshot::Sender<Result<u64>>>;

impl Writer {
    pub(super) fn spawn(
        segments: Arc<Segments>,
        active: Active,
        queue: mpsc::Receiver<Request>,
        durable: watch::Sender<u64>,
        on_fatal: OnFatal,
    ) -> Result<()> {
        let mut writer = Self { segments, active, durable, on_fatal, broken: false, frames: Vec::new() };
        let thread = std::thread::Builder::new().name("replay-log".to_owned());
        let spawned = thread.spawn(move || writer.run(queue));
        spawned.map_err(|error| PortError::unavailable(format!("cannot start the log's thread: {error}")))?;
        Ok(())
    }

    fn run(&mut self, mut queue: mpsc::Receiver<Request>) {
        let mut held = None;
        while let Some(first) = held.take().or_else(|| queue.blocking_recv()) {
            match first {
                Request::Roll { answer } => {
                    let rolled = self.roll();
                    let _ = answer.send(rolled);
                }
                Request::Append { record, answer } => {
                    self.frames.clear();
                    let mut answers: Answers = Vec::new();
                    self.take(&record, answer, &mut answers);
                    while self.frames.len() < self.segments.settings.batch_bytes {
                        match queue.try_recv() {
                            Ok(Request::Append { record, answer }) => {
                                self.take(&record, answer, &mut answers)
                            }
                            Ok(roll) => {
                                held = Some(roll);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(answers);
                }
            }
        }
    }

    fn take(&mut self, record: &LogRecord, answer: oneshot::Sender<Result<u64>>, answers: &mut Answers) {
        frame::encode(record, &mut self.frames);
        answers.push(answer);
    }

    fn write(&mut self, answers: Answers) {
        let written = self.write_frames(answers.len() as u64);
        // One large record must not keep its buffer for ever.
        self.frames.shrink_to(self.segments.settings.batch_bytes + MAX_OVERHEAD_BYTES);
        match written {
            Ok(first) => {
                for (offset, answer) in (first..).zip(answers) {
                    // Whoever asked may have gone; the record is there all the same.
                    let _ = answer.send(Ok(offset));
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Writes and flushes what is in `frames`; returns the first offset.
    fn write_frames(&mut self, count: u64) -> Result<u64> {
        if self.broken {
            return Err(PortError::refused("the log's disk failed; restart once it is mended"));
        }
        let full = self.active.len + self.frames.len() as u64 > self.segments.settings.segment_bytes;
        if full && self.active.len > HEADER_BYTES {
            self.roll()?;
        }
        let segment = Arc::clone(&self.active.segment);
        if let Err(error) = write_all(&*segment.file, &self.frames, self.active.len) {
            if segment.file.truncate(self.active.len).is_err() {
                return Err(self.fatal("a partial write cannot be taken back"));
            }
            return Err(classify(&error, "write to the log", &segment.path));
        }
        if let Err(error) = segment.file.sync_data() {
            return Err(self.fatal(&format!("fdatasync of {}: {error}", segment.path.display())));
        }
        let first = self.active.next_offset;
        self.active.len += self.frames.len() as u64;
        self.active.next_offset += count;
        segment.durable_len.store(self.active.len, Ordering::Release);
        self.durable.send_replace(self.active.next_offset);
        Ok(first)
    }

    fn roll(&mut self) -> Result<()> {
        if self.active.len > HEADER_BYTES {
            self.active = self.segments.create(self.active.next_offset)?;
        }
        Ok(())
    }

    fn fatal(&mut self, why: &str) -> PortError {
        self.broken = true;
        (self.on_fatal)(why);
        PortError::refused(format!("the log's disk failed: {why}"))
    }
}
