//! Made-up chunks: what a plugin is tried and warmed up with, since a snapshot must hold no one's data.

use replay_core::rrweb::{ChunkInfo, Element, Kind, Kinds, View};

use crate::source::ChunkSource;

/// The page that all of it is on, and the element around all others.
const PAGE: u32 = 1;
const ROOT: u32 = 4;

/// Bytes of text that warm a plugin up: measured, a quarter of a MiB leaves little to gain.
const WARM_UP_BYTES: usize = 256 << 10;

/// What people type, see and send; addresses and numbers are of the kinds set aside for examples.
const SAMPLES: [(Kind, &str, &str); 18] = [
    (Kind::Text, "", "Welcome back, Anna Smith. Your order will arrive on Tuesday between 9 and 12."),
    (Kind::Text, "", "Write to anna.smith@example.com or call +1 (202) 555-0143."),
    (Kind::Text, "", "Card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, 2024-02-29"),
    (Kind::Text, "", "Größe und Maße: 12 × 30 cm – früher 49,90 €, jetzt nur 39,90 €"),
    (Kind::Text, "", "お届け先の住所を入力してください。１２３−４５６７ 👩‍💻"),
    (Kind::Text, "", "Add to cart"),
    (Kind::Input, "", "anna.smith@exampl"),
    (Kind::Input, "value", "4111111111111111"),
    (Kind::Attribute, "placeholder", "Your e-mail address"),
    (Kind::Markup, "class", "btn btn-primary mt-3 col-md-6"),
    (Kind::Url, "href", "https://shop.example/account/8271?email=anna.smith%40example.com&tab=orders"),
    (Kind::Style, "style", "color: rgb(17, 24, 39); background: url(/hero.jpg) no-repeat; margin: 0 auto"),
    (Kind::Code, "onclick", "return window.cart.add(8271, 1)"),
    (Kind::Html, "srcdoc", "<p>Hello <b>Anna</b>, your code is 192837</p>"),
    (Kind::Console, "", "{\"level\":\"warn\",\"user\":{\"id\":982113,\"ip\":\"192.0.2.44\"}}"),
    (Kind::Network, "authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"),
    (Kind::Custom, "payload", "checkout-step-2"),
    (Kind::Other, "", "550e8400-e29b-41d4-a716-446655440000"),
];

/// Chunks that nobody recorded.
#[derive(Debug)]
pub(crate) struct Synthetic {
    /// Rows of `SAMPLES`, for each chunk.
    chunks: Vec<Vec<usize>>,
}

impl Synthetic {
    /// Three small ones, the last of them empty: answers to them are compared.
    pub(crate) fn trial() -> Self {
        let all: Vec<usize> = (0..SAMPLES.len()).collect();
        Self { chunks: vec![all.repeat(3), all.into_iter().rev().collect(), Vec::new()] }
    }

    /// Enough text of `kinds` to reach the plugin's usual paths, and to grow its heap.
    pub(crate) fn warm_up(kinds: Kinds) -> Self {
        let rows: Vec<usize> = (0..SAMPLES.len())
            .filter(|row| SAMPLES.get(*row).is_some_and(|(kind, ..)| kinds.contains(*kind)))
            .collect();
        let round_bytes: usize =
            rows.iter().filter_map(|row| SAMPLES.get(*row)).map(|(_, _, text)| text.len() + 1).sum();
        let rounds = WARM_UP_BYTES / 2 / round_bytes.max(1);
        Self { chunks: vec![rows.repeat(rounds); 2] }
    }

    fn fields(
        &self,
        chunk: usize,
    ) -> Option<impl Iterator<Item = &'static (Kind, &'static str, &'static str)>> {
        self.chunks.get(chunk).map(|rows| rows.iter().filter_map(|row| SAMPLES.get(*row)))
    }
}

impl ChunkSource for Synthetic {
    fn len(&self) -> usize {
        self.chunks.len()
    }

    fn is_dropped(&self, _chunk: usize) -> bool {
        false
    }

    fn text_bytes(&self) -> usize {
        (0..self.len()).filter_map(|chunk| self.fields(chunk)).flatten().map(|(_, _, text)| text.len()).sum()
    }

