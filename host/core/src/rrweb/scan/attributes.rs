//! What the value of an attribute is, by the attribute's name.

use super::slot::{Inner, Number, Rule, Slot};
use crate::rrweb::kind::Kind;

/// Names are at most this long, but for `data-*` and the like.
const MAX_KNOWN_BYTES: usize = 24;

/// The place of the value of the attribute `name`.
#[inline]
pub(super) fn slot(name: &[u8]) -> Slot {
    let mut lower = [0; MAX_KNOWN_BYTES];
    let name = match lower.get_mut(..name.len()) {
        Some(lower) if name.iter().any(u8::is_ascii_uppercase) => {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            &*lower
        }
        _ => name,
    };
    let text = rule(name);
    let inner = if name == b"style" { Inner::Style } else { Inner::Payload };
    // rrweb writes its own measures as numbers, and what a page says as text: other numbers are odd.
    let number = if name.starts_with(b"rr_") { Number::Known } else { Number::Payload };
    Slot { text, inner, number }
}

fn rule(name: &[u8]) -> Rule {
    match name {
        b"class" | b"id" | b"name" | b"type" | b"autocomplete" | b"contenteditable" => {
            Rule::Select(Kind::Markup)
        }
        b"value" => Rule::Field(Kind::Input),
        b"style" | b"_csstext" => Rule::Field(Kind::Style),
        b"srcdoc" => Rule::Field(Kind::Html),
        b"rr_dataurl" => Rule::Pixels,
        _ if is_url(name) => Rule::Url,
        _ if is_markup(name) => Rule::Field(Kind::Markup),
        [b'o', b'n', _, ..] => Rule::Field(Kind::Code),
        [b'd' | b'D', b'a' | b'A', b't' | b'T', b'a' | b'A', b'-', ..] => Rule::Select(Kind::Attribute),
        _ => Rule::Field(Kind::Attribute),
    }
}

fn is_url(name: &[u8]) -> bool {
    matches!(
        name,
        b"href"
            | b"src"
            | b"srcset"
            | b"imagesrcset"
            | b"action"
            | b"formaction"
            | b"poster"
            | b"data"
            | b"cite"
            | b"background"
            | b"xlink:href"
            | b"manifest"
            | b"longdesc"
            | b"ping"
            | b"codebase"
            | b"classid"
            | b"archive"
            | b"profile"
            | b"usemap"
            | b"icon"
            | b"dynsrc"
            | b"lowsrc"
            | b"itemid"
            | b"itemtype"
            | b"xml:base"
            | b"rr_src"
    )
}

/// Names and numbers for browsers, which people do not see.
fn is_markup(name: &[u8]) -> bool {
    match name {
        b"for" | b"role" | b"rel" | b"target" | b"method" | b"enctype" | b"lang" | b"dir" | b"is"
        | b"slot" | b"part" | b"hidden" | b"disabled" | b"checked" | b"selected" | b"readonly"
        | b"required" | b"multiple" | b"tabindex" | b"width" | b"height" | b"rows" | b"cols" | b"colspan"
        | b"rowspan" | b"size" | b"sizes" | b"maxlength" | b"minlength" | b"min" | b"max" | b"step"
        | b"form" | b"list" | b"media" | b"charset" | b"http-equiv" | b"crossorigin" | b"integrity"
        | b"referrerpolicy" | b"loading" | b"decoding" | b"async" | b"defer" | b"autofocus"
        | b"autocapitalize" | b"autocorrect" | b"spellcheck" | b"inputmode" | b"enterkeyhint"
        | b"draggable" | b"translate" | b"open" | b"scope" | b"headers" | b"align" | b"valign"
        | b"border" | b"cellpadding" | b"cellspacing" | b"novalidate" | b"accept" | b"accept-charset"
        | b"accesskey" | b"popover" | b"controls" | b"autoplay" | b"loop" | b"muted" | b"playsinline"
        | b"preload" | b"sandbox" | b"allow" | b"allowfullscreen" | b"property" | b"itemprop"
        | b"itemscope" | b"nonce" | b"fetchpriority" | b"color" | b"face" | b"bgcolor" => true,
        b"rr_width" | b"rr_height" | b"rr_mediastate" | b"rr_captured" => true,
        _ => is_drawing(name),
    }
}

/// Attributes of SVG that hold shapes, not words.
fn is_drawing(name: &[u8]) -> bool {
    matches!(
        name,
        b"d" | b"x"
            | b"y"
            | b"x1"
            | b"x2"
            | b"y1"
            | b"y2"
            | b"cx"
            | b"cy"
            | b"r"
            | b"rx"
            | b"ry"
            | b"fx"
            | b"fy"
            | b"dx"
            | b"dy"
            | b"viewbox"
            | b"transform"
            | b"points"
            | b"fill"
            | b"fill-rule"
            | b"fill-opacity"
            | b"clip-rule"
            | b"clip-path"
            | b"stroke"
            | b"stroke-width"
            | b"stroke-linecap"
            | b"stroke-linejoin"
            | b"stroke-miterlimit"
            | b"stroke-dasharray"
            | b"stroke-opacity"
            | b"opacity"
            | b"offset"
            | b"stop-color"
            | b"stop-opacity"
            | b"gradientunits"
            | b"gradienttransform"
            | b"preserveaspectratio"
            | b"xmlns"
            | b"xmlns:xlink"
            | b"version"
            | b"focusable"
            | b"text-anchor"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_kinds() {
        for (name, rule) in [
            ("class", Rule::Select(Kind::Markup)),
            ("viewBox", Rule::Field(Kind::Markup)),
            ("VALUE", Rule::Field(Kind::Input)),
            ("_cssText", Rule::Field(Kind::Style)),
            ("rr_dataURL", Rule::Pixels),
            ("xlink:href", Rule::Url),
            ("onclick", Rule::Field(Kind::Code)),
            ("on", Rule::Field(Kind::Attribute)),
            ("aria-label", Rule::Field(Kind::Attribute)),
            ("data-user-name-that-goes-on-and-on", Rule::Select(Kind::Attribute)),
            ("data", Rule::Url),
            ("hx-vals", Rule::Field(Kind::Attribute)),
            ("placeholder", Rule::Field(Kind::Attribute)),
        ] {
            assert_eq!(slot(name.as_bytes()).text, rule, "{name}");
        }
    }
}
