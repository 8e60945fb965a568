//! Searches in short texts, which compilers turn into vector instructions: 16 bytes at a time, without a branch for each.

/// Whether `is` holds for a byte.
#[inline]
pub(crate) fn any(text: &[u8], is: impl Fn(u8) -> bool + Copy) -> bool {
    let Some(last) = text.last_chunk::<16>() else {
        return text.iter().any(|byte| is(*byte));
    };
    // The last chunk overlaps the one before.
    any_in(last, is) || text.as_chunks::<16>().0.iter().any(|chunk| any_in(chunk, is))
}

/// Returns the position of the first byte for which `is` holds.
#[inline]
pub(crate) fn position(text: &[u8], is: impl Fn(u8) -> bool + Copy) -> Option<usize> {
    let Some(last) = text.last_chunk::<16>() else {
        return text.iter().position(|byte| is(*byte));
    };
    for (index, chunk) in text.as_chunks::<16>().0.iter().enumerate() {
        if let Some(at) = position_in(chunk, is) {
            return Some(index * 16 + at);
        }
    }
    // The last chunk overlaps the one before.
    position_in(last, is).map(|at| text.len() - 16 + at)
}

#[inline(always)]
fn position_in(chunk: &[u8; 16], is: impl Fn(u8) -> bool) -> Option<usize> {
    let mut found = [0; 16];
    for (found, byte) in found.iter_mut().zip(chunk) {
        *found = if is(*byte) { 0xff } else { 0 };
    }
    let found = u128::from_le_bytes(found);
    if found == 0 { None } else { Some(found.trailing_zeros() as usize / 8) }
}

#[inline(always)]
fn any_in(chunk: &[u8; 16], is: impl Fn(u8) -> bool) -> bool {
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
