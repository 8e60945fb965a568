//! Searches in short texts, which compilers turn into vector instructions: 16 bytes at a time, without a branch for each.

/// Whether `is` holds for a byte.
#[inline]
pub(crate) fn any(text: &[u8], is: impl Fn(u8) -> bool + Copy) -> bool {
    // The last chunk overlaps the one before.
    if let Some(last) = text.last_chunk::<16>() {
        any_of(last, is) || text.as_chunks::<16>().0.iter().any(|chunk| any_of(chunk, is))
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        any_of(first, is) || any_of(last, is)
    } else {
        text.iter().any(|byte| is(*byte))
    }
}

/// Returns the position of the first byte for which `is` holds.
#[inline]
pub(crate) fn position(text: &[u8], is: impl Fn(u8) -> bool + Copy) -> Option<usize> {
    let skipped = text.as_chunks::<16>().0.iter().take_while(|chunk| !any_of(chunk, is)).count() * 16;
    text[skipped..].iter().position(|byte| is(*byte)).map(|at| skipped + at)
}

#[inline]
fn any_of<const N: usize>(chunk: &[u8; N], is: impl Fn(u8) -> bool) -> bool {
    chunk.iter().fold(false, |any, byte| any | is(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn the_first_byte_is_found_at_any_position(text in "[a-c]{0,70}") {
            let is = |byte| byte == b'a';
            prop_assert_eq!(super::position(text.as_bytes(), is), text.find('a'));
            prop_assert_eq!(super::any(text.as_bytes(), is), text.contains('a'));
        }

        #[test]
        fn a_single_byte_is_found_at_any_position(before in "b{0,70}", after in "b{0,70}") {
            let text = format!("{before}a{after}");
            prop_assert_eq!(super::position(text.as_bytes(), |byte| byte == b'a'), Some(before.len()));
            prop_assert!(super::any(text.as_bytes(), |byte| byte == b'a'));
        }
    }
}
