//! `ingest`: a way to bring in existing recordings, through the same source as everything else.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use super::context::{Context, Reach};
use super::{CliError, Exit, output};
use crate::ops::IngestReport;

/// Records are sent on in pages of about this size.
const PAGE_BYTES: usize = 4 << 20;

pub(super) fn ingest(config: Option<&Path>, files: &[PathBuf]) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    let reach = context.reach("ingest")?;
    let bar = progress(files);
    let mut total = IngestReport::default();
    for file in files {
        let mut input: Box<dyn BufRead> = if file.as_os_str() == "-" {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            let opened = File::open(file)
                .map_err(|error| CliError::failed(format!("cannot read {}: {error}", file.display())))?;
            Box::new(BufReader::new(opened))
        };
        let mut page = Vec::new();
        let (mut line, longest) = (0_u64, context.settings().limits.max_record_bytes + 1);
        loop {
            let start = page.len();
            let read = input.by_ref().take(longest).read_until(b'\n', &mut page)?;
            line += 1;
            if read as u64 == longest && !page.ends_with(b"\n") {
                page.truncate(start);
                skip_line(&mut input)?;
                total.rejected += 1;
                output::complain(&format!(
                    "{}:{line} is longer than limits.max_record_bytes; left out",
                    file.display()
                ));
                continue;
            }
            if page.len() >= PAGE_BYTES || (read == 0 && !page.is_empty()) {
                let sent = match &reach {
                    Reach::Service(client) => client.post_bytes::<IngestReport>("/ingest", &page),
                    Reach::Own(own) => context.block_on(own.ops.ingest(&page)).map_err(CliError::from),
                };
                // Sent again, a record is shown once: the page may be repeated.
                let sent = sent.map_err(|error| {
                    let (name, count) = (file.display(), total.appended);
                    let message =
                        format!("{} (in {name}, near line {line}; {count} records are in)", error.message);
                    CliError::new(error.exit, message)
                })?;
                total.appended += sent.appended;
                total.rejected += sent.rejected;
                bar.inc(page.len() as u64);
                page.clear();
            }
            if read == 0 {
                break;
            }
        }
    }
    bar.finish_and_clear();
    output::say(&format!("appended {} records, refused {} for their size", total.appended, total.rejected))?;
    Ok(if total.rejected > 0 { Exit::SomeFailed } else { Exit::Done })
}

/// Reads up to the end of the line, and keeps nothing of it.
fn skip_line(input: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffered = input.fill_buf()?;
        if buffered.is_empty() {
            return Ok(());
        }
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffered.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// On a terminal only.
fn progress(files: &[PathBuf]) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = files.iter().map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len())).sum();
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}
