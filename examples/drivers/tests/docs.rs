//! The page `docs/databases.md` shows the code of this example.

const PAGE: &str = include_str!("../../../docs/databases.md");
const EXAMPLE: [&str; 3] =
    [include_str!("../postgres.rs"), include_str!("../deadpool.rs"), include_str!("../sqlite.rs")];

#[test]
fn the_code_of_the_page_is_the_example() {
    let blocks: Vec<_> =
        PAGE.split("```rust\n").skip(1).map(|block| block.split("```").next().unwrap_or_default()).collect();
    assert_eq!(blocks.len(), 5);
    for block in blocks {
        assert!(EXAMPLE.iter().any(|file| file.contains(block)), "this is not in the example:\n{block}");
    }
}
