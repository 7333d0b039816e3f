//! The likeliest mistakes in a model, and what the compiler says of them.
//!
//! Each file in `compile_fail/` makes one; the file beside it has the words. After a change of the derives:
//! `TRYBUILD=overwrite cargo test --workspace --test compile_fail`, and the diff is read.
//!
//! Only errors that the derives themselves report are in there: those of the compiler change from one version to the next.

#[test]
fn mistakes_in_a_model_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
