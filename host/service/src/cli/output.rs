//! Printing: results on stdout, complaints on stderr. The one place that may print.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line's output")]

use std::io::Write;

use replay_core::time::iso8601;
use serde::Serialize;
use serde_json::Value;

use super::{CliError, Format};

/// Writes a line to stdout. A reader that went away (`| head`) ends the command quietly.
pub(super) fn say(text: &str) -> Result<(), CliError> {
    write_all(text.as_bytes()).and_then(|()| write_all(b"\n"))
}

/// Writes bytes to stdout.
pub(super) fn write_all(bytes: &[u8]) -> Result<(), CliError> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// Writes a complaint to stderr.
pub(super) fn complain(text: &str) {
    eprintln!("{text}");
}

/// A listing: a table whose columns are the fields, or one JSON object a line.
pub(super) fn list<T: Serialize>(rows: &[T], format: Format) -> Result<(), CliError> {
    let values = rows.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
    let values = values.map_err(|error| CliError::failed(error.to_string()))?;
    match format {
        Format::Json => values.iter().try_for_each(|value| say(&value.to_string())),
        Format::Table if values.is_empty() => {
            complain("none");
            Ok(())
        }
        Format::Table => table(&values),
    }
}

/// One report: `key  value` lines, or one JSON object.
pub(super) fn report<T: Serialize>(report: &T, format: Format) -> Result<(), CliError> {
    let value = serde_json::to_value(report).map_err(|error| CliError::failed(error.to_string()))?;
    match (&value, format) {
        (Value::Object(fields), Format::Table) => {
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            fields.iter().try_for_each(|(key, value)| say(&format!("{key:<width$}  {}", cell(value))))
        }
        _ => say(&value.to_string()),
    }
}

fn table(rows: &[Value]) -> Result<(), CliError> {
    let Some(Value::Object(first)) = rows.first() else { return Ok(()) };
    let columns: Vec<&String> = first.keys().collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| timed_cell(column, &row[column.as_str()])).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| cells.iter().map(|row| row[index].len()).fold(column.len(), usize::max))
        .collect();
    let line = |fields: Vec<&str>| {
        let padded: Vec<String> =
            fields.iter().zip(&widths).map(|(field, width)| format!("{field:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    say(&line(columns.iter().map(|column| column.as_str()).collect()))?;
    cells.iter().try_for_each(|row| say(&line(row.iter().map(String::as_str).collect())))
}

/// Points in time for people; JSON keeps Unix milliseconds.
fn timed_cell(column: &str, value: &Value) -> String {
    let is_time = column.ends_with("_at") || column.starts_with("timestamp_");
    match value.as_u64() {
        Some(unix_ms) if is_time => iso8601(unix_ms),
        _ => cell(value),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("; "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
