//! How patterns begin: the bytes that each of the first few may be.

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use replay_plugin::matching::{HEAD, Heads};

use crate::patterns;

/// Bytes of a beginning that are told.
const MAX_HEAD: usize = 8;
/// Bytes that a match has at most: each place where one may begin is searched by itself, so that a long
/// one would be looked at many times.
const MAX_MATCH_BYTES: usize = 256;
/// Of a thousand places of a text made of sixty-four characters, those at most where one may begin.
const MAX_PLACES: usize = 40;

/// How patterns begin, and the bytes that a match has at most. `None` if it does not pay: a match may be
/// long, or may begin almost anywhere.
pub(crate) fn heads<'p>(patterns: impl Iterator<Item = &'p str>) -> Option<(Heads, usize)> {
    let (mut heads, bytes): (Vec<_>, Vec<_>) =
        patterns.map(head).collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let places =
        |head: &Vec<Vec<u8>>| head.iter().take(HEAD).fold(1000, |places, bytes| places * bytes.len().min(64));
    let sum: usize = heads.iter().map(places).sum();
    if sum > MAX_PLACES * 64_usize.pow(HEAD as u32) {
        return None;
    }
    heads.sort_unstable();
    Some((Heads::of(&heads), bytes.into_iter().max()?))
}

/// The bytes that each of the first few of a match may be, and how many it has at most; `None` if it may
/// be shorter than three, or long.
fn head(pattern: &str) -> Option<(Vec<Vec<u8>>, usize)> {
    let hir = syntax::parse_with(pattern, &patterns::syntax()).ok()?;
    let most = hir.properties().maximum_len().filter(|bytes| *bytes <= MAX_MATCH_BYTES)?;
    let nfa = NFA::compiler().build_from_hir(&hir).ok()?;
    let mut states = vec![nfa.start_anchored()];
    let mut head = Vec::new();
    while head.len() < MAX_HEAD {
        let mut bytes = Vec::new();
        let Some(next) = step(&nfa, states, &mut bytes) else { break };
        states = next;
        bytes.sort_unstable();
        bytes.dedup();
        head.push(bytes);
    }
    (head.len() >= HEAD).then_some((head, most))
}

/// Reads any byte: those that are possible go to `bytes`. `None` if it may be over before. What an
/// assertion asks for is taken as given.
fn step(nfa: &NFA, mut open: Vec<StateID>, bytes: &mut Vec<u8>) -> Option<Vec<StateID>> {
    let mut seen = vec![false; nfa.states().len()];
    let mut next = Vec::new();
    while let Some(id) = open.pop() {
        if std::mem::replace(seen.get_mut(id.as_usize())?, true) {
            continue;
        }
        let mut read = |from: u8, to: u8, state: StateID| {
            bytes.extend(from..=to);
            next.push(state);
        };
        match nfa.state(id) {
            State::ByteRange { trans } => read(trans.start, trans.end, trans.next),
            State::Sparse(all) => {
                all.transitions.iter().for_each(|trans| read(trans.start, trans.end, trans.next));
            }
            State::Look { next, .. } | State::Capture { next, .. } => open.push(*next),
            State::Union { alternates } => open.extend(alternates.iter()),
            State::BinaryUnion { alt1, alt2 } => open.extend([*alt1, *alt2]),
            State::Fail => {}
            // No pattern is compiled to `Dense` ones.
            State::Match { .. } | State::Dense(_) => return None,
        }
    }
    next.sort_unstable();
    next.dedup();
    Some(next)
}
