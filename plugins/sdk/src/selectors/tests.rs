//! What matches, what is refused, and what is not known.

use std::cell::Cell;

use super::*;
use crate::memory::{MemoryChunk, run_in_memory};
use crate::{Batch, ErrorCode, Kind, Manifest, Plugin};

/// `html > body > div#app.card.wide[data-user="Ann B"] > input[type=TEXT][name=card]`, and a node whose
/// parent nobody knows.
fn page() -> MemoryChunk {
    MemoryChunk::new()
        .element(1, "html", 0, &[])
        .element(2, "body", 1, &[])
        .element(3, "div", 2, &[("id", "app"), ("class", "card  wide"), ("data-user", "Ann B")])
        .element(4, "input", 3, &[("type", "TEXT"), ("name", "card"), ("class", "de-CH")])
        .element(5, "b", 77, &[("class", "lost")])
        .element(6, "i", 5, &[])
        .element(7, "html", 3, &[])
}

/// Asks where a node stands.
struct Probe {
    selectors: Selectors,
    node: u32,
    found: Cell<Option<Within>>,
}

impl Plugin for Probe {
    type Config = ();

    fn configure((): ()) -> Result<Self, String> {
        Err("made by hand".into())
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("probe", "1").kinds([Kind::Text]).needs_elements()
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let chunk = batch.chunks().first().ok_or("no_chunk")?;
        let nothing = Selectors::default();
        let mut closest = Closest::new([&self.selectors, &nothing], chunk);
        let [first, none] = closest.of(self.node);
        assert_eq!((closest.of(self.node), none), ([first, none], Within::None), "asked again");
        self.found.set(Some(first));
        Ok(())
    }
}

fn within(selectors: &str, node: u32) -> Within {
    let selectors = Selectors::parse(&[selectors]).unwrap();
    let probe = Probe { selectors, node, found: Cell::default() };
    run_in_memory(&probe, &[page()]).unwrap();
    probe.found.get().unwrap()
}

#[test]
fn compounds_and_lists() {
    for (selectors, matches) in [
        ("input", true),
        ("INPUT[name]", true),
        ("*", true),
        (".wide", true),
        (".wid", false),
        ("#app.card.wide", true),
        ("div#app", true),
        ("b#app", false),
        (".none, #none, [data-user]", true),
        ("[name=card]", true),
        ("[name='car']", false),
        ("[type=text]", false),
        ("[type=text i]", true),
        ("[data-user~=\"Ann\"]", true),
        ("[data-user^=Ann]", true),
        ("[data-user$='B']", true),
        ("[data-user*=\"n B\"]", true),
        ("[class|=de]", true),
        ("[DATA-USER]", true),
        (".w\\ide", true),
    ] {
        assert_eq!(matches!(within(selectors, 4), Within::Matching(_)), matches, "{selectors}");
    }
}

#[test]
fn what_an_element_said_earlier_in_the_batch_counts_too() {
    let element = Element {
        node: 5,
        parent: 0,
        tag: "form".into(),
        attributes: [("class", "payment-form"), ("id", "f"), ("class", "payment-form--done")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    assert_eq!(element.attribute("class"), Some("payment-form--done"), "the latest");
    for (selector, matches) in [
        (".payment-form", true),
        (".payment-form--done", true),
        ("[class=payment-form]#f", true),
        (".payment", false),
    ] {
        let selectors = Selectors::parse(&[selector]).unwrap();
        assert_eq!(selectors.0[0].subject.matches(&element), matches, "{selector}");
    }
}

#[test]
fn ancestors() {
    for (selectors, node, found) in [
        ("body .card", 4, Within::Matching(3)),
        ("body > .card input", 4, Within::Matching(4)),
        ("html > .card", 4, Within::None),
        ("html > body > div > input", 4, Within::Matching(4)),
        ("div div input", 4, Within::None),
        ("body div", 2, Within::None),
        ("b > i", 6, Within::Matching(6)),
        (".card", 7, Within::Matching(3)),
        (".card html", 7, Within::Matching(7)),
        (".lost", 6, Within::Matching(5)),
        (".none", 6, Within::Unknown),
        ("form i", 6, Within::Unknown),
        (".none", 0, Within::Unknown),
        (".none", 8, Within::Unknown),
    ] {
        assert_eq!(within(selectors, node), found, "{selectors} {node}");
    }
}

#[test]
fn what_cannot_be_answered_is_refused_with_its_place() {
    for (selector, place, said) in [
        ("", 1, "a selector is missing"),
        ("a,", 3, "a selector is missing"),
        ("a, ,b", 4, "`,` begins no selector"),
        (".", 2, "a name is expected"),
        ("a:hover", 2, "pseudo-classes"),
        ("a + b", 3, "siblings"),
        ("[href]", 2, "`href` is not known; type, name"),
        ("[data-a", 8, "`]` or a comparison"),
        ("[data-a=b", 10, "`]` is expected"),
        ("[data-a=\"b]", 12, "quote"),
        ("[data-a='']", 11, "empty"),
        ("[data-a=é 'x]", 11, "`]` is expected"),
        (".\\77 ide", 3, "by its number"),
        ("a)", 2, "`)` is not expected"),
    ] {
        let error = Selectors::parse(&[selector]).unwrap_err();
        assert!(
            error.contains(&format!("character {place}: ")) && error.contains(said),
            "{selector}: {error}"
        );
    }
}
