//! What a ClickHouse error means to the pipeline, and what the operator can do about it.
//!
//! A server's message can quote the rows it refuses: of every answer only the code is kept, with its
//! name from the list below.

use clickhouse::error::Error;
use replay_ports::PortError;

/// What was being done, which decides what a complaint about data means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Rows of a caller were being written: the server may refuse just one of them.
    Writing,
    /// Anything else.
    Asking,
}

/// A code of ClickHouse's `ErrorCodes.cpp`, its name, and what it means here.
struct Known(u32, &'static str, Meaning);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It may work later, unchanged.
    Later,
    /// A row is at fault when rows were being written; else as `Setup`.
    Row,
    /// The tables are not those of this build.
    Schema,
    /// Who we say we are.
    Credentials,
    /// What we may do.
    Rights,
    /// Something else that a person must mend.
    Setup,
}

use Meaning::{Credentials, Later, Rights, Row, Schema, Setup};

/// Codes that are not listed are `Later`: a stop needs a reason.
const KNOWN: &[Known] = &[
    Known(6, "CANNOT_PARSE_TEXT", Row),
    Known(16, "NO_SUCH_COLUMN_IN_TABLE", Schema),
    Known(27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", Row),
    Known(36, "BAD_ARGUMENTS", Setup),
    Known(43, "ILLEGAL_TYPE_OF_ARGUMENT", Schema),
    Known(46, "UNKNOWN_FUNCTION", Setup),
    Known(47, "UNKNOWN_IDENTIFIER", Schema),
    Known(48, "NOT_IMPLEMENTED", Setup),
    Known(50, "UNKNOWN_TYPE", Setup),
    Known(53, "TYPE_MISMATCH", Schema),
    Known(57, "TABLE_ALREADY_EXISTS", Schema),
    Known(60, "UNKNOWN_TABLE", Schema),
    Known(62, "SYNTAX_ERROR", Setup),
    Known(69, "ARGUMENT_OUT_OF_BOUND", Row),
    Known(72, "CANNOT_PARSE_NUMBER", Row),
    Known(80, "INCORRECT_QUERY", Setup),
    Known(81, "UNKNOWN_DATABASE", Schema),
    Known(115, "UNKNOWN_SETTING", Setup),
    Known(117, "INCORRECT_DATA", Row),
    Known(128, "TOO_LARGE_ARRAY_SIZE", Row),
    Known(131, "TOO_LARGE_STRING_SIZE", Row),
    Known(159, "TIMEOUT_EXCEEDED", Later),
    Known(160, "TOO_SLOW", Later),
    Known(164, "READONLY", Rights),
    Known(170, "CLUSTER_DOESNT_EXIST", Setup),
    Known(192, "UNKNOWN_USER", Credentials),
    Known(193, "WRONG_PASSWORD", Credentials),
    Known(194, "REQUIRED_PASSWORD", Credentials),
    Known(195, "IP_ADDRESS_NOT_ALLOWED", Credentials),
    Known(201, "QUOTA_EXCEEDED", Later),
    Known(202, "TOO_MANY_SIMULTANEOUS_QUERIES", Later),
    Known(203, "NO_FREE_CONNECTION", Later),
    Known(209, "SOCKET_TIMEOUT", Later),
    Known(210, "NETWORK_ERROR", Later),
    Known(225, "NO_ZOOKEEPER", Later),
    Known(236, "ABORTED", Later),
    Known(241, "MEMORY_LIMIT_EXCEEDED", Later),
    Known(242, "TABLE_IS_READ_ONLY", Later),
    Known(243, "NOT_ENOUGH_SPACE", Later),
    Known(252, "TOO_MANY_PARTS", Later),
    Known(279, "ALL_CONNECTION_TRIES_FAILED", Later),
    Known(285, "TOO_FEW_LIVE_REPLICAS", Later),
    Known(286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", Later),
    Known(289, "REPLICA_IS_NOT_IN_QUORUM", Later),
    Known(291, "DATABASE_ACCESS_DENIED", Rights),
    Known(319, "UNKNOWN_STATUS_OF_INSERT", Later),
    Known(321, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", Row),
    Known(341, "UNFINISHED", Later),
    Known(349, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", Row),
    Known(370, "CANNOT_STAT", Later),
    Known(394, "QUERY_WAS_CANCELLED", Later),
    Known(452, "SETTING_CONSTRAINT_VIOLATION", Setup),
    Known(469, "VIOLATED_CONSTRAINT", Row),
    Known(473, "DEADLOCK_AVOIDED", Later),
    Known(497, "ACCESS_DENIED", Rights),
    Known(511, "UNKNOWN_ROLE", Credentials),
    Known(516, "AUTHENTICATION_FAILED", Credentials),
    Known(519, "CANNOT_ASSIGN_ALTER", Later),
    Known(636, "CANNOT_EXTRACT_TABLE_STRUCTURE", Schema),
    Known(692, "TOO_MANY_MUTATIONS", Later),
    Known(745, "SERVER_OVERLOADED", Later),
    Known(999, "KEEPER_EXCEPTION", Later),
];

/// The server does not know such a part: it was merged or dropped meanwhile.
pub(super) const NO_SUCH_DATA_PART: u32 = 232;

/// The classified error, naming the place and what was tried.
#[expect(clippy::wildcard_enum_match_arm, reason = "the client's errors are not exhaustive")]
pub(super) fn classify(error: &Error, doing: Doing, place: &str, tried: &str) -> PortError {
    match error {
        Error::BadResponse(answer) => match code_of(answer) {
            Some(code) => of_code(code, doing, place, tried),
            None => of_status(answer, place, tried),
        },
        Error::Network(cause) => {
            let cause = io_kind(cause.as_ref()).unwrap_or_else(|| "the connection failed".into());
            PortError::unavailable(format!("{place}: {tried}: {cause}; is the server up, and the url right?"))
        }
        Error::TimedOut => timed_out(place, tried),
        Error::SchemaMismatch(_) | Error::InvalidColumnsHeader(_) => PortError::refused(format!(
            "{place}: {tried}: the columns are not those of this build; run `replay-processor schema apply`"
        )),
        Error::InvalidParams(_) => {
            PortError::refused(format!("{place}: {tried}: the request cannot be made; look at the url"))
        }
        Error::Unsupported(_) => PortError::refused(format!(
            "{place}: {tried}: not supported by this build; https needs one with the feature `tls`"
        )),
        // Also what later versions of the client may add: an answer that stopped in the middle.
        _ => PortError::unavailable(format!("{place}: {tried}: the answer could not be read to its end")),
    }
}

/// The answer did not come in time; whether the work was done is not known.
pub(super) fn timed_out(place: &str, tried: &str) -> PortError {
    PortError::unavailable(format!("{place}: {tried}: no answer within the time allowed"))
}

/// The code that the server answered with.
pub(super) fn code(error: &Error) -> Option<u32> {
    if let Error::BadResponse(answer) = error { code_of(answer) } else { None }
}

/// The code in `Code: 241. DB::Exception: …`.
fn code_of(answer: &str) -> Option<u32> {
    let (_, rest) = answer.split_once("Code: ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

fn of_code(code: u32, doing: Doing, place: &str, tried: &str) -> PortError {
    let known = KNOWN.iter().find(|known| known.0 == code);
    let says = known.map_or_else(|| format!("code {code}"), |known| format!("code {code} {}", known.1));
    let refused = |advice: &str| PortError::refused(format!("{place}: {tried}: {says}; {advice}"));
    match known.map_or(Later, |known| known.2) {
        Later => PortError::unavailable(format!("{place}: {tried}: {says}; it is tried again")),
        Row if doing == Doing::Writing => PortError::rejected(format!("{place} refuses these rows: {says}")),
        Schema => refused(
            "the tables are not those of this build: run `replay-processor schema apply`, or look at `database`",
        ),
        Credentials => refused("look at `user` and `password`"),
        Rights => refused("grant the user SELECT, INSERT and ALTER DELETE on the database"),
        Row | Setup => refused("the server's log says more (system.query_log)"),
    }
}

/// An answer without a code is not ClickHouse's own, but of something in between.
fn of_status(answer: &str, place: &str, tried: &str) -> PortError {
    // `reason()` of the client: "502 Bad Gateway". A longer text may be anything.
    let status: Option<u16> = answer.get(..3).and_then(|digits| digits.parse().ok());
    let says =
        status.map_or_else(|| "an answer that is not ClickHouse's".into(), |s| format!("HTTP status {s}"));
    let what = format!("{place}: {tried}: {says}");
    match status {
        Some(401 | 403) => PortError::refused(format!("{what}; look at `user` and `password`")),
        Some(404) => PortError::refused(format!("{what}; is this the HTTP port of a ClickHouse?")),
        _ => PortError::unavailable(format!("{what}; is there a proxy in between?")),
    }
}

/// What the operating system said at the bottom of a chain of errors.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind().to_string());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use replay_ports::Disposition;

    use super::*;

    fn answer(text: &str, doing: Doing) -> PortError {
        classify(&Error::BadResponse(text.into()), doing, "clickhouse http://ch/db", "insert")
    }

    #[test]
    fn each_kind_of_error_has_its_disposition() {
        for (code, writing, asking) in [
            (252, Disposition::Retry, Disposition::Retry),
            (241, Disposition::Retry, Disposition::Retry),
            (999, Disposition::Retry, Disposition::Retry),
            (4_711, Disposition::Retry, Disposition::Retry),
            (469, Disposition::DeadLetter, Disposition::Stop),
            (131, Disposition::DeadLetter, Disposition::Stop),
            (60, Disposition::Stop, Disposition::Stop),
            (497, Disposition::Stop, Disposition::Stop),
            (164, Disposition::Stop, Disposition::Stop),
            (516, Disposition::Stop, Disposition::Stop),
        ] {
            let text = format!("Code: {code}. DB::Exception: whatever. (NAME) (version 26.9.2.1)");
            assert_eq!(answer(&text, Doing::Writing).disposition(), writing, "{code}");
            assert_eq!(answer(&text, Doing::Asking).disposition(), asking, "{code}");
        }
        assert_eq!(answer("502 Bad Gateway", Doing::Writing).disposition(), Disposition::Retry);
        assert_eq!(answer("401 Unauthorized", Doing::Writing).disposition(), Disposition::Stop);
        assert!(KNOWN.is_sorted_by_key(|known| known.0), "easy to look through");
    }

    #[test]
    fn what_the_server_quotes_is_not_repeated() {
        let quoting = "Code: 469. DB::Exception: Constraint `c` is violated at row 1. Column values: data = \
            'anna@example.com' (SECRET_WORD). (VIOLATED_CONSTRAINT) (version 26.9.2.1)";
        let error = answer(quoting, Doing::Writing).to_string();
        assert!(error.contains("469 VIOLATED_CONSTRAINT"), "{error}");
        assert!(!error.contains("anna") && !error.contains("SECRET_WORD"), "{error}");
        let page = answer("<html>anna@example.com</html>", Doing::Asking).to_string();
        assert!(!page.contains("anna"), "{page}");
    }
}
