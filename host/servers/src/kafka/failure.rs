//! What librdkafka's errors mean to the pipeline, and what the operator is told to do.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use replay_ports::PortError;

use super::context::Complaint;

/// The code of an error, whatever it was about.
pub(super) fn code_of(error: &KafkaError) -> Option<Code> {
    if let KafkaError::AdminOp(code) = error { Some(*code) } else { error.rdkafka_error_code() }
}

/// The error in words that hold no value of a property.
pub(super) fn words(error: &KafkaError) -> String {
    if let KafkaError::ClientConfig(_, what, name, _) = error {
        return format!("property {name}: {what}");
    }
    error.to_string()
}

/// Credentials that the cluster does not take.
pub(super) fn is_authentication(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::SecurityDisabled
    )
}

/// Rights that are missing.
pub(super) fn is_authorization(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::DelegationTokenAuthorizationFailed
    )
}

/// A topic that is not there.
pub(super) fn is_missing_topic(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId)
}

/// A record that the topic does not take because of its size.
pub(super) fn is_too_large(code: Code) -> bool {
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge)
}

/// What somebody must do before anything works again; `None` when waiting may help.
#[expect(clippy::wildcard_enum_match_arm, reason = "of some two hundred codes few are for a person")]
pub(super) fn advice(code: Code, topic: &str, group: &str) -> Option<String> {
    if is_authentication(code) {
        return Some("check security.protocol and the sasl.* and ssl.* keys of kafka.properties".into());
    }
    if is_missing_topic(code) {
        return Some(format!("create topic {topic}, or correct its name in the config"));
    }
    match code {
        Code::TopicAuthorizationFailed => {
            Some(format!("grant our user Describe, Read and Write on topic {topic}"))
        }
        Code::GroupAuthorizationFailed => Some(format!("grant our user Describe and Read on group {group}")),
        code if is_authorization(code) => {
            Some("grant our user IdempotentWrite on the cluster (brokers before 2.8), and Create".into())
        }
        Code::InvalidTopic => Some(format!("{topic} cannot be the name of a topic")),
        Code::InvalidGroupId => Some(format!("{group} cannot be the name of a group")),
        Code::InconsistentGroupProtocol => Some(format!(
            "another member of group {group} uses another group.protocol or \
             partition.assignment.strategy: make them the same, or take another group"
        )),
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            Some("the brokers are older than what kafka.properties ask for".into())
        }
        Code::InvalidSessionTimeout => Some(
            "session.timeout.ms is outside of what the brokers allow (group.min/max.session.timeout.ms)"
                .into(),
        ),
        Code::Fenced | Code::FencedInstanceId | Code::UnreleasedInstanceId => {
            Some("another process runs with the same group.instance.id: give each its own".into())
        }
        _ => None,
    }
}

/// The names that appear in messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) topic: &'a str,
    pub(super) group: &'a str,
}

impl Names<'_> {
    /// Classifies an error. `tried` says what we did, as `reading the offsets`.
    pub(super) fn classify(
        self,
        tried: &str,
        error: &KafkaError,
        complaint: Option<&Complaint>,
    ) -> PortError {
        let mut code = code_of(error);
        let mut said = words(error);
        // A call that only timed out hides the reason; the client has told it before.
        if let Some((hidden, reason)) = complaint.and_then(Complaint::get)
            && code.is_none_or(is_vague)
        {
            said = format!("{said} ({reason})");
            if is_authentication(hidden) || is_authorization(hidden) {
                code = Some(hidden);
            }
        }
        match code.and_then(|code| advice(code, self.topic, self.group)) {
            Some(advice) => PortError::refused(format!("{tried} failed: {said}; {advice}")),
            None => PortError::unavailable(format!("{tried} failed: {said}")),
        }
    }
}

fn is_vague(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::MessageTimedOut
            | Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::WaitingForCoordinator
    )
}
