//! Positions, requests and headers that are left out one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::gaps::Gaps;
use super::tape::{Node, Tape};
use super::{INCREMENTAL, MOVES};
use crate::rrweb::scan::{Field, Scan};

const PLUGIN: u32 = 6;
const NETWORK: &[u8] = b"rrweb/network@";
const HEADERS: [&str; 2] = ["requestHeaders", "responseHeaders"];

/// What is to be left out of a chunk.
#[derive(Debug, Default)]
pub(in crate::rrweb) struct Items {
    /// Positions in its list, for each event that is a move.
    positions: BTreeMap<u32, BTreeSet<u32>>,
    /// Where the field begins of which the request is meant, or the header, for each event.
    fields: BTreeMap<u32, Vec<(u32, Part)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Request,
    Header,
}

/// What came of it.
#[derive(Debug)]
pub(in crate::rrweb) struct Dropped {
    pub(in crate::rrweb) gaps: Gaps,
    /// Events of which no position is left.
    pub(in crate::rrweb) events: BTreeSet<u32>,
    /// Where the fields begin that belong to no such item.
    pub(in crate::rrweb) without: BTreeSet<u32>,
}

impl Items {
    pub(in crate::rrweb) fn position(&mut self, event: u32, position: u32) {
        self.positions.entry(event).or_default().insert(position);
    }

    pub(in crate::rrweb) fn request(&mut self, field: &Field) {
        self.fields.entry(field.event).or_default().push((field.raw_start, Part::Request));
    }

    pub(in crate::rrweb) fn header(&mut self, field: &Field) {
        self.fields.entry(field.event).or_default().push((field.raw_start, Part::Header));
    }

    /// Leaves all of it out of a chunk of which `gaps` are left out already. `Err` is a position that is not
    /// there, or that had left `before`.
    pub(in crate::rrweb) fn drop_from(
        &self,
        scan: &Scan,
        before: &Gaps,
        gaps: Gaps,
    ) -> Result<Dropped, (u32, u32)> {
        let mut out = Dropped { gaps, events: BTreeSet::new(), without: BTreeSet::new() };
        for (&event, positions) in &self.positions {
            let first = positions.first().copied().unwrap_or_default();
            let tape = tape(scan, event).ok_or((event, first))?;
            let list = move_list(tape.event()).ok_or((event, first))?;
            let all: Vec<bool> = list.members().map(|item| before.hides(item.start())).collect();
            let is_there = |at: &&u32| all.get(**at as usize) == Some(&false);
            if let Some(missing) = positions.iter().find(|at| !is_there(at)) {
                return Err((event, *missing));
            }
            let left =
                out.gaps.leave_out(list, |at, _| u32::try_from(at).is_ok_and(|at| positions.contains(&at)));
            if left == Some(0) {
                out.events.insert(event);
            }
        }
        for (&event, fields) in &self.fields {
            match tape(scan, event) {
                Some(tape) => drop_network(tape.event(), fields, &mut out),
                None => out.without.extend(fields.iter().map(|(at, _)| *at)),
            }
        }
        out.gaps = out.gaps.sealed();
        Ok(out)
    }
}

/// The positions of an event that is a move, as a player reads them.
pub(super) fn move_list<'t, 'a>(event: Node<'t, 'a>) -> Option<Node<'t, 'a>> {
    let data = event.get("data")?;
    let is_move = event.id("type") == INCREMENTAL && MOVES.contains(&data.id("source"));
    data.get("positions").filter(|list| is_move && list.is_array())
}

fn tape(scan: &Scan, event: u32) -> Option<Tape<'_>> {
    Tape::read(&scan.json, scan.events.get(event as usize)?.start as usize)
}

fn drop_network(event: Node<'_, '_>, fields: &[(u32, Part)], out: &mut Dropped) {
    let requests = request_lists(event);
    let headers = if fields.iter().any(|(_, part)| *part == Part::Header) {
        let requests = requests
            .members
            .iter()
            .flat_map(|(_, request)| HEADERS.into_iter().flat_map(|name| request.all(name)));
        Lists::of(requests)
    } else {
        Lists::default()
    };
    let mut gone: BTreeMap<u32, (Node<'_, '_>, BTreeSet<u32>)> = BTreeMap::new();
    for &(at, part) in fields {
        let found = match part {
            Part::Request => requests.at(at),
            Part::Header => headers.at(at),
        };
        match found {
            Some((list, member)) => {
                gone.entry(list.start()).or_insert((list, BTreeSet::new())).1.insert(member.start());
            }
            None => {
                out.without.insert(at);
            }
        }
    }
    for (list, members) in gone.into_values() {
        out.gaps.leave_out(list, |_, member| members.contains(&member.start()));
    }
}

/// The requests of an event of the network plugin.
fn request_lists<'t, 'a>(event: Node<'t, 'a>) -> Lists<'t, 'a> {
    if event.id("type") != PLUGIN {
        return Lists::default();
    }
    let is_network =
        |data: &Node<'_, '_>| data.get("plugin").is_some_and(|name| name.text().starts_with(NETWORK));
    let payloads = event.all("data").filter(is_network).flat_map(|data| data.all("payload"));
    Lists::of(payloads.flat_map(|payload| payload.all("requests")).filter(|list| list.is_array()))
}

/// The members of lists, none of which is inside of another: found once an event, however many are asked
/// for.
#[derive(Default)]
struct Lists<'t, 'a> {
    /// Each with its list, by where they begin.
    members: Vec<(Node<'t, 'a>, Node<'t, 'a>)>,
}

impl<'t, 'a> Lists<'t, 'a> {
    fn of(lists: impl Iterator<Item = Node<'t, 'a>>) -> Self {
        let mut members: Vec<_> =
            lists.flat_map(|list| list.members().map(move |member| (list, member))).collect();
        members.sort_unstable_by_key(|(_, member)| member.start());
        Self { members }
    }

    /// The list and the member that byte `at` is in, its key included.
    fn at(&self, at: u32) -> Option<(Node<'t, 'a>, Node<'t, 'a>)> {
        let after = self.members.partition_point(|(_, member)| member.span().start <= at);
        let found = *self.members.get(after.checked_sub(1)?)?;
        (at < found.1.span().end).then_some(found)
    }
}
