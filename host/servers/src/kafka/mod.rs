//! Kafka: the topic of records as a source, and a compacted topic of dead letters.
//!
//! `source` and `letters` are the two ports. A thread of its own (`member`) holds the group consumer and
//! turns what librdkafka calls back into events in the `inbox`; it alone knows what is assigned
//! (`books`). Whatever is read by position, outside the group, goes through `reader`; whatever is
//! written, through `producer`.

mod admin;
mod books;
mod committer;
mod context;
mod doctor;
mod ends;
mod failure;
mod inbox;
mod letter_index;
mod letter_look;
mod letter_record;
mod letters;
mod member;
mod producer;
mod properties;
mod reader;
mod record;
mod settings;
mod source;
mod watchdog;
mod watermarks;

pub use doctor::examine;
pub use letters::KafkaDeadLetters;
pub use properties::{RefusedProperty, refused_properties};
pub use settings::{KafkaSettings, LetterTopicSettings};
pub use source::KafkaSource;
