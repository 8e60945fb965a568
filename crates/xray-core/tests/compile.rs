//! Misuse does not compile, and the compiler's message names the solution.

#[test]
fn compiler_messages_name_the_solution() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
