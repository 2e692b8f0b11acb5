//! Shadows in the file, and chains that commands write into it: what stands around a chain stays.

use serde_json::json;

use super::{BASE, one, parse};
use crate::config::{ChainEdit, PluginClass, PluginRef, chain_text, with_chain};

const PIN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn plugin(name: &str, config: serde_json::Value) -> PluginRef {
    PluginRef {
        name: name.into(),
        sha256: PIN.into(),
        from: None,
        class: PluginClass::Compiled,
        config,
        allow_replace: false,
        mask_only: true,
    }
}

/// The chain that every test puts in: odd texts in its settings, and none in the second's.
fn edit(without_shadow: bool) -> ChainEdit {
    let odd = json!({"a: b": ["#", "it's", "\"", "é\n", 1.5, -3, true, null, "true", "12", "null"], "{": {}});
    ChainEdit {
        revision: 8,
        plugins: vec![plugin("one", odd), plugin("two", serde_json::Value::Null)],
        without_shadow,
    }
}

/// The text with the new chain of `shop`, which reads as such, and what became of each line.
fn edited(tenants: &str, without_shadow: bool) -> String {
    let text = format!("# first\n{BASE}{tenants}");
    let before = parse(&text).unwrap_or_else(|errors| panic!("{errors}")).tenants;
    let edit = edit(without_shadow);
    let after = with_chain(&text, &["tenants", "shop"], &edit).unwrap();
    let tenants = parse(&after).unwrap_or_else(|errors| panic!("{errors}\n{after}")).tenants;
    for (id, tenant) in &before.listed {
        let now = &tenants.listed[id];
        let kept = (&tenant.plugins, tenant.chain_revision, tenant.hot_retention_days);
        let (found, wanted) = match id.as_str() {
            "shop" => (
                (&now.plugins, now.chain_revision, now.hot_retention_days),
                (&edit.plugins, 8, tenant.hot_retention_days),
            ),
            _ => ((&now.plugins, now.chain_revision, now.hot_retention_days), kept),
        };
        assert_eq!(found, wanted, "{after}");
        let shadow = tenant.shadow.clone().filter(|_| id.as_str() != "shop" || !without_shadow);
        assert_eq!(now.shadow, shadow, "{after}");
    }
    after
}

#[test]
fn a_chain_in_lines_is_changed_and_nothing_around_it() {
    let tenants = format!(
        "tenants:
  # Everybody.
  defaults: {{ plugins: [] }}
  blog: {{ chain_revision: 1, plugins: [{{ name: other, sha256: {PIN} }}] }}
  shop: # ours
    keys: [pk_1] # a key
    chain_revision: 7 # as of May

    plugins: # the chain
      # masks
      - name: old
        sha256: {PIN}
        config:
          deep:
            - {{ x: 1 }}
      - {{ name: older, sha256: {PIN} }} # reviewed by nobody
    # how it is tried
    shadow:
      share: 5
      plugins:
        - {{ name: new, sha256: {PIN} }} # wanted

    # how long
    hot_retention_days: 9
  zoo: {{}}
telemetry: {{ log_level: warn }} # last
"
    );
    let after = edited(&tenants, true);
    for stays in [
        "# first\n",
        "  # Everybody.\n",
        "  shop: # ours\n    keys: [pk_1] # a key\n    chain_revision: 8 # as of May\n\n    plugins:\n      - { name: one,",
        "    # how it is tried\n\n    # how long\n    hot_retention_days: 9\n  zoo: {}\ntelemetry: { log_level: warn } # last\n",
    ] {
        assert!(after.contains(stays), "{stays:?} is not in\n{after}");
    }
    for gone in ["name: old", "reviewed", "shadow", "wanted", "masks"] {
        assert!(!after.contains(gone), "{gone:?} is still in\n{after}");
    }
    let kept = edited(&tenants, false);
    assert!(kept.contains("shadow:\n      share: 5\n") && kept.contains("# wanted\n"), "{kept}");
}

