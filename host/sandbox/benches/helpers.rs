//! What the SDK's helpers cost: fields and edits by its model, beside code written by hand on what the host
//! hands over, natively, on recorded events in chunks of 100 KB.
//!
//! `cargo bench -p replay-sandbox --bench helpers`. CPU time of the one thread; medians of interleaved
//! rounds, with the least and the greatest.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod recorded;

use std::hint::black_box;

use recorded::{Linked, chunks, cpu_seconds, print_median};
use regex::Regex;
use replay_core::rrweb::Kinds;
use replay_plugin::{
    Batch, Changes, Edit, ErrorCode, FieldsView, Kind, Manifest, Plugin, Replacement, Source, Verdict,
};

const ROUNDS: usize = 400;

/// Either way masks fields of these kinds, all of it or what the pattern finds.
const KINDS: [Kind; 3] = [Kind::Text, Kind::Input, Kind::Attribute];

struct Helpers(Option<Regex>);

impl Plugin for Helpers {
    type Config = ();

    fn configure(_: ()) -> Result<Self, String> {
        Ok(Self(None))
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("helpers", "1.0.0").kinds(KINDS).redacts()
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        for field in batch.fields().filter(|field| KINDS.contains(&field.kind())) {
            match &self.0 {
                None => field.mask_all(),
                Some(pattern) => pattern.find_iter(field.text()).for_each(|hit| field.mask(hit.range())),
            }
        }
        Ok(())
    }
}

/// The same without the SDK's model.
fn by_hand(source: &dyn Source, pattern: Option<&Regex>) -> Verdict {
    let FieldsView { text, index, .. } = source.fields();
    let text = String::from_utf8(text).unwrap();
    let mut edits = Vec::new();
    for (field, row) in (0..).zip(index.chunks_exact(32)) {
        let word = |at: usize| u32::from_le_bytes(row[at * 4..at * 4 + 4].try_into().unwrap());
        if !KINDS.contains(&Kind::from_number(word(2))) {
            continue;
        }
        let text = &text[word(6) as usize..word(7) as usize];
        let mut mask = |start: usize, end: usize| {
            let replacement = Replacement::Mask('*');
            edits.push(Edit { field, start: start as u32, end: end as u32, replacement });
        };
        match pattern {
            None if text.is_empty() => {}
            None => mask(0, text.len()),
            Some(pattern) => pattern.find_iter(text).for_each(|hit| mask(hit.start(), hit.end())),
        }
    }
    match edits.is_empty() {
        true => Verdict::Keep,
        false => Verdict::Change(Changes { edits, ..Changes::default() }),
    }
}

fn main() {
    let chunks = chunks();
    let raw_bytes: usize = chunks.iter().map(|chunk| chunk.events(0).unwrap().len()).sum();
    let kinds = Kinds::from_bits(Helpers(None).manifest().kinds.bits());
    let pattern = Regex::new(r"[a-z0-9._-]+@[a-z0-9-]+\.[a-z]{2,}").unwrap();
    for (name, pattern) in [("mask all", None), ("mask a pattern", Some(pattern))] {
        let plugin = Helpers(pattern.clone());
        let manifest = plugin.manifest();
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            let mut times = [0.0; 2];
            for chunk in &chunks {
                let source = Linked(chunk, kinds);
                let mut verdicts = [None, None];
                for turn in 0..2 {
                    let which = (round + turn) % 2;
                    let begin = cpu_seconds();
                    verdicts[which] = Some(match which {
                        0 => {
                            let batch = Batch::new([&source as &dyn Source]).ok().unwrap();
                            replay_plugin::run(&plugin, &manifest, batch).unwrap().remove(0)
                        }
                        _ => by_hand(&source, pattern.as_ref()),
                    });
                    times[which] += cpu_seconds() - begin;
                }
                let [helped, own] = black_box(verdicts);
                assert_eq!(helped, own);
            }
            // The first warms up.
            if round > 0 {
                rounds.push(times);
            }
        }
        let speed = |which: usize| move |times: &[f64; 2]| raw_bytes as f64 / times[which] / 1e6;
        print_median(&format!("{name}: helpers, MB/s of events"), &rounds, speed(0));
        print_median(&format!("{name}: by hand, MB/s of events"), &rounds, speed(1));
        print_median(&format!("{name}: helpers / by hand, time"), &rounds, |times| times[0] / times[1]);
    }
}
