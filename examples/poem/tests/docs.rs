//! The page `docs/writing-an-adapter.md` shows the code of this example.

const PAGE: &str = include_str!("../../../docs/writing-an-adapter.md");
const ADAPTER: &str = include_str!("../adapter.rs");
const TESTS: &str = include_str!("adapter.rs");

#[test]
fn the_code_blocks_of_the_page_are_the_example_without_its_imports() {
    let blocks: Vec<_> =
        PAGE.split("```rust\n").skip(1).map(|block| block.split("```").next().unwrap_or_default()).collect();
    for block in &blocks {
        assert!(ADAPTER.contains(block) || TESTS.contains(block), "this is not in the example:\n{block}");
    }
    let (tests, adapter) = blocks.split_last().expect("the page has code");
    let shown = adapter.join("\n");
    let (_imports, code) =
        ADAPTER.split_once("\n/// Records a segment").expect("the example begins with its middleware");
    assert_eq!(shown, format!("/// Records a segment{code}"), "the page leaves out a part of the adapter");
    assert!(TESTS.ends_with(tests), "the page leaves out a part of the tests");
}
