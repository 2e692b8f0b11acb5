//! `ingest`: a way to bring in existing recordings, through the same source as everything else.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
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
        loop {
            let read = input.read_until(b'\n', &mut page)?;
            if page.len() >= PAGE_BYTES || (read == 0 && !page.is_empty()) {
                let sent = match &reach {
                    Reach::Service(client) => client.post_bytes::<IngestReport>("/ingest", &page)?,
                    Reach::Own(own) => context.block_on(own.ops.ingest(&page))?,
                };
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
