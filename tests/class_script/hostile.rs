//! Scripts that pass their trial run and then turn: each call ends as its typed failure, as often as it is tried,
//! with a good call in between.

use std::sync::Arc;
use std::time::Duration;

use replay_core::rrweb::Verdict;
use replay_sandbox::{ChunkSource, FailureKind, LogLevel, LogLine, Plugin};

use crate::guests::{Language, chunk_of, hostile, load, sandbox};

/// How often each is tried: `SCRIPT_ROUNDS`. A loop takes a quarter of a second, so fewer than of compiled ones.
fn rounds() -> usize {
    std::env::var("SCRIPT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2)
}

/// One chunk with one text.
fn asks_for(deed: &str) -> Arc<dyn ChunkSource> {
    chunk_of(&format!(
        r#"[{{"type":3,"timestamp":1,"data":{{"source":0,"texts":[{{"id":5,"value":"{deed}"}}],"attributes":[],"removes":[],"adds":[]}}}}]"#
    ))
}

fn each(test: impl Fn(Language, &Plugin)) {
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        test(language, &load(&sandbox(|_| {}), &hostile(language), "null"));
    }
}

/// Tries a deed many times; `ends` says what it may end as.
fn always(plugin: &Plugin, deed: &str, ends: impl Fn(&FailureKind) -> bool) {
    for _ in 0..rounds() {
        let failure = plugin.process_chunks(&asks_for(deed)).unwrap_err();
        assert!(ends(&failure.kind), "{deed} ended as {:?}", failure.kind);
        assert_eq!(plugin.process_chunks(&asks_for("nothing")).unwrap().verdicts, [Verdict::Keep]);
    }
}

fn is_error(code: &'static str) -> impl Fn(&FailureKind) -> bool {
    move |kind| *kind == FailureKind::Error { code: code.to_owned() }
}

#[test]
fn loops_and_floods_end_in_time() {
    each(|_, plugin| {
        for deed in ["loop", "flood"] {
            always(plugin, deed, |kind| *kind == FailureKind::Timeout);
        }
        // Whichever of the two bounds it meets first.
        always(plugin, "ask", |kind| matches!(kind, FailureKind::Timeout | FailureKind::Memory));
    });
}

#[test]
fn a_memory_bomb() {
    each(|language, plugin| {
        // On a busy machine the time may be over before the memory is.
        always(plugin, "bomb", |kind| matches!(kind, FailureKind::Memory | FailureKind::Timeout));
        let roomy = sandbox(|settings| settings.script_limits.time_per_batch = Duration::from_secs(60));
        let plugin = load(&roomy, &hostile(language), "null");
        always(&plugin, "bomb", |kind| *kind == FailureKind::Memory);
    });
}

#[test]
fn a_huge_answer() {
    let patient = |settings: &mut replay_sandbox::Settings| {
        settings.script_limits.time_per_batch = Duration::from_secs(60);
        settings.script_limits.memory_bytes = 1 << 30;
        settings.script_limits.output_bytes = 4 << 20;
    };
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        let plugin = load(&sandbox(patient), &hostile(language), "null");
        for deed in ["huge", "edits"] {
            let failure = plugin.process_chunks(&asks_for(deed)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Output, "{language:?} {deed}");
        }
    }
}

#[test]
fn whatever_is_thrown_is_a_code_and_never_its_words() {
    each(|_, plugin| {
        always(plugin, "throw", is_error("exception"));
        always(plugin, "throwNothing", is_error("exception"));
        always(plugin, "odd", is_error("odd"));
        always(plugin, "undeclared", is_error("unknown"));
    });
}

#[test]
fn what_was_thrown_is_logged_for_the_author() {
    each(|language, plugin| {
        let logged = |deed: &str| {
            let (result, lines) = plugin.process_with_logs(&asks_for(deed));
            result.unwrap_err();
            lines.into_iter().map(|line| (line.level, line.text)).collect::<Vec<_>>()
        };
        let said = |deed: &str, says: &str, comes_from: &str| {
            let lines = logged(deed);
            let [(LogLevel::Error, text)] = &lines[..] else { panic!("{language:?} {deed}: {lines:?}") };
            assert!(text.starts_with(says), "{language:?} {deed}: {text}");
            assert!(text.contains(comes_from) && text.contains("process"), "{language:?} {deed}: {text}");
        };
        let (error, file) = match language {
            Language::JavaScript => ("Error: throw\n", "plugin.js:"),
            Language::Python => ("ValueError: throw\n", "plugin.py:"),
        };
        said("throw", error, file);
        said("undeclared", "PluginError: undeclared\n", file);
        assert_eq!(logged("odd"), []);
    });
}

#[test]
fn calls_without_end() {
    each(|_, plugin| {
        // The interpreters count calls themselves; where their own stack is shorter, the engine's is the bound.
        always(plugin, "recurse", |kind| {
            is_error("exception")(kind) || matches!(kind, FailureKind::Stack | FailureKind::Trap)
        });
    });
}

fn logged(plugin: &Plugin, deed: &str) -> Vec<String> {
    let (result, lines) = plugin.process_with_logs(&asks_for(deed));
    result.unwrap();
    lines.into_iter().map(|LogLine { text, .. }| text).collect()
}

#[test]
fn nothing_survives_a_call() {
    each(|_, plugin| {
        for _ in 0..rounds().max(3) {
            assert_eq!(logged(plugin, "count"), ["1 1"]);
        }
    });
}

#[test]
fn there_is_no_world_outside() {
    each(|language, plugin| match language {
        // No clock and no chance: the same at any time.
        Language::JavaScript => {
            assert_eq!(logged(plugin, "outside"), logged(plugin, "outside"));
        }
        // Files are behind a function that is not there.
        Language::Python => always(plugin, "outside", |kind| *kind == FailureKind::Trap),
    });
}
