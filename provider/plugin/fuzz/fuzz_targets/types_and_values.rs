#![no_main]

#[allow(dead_code, reason = "the others have targets of their own")]
#[path = "../decoders.rs"]
mod decoders;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoders::types_and_values(data));
