//! What does not compile, and the way out that the compiler names.

#[test]
fn messages_of_the_compiler_name_the_way_out() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
