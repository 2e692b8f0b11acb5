//! Cut-off, damaged, newer and arbitrary bytes: an error, never a panic and never a wrong index.

use proptest::prelude::*;

use super::*;

#[test]
fn every_truncation_is_an_error() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        let (bytes, row) = object(3, codec);
        let members_end = row.index.last().unwrap().end() as usize + separator(codec).len();
        for len in 0..bytes.len() {
            assert!(read_object(&bytes[..len]).is_err(), "cut after {len} bytes");
            assert!(read_index(&bytes[..len], row.object_size).is_err(), "lost all after {len} bytes");
            assert_eq!(verify(&bytes[..len], &row.header, &row.index).is_err(), len < members_end);
        }
        let index = encode_index(&row.header, &row.index);
        for len in 0..index.len() {
            assert!(decode_index(&index[..len]).is_err(), "index cut after {len} bytes");
        }
        let mut longer = index;
        longer.push(0);
        assert!(decode_index(&longer).is_err());
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        let (bytes, _) = object(2, codec);
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.to_vec();
                damaged[position] ^= 1 << bit;
                assert!(row_of("key".into(), &damaged).is_err(), "bit {bit} of byte {position}");
            }
        }
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let (bytes, row) = object(2, Codec::Gzip);
    let mut index = encode_index(&row.header, &row.index);
    index[4] = 2;
    let error = decode_index(&index).unwrap_err();
    assert_eq!(error, ArchiveError::Newer { found: 2 });
    assert!(error.to_string().contains("version 2"));

    let mut newer = bytes.to_vec();
    let trailer = memchr::memmem::rfind(&newer, b"GSRT").unwrap();
    newer[trailer + 4] = 7;
    assert_eq!(read_object(&newer), Err(ArchiveError::Newer { found: 7 }));
}

#[test]
fn verify_finds_what_does_not_match() {
    let (bytes, row) = object(3, Codec::Gzip);
    verify(&bytes, &row.header, &row.index).unwrap();
    let mut index = row.index.clone();
    index[1].offset += 1;
    assert!(verify(&bytes, &row.header, &index).is_err());
    index = row.index.clone();
    index[2].length = u64::MAX;
    assert!(verify(&bytes, &row.header, &index).is_err());
    let other = ObjectHeader { codec: Codec::Zstd, ..row.header.clone() };
    assert!(verify(&bytes, &other, &row.index).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000), size in any::<u64>()) {
        let _ = decode_index(&bytes);
        let _ = read_index(&bytes, size);
        prop_assert!(read_object(&bytes).is_err());
    }

    #[test]
    fn damaged_objects_never_panic(
        chunks in 0u32..6,
        zstd in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 8]>()), 1..4),
    ) {
        let (bytes, row) = object(chunks, if zstd { Codec::Zstd } else { Codec::Gzip });
        let mut damaged = bytes.to_vec();
        for (position, replacement) in edits {
            let start = position.index(damaged.len());
            for (byte, new) in damaged[start..].iter_mut().zip(replacement) {
                *byte = new;
            }
        }
        if damaged != bytes {
            prop_assert!(row_of("key".into(), &damaged).is_err());
        }
        let _ = read_index(&damaged, row.object_size);
        // Also a body whose checksum is right, so that the index itself is what is tried.
        let mut index = encode_index(&row.header, &row.index);
        let len = index.len();
        index.copy_from_slice(&damaged[damaged.len() - len..]);
        let _ = decode_index(&index);
    }

    #[test]
    fn decoded_indexes_encode_to_the_same_bytes(chunks in 0u32..20, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
        let (_, row) = object(chunks, Codec::Gzip);
        let mut index = encode_index(&row.header, &row.index);
        for (position, value) in flips {
            let position = position.index(index.len());
            index[position] = value;
        }
        if let Ok((header, entries)) = decode_index(&index) {
            prop_assert_eq!(encode_index(&header, &entries), index);
        }
    }
}