#[test]
fn a_chain_may_be_written_in_any_way() {
    let old = format!("{{ name: old, sha256: {PIN} }}");
    let new = format!("{{ share: 5, plugins: [{old}] }}");
    for tenants in [
        // In braces, the shadow first, in the middle, last, alone, over lines.
        format!(
            "tenants: {{defaults: {{plugins: []}}, shop: {{shadow: {new}, chain_revision: 1, plugins: [{old}]}}, a: {{}}}}\n"
        ),
        format!(
            "tenants: {{defaults: {{plugins: []}}, shop: {{chain_revision: 1, shadow: {new} , plugins: [{old}]}}}}\n"
        ),
        format!(
            "tenants: {{defaults: {{plugins: []}}, shop: {{plugins: [{old}], chain_revision: 1, shadow: {new}}}}}\n"
        ),
        format!(
            "tenants:\n  defaults: {{plugins: []}}\n  shop: {{\n    chain_revision: 1,\n    plugins: [\n      {old},\n    ],\n    shadow: {new},\n    }}\n"
        ),
        // In lines: a flow list, one at the indent of its key, quoted keys, the end of the file.
        format!(
            "tenants:\n  defaults: {{plugins: []}}\n  shop:\n    shadow: {new}\n    plugins: [{old}]\n    chain_revision: 1"
        ),
        format!(
            "tenants:\n  defaults: {{plugins: []}}\n  shop:\n    plugins:\n    - {old}\n    - {old}\n    chain_revision: 1\n    shadow:\n      plugins:\n      - {old}\n"
        ),
        format!(
            "tenants:\n  defaults: {{plugins: []}}\n  'shop':\n    \"plugins\":\n      -\n        name: old\n        sha256: {PIN}\n    'chain_revision': '1'\n    \"shadow\": {new}"
        ),
        // From no chain, which needs no number.
        format!("tenants:\n  defaults: {{plugins: []}}\n  shop:\n    plugins: []\n    shadow: {new}\n"),
        format!("tenants: {{defaults: {{plugins: []}}, shop: {{plugins: [], shadow: {new}}}}}\n"),
        // With letters that take more than a byte before it.
        format!(
            "tenants:\n  defaults: {{plugins: []}} # Büro 日本\n  shop:\n    keys: ['schlüssel'] # ü\n    plugins: [{old}] # ü\n    chain_revision: 1\n    shadow: {new} # ü\n"
        ),
    ] {
        edited(&tenants, true);
        edited(&tenants, false);
    }
}

#[test]
fn what_is_not_written_there_is_not_invented() {
    let text =
        format!("{BASE}tenants: {{defaults: {{plugins: []}}, shop: {{keys: [k]}}, blog: {{plugins: []}}}}\n");
    let refused = |name: &str, without_shadow| {
        with_chain(&text, &["tenants", name], &edit(without_shadow)).unwrap_err()
    };
    assert!(refused("shop", false).contains("follows `tenants.defaults`"));
    assert!(refused("nobody", false).contains("not written"));
    assert!(refused("blog", true).contains("no `shadow`"));
    assert!(with_chain("a: [", &["tenants", "shop"], &edit(false)).is_err());
}

#[test]
fn what_is_printed_for_a_hand_to_write_reads_as_what_is_meant() {
    let printed =
        chain_text("shop", &edit(false)).replace("tenants:\n", "tenants:\n  defaults: {plugins: []}\n");
    let tenants = parse(&format!("{BASE}{printed}")).unwrap_or_else(|errors| panic!("{errors}")).tenants;
    let (_, shop) = tenants.listed.first_key_value().unwrap();
    assert_eq!((shop.chain_revision, &shop.plugins), (8, &edit(false).plugins));
}

#[test]
fn a_shadow_is_a_chain_beside_a_chain() {
    let chain = format!("[{{name: a, sha256: {PIN}}}]");
    let tenants = |shop: &str| format!("tenants:\n  defaults: {{plugins: []}}\n  shop: {{{shop}}}\n");
    let with = |shadow: &str| tenants(&format!("chain_revision: 1, plugins: {chain}, shadow: {shadow}"));
    one(&tenants(&format!("shadow: {{plugins: {chain}}}")), 3, 18, &["no chain of its own"]);
    for none in ["{}", "null", "{plugins: []}"] {
        let found = parse(&format!("{BASE}{}", with(none))).unwrap_err().to_string();
        assert!(found.contains("a chain of at least one plugin"), "{none}: {found}");
    }
    let found = parse(&format!("{BASE}{}", with(&format!("{{share: 101, plugins: {chain}}}")))).unwrap_err();
    assert!(found.to_string().contains("from 0 to 100"), "{found}");
    let found = parse(&format!("{BASE}{}", with("{plugins: [{name: a}]}"))).unwrap_err().to_string();
    assert!(found.contains("no `sha256`") && !found.contains("at least one"), "{found}");
    // Who follows the defaults follows their shadow too; with a chain of its own it does not.
    let text = format!(
        "{BASE}tenants:\n  defaults: {{chain_revision: 1, plugins: {chain}, shadow: {{plugins: {chain}}}}}\n  \
         follows: {{}}\n  own: {{plugins: []}}\n"
    );
    let tenants = parse(&text).unwrap_or_else(|errors| panic!("{errors}")).tenants;
    let shares: Vec<Option<u8>> =
        tenants.all().map(|tenant| tenant.shadow.as_ref().map(|shadow| shadow.share_percent)).collect();
    assert_eq!(shares, [Some(10), Some(10), None]);
}
