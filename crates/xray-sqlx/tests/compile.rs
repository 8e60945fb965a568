//! What the compiler says where a type of sqlx is named and a wrapper is given.

#[test]
fn a_wrapper_is_no_type_of_sqlx() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