    fn info(&self, chunk: usize) -> Option<ChunkInfo> {
        let event_count = self.chunks.get(chunk)?.len();
        let start_ms = 1_700_000_000_000 + 10_000 * chunk as u64;
        Some(ChunkInfo {
            project_id: "00000000-0000-4000-8000-000000000001".to_owned(),
            session_id: "00000000-0000-4000-8000-000000000002".to_owned(),
            chunk_index: u32::try_from(chunk).ok()?,
            page: PAGE,
            timestamp_start_ms: start_ms,
            timestamp_end_ms: start_ms + 9_000,
            event_count: u32::try_from(event_count).ok()?,
            has_full_snapshot: chunk == 0,
            page_url: (chunk > 0).then(|| "https://shop.example/checkout".to_owned()),
        })
    }

    fn view(&self, chunk: usize, kinds: Kinds) -> Option<View> {
        let mut view = View { names: vec![String::new()], ..View::default() };
        for (event, (kind, name, text)) in self.fields(chunk)?.enumerate() {
            if !kinds.contains(*kind) {
                continue;
            }
            let name = view.names.iter().position(|known| known == name).unwrap_or_else(|| {
                view.names.push((*name).to_owned());
                view.names.len() - 1
            });
            let start = view.text.len();
            view.text.extend_from_slice(text.as_bytes());
            let end = view.text.len();
            view.text.push(b'\n');
            let node = 100 + event;
            for number in [event, node, *kind as usize, name, PAGE as usize, node - 1, start, end] {
                view.index.extend_from_slice(&u32::try_from(number).ok()?.to_le_bytes());
            }
        }
        Some(view)
    }

    fn focus(&self, chunk: usize) -> Option<Vec<u8>> {
        self.chunks.get(chunk)?;
        Some([6_u32, 106, 1].iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    fn moves(&self, chunk: usize) -> Option<Vec<u8>> {
        let events = u32::try_from(self.chunks.get(chunk)?.len()).ok()?;
        let moves =
            (0..events).step_by(7).flat_map(|event| (0..4).map(move |at| [event, at, 30 * event + 5 * at]));
        Some(moves.flatten().flat_map(u32::to_le_bytes).collect())
    }

    fn nodes(&self, chunk: usize) -> Option<Vec<u8>> {
        let fields = u32::try_from(self.chunks.get(chunk)?.len()).ok()?;
        Some((100..100 + fields).flat_map(u32::to_le_bytes).collect())
    }

    fn element(&self, chunk: usize, node: u32) -> Option<Element> {
        self.chunks.get(chunk)?;
        // Every other one is known.
        node.is_multiple_of(2).then(|| Element {
            node,
            parent: if node > ROOT { ROOT } else { 0 },
            tag: "input".to_owned(),
            attributes: vec![("type".to_owned(), "text".to_owned()), ("name".to_owned(), "mail".to_owned())],
        })
    }

    fn events(&self, chunk: usize) -> Option<Vec<u8>> {
        let events: Vec<serde_json::Value> = self
            .fields(chunk)?
            .enumerate()
            .map(|(at, (_, _, text))| {
                serde_json::json!({
                    "type": 3,
                    "timestamp": 1_700_000_000_000_u64 + 10_000 * chunk as u64 + at as u64,
                    "data": { "source": 5, "id": 100 + at, "text": text, "isChecked": false },
                })
            })
            .collect();
        serde_json::to_vec(&events).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_has_text_of_the_kinds_asked_for() {
        for kinds in [Kinds::ALL, Kinds::from_iter([Kind::Text]), Kinds::from_iter([Kind::Custom])] {
            let bytes = Synthetic::warm_up(kinds).text_bytes();
            assert!((WARM_UP_BYTES * 8 / 10..=WARM_UP_BYTES).contains(&bytes), "{bytes}");
        }
        assert_eq!(Synthetic::warm_up(Kinds::default()).text_bytes(), 0);
        assert_eq!(Synthetic::warm_up(Kinds::from_iter([Kind::Pixels])).text_bytes(), 0);
    }

    #[test]
    fn an_index_names_the_fields() {
        let view = Synthetic::trial().view(1, Kinds::from_iter([Kind::Input])).unwrap();
        let numbers: Vec<u32> =
            view.index.chunks_exact(4).map(|number| u32::from_le_bytes(number.try_into().unwrap())).collect();
        let rows: Vec<&[u32]> = numbers.chunks_exact(8).collect();
        let texts: Vec<&[u8]> = rows.iter().map(|row| &view.text[row[6] as usize..row[7] as usize]).collect();
        assert_eq!(texts, [&b"4111111111111111"[..], b"anna.smith@exampl"]);
        assert_eq!(view.names[rows[0][3] as usize], "value");
    }
}
