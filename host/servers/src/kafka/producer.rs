//! Writing: idempotently, and acknowledged by all replicas before anybody is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use replay_ports::{PortError, Result};

use super::context::{Complaint, Plain};
use super::failure::{Names, code_of, is_too_large, words};
use super::{KafkaSettings, properties};

/// A producer, made on first use, and anew when librdkafka gives it up.
pub(super) struct Producer {
    settings: Arc<KafkaSettings>,
    slot: Mutex<Option<Client>>,
}

#[derive(Clone)]
struct Client {
    producer: FutureProducer<Plain>,
    complaint: Arc<Complaint>,
}

impl Producer {
    /// Asks no broker.
    pub(super) fn new(settings: Arc<KafkaSettings>) -> Self {
        Self { settings, slot: Mutex::new(None) }
    }

    /// Writes a record and answers where it is, once all replicas have it.
    pub(super) async fn send(
        &self,
        names: Names<'_>,
        key: Option<&str>,
        payload: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(u32, u64)> {
        let client = self.client()?;
        let record = FutureRecord::<str, [u8]> {
            topic: names.topic,
            partition: None,
            payload,
            key,
            timestamp: None,
            headers: Some(headers),
        };
        // A full queue is waited for; a record in it has a time-out of its own.
        let sent = client.producer.send(record, self.settings.append_timeout).await;
        match sent {
            Ok(delivery) => {
                let (partition, offset) = (u32::try_from(delivery.partition), u64::try_from(delivery.offset));
                match (partition, offset) {
                    (Ok(partition), Ok(offset)) => Ok((partition, offset)),
                    _ => Err(PortError::unavailable("the broker did not say where the record is")),
                }
            }
            // The message itself is dropped here: its payload belongs into no error.
            Err((error, _message)) => {
                let failed = self.failed(names, &client, &error, payload.map_or(0, <[u8]>::len));
                if client.producer.client().fatal_error().is_some() {
                    // An idempotent producer that lost count is of no more use.
                    *self.slot() = None;
                }
                Err(failed)
            }
        }
    }

    fn client(&self) -> Result<Client> {
        let mut slot = self.slot();
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let complaint = Arc::new(Complaint::default());
        let context = Plain::new(Arc::clone(&complaint));
        let names = Names { topic: &self.settings.topic, group: &self.settings.group };
        let refused = |error| {
            PortError::refused(names.classify("creating the Kafka producer", &error, None).to_string())
        };
        let producer = properties::producer(&self.settings).create_with_context(context).map_err(refused)?;
        let client = Client { producer, complaint };
        *slot = Some(client.clone());
        Ok(client)
    }

    fn failed(&self, names: Names<'_>, client: &Client, error: &KafkaError, bytes: usize) -> PortError {
        match code_of(error) {
            Some(code) if is_too_large(code) => PortError::rejected(format!(
                "topic {} does not take a record of {bytes} bytes; raise its max.message.bytes",
                names.topic
            )),
            Some(Code::InvalidTimestamp | Code::InvalidRecord | Code::PolicyViolation) => {
                PortError::rejected(format!(
                    "topic {} does not take the record: {}",
                    names.topic,
                    words(error)
                ))
            }
            Some(Code::QueueFull) => PortError::unavailable(
                "too much waits to be acknowledged by the brokers (kafka.append_queue_bytes)",
            ),
            Some(_) | None => {
                let tried = format!("writing to topic {}", names.topic);
                names.classify(&tried, error, Some(&client.complaint))
            }
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Client>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
